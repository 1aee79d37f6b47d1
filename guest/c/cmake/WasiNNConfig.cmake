# The C and C++ SDK for WASI-NN guests, headers only: find_package(WasiNN CONFIG), then link one of
#   WasiNN::wasi_nn         for a guest, compiled for WebAssembly: wasi-sdk.cmake beside this file is a toolchain for it
#   WasiNN::wasi_nn_native  for native unit tests of a guest, which define the imports themselves
# It is found where `make install` put it, and in the source tree: -DWasiNN_DIR=guest/c/cmake.
if(NOT TARGET WasiNN::wasi_nn)
  get_filename_component(_wasi_nn_include "${CMAKE_CURRENT_LIST_DIR}/../../../include/wasi_nn" ABSOLUTE)
  if(NOT EXISTS "${_wasi_nn_include}/wasi_nn.h")
    get_filename_component(_wasi_nn_include "${CMAKE_CURRENT_LIST_DIR}/../include" ABSOLUTE)
  endif()
  if(NOT EXISTS "${_wasi_nn_include}/wasi_nn.h")
    set(WasiNN_FOUND FALSE)
    set(WasiNN_NOT_FOUND_MESSAGE "wasi_nn.h is not beside the CMake files; install it again")
    return()
  endif()

  add_library(WasiNN::wasi_nn INTERFACE IMPORTED)
  target_include_directories(WasiNN::wasi_nn INTERFACE "${_wasi_nn_include}")
  get_property(_wasi_nn_languages GLOBAL PROPERTY ENABLED_LANGUAGES)
  if("C" IN_LIST _wasi_nn_languages)
    target_compile_features(WasiNN::wasi_nn INTERFACE c_std_99)
  endif()
  if("CXX" IN_LIST _wasi_nn_languages)
    target_compile_features(WasiNN::wasi_nn INTERFACE cxx_std_17)
  endif()

  add_library(WasiNN::wasi_nn_native INTERFACE IMPORTED)
  target_compile_definitions(WasiNN::wasi_nn_native INTERFACE WASI_NN_NATIVE)
  target_link_libraries(WasiNN::wasi_nn_native INTERFACE WasiNN::wasi_nn)
  if(UNIX)
    target_link_libraries(WasiNN::wasi_nn_native INTERFACE m)
  endif()

  unset(_wasi_nn_include)
  unset(_wasi_nn_languages)
endif()
