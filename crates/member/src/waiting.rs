//! What every adapter's exceptions store needs besides its database: when a parked record is tried again, and the
//! tokens by which it says what row it waits for.

use tributary_model::{KeyBytes, TableName, Ticks, time};

/// The first pause before a parked record is tried again; it doubles with every attempt.
const FIRST_PAUSE: Ticks = time::TICKS_A_SECOND;
/// The longest pause.
const LONGEST_PAUSE: Ticks = 300 * time::TICKS_A_SECOND;

/// When a record that was refused so many times is due again.
pub(crate) fn due_at(now: Ticks, attempts: u32) -> Ticks {
    let doubled = FIRST_PAUSE.checked_shl(attempts.saturating_sub(1).min(20)).unwrap_or(LONGEST_PAUSE);
    now.saturating_add(doubled.min(LONGEST_PAUSE))
}

/// What a parked record waits for.
pub(crate) type Token = [u8; 16];

/// The row that has these values in these columns of the group's table.
pub(crate) fn row_token(table: &TableName, columns: &[usize], values: &KeyBytes) -> Token {
    token("row", table, columns, values)
}

/// One row less that refers to the row with this key.
pub(crate) fn referrer_token(table: &TableName, key: &KeyBytes) -> Token {
    token("referrer", table, &[], key)
}

fn token(what: &str, table: &TableName, columns: &[usize], values: &KeyBytes) -> Token {
    let mut hasher = blake3::Hasher::new();
    let mut part = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_be_bytes());
        hasher.update(bytes);
    };
    part(what.as_bytes());
    part(table.as_str().as_bytes());
    for column in columns {
        part(&(*column as u64).to_be_bytes());
    }
    part(values.as_slice());
    let mut token = [0; 16];
    token.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    token
}

/// Bytes that are spelt in hexadecimal digits, at least one.
pub(crate) fn bytes_of_hex(digits: &str) -> Option<Vec<u8>> {
    if digits.is_empty()
        || !digits.len().is_multiple_of(2)
        || !digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    {
        return None;
    }
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_five_minutes() {
        let seconds = |attempts| (due_at(0, attempts)) / time::TICKS_A_SECOND;
        assert_eq!([1, 2, 3, 9, 10, 40].map(seconds), [1, 2, 4, 256, 300, 300]);
        assert_eq!(due_at(Ticks::MAX, 3), Ticks::MAX);
    }

    #[test]
    fn tokens_tell_what_is_waited_for() {
        let (table, other) = (TableName::new("a"), TableName::new("b"));
        let key = KeyBytes::new([2]);
        let tokens = [
            row_token(&table, &[0], &key),
            row_token(&other, &[0], &key),
            row_token(&table, &[1], &key),
            row_token(&table, &[0], &KeyBytes::new([4])),
            referrer_token(&table, &key),
        ];
        for (at, token) in tokens.iter().enumerate() {
            assert!(!tokens[..at].contains(token), "token {at}");
        }
    }

    #[test]
    fn hexadecimal_is_read_whole() {
        assert_eq!(bytes_of_hex("02ff"), Some(vec![2, 255]));
        for bad in ["", "2", "zz", "+1", "é0"] {
            assert_eq!(bytes_of_hex(bad), None, "{bad}");
        }
    }
}
