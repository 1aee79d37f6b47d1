//! Loading models.

use crate::context::ExecutionContext;
use crate::error::Error;
use crate::raw::{self, ExecutionTarget, GraphEncoding, List};
use crate::sys;

/// The most parts a model may come in; OpenVINO IR has two, every other encoding one.
const MAX_PARTS: usize = 16;
/// The largest model file, in bytes.
#[cfg(feature = "std")]
const MAX_FILE: u64 = 1 << 30;

/// Loads a model that the guest brings, as bytes or in files.
///
/// ```no_run
/// use wasinn::{ExecutionTarget, GraphBuilder, GraphEncoding};
/// # fn main() -> Result<(), wasinn::Error> {
/// let builder = GraphBuilder::new(GraphEncoding::OPENVINO, ExecutionTarget::CPU);
/// # #[cfg(feature = "std")]
/// let graph = builder.build_from_files(["model.xml", "model.bin"])?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GraphBuilder {
    encoding: GraphEncoding,
    target: ExecutionTarget,
}

impl GraphBuilder {
    /// A model of this format, for this kind of device.
    #[must_use]
    pub const fn new(encoding: GraphEncoding, target: ExecutionTarget) -> Self {
        Self { encoding, target }
    }

    /// Loads the model from its parts: for OpenVINO IR the XML, then the weights; else one. They may be freed
    /// afterwards.
    ///
    /// # Errors
    ///
    /// What the host answers; [`Error::TooLarge`] for more than 16 parts.
    pub fn build_from_bytes<B: AsRef<[u8]>>(self, parts: impl AsRef<[B]>) -> Result<Graph, Error> {
        let parts = parts.as_ref();
        let mut lists = [List::new(&[][..]); MAX_PARTS];
        let lists = lists.get_mut(..parts.len()).ok_or(Error::TooLarge)?;
        for (list, part) in lists.iter_mut().zip(parts) {
            *list = List::new(part.as_ref());
        }
        Ok(Graph(sys::load(lists, self.encoding, self.target)?))
    }

    /// Loads the model from files the guest may open, in the order of
    /// [`build_from_bytes`](Self::build_from_bytes). They are held in memory during the call.
    ///
    /// # Errors
    ///
    /// [`Error::File`] for one that cannot be read or has over 1 GiB, else as `build_from_bytes`.
    #[cfg(feature = "std")]
    pub fn build_from_files<P: AsRef<std::path::Path>>(self, files: impl AsRef<[P]>) -> Result<Graph, Error> {
        let read = |path: &P| {
            let path = path.as_ref();
            read_file(path).map_err(|source| Error::File { path: path.to_path_buf(), source })
        };
        let parts = files.as_ref().iter().map(read).collect::<Result<std::vec::Vec<_>, _>>()?;
        self.build_from_bytes(parts)
    }

    /// [`Graph::load_by_name`], under the name the `wasi-nn` crate gave it. Format and device are the
    /// operator's choice: those of the builder are not used.
    ///
    /// # Errors
    ///
    /// What the host answers.
    pub fn build_from_cache(self, name: impl AsRef<str>) -> Result<Graph, Error> {
        Graph::load_by_name(name.as_ref())
    }
}

#[cfg(feature = "std")]
fn read_file(path: &std::path::Path) -> std::io::Result<std::vec::Vec<u8>> {
    use std::io::{Error, ErrorKind, Read};
    let file = std::fs::File::open(path)?;
    let size = file.metadata()?.len();
    let mut data = std::vec::Vec::new();
    if size <= MAX_FILE {
        let room = usize::try_from(size).unwrap_or(usize::MAX);
        data.try_reserve_exact(room).map_err(|_| Error::from(ErrorKind::OutOfMemory))?;
        // A device may say 0 and go on for ever.
        if file.take(MAX_FILE + 1).read_to_end(&mut data)? as u64 <= MAX_FILE {
            return Ok(data);
        }
    }
    Err(Error::new(ErrorKind::InvalidData, "over 1 GiB"))
}

/// A loaded model.
///
/// It lives until the guest ends, dropped or not: the interface has no call to release it. Where the host has
/// that extension, `unload` does.
#[derive(Debug)]
pub struct Graph(raw::Graph);

impl Graph {
    /// Loads the model that the host's operator registered under a name. The name is never a path.
    ///
    /// # Errors
    ///
    /// What the host answers; [`Error::NotFound`] where it knows no such name.
    pub fn load_by_name(name: &str) -> Result<Self, Error> {
        Ok(Self(sys::load_by_name(name)?))
    }

    /// As [`load_by_name`](Self::load_by_name), with settings for this guest: a JSON object, whose keys the
    /// host defines.
    ///
    /// # Errors
    ///
    /// What the host answers.
    #[cfg(feature = "extensions")]
    pub fn load_by_name_with_config(name: &str, config: &str) -> Result<Self, Error> {
        Ok(Self(sys::load_by_name_with_config(name, config)?))
    }

    /// Makes a context to run the model in. One is enough; use it for input after input.
    ///
    /// # Errors
    ///
    /// What the host answers.
    pub fn init_execution_context(&self) -> Result<ExecutionContext, Error> {
        Ok(ExecutionContext(sys::init_execution_context(self.0)?))
    }

    /// Releases the model. Contexts of it should be finalized first: hosts differ in what becomes of them.
    ///
    /// # Errors
    ///
    /// What the host answers.
    #[cfg(feature = "extensions")]
    pub fn unload(self) -> Result<(), Error> {
        Ok(sys::unload(self.0)?)
    }

    /// The handle, for the functions in [`raw`].
    #[must_use]
    pub const fn raw(&self) -> raw::Graph {
        self.0
    }
}
