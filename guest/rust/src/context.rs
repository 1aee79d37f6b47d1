//! Running a model.

use crate::element::Element;
use crate::error::Error;
use crate::raw::{self, NnErrno};
use crate::sys;
use crate::tensor::AnyTensor;
#[cfg(feature = "alloc")]
use alloc::vec::Vec;

/// The most bytes of an output that `get_output_vec` takes.
#[cfg(feature = "alloc")]
const MAX_OUTPUT: usize = 1 << 30;
/// Where it begins, in bytes, on a host that does not tell the size.
#[cfg(feature = "alloc")]
const FIRST_GUESS: usize = 4096;

/// One execution of a graph: its inputs, its state and its outputs.
///
/// # How long an input must live
///
/// Some hosts copy a tensor in [`set_input`](Self::set_input), others only note where it is and read it at
/// [`compute`](Self::compute). Use [`run`](Self::run), which borrows the inputs until the model has run, and
/// it is always right. After `set_input`, keep the tensor's shape and elements alive and unchanged until
/// `compute` has returned; otherwise such a host computes on whatever is in that memory by then. That is a
/// wrong result and nothing worse: a host reads no memory but the guest's.
///
/// # End of life
///
/// It lives until the guest ends, dropped or not: the interface has no call to release it. Where the host has
/// that extension, `finalize` does.
#[derive(Debug)]
pub struct ExecutionContext(pub(crate) raw::GraphExecutionContext);

impl ExecutionContext {
    /// Binds the inputs, the first to index 0, and runs the model. Inputs bound before at other indices stay.
    ///
    /// ```no_run
    /// # use wasinn::{Error, ExecutionContext, Tensor};
    /// # fn example(context: &mut ExecutionContext, audio: &[f32], state: &[f32]) -> Result<(), Error> {
    /// context.run(&[Tensor::new(&[1, 512], audio)?.into(), Tensor::new(&[2, 1, 128], state)?.into()])?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// What the host answers, of the first call that fails.
    pub fn run(&mut self, inputs: &[AnyTensor<'_>]) -> Result<(), Error> {
        for (index, input) in (0..).zip(inputs) {
            // By reference, so that the record too is where it was until the model has run.
            sys::set_input(self.0, index, &input.0)?;
        }
        self.compute()
    }

    /// Binds a tensor to an input: 0 is the model's first. It replaces an earlier one and stays for further
    /// computations.
    ///
    /// The tensor must outlive [`compute`](Self::compute): see [above](Self#how-long-an-input-must-live).
    ///
    /// # Errors
    ///
    /// What the host answers.
    pub fn set_input<'a>(&mut self, index: u32, tensor: impl Into<AnyTensor<'a>>) -> Result<(), Error> {
        Ok(sys::set_input(self.0, index, &tensor.into().0)?)
    }

    /// Runs the model on the inputs that are bound.
    ///
    /// # Errors
    ///
    /// What the host answers.
    pub fn compute(&mut self) -> Result<(), Error> {
        Ok(sys::compute(self.0)?)
    }

    /// Copies an output into `buffer`; how many **elements** were written. What is behind them stays as it
    /// was.
    ///
    /// ```no_run
    /// # use wasinn::{Error, ExecutionContext};
    /// # fn example(context: &ExecutionContext) -> Result<(), Error> {
    /// let mut scores = [0.0_f32; 1000];
    /// let count = context.get_output_into(0, &mut scores)?;
    /// println!("{:?}", &scores[..count]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// What the host answers: [`Error::TooLarge`] when the buffer is too small, also where the host says that
    /// it wrote more than there was room for. [`Error::ElementType`] for a size that is no whole number of
    /// elements; the buffer holds bytes of the output then.
    pub fn get_output_into<T: Element>(&self, index: u32, buffer: &mut [T]) -> Result<usize, Error> {
        let bytes = sys::bytes_mut(buffer);
        let room = bytes.len();
        let (code, written) = sys::get_output(self.0, index, bytes);
        elements::<T>(code, written, room)
    }

