//! What can go wrong, and what to do about it.

use crate::raw::{NnErrno, TensorType};

/// Why a call failed.
///
/// Hosts disagree on which code they give for which mistake. A portable guest branches on
/// [`TooLarge`](Self::TooLarge) from an output and shows everything else to a person: `Display` says what
/// happened and what to try; the reason is on the host's side (`python -m host run -v`).
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The host found an argument wrong.
    InvalidArgument,
    /// The host has no backend for the model's format.
    InvalidEncoding,
    /// The guest exports no memory named `memory`.
    MissingMemory,
    /// The host is out of graphs or contexts.
    Busy,
    /// The host's backend failed.
    RuntimeError,
    /// The host knows the request and does not support it.
    UnsupportedOperation,
    /// A buffer, model or tensor is over a limit, or the output does not fit the buffer.
    TooLarge,
    /// No graph is registered under this name.
    NotFound,
    /// A code that the interface does not list, as the host gave it.
    Unknown(NnErrno),
    /// Noticed in the guest: the extents do not fit the number of elements.
    Shape {
        /// How many elements the extents ask for; `None` when that does not fit a `usize`.
        expected: Option<usize>,
        /// How many there are.
        found: usize,
    },
    /// Noticed in the guest: an image extent is zero or over [`MAX_EXTENT`](crate::image::MAX_EXTENT), two
    /// images that must be equally large are not, or a region is not inside its image.
    Extent,
    /// Noticed in the guest: an image of another number of channels, or not one mean and deviation for each.
    Channels {
        /// How many there must be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
    /// Noticed in the guest: an output is no whole number of elements, so that it is of another type.
    ElementType {
        /// The output's size in bytes.
        bytes: usize,
        /// The type that was asked for.
        asked: TensorType,
    },
    /// Noticed in the guest: the model's bytes are not those that were expected; the host was not asked.
    OtherModel {
        /// The first part that differs; for OpenVINO IR 0 is the XML and 1 the weights.
        part: usize,
    },
    /// Noticed in the guest: a model file that cannot be read.
    #[cfg(feature = "std")]
    File {
        /// The path as the caller gave it.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl Error {
    /// The code the host answered; `None` for a mistake noticed in the guest.
    #[must_use]
    pub const fn code(&self) -> Option<NnErrno> {
        Some(match self {
            Self::InvalidArgument => NnErrno::INVALID_ARGUMENT,
            Self::InvalidEncoding => NnErrno::INVALID_ENCODING,
            Self::MissingMemory => NnErrno::MISSING_MEMORY,
            Self::Busy => NnErrno::BUSY,
            Self::RuntimeError => NnErrno::RUNTIME_ERROR,
            Self::UnsupportedOperation => NnErrno::UNSUPPORTED_OPERATION,
            Self::TooLarge => NnErrno::TOO_LARGE,
            Self::NotFound => NnErrno::NOT_FOUND,
            Self::Unknown(code) => *code,
            _ => return None,
        })
    }

    /// What to try, in one sentence without a full stop.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::InvalidArgument => "compare index, shape and element type with the model's ports",
            Self::InvalidEncoding => "convert the model to a format the host reads, or name its own encoding",
            Self::MissingMemory => "link the guest so that it exports its memory",
            Self::Busy => "make graphs and contexts once and use them again",
            Self::RuntimeError => {
                "set every input before compute, compute before an output, and load a whole model"
            }
            Self::UnsupportedOperation => "try the target cpu, or a host that has this call",
            Self::TooLarge => "use a larger buffer, a smaller tensor, or raise the host's limit",
            Self::NotFound => "register the model with the host under exactly this name",
            Self::Unknown(_) => "the code is one of this host's own; see its documentation",
            Self::Shape { .. } => "the product of the extents must be the number of elements",
            Self::Extent => "an image is 1 to 8388608 pixels wide and high; a region lies inside it",
            Self::Channels { .. } => "use as many channels, means and deviations as the other image has",
            Self::OtherModel { .. } => {
                "use the model the bindings were made of, or make them again from this one"
            }
            Self::ElementType { .. } => "ask for the output's own element type",
            #[cfg(feature = "std")]
            Self::File { .. } => "check that the file exists and that its folder is open to the guest",
        }
    }
}

