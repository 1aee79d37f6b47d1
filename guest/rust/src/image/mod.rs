//! What stands between a picture and a model: resizing, cropping, layout, colour order, normalising.
//!
//! Nothing allocates. Pictures are views of rows of interleaved samples (HWC), `u8` or `f32`; a decoder's
//! output is one as it is. What each function computes is specified to the last bit in the repository's
//! `docs/image-and-math.md`, and the same with and without `-Ctarget-feature=+simd128`.
//!
//! ```
//! use wasinn::image::{normalise_chw, resize_bilinear, Image, ImageMut};
//!
//! # fn main() -> Result<(), wasinn::Error> {
//! # let decoded = vec![128; 640 * 480 * 3];
//! // A photo, 640 × 480 RGB: the middle square, resized, as planes with ImageNet's mean and deviation.
//! let photo = Image::new(640, 480, 3, &decoded)?.crop(80, 0, 480, 480)?;
//! let mut small = vec![0; 224 * 224 * 3];
//! resize_bilinear(photo, ImageMut::new(224, 224, 3, &mut small)?)?;
//! let mut input = vec![0.0_f32; 3 * 224 * 224];
//! let small = Image::new(224, 224, 3, &small)?;
//! normalise_chw(small, &[123.675, 116.28, 103.53], &[58.395, 57.12, 57.375], &mut input)?;
//! # assert_eq!(input[0], (128.0 - 123.675) / 58.395);
//! # Ok(())
//! # }
//! ```

mod convert;
mod resize;

pub use convert::{
    chw_to_hwc, grey, hwc_to_chw, normalise_chw, normalise_hwc, swap_rgb_bgr, u8_to_f16, u8_to_f32, u8_to_i8,
    Float,
};
pub use resize::{resize_area, resize_bilinear, resize_nearest, Sample};

use crate::error::Error;

/// The largest width and height, in pixels: up to here every position is exact in `f32`.
pub const MAX_EXTENT: usize = 1 << 23;

/// A view of a picture, to be read.
#[derive(Clone, Copy, Debug)]
pub struct Image<'a, T> {
    data: &'a [T],
    size: Size,
}

/// A view of a picture, to be written.
#[derive(Debug)]
pub struct ImageMut<'a, T> {
    data: &'a mut [T],
    size: Size,
}

#[derive(Clone, Copy, Debug)]
struct Size {
    width: usize,
    height: usize,
    channels: usize,
    /// Samples from one row's begin to the next one's.
    stride: usize,
}

impl Size {
    fn new(width: usize, height: usize, channels: usize, len: usize) -> Result<Self, Error> {
        if !(1..=MAX_EXTENT).contains(&width) || !(1..=MAX_EXTENT).contains(&height) {
            return Err(Error::Extent);
        }
        if channels == 0 {
            return Err(Error::Channels { expected: 1, found: 0 });
        }
        let stride = width.checked_mul(channels);
        let expected = stride.and_then(|stride| stride.checked_mul(height));
        match stride {
            Some(stride) if expected == Some(len) => Ok(Self { width, height, channels, stride }),
            _ => Err(Error::Shape { expected, found: len }),
        }
    }

    /// The size of a region, and where in the data it begins.
    fn crop(self, left: usize, top: usize, width: usize, height: usize) -> Result<(Self, usize), Error> {
        let fits = |start: usize, extent: usize, whole: usize| {
            extent > 0 && start.checked_add(extent).is_some_and(|end| end <= whole)
        };
        if fits(left, width, self.width) && fits(top, height, self.height) {
            Ok((Self { width, height, ..self }, top * self.stride + left * self.channels))
        } else {
            Err(Error::Extent)
        }
    }

    const fn row(self) -> usize {
        self.width * self.channels
    }

    const fn samples(self) -> usize {
        self.row() * self.height
    }
}

impl<'a, T> Image<'a, T> {
    /// A picture of so many pixels of so many interleaved channels, without gaps.
    ///
    /// # Errors
    ///
    /// [`Error::Extent`] for a width or height of 0 or over [`MAX_EXTENT`], [`Error::Channels`] for none,
    /// [`Error::Shape`] when `data` has another length.
    pub fn new(width: usize, height: usize, channels: usize, data: &'a [T]) -> Result<Self, Error> {
        Ok(Self { size: Size::new(width, height, channels, data.len())?, data })
    }

    /// A region of it, without a copy.
    ///
    /// # Errors
    ///
    /// [`Error::Extent`] when it is empty or not inside.
    pub fn crop(self, left: usize, top: usize, width: usize, height: usize) -> Result<Self, Error> {
        let (size, start) = self.size.crop(left, top, width, height)?;
        Ok(Self { data: &self.data[start..], size })
    }

    /// In pixels.
    #[must_use]
    pub const fn width(&self) -> usize {
        self.size.width
    }

    /// In pixels.
    #[must_use]
    pub const fn height(&self) -> usize {
        self.size.height
    }

    /// Samples per pixel.
    #[must_use]
    pub const fn channels(&self) -> usize {
        self.size.channels
    }

    /// The rows, from the top, each of width × channels samples.
    pub fn rows(&self) -> impl Iterator<Item = &'a [T]> + '_ {
        (0..self.size.height).map(|y| self.row(y))
    }

    #[inline]
    fn row(&self, y: usize) -> &'a [T] {
        &self.data[y * self.size.stride..][..self.size.row()]
    }
}

impl<'a, T> ImageMut<'a, T> {
    /// As [`Image::new`].
    ///
    /// # Errors
    ///
    /// The same.
    pub fn new(width: usize, height: usize, channels: usize, data: &'a mut [T]) -> Result<Self, Error> {
        Ok(Self { size: Size::new(width, height, channels, data.len())?, data })
    }

    /// A region of it, to be written: to put a picture into a larger one.
    ///
    /// # Errors
    ///
    /// [`Error::Extent`] when it is empty or not inside.
    pub fn crop(
        &mut self,
        left: usize,
        top: usize,
        width: usize,
        height: usize,
    ) -> Result<ImageMut<'_, T>, Error> {
        let (size, start) = self.size.crop(left, top, width, height)?;
        Ok(ImageMut { data: &mut self.data[start..], size })
    }

    /// The picture, to be read.
    #[must_use]
    pub fn view(&self) -> Image<'_, T> {
        Image { data: self.data, size: self.size }
    }

    /// The rows, from the top, each of width × channels samples.
    pub fn rows(&mut self) -> impl Iterator<Item = &mut [T]> {
        let row = self.size.row();
        self.data.chunks_mut(self.size.stride).take(self.size.height).map(move |chunk| &mut chunk[..row])
    }

    /// Copies another picture of the same size: with [`Image::crop`], a crop that owns its samples.
    ///
    /// # Errors
    ///
    /// [`Error::Extent`] or [`Error::Channels`] when the sizes differ.
    pub fn copy_from(&mut self, src: Image<'_, T>) -> Result<(), Error>
    where
        T: Copy,
    {
        same_extents(src.size, self.size)?;
        same_channels(src.size, self.size)?;
        for (from, to) in src.rows().zip(self.rows()) {
            to.copy_from_slice(from);
        }
        Ok(())
    }
}

fn same_extents(src: Size, dst: Size) -> Result<(), Error> {
    if (src.width, src.height) == (dst.width, dst.height) {
        Ok(())
    } else {
        Err(Error::Extent)
    }
}

fn same_channels(src: Size, dst: Size) -> Result<(), Error> {
    if src.channels == dst.channels {
        Ok(())
    } else {
        Err(Error::Channels { expected: src.channels, found: dst.channels })
    }
}
