//! Filling in the SQL files: `{name}` becomes what it stands for, in one pass, so that a table called `{base}` is
//! taken as it is.

/// The statement of a template, without its heading comment.
pub(crate) fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut body = template;
    while body.starts_with("--") {
        body = body.split_once('\n').map_or("", |(_, rest)| rest);
    }
    let mut rest = body.trim_end();
    let mut out = String::with_capacity(rest.len() * 2);
    while let Some(open) = rest.find('{') {
        out.push_str(&rest[..open]);
        let after = &rest[open + 1..];
        let known = after.find('}').and_then(|close| {
            let (_, value) = values.iter().find(|(name, _)| *name == &after[..close])?;
            Some((value, &after[close + 1..]))
        });
        if let Some((value, remaining)) = known {
            out.push_str(value);
            rest = remaining;
        } else {
            out.push('{');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_not_looked_into() {
        let filled = fill("-- About it.\n-- More.\nDROP {a} {b}, {c}{\n", &[("a", "{b}"), ("b", "x")]);
        assert_eq!(filled, "DROP {b} x, {c}{");
    }
}
