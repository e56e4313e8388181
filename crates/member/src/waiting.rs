//! What every adapter's exceptions store needs besides its database: when a parked record is tried again, and the
//! tokens by which it says what row it waits for.

use tributary_model::{KeyBytes, TableName, Ticks, time};

/// The first pause before a parked record is tried again; it doubles with every attempt.
const FIRST_PAUSE: Ticks = time::TICKS_A_SECOND;
/// How often it doubles.
const DOUBLED: u32 = 8;
/// The longest pause.
const LONGEST_PAUSE: Ticks = FIRST_PAUSE << DOUBLED;
/// How many records an operator's wish makes due in one transaction.
pub(crate) const MADE_DUE: i64 = 5_000;

/// When a record that was refused so many times is due again: at the next moment that its pause divides. So whatever
/// is parked is due together now and then, however often each was tried: rows that refer to each other in a circle are
/// refused as long as not all of them are tried at once.
pub(crate) fn due_at(now: Ticks, attempts: u32) -> Ticks {
    let pause = FIRST_PAUSE << attempts.saturating_sub(1).min(DOUBLED);
    (now.div_euclid(pause) + 1).saturating_mul(pause)
}

/// Between which times, the first excluded, records are dated that can be tried now: due, or later than any pause
/// reaches. The end of time is the date of what is never tried.
pub(crate) fn retryable(now: Ticks) -> [(Ticks, Ticks); 2] {
    [(Ticks::MIN, now), (now.saturating_add(LONGEST_PAUSE), Ticks::MAX - 1)]
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
    fn pauses_grow_up_to_four_minutes() {
        let seconds = |attempts| (due_at(0, attempts)) / time::TICKS_A_SECOND;
        assert_eq!([1, 2, 3, 9, 10, 40].map(seconds), [1, 2, 4, 256, 256, 256]);
        assert_eq!(due_at(Ticks::MAX, 3), Ticks::MAX);
        assert_eq!(due_at(-1, 1), 0);
    }

    #[test]
    fn what_was_tried_at_different_times_is_due_together_in_the_end() {
        let first = 1_792_000_000 * time::TICKS_A_SECOND + 1_234_567;
        for apart in [1, 700, 2_500, 90_000] {
            let (mut one, mut other) = ((first, 1), (first + apart * time::TICKS_A_SECOND / 1_000, 1));
            while one.0 != other.0 {
                // Whichever is due earlier is tried in vain.
                let earlier = if one.0 < other.0 { &mut one } else { &mut other };
                *earlier = (due_at(earlier.0, earlier.1), earlier.1 + 1);
            }
            assert!(one.0 - first < 3 * LONGEST_PAUSE, "{apart} ms apart: after {} ticks", one.0 - first);
        }
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
