//! Names and texts as SQL spells them.

/// `name` as a quoted identifier.
pub(crate) fn identifier(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 2);
    out.push('"');
    for c in name.chars() {
        if c == '"' {
            out.push('"');
        }
        out.push(c);
    }
    out.push('"');
    out
}

/// `text` as a string literal; an expression where it holds characters that no literal can (NUL ends a statement).
pub(crate) fn text(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    let mut parts = 0;
    for (index, part) in text.split('\0').enumerate() {
        if index > 0 {
            out.push_str(" || char(0) || ");
        }
        out.push('\'');
        out.push_str(&part.replace('\'', "''"));
        out.push('\'');
        parts = index;
    }
    if parts > 0 { format!("({out})") } else { out }
}

/// `bytes` as a BLOB literal.
pub(crate) fn bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2 + 3);
    out.push_str("x'");
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            out.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
    out.push('\'');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rusqlite::Connection;

    #[test]
    fn quotes_are_doubled() {
        assert_eq!(identifier("a \"b\""), "\"a \"\"b\"\"\"");
        assert_eq!(text("it's"), "'it''s'");
        assert_eq!(text("a\0b"), "('a' || char(0) || 'b')");
        assert_eq!(bytes(&[0, 0xab]), "x'00ab'");
    }

    proptest! {
        #[test]
        fn literals_read_back(value in "[\\x00-\\x{ff}😀]{0,20}", raw in prop::collection::vec(any::<u8>(), 0..20)) {
            let connection = Connection::open_in_memory().unwrap();
            let sql = format!("SELECT {}, {}", text(&value), bytes(&raw));
            let (back, blob): (String, Vec<u8>) =
                connection.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
            prop_assert_eq!(back, value);
            prop_assert_eq!(blob, raw);
        }

        #[test]
        fn any_name_can_be_a_column(name in "[^\\x00]{1,20}") {
            let connection = Connection::open_in_memory().unwrap();
            connection.execute_batch(&format!("CREATE TABLE t ({} TEXT)", identifier(&name))).unwrap();
            let back: String =
                connection.query_row("SELECT name FROM pragma_table_info('t')", [], |row| row.get(0)).unwrap();
            prop_assert_eq!(back, name);
        }
    }
}
