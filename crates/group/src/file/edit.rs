//! Adding a member to a group file's text, with everything else of it left as it is.
//!
//! Only the way that `init` writes it is known: `members:` on a line of its own, each member below it, further to the
//! right. Whoever has written it otherwise adds the member by hand.

/// What a member's entry says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewMember<'a> {
    /// Its id.
    pub id: &'a str,
    /// Where its database is.
    pub url: &'a str,
    /// Where its password is: `${NAME}` or `file:/path`, never the password itself.
    pub password: Option<&'a str>,
    /// `both`, `publish` or `subscribe`.
    pub direction: Option<&'a str>,
}

/// The text with the member behind all others; `None` when the text is not written as `init` does.
#[must_use]
pub fn with_member(text: &str, member: NewMember<'_>) -> Option<String> {
    let lines: Vec<&str> = text.lines().collect();
    let head =
        lines.iter().position(|line| line.split('#').next().unwrap_or_default().trim_end() == "members:")?;
    let is_blank = |line: &str| line.trim_start().is_empty() || line.trim_start().starts_with('#');
    let indent = |line: &str| line.len() - line.trim_start().len();
    let first = (head + 1..lines.len()).find(|at| !is_blank(lines[*at]))?;
    let depth = indent(lines[first]);
    if depth == 0 || lines[first].contains('\t') {
        return None;
    }
    // The block ends where something stands further to the left. Comments behind its last line belong to what follows.
    let end = (first..lines.len()).find(|at| !is_blank(lines[*at]) && indent(lines[*at]) < depth);
    let last = (first..end.unwrap_or(lines.len())).rev().find(|at| !is_blank(lines[*at]))?;
    let space = " ".repeat(depth);
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let mut entry = vec![format!("{space}{}:", member.id), format!("{space}  url: {}", quoted(member.url))];
    entry.extend(member.password.map(|password| format!("{space}  password: {}", quoted(password))));
    entry.extend(member.direction.map(|direction| format!("{space}  direction: {direction}")));
    let mut all: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    all.splice(last + 1..=last, entry);
    let mut new = all.join("\n");
    new.push('\n');
    Some(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: NewMember<'_> = NewMember {
        id: "till",
        url: "postgresql://app@db/till",
        password: Some("${TILL}"),
        direction: Some("subscribe"),
    };

    #[test]
    fn a_member_goes_behind_the_others_and_nothing_else_changes() {
        let text = "group: g\nmembers: # all\n  hq:\n    url: sqlite:hq.db # head\n    # more\n\n# The tables.\ntables:\n  - name: T\n";
        let expected = "group: g\nmembers: # all\n  hq:\n    url: sqlite:hq.db # head\n  till:\n    url: \"postgresql://app@db/till\"\n    password: \"${TILL}\"\n    direction: subscribe\n    # more\n\n# The tables.\ntables:\n  - name: T\n";
        assert_eq!(with_member(text, NEW).unwrap(), expected);
        let last = "members:\n    hq: { url: \"sqlite:hq.db\" }";
        let member = NewMember { password: None, direction: None, ..NEW };
        let expected = "members:\n    hq: { url: \"sqlite:hq.db\" }\n    till:\n      url: \"postgresql://app@db/till\"\n";
        assert_eq!(with_member(last, member).unwrap(), expected);
    }

    #[test]
    fn another_way_of_writing_is_left_to_its_writer() {
        for text in ["members: { hq: { url: x } }\n", "group: g\n", "members:\nhq: 1\n", "members:\n"] {
            assert_eq!(with_member(text, NEW), None, "{text}");
        }
    }
}
