//! Many rows as one parameter: a JSON array of arrays, and the derived table that makes rows of it again.
//!
//! Each row begins with its place, by which answers name it. Every field is a text, in the one form that
//! [`super::values::Stored::text`] gives a value, or NULL; the derived table converts it to the column's own type, so
//! that keys are looked up by their index and the server guesses nothing.

use super::quote::identifier;

/// Rows being put together.
#[derive(Debug, Clone, Default)]
pub(super) struct Rows {
    text: String,
    rows: usize,
    /// Whether a row was begun and not ended.
    open: bool,
}

impl Rows {
    /// Begins a row that answers call `place`.
    pub(super) fn begin(&mut self, place: usize) {
        self.close();
        self.text.push_str(if self.rows == 0 { "[[" } else { ",[" });
        self.text.push_str(&place.to_string());
        self.rows += 1;
        self.open = true;
    }

    fn close(&mut self) {
        if std::mem::take(&mut self.open) {
            self.text.push(']');
        }
    }

    /// Adds a number or NULL.
    pub(super) fn long(&mut self, number: impl Into<Option<i64>>) {
        match number.into() {
            Some(number) => {
                self.text.push(',');
                self.text.push_str(&number.to_string());
            }
            None => self.text.push_str(",null"),
        }
    }

    /// Adds a text or NULL.
    pub(super) fn text<'t>(&mut self, text: impl Into<Option<&'t str>>) {
        match text.into() {
            Some(text) => {
                self.text.push(',');
                push_string(&mut self.text, text);
            }
            None => self.text.push_str(",null"),
        }
    }

    /// Adds several texts.
    pub(super) fn texts(&mut self, texts: &[String]) {
        for text in texts {
            self.text(text.as_str());
        }
    }

    /// Adds bytes or NULL.
    pub(super) fn bytes<'b>(&mut self, bytes: impl Into<Option<&'b [u8]>>) {
        let digits = bytes.into().map(super::quote::hexadecimal);
        self.text(digits.as_deref());
    }

    /// How many rows there are.
    pub(super) fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// The parameter.
    pub(super) fn finish(mut self) -> String {
        self.close();
        if self.rows == 0 {
            return "[]".to_owned();
        }
        self.text.push(']');
        self.text
    }
}

/// The most characters of a text that every server's OPENJSON reads.
pub(super) const SHORT: usize = 4_000;

/// Whether a text is one that only SQL Server's own OPENJSON reads: it has escapes, or is long.
pub(super) fn is_demanding(text: &str) -> bool {
    text.chars().any(|c| c < ' ' || matches!(c, '"' | '\\')) || text.encode_utf16().nth(SHORT).is_some()
}

/// What is said of a text that a server would store otherwise.
pub(super) const UNREAD: &str = "a text with quotes, backslashes or control characters, or of more than 4,000 \
                                 characters or 2,000 bytes, which this server's OPENJSON does not read";

fn push_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// A column of a derived table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    /// What it is called, quoted.
    pub(super) name: String,
    /// What makes its value of the text `j.<name>`.
    pub(super) expression: String,
}

impl Column {
    /// A column whose value `convert` makes of the text's expression.
    pub(super) fn new(name: &str, convert: impl FnOnce(&str) -> String) -> Self {
        let name = identifier(name);
        let expression = convert(&format!("j.{name}"));
        Self { name, expression }
    }

    /// A text of ours, which compares byte for byte.
    pub(super) fn text(name: &str) -> Self {
        Self::new(name, |text| format!("{text} COLLATE Latin1_General_100_BIN2"))
    }

    /// One of ours that holds names and numbers only.
    pub(super) fn ascii(name: &str) -> Self {
        Self::new(name, |text| format!("CAST({text} COLLATE Latin1_General_BIN2 AS varchar(max))"))
    }

    /// A number.
    pub(super) fn long(name: &str) -> Self {
        Self::new(name, |text| format!("CAST({text} AS bigint)"))
    }

    /// Bytes.
    pub(super) fn bytes(name: &str) -> Self {
        Self::new(name, |text| format!("CONVERT(varbinary(max), {text}, 2)"))
    }
}

/// A derived table that makes rows of a parameter.
#[derive(Debug, Clone, Default)]
pub(super) struct Source {
    /// What the fields of the parameter's rows are called, not quoted.
    pub(super) texts: Vec<String>,
    /// The columns made of them.
    pub(super) columns: Vec<Column>,
}

impl Source {
    /// The same with one more column, made of one more field.
    pub(super) fn with(&self, column: Column) -> Self {
        let mut source = self.clone();
        source.push(column);
        source
    }

    /// Adds a column and the field that it is made of.
    pub(super) fn push(&mut self, column: Column) {
        self.texts.push(column.name.trim_matches(['[', ']']).to_owned());
        self.columns.push(column);
    }

    /// The derived table under the alias `alias`, of the parameter of this number.
    pub(super) fn sql(&self, alias: &str, parameter: usize) -> String {
        let select: String = self
            .columns
            .iter()
            .map(|Column { name, expression }| format!(", {expression} AS {name}"))
            .collect();
        let texts = self.texts.iter().enumerate();
        let with: String =
            texts.map(|(at, name)| format!(", {} nvarchar(max) '$[{}]'", identifier(name), at + 1)).collect();
        format!(
            "(SELECT j.[place]{select} FROM OPENJSON(@P{parameter}) WITH ([place] int '$[0]'{with}) AS j) AS {alias}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_arrays() {
        assert_eq!(Rows::default().finish(), "[]");
        let mut rows = Rows::default();
        rows.begin(0);
        rows.text("a\"\\\n\u{1}😀");
        rows.text(None);
        rows.begin(1);
        rows.bytes(&[0, 255][..]);
        rows.long(-7);
        assert_eq!(rows.len(), 2);
        assert_eq!(rows.finish(), "[[0,\"a\\\"\\\\\\u000a\\u0001😀\",null],[1,\"00ff\",-7]]");
    }

    #[test]
    fn columns_are_converted_to_their_own_types() {
        let mut source = Source::default().with(Column::long("k0"));
        source.push(Column::text("seen"));
        source.push(Column::bytes("v"));
        assert_eq!(
            source.sql("u", 2),
            "(SELECT j.[place], CAST(j.[k0] AS bigint) AS [k0], j.[seen] COLLATE Latin1_General_100_BIN2 AS [seen], \
             CONVERT(varbinary(max), j.[v], 2) AS [v] FROM OPENJSON(@P2) WITH ([place] int '$[0]', \
             [k0] nvarchar(max) '$[1]', [seen] nvarchar(max) '$[2]', [v] nvarchar(max) '$[3]') AS j) AS u"
        );
    }
}
