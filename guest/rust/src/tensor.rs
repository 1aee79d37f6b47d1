//! A shape with its elements.

use crate::element::{self, Element};
use crate::error::Error;
use crate::raw::{self, List, TensorType};
use crate::sys;

/// A shape and elements of one type, borrowed: what an input is made of.
///
/// ```
/// use wasinn::{Error, Tensor};
/// let pixels = [0.0_f32; 12];
/// assert!(Tensor::new(&[1, 3, 2, 2], &pixels).is_ok());
/// let wrong = Tensor::new(&[1, 3, 4, 4], &pixels);
/// assert!(matches!(wrong, Err(Error::Shape { expected: Some(48), found: 12 })));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Tensor<'a, T> {
    dimensions: &'a [u32],
    data: &'a [T],
}

impl<'a, T: Element> Tensor<'a, T> {
    /// Puts a shape and its elements together: `dimensions` outermost first, empty for a scalar; `data`
    /// row-major, in the layout the model was trained with.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] when the product of the dimensions is not the number of elements. Checked here
    /// because hosts have been seen to crash on it.
    pub fn new(dimensions: &'a [u32], data: &'a [T]) -> Result<Self, Error> {
        let expected = elements(dimensions);
        if expected != Some(data.len()) {
            return Err(Error::Shape { expected, found: data.len() });
        }
        Ok(Self { dimensions, data })
    }

    /// The extent of each dimension, outermost first.
    #[must_use]
    pub const fn dimensions(&self) -> &'a [u32] {
        self.dimensions
    }

    /// The elements.
    #[must_use]
    pub const fn data(&self) -> &'a [T] {
        self.data
    }
}

/// A [`Tensor`] of any element type: what a list of inputs holds.
///
/// It is made with `into()`, or from bytes when the type is known at run time only.
#[derive(Clone, Copy)]
pub struct AnyTensor<'a>(pub(crate) raw::Tensor<'a>);

impl<'a> AnyTensor<'a> {
    /// Takes elements as bytes: little-endian, row-major, of any alignment.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`], counted in bytes, when they are not as many as the shape and the type ask for. For a
    /// type this crate does not know, any number is taken: only the host can tell.
    pub fn from_bytes(tensor_type: TensorType, dimensions: &'a [u32], data: &'a [u8]) -> Result<Self, Error> {
        if let Some(size) = element::size(tensor_type) {
            let expected = elements(dimensions).and_then(|count| count.checked_mul(size));
            if expected != Some(data.len()) {
                return Err(Error::Shape { expected, found: data.len() });
            }
        }
        Ok(Self(raw::Tensor::new(List::new(dimensions), tensor_type, List::new(data))))
    }

    /// The type of the elements.
    #[must_use]
    pub const fn tensor_type(&self) -> TensorType {
        self.0.type_
    }
}

impl<'a, T: Element> From<Tensor<'a, T>> for AnyTensor<'a> {
    fn from(tensor: Tensor<'a, T>) -> Self {
        let data = List::new(sys::bytes(tensor.data));
        Self(raw::Tensor::new(List::new(tensor.dimensions), T::TYPE, data))
    }
}

impl core::fmt::Debug for AnyTensor<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("AnyTensor")
            .field("dimensions", &sys::slice(self.0.dimensions))
            .field("tensor_type", &self.0.type_)
            .field("bytes", &self.0.data.len())
            .finish()
    }
}

/// The product of the dimensions; one of 0 makes it 0, whatever the others are.
fn elements(dimensions: &[u32]) -> Option<usize> {
    if dimensions.contains(&0) {
        return Some(0);
    }
    dimensions.iter().try_fold(1_usize, |count, &extent| count.checked_mul(usize::try_from(extent).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scalar_has_one_element_and_a_zero_extent_none() {
        assert!(Tensor::new(&[], &[1_u8]).is_ok());
        assert!(Tensor::new(&[u32::MAX, u32::MAX, u32::MAX, 0], &[0_i64; 0]).is_ok());
        assert!(matches!(Tensor::new(&[], &[0_u8; 0]), Err(Error::Shape { expected: Some(1), found: 0 })));
    }

    #[test]
    fn a_product_that_overflows_is_an_error() {
        let huge = [u32::MAX; 3];
        assert!(matches!(Tensor::new(&huge, &[0_u8]), Err(Error::Shape { expected: None, found: 1 })));
        assert!(AnyTensor::from_bytes(TensorType::F64, &huge, &[]).is_err());
    }

    #[test]
    fn bytes_are_counted_for_a_known_type_only() {
        assert!(AnyTensor::from_bytes(TensorType::F16, &[3], &[0; 6]).is_ok());
        let short = AnyTensor::from_bytes(TensorType::F16, &[3], &[0; 5]);
        assert!(matches!(short, Err(Error::Shape { expected: Some(6), found: 5 })));
        assert!(AnyTensor::from_bytes(TensorType(9), &[3], &[0; 5]).is_ok());
    }
}
