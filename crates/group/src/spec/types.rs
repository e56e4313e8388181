//! Which type has room for the values of two others.
//!
//! Columns of one name that have unlike types in two members can be synchronised where every value of either can be
//! written in one type without loss. Whether it can come back is another question, which `pairs` answers.

use tributary_model::LogicalType;

/// Digits that a 32-bit and a 64-bit integer may have.
const INT_DIGITS: u32 = 10;
const LONG_DIGITS: u32 = 19;
/// Decimals are declared with as many digits at most.
const MOST_DIGITS: u32 = 1000;

/// The narrowest type that has room for every value of both; `None` where there is none.
pub(super) fn common(one: LogicalType, other: LogicalType) -> Option<LogicalType> {
    use LogicalType as T;
    match (one, other) {
        _ if one == other => Some(one),
        (T::Int, T::Long) | (T::Long, T::Int) => Some(T::Long),
        (T::Float, T::Double) | (T::Double, T::Float) => Some(T::Double),
        _ => {
            let ((whole, behind), (other_whole, other_behind)) = (digits(one)?, digits(other)?);
            let scale = behind.max(other_behind);
            let precision = whole.max(other_whole).saturating_add(scale);
            Some(if precision <= MOST_DIGITS { T::Decimal { precision, scale } } else { T::Numeric })
        }
    }
}

/// How many digits an exact number may have before and behind the point; `None` for other types.
pub(super) fn digits(logical: LogicalType) -> Option<(u32, u32)> {
    match logical {
        LogicalType::Int => Some((INT_DIGITS, 0)),
        LogicalType::Long => Some((LONG_DIGITS, 0)),
        LogicalType::Decimal { precision, scale } => Some((precision - scale, scale)),
        LogicalType::Numeric => Some((u32::MAX, u32::MAX)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use LogicalType as T;

    fn decimal(precision: u32, scale: u32) -> T {
        T::Decimal { precision, scale }
    }

    #[test]
    fn the_common_type_has_room_for_both() {
        for (one, other, both) in [
            (T::Int, T::Int, Some(T::Int)),
            (T::Int, T::Long, Some(T::Long)),
            (T::Float, T::Double, Some(T::Double)),
            (decimal(10, 2), decimal(12, 4), Some(decimal(12, 4))),
            (decimal(10, 0), decimal(5, 5), Some(decimal(15, 5))),
            (decimal(5, 2), T::Int, Some(decimal(12, 2))),
            (T::Long, decimal(38, 0), Some(decimal(38, 0))),
            (T::Long, T::Numeric, Some(T::Numeric)),
            (decimal(1000, 0), decimal(1000, 1000), Some(T::Numeric)),
            (T::Numeric, T::Double, None),
            (T::String, T::Uuid, None),
            (T::Timestamp, T::TimestampOffset, None),
            (T::Boolean, T::Int, None),
        ] {
            assert_eq!(common(one, other), both, "{one} and {other}");
            assert_eq!(common(other, one), both, "{other} and {one}");
        }
    }
}
