//! Resizing. Pixel centres are at halves: the centre of output `i` of `n` is at (i + 1/2) · m / n of `m`
//! inputs.

use super::{same_channels, Image, ImageMut};
use crate::error::Error;

mod sealed {
    /// What the filters compute with.
    pub trait Sample: Copy {
        fn widen(self) -> f32;
        fn round(value: f32) -> Self;
        /// The weighted sum of a part of a row; the weights add up to at most `MAX_EXTENT`.
        type Row: Copy + Default;
        fn add(row: Self::Row, weight: u32, sample: Self) -> Self::Row;
        /// The weighted sum of such rows.
        type Sum: Copy + Default;
        fn add_row(sum: Self::Sum, weight: u32, row: Self::Row) -> Self::Sum;
        fn mean(sum: Self::Sum, weights: u64) -> Self;
    }
}

/// A sample a picture may have: `u8` or `f32`. Sealed.
pub trait Sample: sealed::Sample {}

impl Sample for u8 {}
impl Sample for f32 {}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a mean of `u8` is 0 to 255")]
impl sealed::Sample for u8 {
    type Row = u32; // 255 · MAX_EXTENT fits
    type Sum = u64;

    #[inline]
    fn widen(self) -> f32 {
        self.into()
    }

    #[inline]
    fn round(value: f32) -> Self {
        (value + 0.5) as i32 as Self // not `as u8`, which costs two comparisons
    }

    #[inline]
    fn add(row: u32, weight: u32, sample: Self) -> u32 {
        row + weight * u32::from(sample)
    }

    #[inline]
    fn add_row(sum: u64, weight: u32, row: u32) -> u64 {
        sum + u64::from(weight) * u64::from(row)
    }

    #[inline]
    fn mean(sum: u64, weights: u64) -> Self {
        ((2 * sum + weights) / (2 * weights)) as Self
    }
}

impl sealed::Sample for f32 {
    type Row = f64;
    type Sum = f64;

    #[inline]
    fn widen(self) -> f32 {
        self
    }

    #[inline]
    fn round(value: f32) -> Self {
        value
    }

    #[inline]
    fn add(row: f64, weight: u32, sample: Self) -> f64 {
        row + f64::from(weight) * f64::from(sample)
    }

    #[inline]
    fn add_row(sum: f64, weight: u32, row: f64) -> f64 {
        sum + f64::from(weight) * row
    }

    #[inline]
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "rounded once; under 2⁴⁶"
    )]
    fn mean(sum: f64, weights: u64) -> Self {
        (sum / weights as f64) as Self
    }
}

/// Resizes by taking the input under each output's centre, which is exact for labels and masks.
///
/// # Errors
///
/// [`Error::Channels`] when the pictures differ in them.
pub fn resize_nearest<T: Sample>(src: Image<'_, T>, mut dst: ImageMut<'_, T>) -> Result<(), Error> {
    same_channels(src.size, dst.size)?;
    by_channels(src.size.channels, |channel, is_triple| {
        if is_triple {
            nearest::<T, 3>(src, &mut dst, channel);
        } else {
            nearest::<T, 1>(src, &mut dst, channel);
        }
    });
    Ok(())
}

fn nearest<T: Sample, const N: usize>(src: Image<'_, T>, dst: &mut ImageMut<'_, T>, channel: usize) {
    let (width, height, channels) = (dst.size.width, dst.size.height, dst.size.channels);
    for (to, y) in dst.rows().zip(Positions::new(src.size.height, height, 0)) {
        let from = src.row(y.index);
        for (pixel, x) in to.chunks_exact_mut(channels).zip(Positions::new(src.size.width, width, 0)) {
            let sample = pixel_at::<T, N>(from, x.index, channels, channel);
            pixel[channel..channel + N].copy_from_slice(&sample);
        }
    }
}

/// Resizes by interpolating between the four inputs around each output's centre; at the border the outermost
/// goes on.
///
/// It looks at four inputs only: to shrink a picture to less than half, [`resize_area`] first or instead.
///
/// # Errors
///
/// [`Error::Channels`] when the pictures differ in them.
pub fn resize_bilinear<T: Sample>(src: Image<'_, T>, mut dst: ImageMut<'_, T>) -> Result<(), Error> {
    same_channels(src.size, dst.size)?;
    by_channels(src.size.channels, |channel, is_triple| {
        if is_triple {
            bilinear::<T, 3>(src, &mut dst, channel);
        } else {
            bilinear::<T, 1>(src, &mut dst, channel);
        }
    });
    Ok(())
}

fn bilinear<T: Sample, const N: usize>(src: Image<'_, T>, dst: &mut ImageMut<'_, T>, channel: usize) {
    let (width, height, channels) = (dst.size.width, dst.size.height, dst.size.channels);
    let (last_x, last_y) = (src.size.width - 1, src.size.height - 1);
    for (to, y) in dst.rows().zip(Positions::new(src.size.height, height, height)) {
        let (upper, lower) = (src.row(y.index), src.row((y.index + 1).min(last_y)));
        let columns = Positions::new(src.size.width, width, width);
        for (pixel, x) in to.chunks_exact_mut(channels).zip(columns) {
            let right = (x.index + 1).min(last_x);
            let a = pixel_at::<T, N>(upper, x.index, channels, channel);
            let b = pixel_at::<T, N>(upper, right, channels, channel);
            let c = pixel_at::<T, N>(lower, x.index, channels, channel);
            let d = pixel_at::<T, N>(lower, right, channels, channel);
            for (i, sample) in pixel[channel..channel + N].iter_mut().enumerate() {
                let top = between(a[i].widen(), b[i].widen(), x.fraction);
                let bottom = between(c[i].widen(), d[i].widen(), x.fraction);
                *sample = T::round(between(top, bottom, y.fraction));
            }
        }
    }
}

