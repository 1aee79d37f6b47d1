//! The element types of the interface.

use crate::f16::F16;
use crate::raw::TensorType;

pub(crate) mod sealed {
    pub trait Sealed {}
}

/// A type a tensor's elements may have: `u8`, `i32`, `i64`, `f32`, `f64` and [`F16`].
///
/// Sealed: each has no padding and every bit pattern is a value, which is what makes an output safe to read.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no element type of wasi-nn",
    note = "the element types are u8, i32, i64, f32, f64 and wasinn::F16"
)]
pub trait Element: Copy + Default + sealed::Sealed + 'static {
    /// Its value in the interface.
    const TYPE: TensorType;
}

macro_rules! element {
    ($($type:ty: $value:ident),*) => {$(
        impl sealed::Sealed for $type {}
        impl Element for $type {
            const TYPE: TensorType = TensorType::$value;
        }
    )*};
}

element!(u8: U8, i32: I32, i64: I64, f32: F32, f64: F64, F16: F16);

/// How many bytes an element takes; `None` for a type this crate does not know.
pub(crate) const fn size(tensor_type: TensorType) -> Option<usize> {
    Some(match tensor_type {
        TensorType::U8 => 1,
        TensorType::F16 => 2,
        TensorType::F32 | TensorType::I32 => 4,
        TensorType::F64 | TensorType::I64 => 8,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agrees<T: Element>() -> bool {
        size(T::TYPE) == Some(core::mem::size_of::<T>())
    }

    #[test]
    fn the_sizes_are_those_of_the_types() {
        assert!(agrees::<u8>() && agrees::<i32>() && agrees::<i64>());
        assert!(agrees::<f32>() && agrees::<f64>() && agrees::<F16>());
        assert_eq!(size(TensorType(6)), None);
    }
}
