"""Bindings to one model: what it takes and gives, as constants and typed functions in C and Rust."""
