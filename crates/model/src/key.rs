//! Canonical key bytes: one spelling for each key value, the same in every member.
//!
//! They are the Avro payload of the key's record (fields in key order, none nullable) without the registry's
//! framing; the codec's tests hold the two to each other. They pick the partition, name the cell in the resolver's
//! state and are what compaction compares, so equal keys must have equal bytes: decimals are written at their
//! column's scale, unbounded ones without trailing zeros.
//!
//! | type | bytes |
//! |---|---|
//! | boolean | one byte, 0 or 1 |
//! | int, long, date, time, timestamp | zigzag varint |
//! | decimal(p,s) | length, then the unscaled value in the fewest bytes of big-endian two's complement |
//! | numeric | length, then plain decimal text without trailing zeros |
//! | string, bytes | length, then the bytes |
//! | uuid | length 36, then lower-case text |
//! | timestamp with offset | two zigzag varints: ticks, offset in minutes |
//!
//! Floats are no keys: they do not compare alike everywhere.

use crate::{LogicalType, Value};
use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::BigInt;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use uuid::Uuid;

/// The canonical bytes of one key; cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyBytes(Arc<[u8]>);

impl KeyBytes {
    /// Takes bytes that [`encode`] made or that a log carried.
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for KeyBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Why something is no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A key column is NULL or absent.
    #[error("key column {position} is {found}; a row without a complete key cannot be synchronised")]
    Missing {
        /// Position within the key, from 0.
        position: usize,
        /// "NULL" or "absent".
        found: &'static str,
    },
    /// A value that its column's type cannot hold.
    #[error("key column {position} holds a value that is not a {logical}")]
    Type {
        /// Position within the key, from 0.
        position: usize,
        /// The column's type.
        logical: LogicalType,
    },
    /// Bytes that no key of these types has.
    #[error("{length} bytes are not a key of {columns} columns: column {position} cannot be read")]
    Malformed {
        /// How many bytes there were.
        length: usize,
        /// How many columns the key has.
        columns: usize,
        /// The column at which reading failed; `columns` when bytes were left over.
        position: usize,
    },
}

/// Writes a key: its columns' types and values, in key order.
pub fn encode<'a>(
    columns: impl IntoIterator<Item = (LogicalType, Option<&'a Value>)>,
) -> Result<KeyBytes, KeyError> {
    let mut out = Vec::with_capacity(16);
    for (position, (logical, value)) in columns.into_iter().enumerate() {
        match value {
            None => return Err(KeyError::Missing { position, found: "absent" }),
            Some(Value::Null) => return Err(KeyError::Missing { position, found: "NULL" }),
            Some(value) => {
                write_value(&mut out, logical, value).ok_or(KeyError::Type { position, logical })?;
            }
        }
    }
    Ok(KeyBytes(out.into()))
}

/// Reads a key of these column types. Bytes left over, or spelt other than [`encode`] would, are refused.
pub fn decode(types: &[LogicalType], bytes: &KeyBytes) -> Result<Vec<Value>, KeyError> {
    let mut rest = bytes.as_slice();
    let mut values = Vec::with_capacity(types.len());
    let malformed = |position| KeyError::Malformed { length: bytes.0.len(), columns: types.len(), position };
    for (position, logical) in types.iter().enumerate() {
        values.push(read_value(&mut rest, *logical).ok_or_else(|| malformed(position))?);
    }
    let again = encode(types.iter().copied().zip(values.iter().map(Some)))?;
    if rest.is_empty() && again == *bytes { Ok(values) } else { Err(malformed(types.len())) }
}

fn write_value(out: &mut Vec<u8>, logical: LogicalType, value: &Value) -> Option<()> {
    if !value.fits(logical) {
        return None;
    }
    match (logical, value) {
        (LogicalType::Boolean, Value::Boolean(value)) => out.push(u8::from(*value)),
        (_, Value::Int(value) | Value::Date(value)) => write_long(out, i64::from(*value)),
        (_, Value::Long(value) | Value::Time(value) | Value::Timestamp(value)) => write_long(out, *value),
        (LogicalType::Decimal { scale, .. }, Value::Decimal(value)) => {
            let (unscaled, _) = value.with_scale(i64::from(scale)).into_bigint_and_exponent();
            write_bytes(out, &unscaled.to_signed_bytes_be());
        }
        (LogicalType::Numeric, Value::Decimal(value)) => {
            write_bytes(out, value.normalized().to_plain_string().as_bytes());
        }
        (_, Value::String(value)) => write_bytes(out, value.as_bytes()),
        (_, Value::Bytes(value)) => write_bytes(out, value),
        (_, Value::Uuid(value)) => {
            write_bytes(out, value.hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes());
        }
        (_, Value::TimestampOffset { ticks, offset_minutes }) => {
            write_long(out, *ticks);
            write_long(out, i64::from(*offset_minutes));
        }
        _ => return None,
    }
    Some(())
}

