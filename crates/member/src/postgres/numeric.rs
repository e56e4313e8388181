//! PostgreSQL's binary form of `numeric`: groups of four decimal digits, the first one's weight, sign and scale.

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::{BigInt, BigUint, Sign};

const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;
const INFINITY: u16 = 0xD000;
const NEGATIVE_INFINITY: u16 = 0xF000;

/// Digits before and behind the point that an unconstrained numeric has at most.
const MOST_BEFORE: i64 = 131_072;
const MOST_BEHIND: i64 = 16_383;

/// Reads a decimal.
pub(super) fn decode(bytes: &[u8]) -> Result<BigDecimal, &'static str> {
    const BROKEN: &str = "was sent in a form that is no numeric";
    let word =
        |at: usize| -> Option<u16> { Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?)) };
    let (Some(count), Some(weight), Some(sign), Some(scale)) = (word(0), word(2), word(4), word(6)) else {
        return Err(BROKEN);
    };
    match sign {
        NAN => return Err("holds NaN, which no other database's decimals have"),
        INFINITY | NEGATIVE_INFINITY => return Err("holds infinity, which no other database has"),
        0 | NEGATIVE => {}
        _ => return Err(BROKEN),
    }
    let groups = bytes.get(8..8 + usize::from(count) * 2).ok_or(BROKEN)?;
    let groups = groups.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    // The last group's last digit stands so many places behind the point.
    let behind = (i64::from(count) - i64::from(weight as i16) - 1) * 4;
    let number = if count <= 9 {
        // Nine groups fit into 128 bits.
        BigInt::from(groups.fold(0_i128, |sum, group| sum * 10_000 + i128::from(group)))
    } else {
        let mut digits = Vec::with_capacity(usize::from(count) * 4);
        for group in groups {
            let group = group % 10_000;
            digits.extend(
                [group / 1000, group / 100 % 10, group / 10 % 10, group % 10].map(|digit| digit as u8),
            );
        }
        BigInt::from_biguint(Sign::Plus, BigUint::from_radix_be(&digits, 10).ok_or(BROKEN)?)
    };
    let number = if sign == NEGATIVE { -number } else { number };
    let decimal = BigDecimal::new(number, behind);
    // At the scale that the server shows: digits beyond it, and those that were left out before it, are zeros.
    Ok(if behind == i64::from(scale) { decimal } else { decimal.with_scale(i64::from(scale)) })
}

/// Whether an unconstrained numeric holds the decimal.
pub(super) fn is_holdable(decimal: &BigDecimal) -> bool {
    let (digits, exponent) = decimal.as_bigint_and_exponent();
    // Written out, a decimal of a few bytes can fill the memory: look at its size first.
    let guess = (digits.bits() / 3 + 1) as i64;
    let length = if (1_000..300_000).contains(&guess) { decimal.digits() as i64 } else { guess };
    exponent <= MOST_BEHIND && length - exponent <= MOST_BEFORE && length <= MOST_BEFORE + MOST_BEHIND
}

/// Appends a decimal that [`is_holdable`].
pub(super) fn encode(decimal: &BigDecimal, out: &mut Vec<u8>) {
    let (number, exponent) = decimal.as_bigint_and_exponent();
    let (sign, mut digits) = (number.sign(), number.magnitude().to_radix_be(10));
    let scale = exponent.max(0);
    // Zeros at the end bring the last digit to the end of a group of four.
    let zeros = if exponent < 0 { -exponent } else { (4 - exponent % 4) % 4 };
    digits.resize(digits.len() + zeros as usize, 0);
    let behind = if exponent < 0 { 0 } else { (exponent + 3) / 4 };
    let first = digits.len() % 4;
    let mut groups: Vec<u16> = Vec::with_capacity(digits.len() / 4 + 1);
    let value = |digits: &[u8]| digits.iter().fold(0_u16, |sum, digit| sum * 10 + u16::from(*digit));
    if first > 0 {
        groups.push(value(&digits[..first]));
    }
    groups.extend(digits[first..].chunks_exact(4).map(value));
    let leading = groups.iter().take_while(|group| **group == 0).count();
    let weight = groups.len() as i64 - behind - 1 - leading as i64;
    groups.drain(..leading);
    while groups.last() == Some(&0) {
        groups.pop();
    }
    let weight = if groups.is_empty() { 0 } else { weight };
    let sign = if sign == Sign::Minus && !groups.is_empty() { NEGATIVE } else { 0 };
    for word in [groups.len() as u16, weight as i16 as u16, sign, scale as u16] {
        out.extend_from_slice(&word.to_be_bytes());
    }
    for group in groups {
        out.extend_from_slice(&group.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::str::FromStr;

    fn words(text: &str) -> Vec<u16> {
        let mut out = Vec::new();
        encode(&BigDecimal::from_str(text).unwrap(), &mut out);
        out.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect()
    }

    #[test]
    fn known_forms() {
        assert_eq!(words("0"), [0, 0, 0, 0]);
        assert_eq!(words("0.00"), [0, 0, 0, 2]);
        assert_eq!(words("1"), [1, 0, 0, 0, 1]);
        assert_eq!(words("-12.50"), [2, 0, 0x4000, 2, 12, 5000]);
        assert_eq!(words("10000"), [1, 1, 0, 0, 1]);
        assert_eq!(words("1e6"), [1, 1, 0, 0, 100]);
        assert_eq!(words("0.0001"), [1, 0xffff, 0, 4, 1]);
        assert_eq!(words("12345.6789"), [3, 1, 0, 4, 1, 2345, 6789]);
    }

    #[test]
    fn what_has_no_decimal_is_told() {
        let special =
            |sign: u16| [0, 0, sign, 0].iter().flat_map(|word: &u16| word.to_be_bytes()).collect::<Vec<_>>();
        assert!(decode(&special(NAN)).unwrap_err().contains("NaN"));
        assert!(decode(&special(INFINITY)).unwrap_err().contains("infinity"));
        assert!(decode(&special(1)).is_err());
        assert!(decode(&[0, 5, 0, 0, 0, 0, 0, 0]).is_err());
        assert!(!is_holdable(&BigDecimal::from_str("1e200000").unwrap()));
        assert!(!is_holdable(&BigDecimal::from_str("1e-20000").unwrap()));
    }

    proptest! {
        #[test]
        fn decimals_read_back(digits in "-?[0-9]{1,60}", exponent in -40..40_i64) {
            let decimal = BigDecimal::new(BigInt::from_str(&digits).unwrap(), exponent);
            let mut out = Vec::new();
            encode(&decimal, &mut out);
            let back = decode(&out).unwrap();
            prop_assert_eq!(&back, &decimal);
            if exponent >= 0 {
                prop_assert_eq!(back.as_bigint_and_exponent().1, exponent);
            }
        }

        #[test]
        fn foreign_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = decode(&bytes);
        }
    }
}
