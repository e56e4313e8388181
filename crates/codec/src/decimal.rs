//! Exact decimals on the wire: unscaled two's complement bytes for bounded ones, plain text for the others.
//!
//! Up to 38 digits everything happens in 128-bit integers; only wider columns pay for big ones.

use crate::wire::put_bytes;
use bigdecimal::num_bigint::BigInt;
use bigdecimal::{BigDecimal, ToPrimitive};
use std::str::FromStr;
use tributary_model::{LogicalType, Value};

/// More digits than any database's unbounded decimal has (PostgreSQL: 131,072 before and 16,383 behind the point).
pub(crate) const MAX_TEXT: usize = 150_000;

/// The digits that fit 128 bits.
const NARROW: u32 = 38;

/// Precision and scale of a column, with what is worth computing once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    precision: u32,
    scale: u32,
    /// Ten to the power of `precision`, where 128 bits hold it.
    limit: Option<i128>,
    /// More bytes than this are no value of the column.
    longest: usize,
}

impl Bounds {
    pub(crate) fn new(precision: u32, scale: u32) -> Self {
        let limit = (precision <= NARROW).then(|| 10_i128.pow(precision));
        // A decimal digit takes less than half a byte; one more byte holds the sign.
        let longest = if limit.is_some() { 16 } else { precision as usize / 2 + 1 };
        Self { precision, scale, limit, longest }
    }

    /// Appends the unscaled value; `None` when it does not fit without rounding.
    pub(crate) fn put(&self, out: &mut Vec<u8>, value: &BigDecimal) -> Option<()> {
        if let Some(unscaled) = self.narrow(value) {
            put_i128(out, unscaled);
            return Some(());
        }
        let logical = LogicalType::Decimal { precision: self.precision, scale: self.scale };
        let fits = Value::Decimal(value.clone()).fits(logical);
        fits.then(|| {
            let (unscaled, _) = value.with_scale(i64::from(self.scale)).into_bigint_and_exponent();
            put_bytes(out, &unscaled.to_signed_bytes_be());
        })
    }

    /// The value at this scale in 128 bits, where everything on the way fits; `None` decides nothing.
    fn narrow(&self, value: &BigDecimal) -> Option<i128> {
        let limit = self.limit?;
        let (digits, exponent) = value.as_bigint_and_scale();
        let digits = digits.to_i128()?;
        let shift = i64::from(self.scale).checked_sub(exponent)?;
        let factor = 10_i128.checked_pow(u32::try_from(shift.unsigned_abs()).ok()?)?;
        let unscaled = if shift >= 0 {
            digits.checked_mul(factor)?
        } else if digits % factor == 0 {
            digits / factor
        } else {
            return None;
        };
        (unscaled > -limit && unscaled < limit).then_some(unscaled)
    }

    /// The value of these bytes; `None` when the column holds no such value.
    pub(crate) fn read(&self, bytes: &[u8]) -> Option<BigDecimal> {
        if bytes.is_empty() || bytes.len() > self.longest {
            return None;
        }
        if let Some(limit) = self.limit {
            let unscaled = i128_of(bytes);
            return (unscaled > -limit && unscaled < limit)
                .then(|| BigDecimal::new(BigInt::from(unscaled), i64::from(self.scale)));
        }
        let decimal = BigDecimal::new(BigInt::from_signed_bytes_be(bytes), i64::from(self.scale));
        (decimal.digits() <= u64::from(self.precision)).then_some(decimal)
    }
}

/// Two's complement of at most 16 bytes.
fn i128_of(bytes: &[u8]) -> i128 {
    let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    let mut wide = if negative { [0xff; 16] } else { [0; 16] };
    wide[16 - bytes.len()..].copy_from_slice(bytes);
    i128::from_be_bytes(wide)
}

/// Appends the fewest bytes of big-endian two's complement.
fn put_i128(out: &mut Vec<u8>, value: i128) {
    let bits = if value < 0 { (!value).leading_zeros() } else { value.leading_zeros() };
    // One of the leading bits is the sign and stays.
    let unneeded = ((bits.saturating_sub(1)) / 8) as usize;
    put_bytes(out, &value.to_be_bytes()[unneeded.min(15)..]);
}