#[inline]
fn between(a: f32, b: f32, fraction: f32) -> f32 {
    a + (b - a) * fraction
}

/// Resizes by taking the mean over the rectangle of inputs that each output covers, parts of pixels included.
///
/// # Errors
///
/// [`Error::Channels`] when the pictures differ in them.
pub fn resize_area<T: Sample>(src: Image<'_, T>, mut dst: ImageMut<'_, T>) -> Result<(), Error> {
    same_channels(src.size, dst.size)?;
    by_channels(src.size.channels, |channel, is_triple| {
        if is_triple {
            area::<T, 3>(src, &mut dst, channel);
        } else {
            area::<T, 1>(src, &mut dst, channel);
        }
    });
    Ok(())
}

fn area<T: Sample, const N: usize>(src: Image<'_, T>, dst: &mut ImageMut<'_, T>, channel: usize) {
    let (width, height, channels) = (dst.size.width, dst.size.height, dst.size.channels);
    let weights = src.size.width as u64 * src.size.height as u64;
    for (to, y) in dst.rows().zip(0..) {
        let rows = Span::new(src.size.height, height, y);
        for (pixel, x) in to.chunks_exact_mut(channels).zip(0..) {
            let columns = Span::new(src.size.width, width, x);
            let mut sums = [T::Sum::default(); N];
            for y in rows.first..=rows.last {
                let row = row_sums::<T, N>(src.row(y), columns, channels, channel);
                for (sum, row) in sums.iter_mut().zip(row) {
                    *sum = T::add_row(*sum, rows.weight(y), row);
                }
            }
            for (sample, sum) in pixel[channel..channel + N].iter_mut().zip(sums) {
                *sample = T::mean(sum, weights);
            }
        }
    }
}

#[inline]
fn row_sums<T: Sample, const N: usize>(
    row: &[T],
    span: Span,
    channels: usize,
    channel: usize,
) -> [T::Row; N] {
    let mut sums = [T::Row::default(); N];
    let pixels = row[span.first * channels..(span.last + 1) * channels].chunks_exact(channels);
    for (pixel, x) in pixels.zip(span.first..) {
        let weight = span.weight(x);
        for (sum, &sample) in sums.iter_mut().zip(&pixel[channel..channel + N]) {
            *sum = T::add(*sum, weight, sample);
        }
    }
    sums
}

/// Takes channels three at a time where there are, since most pictures have three, and the others one by one.
fn by_channels(channels: usize, mut each: impl FnMut(usize, bool)) {
    let mut channel = 0;
    while channel < channels {
        let is_triple = channels - channel >= 3;
        each(channel, is_triple);
        channel += if is_triple { 3 } else { 1 };
    }
}

#[inline]
fn pixel_at<T: Copy, const N: usize>(row: &[T], x: usize, channels: usize, channel: usize) -> [T; N] {
    let samples = &row[x * channels + channel..][..N];
    core::array::from_fn(|i| samples[i])
}

/// Where an output's centre falls: between input `index` and the next.
struct Position {
    index: usize,
    fraction: f32,
}

/// The positions of all outputs of one axis, exact: ((2i + 1) · from − shift) / (2 · to), not below 0.
struct Positions {
    index: isize,
    rest: usize,
    step: (usize, usize),
    unit: usize,
}

impl Positions {
    /// With `shift` 0 for the input that an output's centre is in, with `to` for the centres around it.
    #[allow(clippy::cast_possible_wrap, reason = "extents are at most 2²³")]
    fn new(from: usize, to: usize, shift: usize) -> Self {
        let unit = 2 * to;
        let start = from as isize - shift as isize;
        Self {
            index: start.div_euclid(unit as isize),
            rest: start.rem_euclid(unit as isize).unsigned_abs(),
            step: (2 * from / unit, 2 * from % unit),
            unit,
        }
    }
}

impl Iterator for Positions {
    type Item = Position;

    #[inline]
    #[allow(clippy::cast_possible_wrap, clippy::cast_precision_loss, reason = "at most 2²⁴")]
    fn next(&mut self) -> Option<Position> {
        let position = match usize::try_from(self.index) {
            Ok(index) => Position { index, fraction: self.rest as f32 / self.unit as f32 },
            Err(_) => Position { index: 0, fraction: 0.0 },
        };
        self.index += self.step.0 as isize;
        self.rest += self.step.1;
        if self.rest >= self.unit {
            self.rest -= self.unit;
            self.index += 1;
        }
        Some(position)
    }
}

/// The inputs that one output covers. An input is `to` long here and an output `from`, so that all is exact.
#[derive(Clone, Copy)]
struct Span {
    first: usize,
    last: usize,
    first_weight: u32,
    last_weight: u32,
    inner_weight: u32,
}

impl Span {
    #[allow(clippy::cast_possible_truncation, reason = "a quotient is below `from`, a weight at most `to`")]
    fn new(from: usize, to: usize, output: u64) -> Self {
        let (from, to) = (from as u64, to as u64);
        let (start, end) = (output * from, (output + 1) * from);
        let (first, last) = (start / to, (end - 1) / to);
        Self {
            first: first as usize,
            last: last as usize,
            first_weight: (end.min((first + 1) * to) - start) as u32,
            last_weight: (end - last * to) as u32,
            inner_weight: to as u32,
        }
    }

    /// How much of an input is covered.
    #[inline]
    const fn weight(self, input: usize) -> u32 {
        if input == self.first {
            self.first_weight
        } else if input == self.last {
            self.last_weight
        } else {
            self.inner_weight
        }
    }
}