impl From<NnErrno> for Error {
    /// A code as the host gave it; `SUCCESS` too, which is no error, becomes `Unknown`.
    fn from(code: NnErrno) -> Self {
        match code {
            NnErrno::INVALID_ARGUMENT => Self::InvalidArgument,
            NnErrno::INVALID_ENCODING => Self::InvalidEncoding,
            NnErrno::MISSING_MEMORY => Self::MissingMemory,
            NnErrno::BUSY => Self::Busy,
            NnErrno::RUNTIME_ERROR => Self::RuntimeError,
            NnErrno::UNSUPPORTED_OPERATION => Self::UnsupportedOperation,
            NnErrno::TOO_LARGE => Self::TooLarge,
            NnErrno::NOT_FOUND => Self::NotFound,
            _ => Self::Unknown(code),
        }
    }
}

impl core::fmt::Display for Error {
    #[allow(clippy::unnecessary_debug_formatting, reason = "a path may hold control characters")]
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::InvalidArgument => f.write_str("invalid argument")?,
            Self::InvalidEncoding => f.write_str("the host has no backend for this model format")?,
            Self::MissingMemory => f.write_str("the guest exports no memory named `memory`")?,
            Self::Busy => f.write_str("the host is out of graphs or contexts")?,
            Self::RuntimeError => f.write_str("the host's backend failed")?,
            Self::UnsupportedOperation => f.write_str("the host does not support this")?,
            Self::TooLarge => f.write_str("too large")?,
            Self::NotFound => f.write_str("no graph is registered under this name")?,
            Self::Unknown(_) => f.write_str("unknown error")?,
            Self::Shape { expected: Some(expected), found } => {
                write!(f, "the shape has {expected} elements, the data {found}")?;
            }
            Self::Shape { expected: None, .. } => f.write_str("the shape is too large")?,
            Self::Extent => f.write_str("the image's extents do not fit")?,
            Self::Channels { expected, found } => write!(f, "{found} channels instead of {expected}")?,
            Self::ElementType { bytes, asked } => {
                let name = asked.name().unwrap_or("unknown");
                write!(f, "the output's {bytes} bytes are no whole number of {name} elements")?;
            }
            Self::OtherModel { part } => write!(f, "part {part} of the model is not the expected one")?,
            #[cfg(feature = "std")]
            Self::File { path, source } => {
                write!(f, "cannot read {path:?}: {source}")?;
            }
        }
        if let Some(NnErrno(code)) = self.code() {
            write!(f, " (wasi-nn error {code})")?;
        }
        write!(f, "; {}", self.hint())
    }
}

impl core::error::Error for Error {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            #[cfg(feature = "std")]
            Self::File { source, .. } => Some(source),
            _ => None,
        }
    }
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::*;
    use core::error::Error as _;
    use std::string::ToString;

    #[test]
    fn every_code_survives_the_way_through() {
        for code in (1..=u16::MAX).map(NnErrno) {
            assert_eq!(Error::from(code).code(), Some(code));
        }
    }

    #[test]
    fn exactly_the_listed_codes_have_a_variant_of_their_own() {
        for code in (0..=u16::MAX).map(NnErrno) {
            let listed = code.name().is_some() && code != NnErrno::SUCCESS;
            assert_eq!(matches!(Error::from(code), Error::Unknown(_)), !listed, "{code:?}");
        }
    }

    #[test]
    fn an_unknown_code_is_shown() {
        let text = Error::from(NnErrno(103)).to_string();
        assert!(text.starts_with("unknown error (wasi-nn error 103); "), "{text}");
    }

    #[test]
    fn a_text_is_one_line_without_a_full_stop() {
        for code in (1..10).map(NnErrno) {
            let text = Error::from(code).to_string();
            assert!(!text.contains('\n') && !text.ends_with('.') && text.contains("; "), "{text}");
        }
    }

    #[test]
    fn a_file_error_names_the_file_escaped_and_keeps_its_source() {
        let source = std::io::Error::from(std::io::ErrorKind::NotFound);
        let error = Error::File { path: "a\u{1b}[31m.xml".into(), source };
        assert!(error.to_string().starts_with(r#"cannot read "a\u{1b}[31m.xml": "#), "{error}");
        assert!(error.source().is_some());
        assert_eq!(error.code(), None);
    }
}
