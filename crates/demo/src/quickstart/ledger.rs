//! How the story shows a conflict of the ledger.

use std::fmt::Write as _;
use tributary_group::conflicts::{ColumnView, ConflictView, SideView};
use tributary_group::view::one_line;

/// Both versions side by side, and why one of them won.
pub(super) fn describe(conflict: &ConflictView) -> String {
    let mut text =
        format!("conflict {} ({}), {} {}\n", conflict.id, conflict.kind, conflict.table, conflict.key);
    let when = |side: &SideView| side.changed_at.clone().unwrap_or_else(|| "unknown".to_owned());
    line(&mut text, "", "won", "lost");
    line(&mut text, "member", &conflict.winner.member, &conflict.loser.member);
    line(&mut text, "changed at", &when(&conflict.winner), &when(&conflict.loser));
    for ColumnView { name, winner, loser, .. } in &conflict.columns {
        let value = |value: &Option<_>| value.as_ref().map_or_else(|| "-".to_owned(), one_line);
        line(&mut text, name, &value(winner), &value(loser));
    }
    text.push_str(&conflict.why);
    text
}

fn line(text: &mut String, name: &str, won: &str, lost: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{name:<12} {won:<32} {lost}");
}
