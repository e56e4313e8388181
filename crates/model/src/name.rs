//! Names that Avro, topics and files accept, made from any name so that it can be read back.
//!
//! A character outside `[A-Za-z0-9_]`, a digit in the first place, and an underscore that would read as the start
//! of an escape become `_xHHHH_` (SQL/XML, ISO 9075-14 section 9.1), `_xHHHHHHHH_` beyond the basic plane. A plain
//! underscore stays.

use std::fmt::Write as _;

/// The mangled form of `name`. Empty for an empty name.
pub fn mangle(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut rest = name.chars();
    let mut first = true;
    while let Some(c) = rest.next() {
        let plain = c.is_ascii_alphabetic()
            || (c.is_ascii_digit() && !first)
            || (c == '_' && !rest.as_str().starts_with('x'));
        if plain {
            out.push(c);
        } else if u32::from(c) > 0xffff {
            let _ = write!(out, "_x{:08X}_", u32::from(c));
        } else {
            let _ = write!(out, "_x{:04X}_", u32::from(c));
        }
        first = false;
    }
    out
}

/// The name that [`mangle`] was given; what is no valid escape stays as it is.
pub fn unmangle(mangled: &str) -> String {
    let mut out = String::with_capacity(mangled.len());
    let mut rest = mangled;
    while let Some(c) = rest.chars().next() {
        if let Some((decoded, length)) = escape(rest) {
            out.push(decoded);
            rest = &rest[length..];
        } else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    out
}

fn escape(text: &str) -> Option<(char, usize)> {
    let digits = text.strip_prefix("_x")?;
    let end = digits.find('_').filter(|end| *end == 4 || *end == 8)?;
    let code = digits[..end].bytes().all(|b| b.is_ascii_hexdigit()).then_some(&digits[..end])?;
    Some((char::from_u32(u32::from_str_radix(code, 16).ok()?)?, end + 3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_names() {
        for (name, mangled) in [
            ("Customer", "Customer"),
            ("order_line", "order_line"),
            ("Order Details", "Order_x0020_Details"),
            ("2fast", "_x0032_fast"),
            ("a_x0020_b", "a_x005F_x0020_b"),
            ("x_xy", "x_x005F_xy"),
            ("größe", "gr_x00F6__x00DF_e"),
            ("😀", "_x0001F600_"),
        ] {
            assert_eq!(mangle(name), mangled);
            assert_eq!(unmangle(mangled), name);
        }
    }

    proptest! {
        #[test]
        fn every_name_reads_back(name in "\\PC{0,20}|[_x0-9A-F]{0,20}") {
            let mangled = mangle(&name);
            prop_assert!(mangled.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
            prop_assert!(!mangled.starts_with(|c: char| c.is_ascii_digit()));
            prop_assert_eq!(unmangle(&mangled), name);
        }

        #[test]
        fn foreign_text_does_not_panic(text in "\\PC{0,30}") {
            let _ = unmangle(&text);
        }
    }
}
