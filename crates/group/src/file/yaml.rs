//! From text to [`RawGroupFile`]: syntax, doubled keys, unknown keys, shapes.
//!
//! The text is read twice: once as it is, to tell every key that stands there twice with both places, and once into
//! the shapes that are expected. Reading stops at the first unknown key or wrong shape, as serde does.

use super::problem::{Position, Problem, ProblemKind, listed, nearest};
use super::raw::{At, RawGroupFile, Text};
use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::NonFiniteFloatPolicy;
use serde_saphyr::{DefaultMessageFormatter, DuplicateKeyPolicy, Error, MessageFormatter, Options};
use std::collections::HashMap;
use std::fmt;

pub(super) fn parse(text: &str) -> Result<RawGroupFile, Vec<Problem>> {
    let tree: Node = read(text)?;
    let mut problems = Vec::new();
    match &tree {
        Node::Mapping(entries) if !entries.is_empty() => {}
        Node::Leaf if text.trim().is_empty() => {
            let remedy = "`tributary init` writes one to start from";
            problems.push(Problem::new(
                ProblemKind::Missing,
                Position::default(),
                "the file is empty",
                remedy,
            ));
        }
        Node::Leaf | Node::List(_) | Node::Mapping(_) => {
            let what = "the file is not a mapping of settings";
            let remedy = "begin with `group: <name>`; `tributary init` writes a file to start from";
            problems.push(Problem::new(
                ProblemKind::WrongShape,
                Position { line: 1, column: 1 },
                what,
                remedy,
            ));
        }
    }
    find_doubled(&tree, &mut problems);
    if !problems.is_empty() {
        problems.sort_by_key(|problem| problem.at);
        return Err(problems);
    }
    read(text)
}

fn read<T: DeserializeOwned>(text: &str) -> Result<T, Vec<Problem>> {
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| vec![told(&error)])
}

fn options() -> Options {
    serde_saphyr::options! {
        // Told by ourselves, with both places.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        // A snippet of the text could show a password.
        with_snippet: false,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 100_000 },
    }
}

/// What the library found, in our words. Never shows values: they may be secret.
fn told(error: &Error) -> Problem {
    let at = error
        .location()
        .map(|location| Position { line: location.line(), column: location.column() })
        .unwrap_or_default();
    let shape = |what: &str, remedy: &str| Problem::new(ProblemKind::WrongShape, at, what, remedy);
    match error {
        Error::AliasError { error, .. } => Problem { at, ..told(error) },
        Error::SerdeUnknownField { field, expected, .. } => {
            let what = format!("unknown key `{field}`");
            let remedy = match nearest(field, expected.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("here stand {}", listed(expected)),
            };
            Problem::new(ProblemKind::UnknownKey, at, what, remedy)
        }
        Error::Unexpected { expected: "mapping start", .. } => {
            shape("a mapping belongs here", "write `key: value` lines, indented, or `{ key: value }`")
        }
        Error::Unexpected { expected: "sequence start", .. } => {
            shape("a list belongs here", "write `- ` lines or `[a, b]`")
        }
        Error::Unexpected { expected: "string scalar", .. } => {
            shape("a single value belongs here", "write plain or quoted text")
        }
        Error::NullIntoString { .. } => shape("a value is missing", "write one, or leave the key out"),
        Error::MultipleDocuments { .. } => {
            shape("a second YAML document begins", "keep one group in a file, without `---` lines")
        }
        other => {
            let text = DefaultMessageFormatter.format_message(other).into_owned();
            let remedy = "mind indentation, quotes and brackets near this place";
            Problem::new(ProblemKind::Syntax, at, format!("not valid YAML: {text}"), remedy)
        }
    }
}

/// YAML as it is: what matters for finding doubled keys.
enum Node {
    Leaf,
    List(Vec<Node>),
    Mapping(Vec<(Text, Node)>),
}

fn find_doubled(node: &Node, problems: &mut Vec<Problem>) {
    match node {
        Node::Leaf => {}
        Node::List(items) => items.iter().for_each(|item| find_doubled(item, problems)),
        Node::Mapping(entries) => {
            let mut first: HashMap<&str, Position> = HashMap::with_capacity(entries.len());
            for (At { value: key, at }, value) in entries {
                if let Some(earlier) = first.get(key.as_str()) {
                    let what = format!(
                        "`{key}` stands here a second time; the first is in line {}, column {}",
                        earlier.line, earlier.column
                    );
                    let remedy = "remove or rename one of them";
                    problems.push(Problem::new(ProblemKind::Doubled, *at, what, remedy));
                } else {
                    first.insert(key, *at);
                }
                find_doubled(value, problems);
            }
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_str<E>(self, _: &str) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Leaf)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Node::Mapping(entries))
    }
}
