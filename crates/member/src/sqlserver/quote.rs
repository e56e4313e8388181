//! Names and values as Transact-SQL spells them.

/// `name` as a quoted identifier. Brackets, since they do not depend on QUOTED_IDENTIFIER.
pub(crate) fn identifier(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 2);
    out.push('[');
    for c in name.chars() {
        if c == ']' {
            out.push(']');
        }
        out.push(c);
    }
    out.push(']');
    out
}

/// `schema.name`, both quoted.
pub(crate) fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", identifier(schema), identifier(name))
}

/// `text` as a string literal of type nvarchar. Line ends stay outside of it: a backslash before one would join the
/// lines, and tools that edit scripts change them.
pub(crate) fn text(text: &str) -> String {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let close = |plain: &mut String, parts: &mut Vec<String>| {
        if !plain.is_empty() {
            parts.push(format!("N'{plain}'"));
            plain.clear();
        }
    };
    for c in text.chars() {
        match c {
            '\0' | '\n' | '\r' => {
                close(&mut plain, &mut parts);
                parts.push(format!("NCHAR({})", u32::from(c)));
            }
            '\'' => plain.push_str("''"),
            c => plain.push(c),
        }
    }
    close(&mut plain, &mut parts);
    match parts.as_slice() {
        [] => "N''".to_owned(),
        [only] => only.clone(),
        // Without the first CAST, the result would be cut at 4,000 characters.
        _ => format!("(CAST(N'' AS nvarchar(max)) + {})", parts.join(" + ")),
    }
}

/// `bytes` as a binary literal.
pub(crate) fn bytes(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2 + 2);
    out.push_str("0x");
    push_hexadecimal(&mut out, bytes);
    out
}

/// The bytes in hexadecimal, without a mark.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    push_hexadecimal(&mut out, bytes);
    out
}

fn push_hexadecimal(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            out.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_brackets_and_quotes_are_doubled() {
        assert_eq!(identifier("a [b] \"c\""), "[a [b]] \"c\"]");
        assert_eq!(qualified("dbo", "x]y"), "[dbo].[x]]y]");
        assert_eq!(text("it's"), "N'it''s'");
        assert_eq!(text(""), "N''");
        assert_eq!(text("a\\\nb"), "(CAST(N'' AS nvarchar(max)) + N'a\\' + NCHAR(10) + N'b')");
        assert_eq!(text("\0"), "NCHAR(0)");
        assert_eq!(bytes(&[0, 0xab]), "0x00ab");
        assert_eq!(bytes(&[]), "0x");
    }
}
