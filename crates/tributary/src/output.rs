//! Writing to people and to programs: text or JSON, tables, colours where they are welcome.
//!
//! Colours are always written and taken out again by the stream where they are not welcome (`NO_COLOR`, not a
//! terminal). A table is drawn on a terminal only; elsewhere its lines are plain columns.

use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use owo_colors::OwoColorize;
use serde::Serialize;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Writes a result as one JSON document.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(&serde_json::to_string_pretty(value)?)
}

/// Writes a result as JSON on one line, for results of which more follow.
pub(crate) fn json_line(value: &impl Serialize) -> anyhow::Result<()> {
    line(&serde_json::to_string(value)?)
}

/// Writes a line to standard output.
pub(crate) fn line(text: &str) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")?;
    out.flush()?;
    Ok(())
}

/// Writes a line to standard error. Nobody can be told if that fails.
pub(crate) fn note(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// A row of plain cells.
pub(crate) fn plain<T: ToString>(cells: impl IntoIterator<Item = T>) -> Vec<Cell> {
    cells.into_iter().map(Cell::new).collect()
}

/// A cell with good news. The colours of a cell are the table's: its columns are measured without them.
pub(crate) fn good_cell(text: &str) -> Cell {
    Cell::new(text).fg(Color::Green)
}

/// A cell that deserves a look.
pub(crate) fn odd_cell(text: &str) -> Cell {
    Cell::new(text).fg(Color::Yellow)
}

/// A cell with bad news.
pub(crate) fn bad_cell(text: &str) -> Cell {
    Cell::new(text).fg(Color::Red).add_attribute(Attribute::Bold)
}

/// Writes rows as a table.
pub(crate) fn table(header: &[&str], rows: Vec<Vec<Cell>>) -> anyhow::Result<()> {
    line(&drawn(header, rows, io::stdout().is_terminal()))
}

/// A terminal that says it is narrower than this does not know its width.
const NARROWEST: u16 = 40;

fn drawn(header: &[&str], rows: Vec<Vec<Cell>>, on_terminal: bool) -> String {
    let mut table = Table::new();
    table.set_header(header.iter().copied());
    if on_terminal {
        table.load_style(presets::UTF8_HORIZONTAL_ONLY);
        if table.width().is_some_and(|width| width >= NARROWEST) {
            table.set_content_arrangement(ContentArrangement::Dynamic);
        }
        table.add_rows(rows);
    } else {
        table.load_style(presets::NOTHING).force_no_tty();
        table.set_content_arrangement(ContentArrangement::Disabled);
        // A line of output is a row, whatever stands in it.
        let flat = |cell: &Cell| {
            let text = cell.content().replace('\n', " ");
            if text.is_empty() { "-".to_owned() } else { text }
        };
        table.add_rows(rows.iter().map(|row| row.iter().map(flat).collect::<Vec<_>>()));
        table.column_iter_mut().for_each(|column| {
            column.set_padding((0, 2));
        });
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

/// A moment as a person reads it in a table: to the millisecond, which is as fine as members' clocks are.
pub(crate) fn moment(text: &str) -> String {
    match text.trim_end_matches('Z').split_once('.') {
        Some((seconds, fraction)) => format!("{seconds}.{}Z", &fraction[..fraction.len().min(3)]),
        None => text.to_owned(),
    }
}

/// `text` without its end where it is longer than a cell should be.
pub(crate) fn cell(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest || !io::stdout().is_terminal() {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(longest.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// Good news.
pub(crate) fn good(text: &str) -> String {
    text.green().to_string()
}

/// What deserves a look.
pub(crate) fn odd(text: &str) -> String {
    text.yellow().to_string()
}

/// Bad news.
pub(crate) fn bad(text: &str) -> String {
    text.red().bold().to_string()
}

/// What stands in the background.
pub(crate) fn faint(text: &str) -> String {
    text.dimmed().to_string()
}

/// A heading.
pub(crate) fn heading(text: &str) -> String {
    text.bold().to_string()
}

/// A sign of life for long work, on a terminal only.
pub(crate) fn spinner(text: String) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed:.dim}") {
        bar.set_style(style);
    }
    bar.set_message(text);
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn away_from_a_terminal_every_row_is_one_plain_line() {
        let rows = vec![vec![good_cell("hq"), Cell::new("two\nlines")], plain(["shop", ""])];
        let text = drawn(&["member", "note"], rows, false);
        let lines: Vec<_> = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
        assert_eq!(lines, [vec!["member", "note"], vec!["hq", "two", "lines"], vec!["shop", "-"]]);
        assert!(text.lines().all(|line| line == line.trim_end()), "{text:?}");
        assert!(!text.contains('\u{1b}') && text.starts_with("member"), "{text:?}");
    }

    #[test]
    fn moments_are_cut_to_milliseconds() {
        assert_eq!(moment("2026-11-23T19:17:46.0419559Z"), "2026-11-23T19:17:46.041Z");
        assert_eq!(moment("2026-11-23T19:17:46.5Z"), "2026-11-23T19:17:46.5Z");
        assert_eq!(moment("2026-11-23T19:17:46Z"), "2026-11-23T19:17:46Z");
        assert_eq!(moment("unknown"), "unknown");
    }
}
