"""wasinn-gen: turn witx text into C headers, Rust bindings and the host's ABI tables."""
