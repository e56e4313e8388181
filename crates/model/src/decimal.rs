//! What becomes of a decimal in a database that keeps it as an integer or as a float.
//!
//! Only arithmetic: which column does which is the adapters' to say.

use bigdecimal::BigDecimal;
use std::str::FromStr as _;

/// Written out, a decimal of a few bytes can fill the memory; the longest of any database has 147,457 digits.
const MOST_DIGITS: u64 = 150_000;

/// Whether a decimal is one that some database holds, and can safely be written out.
pub fn is_reasonable(decimal: &BigDecimal) -> bool {
    let (digits, exponent) = decimal.as_bigint_and_exponent();
    exponent.unsigned_abs() <= MOST_DIGITS && digits.bits() <= 4 * MOST_DIGITS
}

/// The decimal as a 64-bit integer, if it is one.
pub fn whole(decimal: &BigDecimal) -> Option<i64> {
    let normal = decimal.normalized();
    let (digits, exponent) = normal.as_bigint_and_exponent();
    // More than 19 digits are no i64, and must not be written out.
    if !(-19..=0).contains(&exponent) {
        return None;
    }
    let factor = 10_i128.checked_pow(u32::try_from(-exponent).ok()?)?;
    i64::try_from(i128::try_from(digits).ok()?.checked_mul(factor)?).ok()
}

/// The float next to a decimal; none beyond the range of floats.
pub fn nearest_double(decimal: &BigDecimal) -> Option<f64> {
    let float = f64::from_str(&decimal.normalized().to_scientific_notation()).ok();
    float.filter(|float| float.is_finite())
}

/// The decimal that a float is written as, with the fewest digits that give it again.
pub fn of_double(number: f64) -> Option<BigDecimal> {
    if !number.is_finite() {
        return None;
    }
    BigDecimal::from_str(&number.to_string()).ok()
}