fn read_value(rest: &mut &[u8], logical: LogicalType) -> Option<Value> {
    Some(match logical {
        LogicalType::Boolean => {
            let (byte, after) = rest.split_first()?;
            *rest = after;
            Value::Boolean(*byte == 1)
        }
        LogicalType::Int => Value::Int(read_long(rest)?.try_into().ok()?),
        LogicalType::Date => Value::Date(read_long(rest)?.try_into().ok()?),
        LogicalType::Long => Value::Long(read_long(rest)?),
        LogicalType::Time => Value::Time(read_long(rest)?),
        LogicalType::Timestamp => Value::Timestamp(read_long(rest)?),
        LogicalType::TimestampOffset => Value::TimestampOffset {
            ticks: read_long(rest)?,
            offset_minutes: read_long(rest)?.try_into().ok()?,
        },
        LogicalType::Decimal { scale, .. } => {
            let unscaled = BigInt::from_signed_bytes_be(read_bytes(rest)?);
            Value::Decimal(BigDecimal::new(unscaled, i64::from(scale)))
        }
        LogicalType::Numeric => {
            let text = std::str::from_utf8(read_bytes(rest)?).ok()?;
            // An exponent could name a number too long to write out.
            (!text.contains(['e', 'E'])).then_some(())?;
            Value::Decimal(BigDecimal::from_str(text).ok()?)
        }
        LogicalType::String => Value::String(String::from_utf8(read_bytes(rest)?.to_vec()).ok()?),
        LogicalType::Bytes => Value::Bytes(read_bytes(rest)?.to_vec()),
        LogicalType::Uuid => Value::Uuid(Uuid::parse_str(std::str::from_utf8(read_bytes(rest)?).ok()?).ok()?),
        LogicalType::Float | LogicalType::Double => return None,
    })
}

fn write_long(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

fn read_long(rest: &mut &[u8]) -> Option<i64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((number >> 1) as i64 ^ -((number & 1) as i64));
        }
    }
    None
}

fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write_long(out, bytes.len() as i64);
    out.extend_from_slice(bytes);
}

fn read_bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(read_long(rest)?).ok()?;
    let (bytes, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(logical: LogicalType, value: &Value) -> KeyBytes {
        encode([(logical, Some(value))]).unwrap()
    }

    #[test]
    fn golden_bytes() {
        let money = LogicalType::Decimal { precision: 10, scale: 2 };
        let decimal = |text: &str| Value::Decimal(BigDecimal::from_str(text).unwrap());
        for (logical, value, bytes) in [
            (LogicalType::Int, Value::Int(-1), vec![1]),
            (LogicalType::Long, Value::Long(64), vec![0x80, 1]),
            (LogicalType::String, Value::String("é".into()), vec![4, 0xc3, 0xa9]),
            (LogicalType::Boolean, Value::Boolean(true), vec![1]),
            (money, decimal("1.5"), vec![4, 0, 150]),
            (money, decimal("1.50"), vec![4, 0, 150]),
            (money, decimal("-0.01"), vec![2, 255]),
            (LogicalType::Numeric, decimal("1.50"), vec![6, b'1', b'.', b'5']),
        ] {
            assert_eq!(one(logical, &value).as_slice(), bytes, "{value}");
        }
    }

    #[test]
    fn incomplete_and_foreign_keys_are_refused() {
        let int = LogicalType::Int;
        assert_eq!(encode([(int, None)]), Err(KeyError::Missing { position: 0, found: "absent" }));
        assert_eq!(
            encode([(int, Some(&Value::Null))]),
            Err(KeyError::Missing { position: 0, found: "NULL" })
        );
        assert!(encode([(int, Some(&Value::Long(1)))]).is_err());
        assert!(encode([(LogicalType::Double, Some(&Value::Double(1.0)))]).is_err());
        // 0x80 0x00 is a second spelling of 0; 2 is no boolean.
        assert!(decode(&[int], &KeyBytes::new([0x80, 0])).is_err());
        assert!(decode(&[LogicalType::Boolean], &KeyBytes::new([2])).is_err());
        assert!(decode(&[int], &KeyBytes::new([0, 0])).is_err());
    }

    fn typed() -> impl Strategy<Value = (LogicalType, Value)> {
        prop_oneof![
            any::<i32>().prop_map(|v| (LogicalType::Int, Value::Int(v))),
            any::<i64>().prop_map(|v| (LogicalType::Long, Value::Long(v))),
            any::<bool>().prop_map(|v| (LogicalType::Boolean, Value::Boolean(v))),
            any::<i64>().prop_map(|v| (LogicalType::Timestamp, Value::Timestamp(v))),
            "\\PC{0,20}".prop_map(|v| (LogicalType::String, Value::String(v))),
            prop::collection::vec(any::<u8>(), 0..20).prop_map(|v| (LogicalType::Bytes, Value::Bytes(v))),
            any::<u128>().prop_map(|v| (LogicalType::Uuid, Value::Uuid(Uuid::from_u128(v)))),
            (any::<i64>(), 0..6i64).prop_map(|(v, s)| {
                (
                    LogicalType::Decimal { precision: 38, scale: 6 },
                    Value::Decimal(BigDecimal::new(v.into(), s)),
                )
            }),
            (any::<i64>(), -5..6i64)
                .prop_map(|(v, s)| (LogicalType::Numeric, Value::Decimal(BigDecimal::new(v.into(), s)))),
        ]
    }

    proptest! {
        #[test]
        fn keys_read_back(columns in prop::collection::vec(typed(), 1..4)) {
            let bytes = encode(columns.iter().map(|(t, v)| (*t, Some(v)))).unwrap();
            let types: Vec<_> = columns.iter().map(|(t, _)| *t).collect();
            let values: Vec<_> = columns.into_iter().map(|(_, v)| v).collect();
            prop_assert_eq!(decode(&types, &bytes).unwrap(), values);
        }

        #[test]
        fn foreign_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..40), columns in prop::collection::vec(typed(), 1..4)) {
            let types: Vec<_> = columns.iter().map(|(t, _)| *t).collect();
            let _ = decode(&types, &KeyBytes::new(bytes));
        }
    }
}
