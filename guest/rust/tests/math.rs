//! `math` at its edges: nothing, NaN, infinities. Its numbers are compared with NumPy elsewhere.
#![allow(clippy::float_cmp, reason = "exact results are the claim")]

use wasinn::math::{
    argmax, dequantise, f16_to_f32, f32_to_f16, nms, sigmoid, softmax, top_k, top_k_vec, Rect, Score,
};
use wasinn::{Error, F16};

const NAN: f32 = f32::NAN;
const INF: f32 = f32::INFINITY;

fn softmax_of<const N: usize>(mut values: [f32; N]) -> [f32; N] {
    softmax(&mut values);
    values
}

#[test]
fn softmax_of_infinities_is_the_limit() {
    assert_eq!(softmax_of([]), []);
    assert_eq!(softmax_of([-5.0]), [1.0]);
    assert_eq!(softmax_of([INF, 1.0, INF, -INF]), [0.5, 0.0, 0.5, 0.0]);
    assert_eq!(softmax_of([-INF; 4]), [0.25; 4]);
    assert_eq!(softmax_of([-INF, 3.0, 3.0]), [0.0, 0.5, 0.5]);
    assert_eq!(softmax_of([f32::MAX, f32::MIN]), [1.0, 0.0]);
}

#[test]
fn a_nan_makes_all_of_softmax_nan_wherever_it_is() {
    for at in 0..3 {
        let mut values = [1.0, INF, -2.0];
        values[at] = NAN;
        assert!(softmax_of(values).iter().all(|value| value.is_nan()), "{at}");
    }
}

#[test]
fn sigmoid_at_its_ends() {
    let mut values = [-INF, -200.0, -0.0, 0.0, 200.0, INF, NAN];
    sigmoid(&mut values);
    assert_eq!(values[..6], [0.0, 0.0, 0.5, 0.5, 1.0, 1.0]);
    assert!(values[6].is_nan());
}

fn indices(best: &[Score]) -> Vec<usize> {
    best.iter().map(|best| best.index).collect()
}

#[test]
fn top_k_puts_nan_last_and_keeps_the_order_of_equals() {
    let scores = [NAN, 1.0, -INF, NAN, 1.0, INF];
    assert_eq!(indices(&top_k_vec(&scores, 9)), [5, 1, 4, 2, 0, 3]);
    assert_eq!(indices(&top_k_vec(&scores, 2)), [5, 1]);
    assert_eq!(indices(&top_k_vec(&[NAN, NAN, 0.0], 2)), [2, 0]);
    assert!(top_k_vec(&scores, 0).is_empty() && top_k_vec(&[], 3).is_empty());
    assert_eq!(indices(&top_k_vec(&[0.0, -0.0, 0.0], usize::MAX)), [0, 1, 2]);
}

#[test]
fn top_k_leaves_the_rest_of_the_room_alone() {
    let mut best = [Score { index: 77, score: 7.0 }; 3];
    assert_eq!(top_k(&[2.0], &mut best), [Score { index: 0, score: 2.0 }]);
    assert_eq!(best[1].index, 77);
}

#[test]
fn argmax_is_the_first_of_top_k() {
    assert_eq!(argmax(&[]), None);
    assert_eq!(argmax(&[NAN, NAN]), Some(0));
    assert_eq!(argmax(&[NAN, -INF, -INF]), Some(1));
    assert_eq!(argmax(&[1.0, 3.0, 3.0]), Some(1));
}

fn square(x: f32, size: f32) -> Rect {
    Rect { x0: x, y0: 0.0, x1: x + size, y1: size }
}

#[test]
fn intersection_over_union() {
    assert_eq!(square(0.0, 2.0).iou(square(0.0, 2.0)), 1.0);
    assert_eq!(square(0.0, 2.0).iou(square(1.0, 2.0)), 1.0 / 3.0);
    assert_eq!(square(0.0, 2.0).iou(square(2.0, 2.0)), 0.0);
    let turned = Rect { x0: 2.0, y0: 2.0, x1: 0.0, y1: 0.0 };
    assert_eq!(turned.iou(square(0.0, 2.0)), 1.0);
}

#[test]
fn an_overlap_that_is_no_number_is_none() {
    let point = square(1.0, 0.0);
    assert_eq!(point.iou(point), 0.0);
    for odd in [square(NAN, 1.0), square(0.0, NAN), square(0.0, INF), square(-INF, 1.0), square(0.0, 3e38)] {
        assert_eq!(odd.iou(odd), 0.0, "{odd:?}");
        assert_eq!(odd.iou(square(0.0, 1.0)), 0.0, "{odd:?}");
        assert_eq!(square(0.0, 1.0).iou(odd), 0.0, "{odd:?}");
    }
}

fn kept(scores: &[f32], min_score: f32, max_iou: f32, room: usize) -> Vec<usize> {
    // 0 and 1 overlap by 0.6, 2 is apart, 3 is equal to 0.
    let boxes = [square(0.0, 4.0), square(1.0, 4.0), square(9.0, 4.0), square(0.0, 4.0)];
    let mut kept = vec![usize::MAX; room];
    nms(&boxes[..scores.len()], scores, min_score, max_iou, &mut kept).unwrap().to_vec()
}

#[test]
fn suppression_keeps_the_better_of_two_that_overlap() {
    assert_eq!(kept(&[0.5, 0.6, 0.4, 0.5], 0.0, 0.5, 9), [1, 2]);
    assert_eq!(kept(&[0.5, 0.6, 0.4, 0.5], 0.0, 0.7, 9), [1, 0, 2]);
    assert_eq!(kept(&[0.5, 0.6, 0.4, 0.5], 0.0, 1.0, 9), [1, 0, 3, 2]);
    assert_eq!(kept(&[0.5, 0.6, 0.4, 0.5], 0.5, 1.0, 9), [1, 0, 3]);
    assert_eq!(kept(&[0.5, 0.6, 0.4, 0.5], 0.0, 1.0, 2), [1, 0]);
}

#[test]
fn suppression_of_nothing_and_of_nan() {
    assert_eq!(kept(&[], 0.0, 0.5, 3), [0; 0]);
    assert_eq!(kept(&[0.5, 0.6], 0.0, 0.5, 0), [0; 0]);
    assert_eq!(kept(&[NAN, NAN, 0.1, NAN], 0.0, 0.5, 9), [2]);
    assert_eq!(kept(&[0.5, 0.6], NAN, 0.5, 9), [0; 0]);
    assert_eq!(kept(&[0.5, 0.6], 0.0, NAN, 9), [1, 0]);
    assert_eq!(kept(&[-INF, INF, -INF], -INF, 2.0, 9), [1, 0, 2]);
    assert!(matches!(
        nms(&[], &[1.0], 0.0, 0.5, &mut [0]),
        Err(Error::Shape { expected: Some(0), found: 1 })
    ));
}

#[test]
fn dequantising_does_not_overflow() {
    let mut results = [0.0; 2];
    dequantise(&[i32::MIN, i32::MAX], 1.0, i32::MAX, &mut results).unwrap();
    assert_eq!(results, [-4_294_967_296.0, 0.0]);
    dequantise(&[-128_i8, 127], 0.5, -128, &mut results).unwrap();
    assert_eq!(results, [0.0, 127.5]);
    assert!(dequantise(&[1_u8], 1.0, 0, &mut results).is_err());
}

#[test]
fn lengths_must_agree() {
    assert!(f32_to_f16(&[1.0], &mut []).is_err());
    assert!(f16_to_f32(&[F16::MAX], &mut [0.0; 2]).is_err());
}
