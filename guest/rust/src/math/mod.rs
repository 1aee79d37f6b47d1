//! What stands between a model's output and an answer: softmax, top-k, boxes, number formats.
//!
//! Nothing allocates but what ends in `_vec`. What each function computes, NaN and infinities included, is
//! specified to the last bit in the repository's `docs/image-and-math.md`, and the same with and without
//! `-Ctarget-feature=+simd128`.
//!
//! ```
//! use wasinn::math::{softmax, top_k, Score};
//!
//! let mut scores = [1.0, 3.0, 0.5, 2.0];
//! softmax(&mut scores);
//! let mut best = [Score::default(); 2];
//! for Score { index, score } in top_k(&scores, &mut best) {
//!     println!("class {index}: {:.1} %", 100.0 * score);
//! }
//! # assert_eq!((best[0].index, best[1].index), (1, 3));
//! ```

mod exp;
mod nms;

pub use nms::{nms, Rect};

use crate::error::Error;
use crate::f16::F16;
#[cfg(feature = "alloc")]
use alloc::vec::Vec;
use exp::exp;

/// Turns logits into probabilities: exp(x) / sum of all exp(x), without overflow.
///
/// Not for a model that ends in a softmax: its scores add up to 1 already.
///
/// A NaN makes all of them NaN. Infinities are limits: where there is +inf, those elements share 1 equally
/// and the others get 0; −inf gets 0, unless all are −inf: then each gets 1/n.
#[allow(
    clippy::cast_possible_truncation,
    clippy::float_cmp,
    reason = "rounded on purpose; equal to the maximum"
)]
pub fn softmax(values: &mut [f32]) {
    let Some((&first, rest)) = values.split_first() else { return };
    // Not `f32::max`, which would drop a NaN that comes first.
    let max = rest.iter().fold(first, |max, &value| if value > max { value } else { max });
    let mut sum = 0.0_f64;
    for value in &mut *values {
        // Without the comparison an infinite maximum would give inf - inf. A NaN is equal to nothing and
        // spreads.
        *value = if *value == max { 1.0 } else { exp((*value - max).into()) as f32 };
        sum += f64::from(*value);
    }
    for value in values {
        *value = (f64::from(*value) / sum) as f32;
    }
}

/// Replaces each x by 1 / (1 + exp(−x)): 0 for −inf, 1 for +inf, NaN for NaN.
#[allow(clippy::cast_possible_truncation, reason = "rounded on purpose")]
pub fn sigmoid(values: &mut [f32]) {
    for value in values {
        let x = f64::from(*value);
        // The exponent is never above 0, so that nothing overflows.
        let power = exp(if x > 0.0 { -x } else { x });
        *value = ((if x > 0.0 { 1.0 } else { power }) / (1.0 + power)) as f32;
    }
}

/// The position of the highest score; of equal ones the first. A NaN is below every number. `None` for no
/// scores.
#[must_use]
pub fn argmax(scores: &[f32]) -> Option<usize> {
    let mut best = [Score::default()];
    top_k(scores, &mut best).first().map(|best| best.index)
}

/// A class and its score.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    /// The position among the scores: the class number.
    pub index: usize,
    /// The score.
    pub score: f32,
}

/// Finds the highest scores, best first, as many as `best` has room for or there are; returns those.
///
/// Equal scores keep their order; NaN comes after every number. It is meant for few: it takes n · k steps at
/// worst.
pub fn top_k<'b>(scores: &[f32], best: &'b mut [Score]) -> &'b [Score] {
    let mut count = 0;
    for (index, &score) in scores.iter().enumerate() {
        let is_above = |other: &Score| !score.is_nan() && (other.score.is_nan() || other.score < score);
        let mut at = count;
        while at > 0 && is_above(&best[at - 1]) {
            at -= 1;
        }
        if at == best.len() {
            continue;
        }
        count = best.len().min(count + 1);
        best.copy_within(at..count - 1, at + 1);
        best[at] = Score { index, score };
    }
    &best[..count]
}

/// [`top_k`] in a vector of its own.
#[cfg(feature = "alloc")]
#[must_use]
pub fn top_k_vec(scores: &[f32], k: usize) -> Vec<Score> {
    let mut best = alloc::vec![Score::default(); k.min(scores.len())];
    top_k(scores, &mut best);
    best
}

mod sealed {
    pub trait Quantised: Copy + Into<f64> {}
}

/// An integer that stands for a real number: `u8`, `i8` or `i32`. Sealed.
pub trait Quantised: sealed::Quantised {}

macro_rules! quantised {
    ($($type:ty),*) => {$(
        impl Quantised for $type {}
        impl sealed::Quantised for $type {}
    )*};
}

quantised!(u8, i8, i32);

/// Turns quantised values into the numbers they stand for: scale · (value − `zero_point`).
///
/// The difference is exact, then rounded to `f32` and multiplied there.
///
/// # Errors
///
/// [`Error::Shape`] when the lengths differ.
#[allow(clippy::cast_possible_truncation, reason = "rounded on purpose; exact for 8 bits")]
pub fn dequantise<T: Quantised>(
    values: &[T],
    scale: f32,
    zero_point: i32,
    results: &mut [f32],
) -> Result<(), Error> {
    same_length(values.len(), results.len())?;
    for (&value, result) in values.iter().zip(results) {
        *result = scale * (value.into() - f64::from(zero_point)) as f32;
    }
    Ok(())
}

/// Rounds each number to half precision: [`F16::from_f32`].
///
/// # Errors
///
/// [`Error::Shape`] when the lengths differ.
pub fn f32_to_f16(values: &[f32], results: &mut [F16]) -> Result<(), Error> {
    same_length(values.len(), results.len())?;
    for (&value, result) in values.iter().zip(results) {
        *result = F16::from_f32(value);
    }
    Ok(())
}

/// Widens each number: [`F16::to_f32`].
///
/// # Errors
///
/// [`Error::Shape`] when the lengths differ.
pub fn f16_to_f32(values: &[F16], results: &mut [f32]) -> Result<(), Error> {
    same_length(values.len(), results.len())?;
    for (value, result) in values.iter().zip(results) {
        *result = value.to_f32();
    }
    Ok(())
}

pub(crate) fn same_length(expected: usize, found: usize) -> Result<(), Error> {
    if expected == found {
        Ok(())
    } else {
        Err(Error::Shape { expected: Some(expected), found })
    }
}
