//! Layout, colour order, and numbers.

use super::{same_extents, Image, ImageMut, Sample};
use crate::error::Error;
use crate::f16::F16;
use crate::math::same_length;

mod sealed {
    pub trait Float: Copy {
        fn round(value: f32) -> Self;
    }
}

/// What a normalised sample may become: `f32` or [`F16`]. Sealed.
pub trait Float: sealed::Float {}

impl Float for f32 {}
impl Float for F16 {}

impl sealed::Float for f32 {
    #[inline]
    fn round(value: f32) -> Self {
        value
    }
}

impl sealed::Float for F16 {
    #[inline]
    fn round(value: f32) -> Self {
        Self::from_f32(value)
    }
}

/// Takes the channels apart: one plane after the other (CHW).
///
/// # Errors
///
/// [`Error::Shape`] when `dst` has not as many samples.
pub fn hwc_to_chw<T: Copy>(src: Image<'_, T>, dst: &mut [T]) -> Result<(), Error> {
    to_planes(src, dst, |_, sample| sample)
}

/// Puts planes (CHW) together.
///
/// # Errors
///
/// [`Error::Shape`] when `src` has not as many samples.
pub fn chw_to_hwc<T: Copy>(src: &[T], mut dst: ImageMut<'_, T>) -> Result<(), Error> {
    let size = dst.size;
    same_length(size.samples(), src.len())?;
    for (channel, plane) in src.chunks_exact(size.width * size.height).enumerate() {
        for (from, to) in plane.chunks_exact(size.width).zip(dst.rows()) {
            for (&sample, pixel) in from.iter().zip(to.chunks_exact_mut(size.channels)) {
                pixel[channel] = sample;
            }
        }
    }
    Ok(())
}

/// Swaps the first and the third channel: RGB to BGR and back. A fourth stays.
///
/// # Errors
///
/// [`Error::Channels`] when there are fewer than three.
pub fn swap_rgb_bgr<T>(image: &mut ImageMut<'_, T>) -> Result<(), Error> {
    let channels = image.size.channels;
    if channels < 3 {
        return Err(Error::Channels { expected: 3, found: channels });
    }
    for row in image.rows() {
        for pixel in row.chunks_exact_mut(channels) {
            pixel.swap(0, 2);
        }
    }
    Ok(())
}

/// Makes a picture grey: (19595 R + 38470 G + 7471 B + 32768) / 65536, rounded down. A fourth channel is not
/// looked at.
///
/// # Errors
///
/// [`Error::Channels`] when `src` has neither 3 nor 4 or `dst` not 1; [`Error::Extent`] when they are not
/// equally large.
pub fn grey(src: Image<'_, u8>, mut dst: ImageMut<'_, u8>) -> Result<(), Error> {
    let channels = src.size.channels;
    if !(3..=4).contains(&channels) {
        return Err(Error::Channels { expected: 3, found: channels });
    }
    if dst.size.channels != 1 {
        return Err(Error::Channels { expected: 1, found: dst.size.channels });
    }
    same_extents(src.size, dst.size)?;
    for (from, to) in src.rows().zip(dst.rows()) {
        for (pixel, sample) in from.chunks_exact(channels).zip(to) {
            let [red, green, blue] = [pixel[0], pixel[1], pixel[2]].map(u32::from);
            let [.., high, _, _] = (19595 * red + 38470 * green + 7471 * blue + 0x8000).to_be_bytes();
            *sample = high;
        }
    }
    Ok(())
}

/// Normalises, channels interleaved: (sample − mean) / std of its channel, in `f32`, then rounded to the
/// result's type.
///
/// Mean and deviation are in the samples' own units: for `u8` and figures made for 0 to 1, multiply both by
/// 255.
///
/// # Errors
///
/// [`Error::Channels`] when there is not one mean and deviation per channel, [`Error::Shape`] when `dst` has
/// not as many samples.
pub fn normalise_hwc<T: Sample, U: Float>(
    src: Image<'_, T>,
    mean: &[f32],
    std: &[f32],
    dst: &mut [U],
) -> Result<(), Error> {
    let size = src.size;
    check_per_channel(size.channels, mean, std)?;
    same_length(size.samples(), dst.len())?;
    for (from, to) in src.rows().zip(dst.chunks_exact_mut(size.row())) {
        for (channel, (&mean, &std)) in mean.iter().zip(std).enumerate() {
            let results = to[channel..].iter_mut().step_by(size.channels);
            for (&sample, result) in from[channel..].iter().step_by(size.channels).zip(results) {
                *result = U::round((sample.widen() - mean) / std);
            }
        }
    }
    Ok(())
}

/// As [`normalise_hwc`], into planes (CHW).
///
/// # Errors
///
/// The same.
pub fn normalise_chw<T: Sample, U: Float>(
    src: Image<'_, T>,
    mean: &[f32],
    std: &[f32],
    dst: &mut [U],
) -> Result<(), Error> {
    check_per_channel(src.size.channels, mean, std)?;
    to_planes(src, dst, |channel, sample| U::round((sample.widen() - mean[channel]) / std[channel]))
}

fn to_planes<T: Copy, U>(
    src: Image<'_, T>,
    dst: &mut [U],
    convert: impl Fn(usize, T) -> U,
) -> Result<(), Error> {
    let size = src.size;
    same_length(size.samples(), dst.len())?;
    for (channel, plane) in dst.chunks_exact_mut(size.width * size.height).enumerate() {
        for (from, to) in src.rows().zip(plane.chunks_exact_mut(size.width)) {
            for (pixel, result) in from.chunks_exact(size.channels).zip(to) {
                *result = convert(channel, pixel[channel]);
            }
        }
    }
    Ok(())
}

fn check_per_channel(channels: usize, mean: &[f32], std: &[f32]) -> Result<(), Error> {
    for found in [mean.len(), std.len()] {
        if found != channels {
            return Err(Error::Channels { expected: channels, found });
        }
    }
    Ok(())
}

/// Widens each sample: 0 to 255 as `f32`.
///
/// # Errors
///
/// [`Error::Shape`] when the lengths differ.
pub fn u8_to_f32(src: &[u8], dst: &mut [f32]) -> Result<(), Error> {
    convert(src, dst, f32::from)
}

/// Widens each sample: 0 to 255 as [`F16`], exact.
///
/// # Errors
///
/// [`Error::Shape`] when the lengths differ.
pub fn u8_to_f16(src: &[u8], dst: &mut [F16]) -> Result<(), Error> {
    convert(src, dst, |sample| F16::from_f32(sample.into()))
}

/// Shifts each sample: sample − 128, for models quantised with a zero point of −128.
///
/// # Errors
///
/// [`Error::Shape`] when the lengths differ.
pub fn u8_to_i8(src: &[u8], dst: &mut [i8]) -> Result<(), Error> {
    convert(src, dst, |sample| i8::from_ne_bytes([sample ^ 0x80]))
}

fn convert<T: Copy, U>(src: &[T], dst: &mut [U], convert: impl Fn(T) -> U) -> Result<(), Error> {
    same_length(src.len(), dst.len())?;
    for (&from, to) in src.iter().zip(dst) {
        *to = convert(from);
    }
    Ok(())
}
