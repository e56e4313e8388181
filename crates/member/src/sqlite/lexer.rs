//! Just enough of SQL's words to find a clause in a definition that SQLite has accepted already.

use std::ops::Range;

/// A word, quoted name, literal or sign, as the range of the text that it takes.
struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

impl Iterator for Tokens<'_> {
    type Item = Range<usize>;

    fn next(&mut self) -> Option<Range<usize>> {
        let bytes = self.text.as_bytes();
        loop {
            let start = self.at;
            let first = *bytes.get(start)?;
            let rest = &bytes[start..];
            let length = match first {
                b'-' if rest.starts_with(b"--") => {
                    rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len())
                }
                b'/' if rest.starts_with(b"/*") => {
                    rest[2..].windows(2).position(|two| two == b"*/").map_or(rest.len(), |at| at + 4)
                }
                b'\'' | b'"' | b'`' => quoted(rest, first),
                b'[' => rest.iter().position(|b| *b == b']').map_or(rest.len(), |at| at + 1),
                _ if is_word(first) => rest.iter().position(|b| !is_word(*b)).unwrap_or(rest.len()),
                _ => 1,
            };
            self.at = start + length;
            let skipped = first.is_ascii_whitespace() || rest.starts_with(b"--") || rest.starts_with(b"/*");
            if !skipped {
                return Some(start..self.at);
            }
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

/// The length of a quoted name or text, whose quote is doubled inside.
fn quoted(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while at < rest.len() {
        if rest[at] == quote {
            if rest.get(at + 1) != Some(&quote) {
                return at + 1;
            }
            at += 1;
        }
        at += 1;
    }
    rest.len()
}

/// For each foreign key of a table's definition, in order, whether it is checked at commit only.
pub(crate) fn deferred_foreign_keys(sql: &str) -> Vec<bool> {
    let mut found = Vec::new();
    let mut words: [&str; 3] = [""; 3];
    for range in (Tokens { text: sql, at: 0 }) {
        let word = &sql[range];
        if word.eq_ignore_ascii_case("REFERENCES") {
            found.push(false);
        }
        let deferred = word.eq_ignore_ascii_case("DEFERRED")
            && words[2].eq_ignore_ascii_case("INITIALLY")
            && words[1].eq_ignore_ascii_case("DEFERRABLE")
            && !words[0].eq_ignore_ascii_case("NOT");
        if deferred && let Some(last) = found.last_mut() {
            *last = true;
        }
        words = [words[1], words[2], word];
    }
    found
}

/// The parts of an index's definition: its terms (columns or expressions, without collation and direction) and the
/// predicate of a partial one. `None` if the text is not understood.
pub(crate) fn index_parts(sql: &str) -> Option<(Vec<String>, Option<String>)> {
    let mut tokens = Tokens { text: sql, at: 0 };
    let on = tokens.by_ref().find(|range| sql[range.clone()].eq_ignore_ascii_case("ON"))?;
    let _table = Tokens { text: sql, at: on.end }.next()?;
    let mut tokens = Tokens { text: sql, at: _table.end };
    let open = tokens.next().filter(|range| &sql[range.clone()] == "(")?;
    let mut depth = 1_usize;
    let mut terms = Vec::new();
    let mut start = open.end;
    let mut end = start;
    // Where the part that says how to compare begins, at the term's own level.
    let mut tail: Option<usize> = None;
    let mut after = None;
    for range in tokens.by_ref() {
        let word = &sql[range.clone()];
        match word {
            "(" => depth += 1,
            ")" => depth -= 1,
            _ => {}
        }
        if depth == 0 || (depth == 1 && word == ",") {
            terms.push(sql[start..tail.unwrap_or(end)].trim().to_owned());
            start = range.end;
            tail = None;
            if depth == 0 {
                after = Some(range.end);
                break;
            }
        } else if depth == 1
            && ["COLLATE", "ASC", "DESC"].iter().any(|name| word.eq_ignore_ascii_case(name))
            && tail.is_none()
        {
            tail = Some(range.start);
        }
        end = range.end;
    }
    let mut rest = Tokens { text: sql, at: after? };
    let predicate = match rest.next() {
        Some(range) if sql[range.clone()].eq_ignore_ascii_case("WHERE") => {
            Some(sql[range.end..].trim().to_owned())
        }
        Some(_) => return None,
        None => None,
    };
    (!terms.iter().any(String::is_empty)).then_some((terms, predicate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deferred_keys_are_told_by_their_order() {
        let sql = "CREATE TABLE t (a REFERENCES x DEFERRABLE INITIALLY DEFERRED, -- REFERENCES\n \
                   \"REFERENCES\" INT REFERENCES y NOT DEFERRABLE INITIALLY DEFERRED, \
                   c DEFAULT 'REFERENCES', /* REFERENCES */ \
                   FOREIGN KEY (c) REFERENCES z (q) ON DELETE CASCADE deferrable initially deferred, \
                   FOREIGN KEY (c) REFERENCES z (r) DEFERRABLE)";
        assert_eq!(deferred_foreign_keys(sql), [true, false, true, false]);
    }

    #[test]
    fn index_definitions_are_taken_apart() {
        let parts = |sql| index_parts(sql).unwrap();
        assert_eq!(
            parts(
                "CREATE UNIQUE INDEX \"i ON\" ON \"t (\" (a COLLATE NOCASE DESC, lower(b, 1), [c d]) WHERE x > (1)"
            ),
            (vec!["a".into(), "lower(b, 1)".into(), "[c d]".into()], Some("x > (1)".into()))
        );
        assert_eq!(parts("CREATE INDEX i ON t(a)"), (vec!["a".into()], None));
        assert_eq!(index_parts("CREATE INDEX i ON t(a"), None);
        assert_eq!(index_parts(""), None);
    }
}
