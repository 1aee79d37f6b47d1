//! WASI-NN for WebAssembly core modules (`wasm32-wasip1`).
//!
//! [`raw`] is generated from the witx text of the interface: its types, its imports, and a thin typed
//! function for each. Every layout is asserted at compile time. No dependencies, no `std`.
#![no_std]

#[rustfmt::skip] // generated
pub mod raw;

// What only some hosts have: an import a host lacks does not link.
#[cfg(feature = "extensions")]
#[rustfmt::skip] // generated
pub mod raw_config;
#[cfg(feature = "extensions")]
#[rustfmt::skip] // generated
pub mod raw_finalize;
#[cfg(feature = "extensions")]
#[rustfmt::skip] // generated
pub mod raw_single;
#[cfg(feature = "extensions")]
#[rustfmt::skip] // generated
pub mod raw_unload;
