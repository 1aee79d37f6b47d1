//! The exponential function, which `core` lacks: multiplications and additions in one order, so that every
//! target and the C SDK give the same bits.

use core::f64::consts::LOG2_E;

/// ln 2 in two parts; the first has so few bits that its product with an exponent is exact.
const LN_2_HIGH: f64 = 0.693_147_180_369_123_8;
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;
/// 1/n! for n from 11 down to 0.
const COEFFICIENTS: [f64; 12] = [
    1.0 / 39_916_800.0,
    1.0 / 3_628_800.0,
    1.0 / 362_880.0,
    1.0 / 40_320.0,
    1.0 / 5_040.0,
    1.0 / 720.0,
    1.0 / 120.0,
    1.0 / 24.0,
    1.0 / 6.0,
    0.5,
    1.0,
    1.0,
];

/// e to the power of `x`, for `x` not above 0; 0 below −700, NaN for NaN. The relative error is below 2⁻⁴⁵,
/// so that the result rounded to `f32` is within 0.5001 units in the last place.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from -1010 to 0")]
pub(super) fn exp(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    if x < -700.0 {
        return 0.0;
    }
    // x = k ln 2 + r with |r| about ln 2 / 2 at most: the conversion rounds towards 0, hence up.
    let k = (x * LOG2_E - 0.5) as i32;
    let r = (x - f64::from(k) * LN_2_HIGH) - f64::from(k) * LN_2_LOW;
    let power = COEFFICIENTS.iter().fold(0.0, |sum, coefficient| sum * r + coefficient);
    let two_to_k = f64::from_bits(((1023 + k) as u64) << 52);
    power * two_to_k
}

#[cfg(all(test, feature = "std"))]
mod tests {
    use super::exp;

    #[test]
    fn it_agrees_with_the_system_s() {
        for step in 0..200_000 {
            let x = -f64::from(step) * 0.003_371;
            let error = (exp(x) - x.exp()).abs() / x.exp();
            assert!(error < 2.0_f64.powi(-45), "{x}: {error:e}");
        }
    }

    #[test]
    fn its_ends() {
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(-0.0), 1.0);
        assert_eq!(exp(f64::NEG_INFINITY), 0.0);
        assert_eq!(exp(-701.0), 0.0);
        assert!(exp(-700.0) > 0.0);
        assert!(exp(f64::NAN).is_nan());
    }

    #[test]
    fn the_high_part_of_ln_2_has_few_bits() {
        let bits = super::LN_2_HIGH.to_bits();
        assert_eq!(bits & 0xffff_ffff, bits & 0xffe0_0000, "{bits:#x}");
        let sum = super::LN_2_HIGH + super::LN_2_LOW;
        assert_eq!(sum, core::f64::consts::LN_2);
    }
}
