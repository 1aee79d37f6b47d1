//! Guests that stay alive and answer records: [`reactor!`](crate::reactor!) exports a function to the host.

use std::fmt::Display;
use std::ptr;
use std::string::ToString;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::vec::Vec;

/// Exports a function from the bytes of one record to those of its answer; once in a guest.
///
/// The function is `fn(&[u8]) -> Result<A, E>`, where `A` is `Vec<u8>`, `String` or what else goes into a
/// `Vec<u8>`, and `E` has [`Display`]: the host shows that beside the record, and goes on with the next. A
/// panic ends the guest, and the host makes a fresh one.
///
/// The crate is a `cdylib`; what it keeps in statics is there for the next record.
///
/// ```
/// use std::cell::RefCell;
/// use wasinn::{ExecutionContext, Graph, Tensor};
///
/// thread_local!(static CONTEXT: RefCell<Option<ExecutionContext>> = const { RefCell::new(None) });
///
/// fn rate(record: &[u8]) -> Result<String, wasinn::Error> {
///     CONTEXT.with_borrow_mut(|context| {
///         let context = match context {
///             Some(context) => context,
///             None => context.insert(Graph::load_by_name("rating")?.init_execution_context()?),
///         };
///         context.run(&[Tensor::new(&[1, record.len() as u32], record)?.into()])?;
///         Ok(format!("{:?}", context.get_output_vec::<f32>(0)?))
///     })
/// }
///
/// wasinn::reactor!(rate);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! reactor {
    ($function:path) => {
        const _: () = {
            static REACTOR: $crate::reactor::Reactor = $crate::reactor::Reactor::new();

            #[no_mangle]
            extern "C" fn wasi_nn_alloc(size: usize) -> *mut u8 {
                REACTOR.alloc(size)
            }

            #[no_mangle]
            extern "C" fn wasi_nn_map(record: *const u8, size: usize) -> *const usize {
                REACTOR.map($function, record, size)
            }
        };
    };
}

/// What [`reactor!`](crate::reactor!) keeps between the calls of the host.
#[doc(hidden)]
pub struct Reactor {
    record: Mutex<Vec<u8>>,
    answer: Mutex<Vec<u8>>,
    /// What the host reads: a code, and where the answer is.
    result: [AtomicUsize; 3],
}

impl Reactor {
    #[doc(hidden)]
    #[must_use]
    #[allow(clippy::new_without_default, reason = "for a static")]
    pub const fn new() -> Self {
        Self {
            record: Mutex::new(Vec::new()),
            answer: Mutex::new(Vec::new()),
            result: [const { AtomicUsize::new(0) }; 3],
        }
    }

    /// Gives the host `size` bytes to write a record to, in place of the last; null when there are not as many.
    #[doc(hidden)]
    pub fn alloc(&self, size: usize) -> *mut u8 {
        let mut record = lock(&self.record);
        *record = Vec::new(); // first, so that both need not fit
        if record.try_reserve_exact(size).is_err() {
            return ptr::null_mut();
        }
        record.resize(size, 0);
        record.as_mut_ptr() // of none, it is not null either
    }

    /// Answers the record that the host wrote to the beginning of what it was given.
    ///
    /// # Panics
    ///
    /// When it was not given that.
    #[doc(hidden)]
    pub fn map<A: Into<Vec<u8>>, E: Display>(
        &self,
        function: impl Fn(&[u8]) -> Result<A, E>,
        record: *const u8,
        size: usize,
    ) -> *const usize {
        let buffer = lock(&self.record);
        assert!(ptr::eq(record, buffer.as_ptr()), "a record that is not in the buffer for it");
        let (code, bytes) = match function(&buffer[..size]) {
            Ok(answer) => (0, answer.into()),
            Err(error) => (1, error.to_string().into_bytes()),
        };
        let mut answer = lock(&self.answer);
        *answer = bytes; // lives until the next record
        for (word, value) in self.result.iter().zip([code, answer.as_ptr() as usize, answer.len()]) {
            word.store(value, Ordering::Relaxed);
        }
        self.result.as_ptr().cast()
    }
}

fn lock(bytes: &Mutex<Vec<u8>>) -> MutexGuard<'_, Vec<u8>> {
    bytes.lock().unwrap_or_else(PoisonError::into_inner)
}
