//! Everything unsafe that is written by hand: slices as bytes, and the calls, as safe functions.
//!
//! With `fake` the calls go to it. Otherwise they are the imports on wasm32, and answer an error elsewhere.

use crate::element::Element;
use crate::raw::List;

#[cfg(feature = "fake")]
pub(crate) use crate::fake::host::*;
#[cfg(all(target_arch = "wasm32", not(feature = "fake")))]
pub(crate) use imports::*;
#[cfg(all(not(target_arch = "wasm32"), not(feature = "fake")))]
pub(crate) use nowhere::*;

/// The elements as bytes.
pub(crate) fn bytes<T: Element>(elements: &[T]) -> &[u8] {
    // SAFETY: an `Element` has no padding, any byte is a `u8`, and the size is that of the slice.
    unsafe { core::slice::from_raw_parts(elements.as_ptr().cast(), core::mem::size_of_val(elements)) }
}

/// The elements as bytes, to be written.
pub(crate) fn bytes_mut<T: Element>(elements: &mut [T]) -> &mut [u8] {
    // SAFETY: as in `bytes`; and whatever is written is a `T`, since every bit pattern is a value of an
    // `Element`.
    unsafe { core::slice::from_raw_parts_mut(elements.as_mut_ptr().cast(), core::mem::size_of_val(elements)) }
}

/// The slice a list was made of.
pub(crate) fn slice<T>(list: List<'_, T>) -> &[T] {
    // SAFETY: a list is made by `List::new` only, of a slice that lives as long; the guest is handed none by
    // a host.
    unsafe { core::slice::from_raw_parts(list.as_ptr(), list.len()) }
}

#[cfg(all(target_arch = "wasm32", not(feature = "fake")))]
mod imports {
    use crate::raw::{import, BufferSize, GraphExecutionContext, NnErrno};

    pub(crate) use crate::raw::{compute, init_execution_context, load, load_by_name, set_input};
    #[cfg(feature = "extensions")]
    pub(crate) use crate::{
        raw_config::load_by_name_with_config, raw_finalize::finalize_execution_context, raw_unload::unload,
    };

    /// Copies an output; the code and the size the host wrote, 0 where it wrote none.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "usize is u32 on wasm32, and an error crosses as a core integer"
    )]
    pub(crate) fn get_output(
        context: GraphExecutionContext,
        index: u32,
        buffer: &mut [u8],
    ) -> (NnErrno, usize) {
        let mut size: BufferSize = 0;
        // SAFETY: the host writes at most as many bytes as the buffer has, and the size; both live during the
        // call.
        let code = unsafe {
            // Not `raw::get_output`: that drops the size that comes with an error, the answer to a size query.
            import::get_output(context, index, buffer.as_mut_ptr(), buffer.len() as BufferSize, &mut size)
        };
        (NnErrno(code as u16), size as usize)
    }
}

/// There is no host.
#[cfg(all(not(target_arch = "wasm32"), not(feature = "fake")))]
mod nowhere {
    use crate::raw::{
        ExecutionTarget, Graph, GraphBuilder, GraphEncoding, GraphExecutionContext, NnErrno, Tensor,
    };

    const ANSWER: NnErrno = NnErrno::UNSUPPORTED_OPERATION;

    pub(crate) fn load(
        _: &[GraphBuilder<'_>],
        _: GraphEncoding,
        _: ExecutionTarget,
    ) -> Result<Graph, NnErrno> {
        Err(ANSWER)
    }

    pub(crate) fn load_by_name(_: &str) -> Result<Graph, NnErrno> {
        Err(ANSWER)
    }

    pub(crate) fn init_execution_context(_: Graph) -> Result<GraphExecutionContext, NnErrno> {
        Err(ANSWER)
    }

    pub(crate) fn set_input(_: GraphExecutionContext, _: u32, _: &Tensor<'_>) -> Result<(), NnErrno> {
        Err(ANSWER)
    }

    pub(crate) fn compute(_: GraphExecutionContext) -> Result<(), NnErrno> {
        Err(ANSWER)
    }

    pub(crate) fn get_output(_: GraphExecutionContext, _: u32, _: &mut [u8]) -> (NnErrno, usize) {
        (ANSWER, 0)
    }

    #[cfg(feature = "extensions")]
    pub(crate) fn load_by_name_with_config(_: &str, _: &str) -> Result<Graph, NnErrno> {
        Err(ANSWER)
    }

    #[cfg(feature = "extensions")]
    pub(crate) fn unload(_: Graph) -> Result<(), NnErrno> {
        Err(ANSWER)
    }

    #[cfg(feature = "extensions")]
    pub(crate) fn finalize_execution_context(_: GraphExecutionContext) -> Result<(), NnErrno> {
        Err(ANSWER)
    }
}
