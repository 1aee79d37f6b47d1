"""Find or make the C and C++ compiler for wasm32-wasi; nothing here compiles the guests themselves."""
