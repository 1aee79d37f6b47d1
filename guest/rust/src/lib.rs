//! WASI-NN for WebAssembly core modules (`wasm32-wasip1`): ask the host to run a trained model.
//!
//! ```no_run
//! use wasinn::{Graph, Tensor};
//!
//! # fn main() -> Result<(), wasinn::Error> {
//! let pixels = vec![0.0_f32; 3 * 227 * 227];
//! let graph = Graph::load_by_name("squeezenet")?;
//! let mut context = graph.init_execution_context()?;
//! context.run(&[Tensor::new(&[1, 3, 227, 227], &pixels)?.into()])?;
//! let scores: Vec<f32> = context.get_output_vec(0)?;
//! println!("class {:?}", wasinn::math::argmax(&scores));
//! # Ok(())
//! # }
//! ```
//!
//! - [`GraphBuilder`] loads a model from bytes or files, [`Graph::load_by_name`] one that is registered.
//! - [`ExecutionContext`] takes inputs, computes, gives outputs. Its docs say how long an input must live.
//! - [`Tensor`] is a shape and elements of a type that is an [`Element`], [`F16`] among them.
//! - [`image`] and [`math`] do what stands before and after a model: resizing and layout, softmax and top-k.
//! - [`sha256`] tells whether a model is the one that was expected.
//! - [`reactor!`] makes a guest that stays alive and answers records, for bulk work.
//! - [`raw`] is generated from the witx text of the interface; every layout in it is asserted.
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `std` (default) | [`GraphBuilder::build_from_files`], `Error::File`, [`reactor!`]; turns on `alloc` |
//! | `alloc` | what returns a `Vec`: the only functions that allocate |
//! | `extensions` | calls that only some hosts have: a guest that makes one does not start elsewhere |
//! | `fake` | `wasinn::fake`, an in-process host for unit tests: **no import is made**, on any target |
//!
//! Without `std` the crate is `no_std`; without `alloc` it needs no allocator. It has no dependencies.
//!
//! # Other targets
//!
//! On anything but `wasm32` the crate compiles and every call answers [`Error::UnsupportedOperation`], unless
//! `fake` is on. The functions in [`raw`] are the imports themselves and link on `wasm32` only.
#![no_std]
#![cfg_attr(test, allow(clippy::float_cmp, reason = "exact results are the claim"))]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod context;
mod element;
mod error;
mod f16;
#[cfg(feature = "fake")]
pub mod fake;
mod graph;
pub mod image;
pub mod math;
#[allow(unsafe_code, reason = "generated: the imports")]
#[rustfmt::skip] // generated
pub mod raw;
#[cfg(feature = "std")]
pub mod reactor;
pub mod sha256;
#[allow(unsafe_code, reason = "everything unsafe that is written by hand is here")]
mod sys;
mod tensor;

// What only some hosts have: an import a host lacks does not link.
#[cfg(feature = "extensions")]
#[allow(unsafe_code, reason = "generated: the imports")]
#[rustfmt::skip] // generated
pub mod raw_config;
#[cfg(feature = "extensions")]
#[allow(unsafe_code, reason = "generated: the imports")]
#[rustfmt::skip] // generated
pub mod raw_finalize;
#[cfg(feature = "extensions")]
#[allow(unsafe_code, reason = "generated: the imports")]
#[rustfmt::skip] // generated
pub mod raw_single;
#[cfg(feature = "extensions")]
#[allow(unsafe_code, reason = "generated: the imports")]
#[rustfmt::skip] // generated
pub mod raw_unload;

pub use context::ExecutionContext;
pub use element::Element;
pub use error::Error;
pub use f16::F16;
pub use graph::{Graph, GraphBuilder};
pub use raw::{ExecutionTarget, GraphEncoding, NnErrno, TensorType};
pub use tensor::{AnyTensor, Tensor};

/// [`ExecutionContext`] under the name the interface gives it.
pub type GraphExecutionContext = ExecutionContext;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
