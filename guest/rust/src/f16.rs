//! Half precision without a dependency.

/// An IEEE 754 half-precision number, for tensors; compute in `f32`.
///
/// ```
/// use wasinn::F16;
/// assert_eq!(F16::from(0.1_f32).to_f32(), 0.099_975_586);
/// assert_eq!(F16::from(65_520.0_f32), F16::INFINITY);
/// ```
#[derive(Clone, Copy, Default)]
#[repr(transparent)]
pub struct F16(u16);

const SIGN: u16 = 0x8000;
/// 2⁻¹⁴ as `f32` bits: the smallest normal half.
const MIN_NORMAL: u32 = 0x3880_0000;
/// 2¹⁶ as `f32` bits: twice the highest power of two of a half.
const OVERFLOW: u32 = 0x4780_0000;
const F32_INFINITY: u32 = 0x7f80_0000;
/// What the exponents of both formats differ by, 127 − 15, in `f32` bits.
const REBIAS: u32 = 112 << 23;

impl F16 {
    /// Positive infinity.
    pub const INFINITY: Self = Self(0x7c00);
    /// The largest finite value, 65504.
    pub const MAX: Self = Self(0x7bff);
    /// A quiet NaN.
    pub const NAN: Self = Self(0x7e00);

    /// The number with these bits.
    #[must_use]
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// Its bits.
    #[must_use]
    pub const fn to_bits(self) -> u16 {
        self.0
    }

    /// Rounds to the nearest half, ties to even; from 65520 on that is infinity.
    ///
    /// A NaN stays one: sign and upper ten payload bits are kept, and it is quiet.
    #[must_use]
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "the upper half is zero after each shift")]
    pub fn from_f32(value: f32) -> Self {
        let bits = value.to_bits();
        let sign = (bits >> 16) as u16 & SIGN;
        let magnitude = bits & !(1 << 31);
        let half = if magnitude > F32_INFINITY {
            Self::NAN.0 | (magnitude >> 13) as u16 & 0x3ff
        } else if magnitude >= OVERFLOW {
            Self::INFINITY.0
        } else if magnitude < MIN_NORMAL {
            // The last bit of a number in [0.5, 1) is 2⁻²⁴, that of a subnormal half: the sum rounds to it.
            ((f32::from_bits(magnitude) + 0.5).to_bits() - 0.5_f32.to_bits()) as u16
        } else {
            let odd = magnitude >> 13 & 1;
            ((magnitude - REBIAS + 0xfff + odd) >> 13) as u16
        };
        Self(sign | half)
    }

    /// Widens; exact. A NaN stays one: sign and payload are kept, and it is quiet.
    #[must_use]
    #[inline]
    pub fn to_f32(self) -> f32 {
        let sign = u32::from(self.0 & SIGN) << 16;
        let magnitude = self.0 & !SIGN;
        let shifted = u32::from(magnitude) << 13;
        let bits = if magnitude > Self::INFINITY.0 {
            shifted | F32_INFINITY | 1 << 22
        } else if magnitude >= Self::INFINITY.0 {
            F32_INFINITY
        } else {
            // The exponent is 112 too low; a product mends it, and makes a normal number of a subnormal one.
            (f32::from_bits(shifted) * f32::from_bits(REBIAS + 1.0_f32.to_bits())).to_bits()
        };
        f32::from_bits(sign | bits)
    }
}

impl From<f32> for F16 {
    fn from(value: f32) -> Self {
        Self::from_f32(value)
    }
}

impl From<F16> for f32 {
    fn from(value: F16) -> Self {
        value.to_f32()
    }
}

impl From<F16> for f64 {
    fn from(value: F16) -> Self {
        value.to_f32().into()
    }
}

impl PartialEq for F16 {
    /// As numbers: zeros are equal, a NaN equals nothing.
    fn eq(&self, other: &Self) -> bool {
        self.to_f32() == other.to_f32()
    }
}

impl PartialOrd for F16 {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        self.to_f32().partial_cmp(&other.to_f32())
    }
}

impl core::fmt::Debug for F16 {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Debug::fmt(&self.to_f32(), f)
    }
}

impl core::fmt::Display for F16 {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(&self.to_f32(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_survives_the_way_through_f32() {
        for bits in 0..=u16::MAX {
            let half = F16::from_bits(bits);
            let quiet = if half.to_f32().is_nan() { bits | 0x200 } else { bits };
            assert_eq!(F16::from_f32(half.to_f32()).to_bits(), quiet, "{bits:#06x}");
        }
    }

    #[test]
    fn a_midpoint_rounds_to_even_and_its_neighbours_away_from_it() {
        for bits in 0..0x7bff_u16 {
            let (low, high) = (F16::from_bits(bits), F16::from_bits(bits + 1));
            let middle = f32::midpoint_of(low, high);
            let even = if bits % 2 == 0 { low } else { high };
            assert_eq!(F16::from_f32(middle).to_bits(), even.to_bits(), "{bits:#06x}");
            let (below, above) = (f32::from_bits(middle.to_bits() - 1), f32::from_bits(middle.to_bits() + 1));
            assert_eq!(F16::from_f32(below).to_bits(), low.to_bits(), "{bits:#06x}");
            assert_eq!(F16::from_f32(above).to_bits(), high.to_bits(), "{bits:#06x}");
            assert_eq!(F16::from_f32(-middle).to_bits(), even.to_bits() | SIGN, "{bits:#06x}");
        }
    }

    trait Midpoint {
        fn midpoint_of(low: F16, high: F16) -> f32;
    }

    impl Midpoint for f32 {
        /// Exact: both have 11 bits.
        fn midpoint_of(low: F16, high: F16) -> f32 {
            (low.to_f32() + high.to_f32()) / 2.0
        }
    }

    #[test]
    fn the_ends_of_the_range() {
        assert_eq!(F16::MAX.to_f32(), 65504.0);
        assert_eq!(F16::from_f32(65519.996).to_bits(), F16::MAX.to_bits());
        for large in [65520.0, 65536.0, 1e9, f32::MAX, f32::INFINITY] {
            assert_eq!(F16::from_f32(large).to_bits(), 0x7c00);
            assert_eq!(F16::from_f32(-large).to_bits(), 0xfc00);
        }
        let smallest = f32::from_bits(103 << 23);
        assert_eq!(F16::from_bits(1).to_f32(), smallest);
        assert_eq!(F16::from_f32(smallest / 2.0).to_bits(), 0);
        assert_eq!(F16::from_f32(smallest / 1.99).to_bits(), 1);
        assert_eq!(F16::from_f32(-f32::from_bits(1)).to_bits(), SIGN);
        assert_eq!(F16::from_f32(-0.0).to_bits(), SIGN);
    }

    #[test]
    fn a_nan_keeps_sign_and_payload_and_is_quiet() {
        assert_eq!(F16::from_f32(f32::from_bits(0xff80_2001)).to_bits(), 0xfe01);
        assert_eq!(F16::from_f32(f32::from_bits(0x7f80_0001)).to_bits(), 0x7e00);
        assert_eq!(F16::from_bits(0xfc01).to_f32().to_bits(), 0xffc0_2000);
        assert_ne!(F16::NAN, F16::NAN);
    }
}