    /// Asks how many bytes an output has: `None` where the host does not say.
    ///
    /// # Errors
    ///
    /// What the host answers, but for `too_large`, which is the expected answer.
    pub fn output_size(&self, index: u32) -> Result<Option<usize>, Error> {
        match sys::get_output(self.0, index, &mut []) {
            // A host that cuts an output to the room there is looks the same as one with an empty output.
            (NnErrno::SUCCESS | NnErrno::TOO_LARGE, 0) => Ok(None),
            (NnErrno::SUCCESS | NnErrno::TOO_LARGE, size) => Ok(Some(size)),
            (code, _) => Err(code.into()),
        }
    }

    /// Returns an output in a vector of the right length, whatever it is, up to 1 GiB.
    ///
    /// Where the host tells the size this copies once. Where not, it tries 4 KiB, then eight times that, and
    /// so on.
    ///
    /// # Errors
    ///
    /// As [`get_output_into`](Self::get_output_into); [`Error::TooLarge`] over 1 GiB and when out of memory.
    #[cfg(feature = "alloc")]
    pub fn get_output_vec<T: Element>(&self, index: u32) -> Result<Vec<T>, Error> {
        let mut buffer = Vec::new();
        if let Some(bytes) = self.output_size(index)? {
            grow(&mut buffer, bytes)?;
            let count = self.get_output_into(index, &mut buffer)?;
            buffer.truncate(count);
            return Ok(buffer);
        }
        let mut bytes = FIRST_GUESS;
        loop {
            grow(&mut buffer, bytes)?;
            match self.get_output_into(index, &mut buffer) {
                // A full buffer may be all a host had room for.
                Ok(count) if count < buffer.len() => {
                    buffer.truncate(count);
                    buffer.shrink_to_fit();
                    return Ok(buffer);
                }
                Ok(_) | Err(Error::TooLarge) => bytes = bytes.saturating_mul(8),
                Err(error) => return Err(error),
            }
        }
    }

    /// Releases the context; its graph stays.
    ///
    /// # Errors
    ///
    /// What the host answers.
    #[cfg(feature = "extensions")]
    pub fn finalize(self) -> Result<(), Error> {
        Ok(sys::finalize_execution_context(self.0)?)
    }

    /// The handle, for the functions in [`raw`].
    #[must_use]
    pub const fn raw(&self) -> raw::GraphExecutionContext {
        self.0
    }
}

/// How many elements an answer to `get_output` is.
fn elements<T: Element>(code: NnErrno, written: usize, room: usize) -> Result<usize, Error> {
    let size = core::mem::size_of::<T>();
    match code {
        NnErrno::SUCCESS if written > room => Err(Error::TooLarge),
        NnErrno::SUCCESS if written % size != 0 => Err(Error::ElementType { bytes: written, asked: T::TYPE }),
        NnErrno::SUCCESS => Ok(written / size),
        _ => Err(code.into()),
    }
}

/// Makes room for at least so many bytes.
#[cfg(feature = "alloc")]
fn grow<T: Element>(buffer: &mut Vec<T>, bytes: usize) -> Result<(), Error> {
    if bytes > MAX_OUTPUT {
        return Err(Error::TooLarge);
    }
    let count = bytes.div_ceil(core::mem::size_of::<T>());
    buffer.clear();
    buffer.try_reserve_exact(count).map_err(|_| Error::TooLarge)?;
    buffer.resize(count, T::default());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_larger_than_its_buffer_is_never_believed() {
        for written in [9, 12, usize::MAX] {
            assert!(matches!(elements::<f32>(NnErrno::SUCCESS, written, 8), Err(Error::TooLarge)));
        }
        assert_eq!(elements::<f32>(NnErrno::SUCCESS, 8, 8).unwrap(), 2);
    }

    #[test]
    fn an_error_stands_whatever_size_comes_with_it() {
        for written in [0, 4, usize::MAX] {
            assert!(matches!(elements::<u8>(NnErrno::BUSY, written, 8), Err(Error::Busy)));
        }
    }

    #[test]
    #[cfg(feature = "alloc")]
    fn an_announced_size_over_the_limit_is_not_allocated() {
        let mut buffer = Vec::<f64>::new();
        for bytes in [MAX_OUTPUT + 1, usize::MAX] {
            assert!(matches!(grow(&mut buffer, bytes), Err(Error::TooLarge)));
        }
        assert_eq!(buffer.capacity(), 0);
        grow(&mut buffer, 9).unwrap();
        assert_eq!(buffer.len(), 2);
    }
}
