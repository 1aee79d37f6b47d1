//! Non-maximum suppression.

use super::same_length;
use crate::error::Error;

/// A box by two opposite corners, in any unit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rect {
    /// One side; may be the right one.
    pub x0: f32,
    /// One end; may be the lower one.
    pub y0: f32,
    /// The opposite side.
    pub x1: f32,
    /// The opposite end.
    pub y1: f32,
}

impl Rect {
    /// Intersection over union with another box, from 0 to 1; 0 where that is no number: for two boxes
    /// without area, for infinite ones, and for a NaN.
    #[must_use]
    pub fn iou(self, other: Self) -> f32 {
        let overlap = |a: (f32, f32), b: (f32, f32)| positive(a.1.min(b.1) - a.0.max(b.0));
        let (ax, ay, bx, by) = (self.horizontal(), self.vertical(), other.horizontal(), other.vertical());
        if [ax, ay, bx, by].iter().any(|(low, high)| (high - low).is_nan()) {
            return 0.0;
        }
        let both = overlap(ax, bx) * overlap(ay, by);
        let area_a = (ax.1 - ax.0) * (ay.1 - ay.0);
        let area_b = (bx.1 - bx.0) * (by.1 - by.0);
        positive(both / ((area_a + area_b) - both))
    }

    fn horizontal(self) -> (f32, f32) {
        sorted(self.x0, self.x1)
    }

    fn vertical(self) -> (f32, f32) {
        sorted(self.y0, self.y1)
    }
}

/// A number above 0 as it is, all else 0.
fn positive(value: f32) -> f32 {
    if value > 0.0 {
        value
    } else {
        0.0
    }
}

fn sorted(a: f32, b: f32) -> (f32, f32) {
    if a > b {
        (b, a)
    } else {
        (a, b)
    }
}

/// Keeps the best of boxes that overlap, best first, as many as `kept` has room for; returns their positions.
///
/// In order of score, a box is kept when its score is at least `min_score` and its [`iou`](Rect::iou) with no
/// kept one is above `max_iou`. Of equal scores the first comes first. A NaN score is never kept, and nothing
/// is when `min_score` is NaN.
///
/// It needs no memory but `kept`, and in return looks at all boxes once for each that it keeps.
///
/// ```
/// use wasinn::math::{nms, Rect};
/// let boxes = [(0.0, 4.0), (0.2, 4.2), (6.0, 9.0)].map(|(x0, x1)| Rect { x0, y0: 0.0, x1, y1: 2.0 });
/// let mut kept = [0; 10];
/// assert_eq!(nms(&boxes, &[0.8, 0.9, 0.5], 0.3, 0.5, &mut kept)?, [1, 2]);
/// # Ok::<(), wasinn::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::Shape`] when there is not one score per box.
pub fn nms<'k>(
    boxes: &[Rect],
    scores: &[f32],
    min_score: f32,
    max_iou: f32,
    kept: &'k mut [usize],
) -> Result<&'k [usize], Error> {
    same_length(boxes.len(), scores.len())?;
    let mut count = 0;
    while count < kept.len() {
        let mut best: Option<usize> = None;
        for (index, &score) in scores.iter().enumerate() {
            // Already kept ones have an overlap with themselves that may be 0, hence the comparison with the
            // last.
            let is_after = count == 0 || comes_before(scores, kept[count - 1], index);
            let is_better = best.map_or(score >= min_score, |best| score > scores[best]);
            let overlaps = |&other: &usize| boxes[index].iou(boxes[other]) > max_iou;
            if is_after && is_better && !kept[..count].iter().any(overlaps) {
                best = Some(index);
            }
        }
        let Some(best) = best else { break };
        kept[count] = best;
        count += 1;
    }
    Ok(&kept[..count])
}

/// Whether one box comes before another in order of score.
fn comes_before(scores: &[f32], one: usize, other: usize) -> bool {
    scores[one] > scores[other] || scores[one] >= scores[other] && one < other
}