/// Appends the plain text of an unbounded decimal, its scale kept; `None` when it would be absurdly long.
pub(crate) fn put_text(out: &mut Vec<u8>, value: &BigDecimal) -> Option<()> {
    let (unscaled, scale) = value.as_bigint_and_scale();
    // A bit is worth 0.30103 digits, which 1234/4096 is just above.
    let digits = unscaled.bits() * 1234 / 4096 + 1;
    let length =
        if scale <= 0 { digits.saturating_add(scale.unsigned_abs()) } else { digits.max(scale as u64) };
    if length > MAX_TEXT as u64 {
        return None;
    }
    put_bytes(out, value.to_plain_string().as_bytes());
    Some(())
}

/// Reads plain decimal text: a sign, digits, a point with digits behind it. No exponent: it could name a number too
/// long to write out.
pub(crate) fn read_text(text: &str) -> Option<BigDecimal> {
    // Room for a sign, a point and a zero before it.
    if text.len() > MAX_TEXT + 3 {
        return None;
    }
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    BigDecimal::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bytes_are_as_few_as_can_be() {
        let bounds = Bounds::new(38, 0);
        for (text, bytes) in [
            ("0", &[2, 0][..]),
            ("127", &[2, 0x7f]),
            ("128", &[4, 0, 0x80]),
            ("-128", &[2, 0x80]),
            ("-129", &[4, 0xff, 0x7f]),
            ("-1", &[2, 0xff]),
        ] {
            let mut out = Vec::new();
            bounds.put(&mut out, &text.parse().unwrap()).unwrap();
            assert_eq!(out, bytes, "{text}");
        }
    }

    #[test]
    fn bytes_outside_of_the_precision_are_refused() {
        let bounds = Bounds::new(3, 1);
        assert_eq!(bounds.read(&[0x03, 0xe7]), Some("99.9".parse().unwrap()));
        assert_eq!(bounds.read(&[0, 0, 0, 0x03, 0xe7]), Some("99.9".parse().unwrap()));
        for bad in [&[0x03, 0xe8][..], &[0xfc, 0x18], &[], &[0; 17]] {
            assert_eq!(bounds.read(bad), None, "{bad:?}");
        }
        assert_eq!(Bounds::new(40, 0).read(&[0x7f; 17]), None);
        assert_eq!(Bounds::new(40, 0).read(&[0; 1000]), None);
    }

    #[test]
    fn only_plain_text_is_a_number() {
        for good in ["0", "-0", "007", "1.50", "-0.001"] {
            assert!(read_text(good).is_some(), "{good}");
        }
        for bad in ["", "-", ".", "1.", ".5", "+1", "1e5", "1E5", "1_000", "NaN", " 1", "--1", "1.2.3", "١"]
        {
            assert_eq!(read_text(bad), None, "{bad}");
        }
        assert_eq!(read_text(&"9".repeat(MAX_TEXT + 4)), None);
    }

    proptest! {
        /// The way through 128 bits and the way through big integers agree, on bytes and on refusals.
        #[test]
        fn both_ways_agree(
            unscaled: i128,
            shrink in 0..38_u32,
            exponent in -45..45_i64,
            precision in 1..=38_u32,
            scale in 0..=38_u32,
        ) {
            let value = BigDecimal::new(BigInt::from(unscaled / 10_i128.pow(shrink)), exponent);
            let quick = Bounds::new(precision, scale.min(precision));
            let slow = Bounds { limit: None, ..quick };
            let (mut a, mut b) = (Vec::new(), Vec::new());
            prop_assert_eq!(quick.put(&mut a, &value), slow.put(&mut b, &value));
            prop_assert_eq!(&a, &b);
            if !a.is_empty() {
                let read = quick.read(&a[1..]);
                prop_assert_eq!(read.as_ref(), Some(&value));
                prop_assert_eq!(slow.read(&a[1..]), Some(value));
            }
        }
    }
}
