//! Names and texts as PostgreSQL's SQL spells them.

/// `name` as a quoted identifier.
pub(super) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `schema`.`name`, both quoted.
pub(super) fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", identifier(schema), identifier(name))
}

/// `text` as a string literal that means the same whatever `standard_conforming_strings` says. PostgreSQL's texts
/// hold no NUL.
pub(super) fn text(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') {
        format!(" E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}

/// Code as a dollar-quoted literal, with this tag or a longer one.
pub(super) fn code(tag: &str, code: &str) -> String {
    let mut tag = tag.to_owned();
    while code.contains(&format!("${tag}$")) {
        tag.push('_');
    }
    format!("${tag}$\n{code}\n${tag}$")
}

/// `bytes` as a bytea literal.
pub(super) fn bytes(bytes: &[u8]) -> String {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("decode('{digits}', 'hex')")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_doubled() {
        assert_eq!(qualified("a \"b\"", "c"), "\"a \"\"b\"\"\".\"c\"");
        assert_eq!(text("it's"), "'it''s'");
        assert_eq!(text("a\\b'"), " E'a\\\\b'''");
        assert_eq!(bytes(&[0, 0xab]), "decode('00ab', 'hex')");
        assert_eq!(code("dss", "x $dss$ y"), "$dss_$\nx $dss$ y\n$dss_$");
    }
}
