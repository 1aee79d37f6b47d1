# CMake toolchain for WebAssembly guests, for any directory shaped like wasi-sdk:
#   cmake -S . -B build --toolchain .../wasi-sdk.cmake -DWASI_SDK_PATH=/opt/wasi-sdk
# Without the option $WASI_SDK_PATH is asked.
if(NOT WASI_SDK_PATH)
  set(WASI_SDK_PATH "$ENV{WASI_SDK_PATH}")
endif()
set(WASI_SDK_PATH "${WASI_SDK_PATH}" CACHE PATH "A directory shaped like wasi-sdk")
# CMake reads this file again for each check of the compiler, without the variables of the project.
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES WASI_SDK_PATH)

set(_wasi_sdk_suffix "")
if(CMAKE_HOST_WIN32)
  set(_wasi_sdk_suffix .exe)
endif()
# One from the environment: relative to what, CMake does not say.
if(WASI_SDK_PATH AND NOT IS_ABSOLUTE "${WASI_SDK_PATH}")
  message(FATAL_ERROR "WASI_SDK_PATH is the relative path '${WASI_SDK_PATH}': make it absolute")
endif()
if(NOT EXISTS "${WASI_SDK_PATH}/bin/clang${_wasi_sdk_suffix}")
  message(FATAL_ERROR "no wasi-sdk at '${WASI_SDK_PATH}': set WASI_SDK_PATH to a directory with bin/clang")
endif()

# Older CMakes do not know the system WASI and take Platform/WASI.cmake, beside this file.
list(APPEND CMAKE_MODULE_PATH "${CMAKE_CURRENT_LIST_DIR}")
set(CMAKE_SYSTEM_NAME WASI)
set(CMAKE_SYSTEM_PROCESSOR wasm32)
# The target is the one that the wasi-sdk compiles for by itself.
set(CMAKE_C_COMPILER "${WASI_SDK_PATH}/bin/clang${_wasi_sdk_suffix}")
set(CMAKE_CXX_COMPILER "${WASI_SDK_PATH}/bin/clang++${_wasi_sdk_suffix}")
set(CMAKE_AR "${WASI_SDK_PATH}/bin/llvm-ar${_wasi_sdk_suffix}" CACHE FILEPATH "Archiver")
set(CMAKE_RANLIB "${WASI_SDK_PATH}/bin/llvm-ranlib${_wasi_sdk_suffix}" CACHE FILEPATH "Indexer of archives")
set(CMAKE_EXECUTABLE_SUFFIX_C .wasm)
set(CMAKE_EXECUTABLE_SUFFIX_CXX .wasm)
# Exceptions do not link with most wasi-sdks.
set(CMAKE_CXX_FLAGS_INIT -fno-exceptions)

# Programs are the machine's own, libraries and headers are not; packages may be anywhere.
set(CMAKE_FIND_ROOT_PATH "${WASI_SDK_PATH}/share/wasi-sysroot")
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
