# What an older CMake is to know of the system WASI; newer ones have their own.
set(WASI 1)
set_property(GLOBAL PROPERTY TARGET_SUPPORTS_SHARED_LIBS FALSE)
