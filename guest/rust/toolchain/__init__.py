"""Find or make the Rust compiler for wasm32-wasip1; nothing here compiles the guests themselves."""
