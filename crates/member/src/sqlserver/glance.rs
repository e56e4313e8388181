//! A glance at the catalog, which tells whether anything has changed that matters to the bound tables.
//!
//! SQL Server has no number that changes with the schema. So one small query sums up what concerns the tables; only
//! when it comes to something else is everything looked at. Apply does not even ask for that when it has been asked a
//! moment ago: where the query takes long, as on a compatible server, it would take longer than writing.

use super::SqlServerMember;
use super::cells::optional_text;
use super::look::Ids;
use super::quote;
use super::session::Session;
use super::table::BoundTable;
use crate::Result;
use crate::template::fill;
use std::time::{Duration, Instant};

/// What a glance is good for at least, where glances are quick.
const SHORTEST: Duration = Duration::from_millis(100);

/// For how many times as long as it took a glance is good, so that glances take a fifth of apply's time at most.
const TIMES: u32 = 5;

/// What the catalog came to, and the query that told it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glance {
    /// The query; it names the objects that were there.
    sql: String,
    /// What it gave; nothing that it can give if what was there changed while it was looked at.
    sums: String,
}

/// When a glance was taken, and how long it took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken {
    at: Instant,
    took: Duration,
}

impl Glance {
    /// Takes the first glance at these objects.
    pub(super) async fn first(
        session: &mut Session,
        tables: &[BoundTable],
        ids: &Ids,
        provisioned: bool,
    ) -> Result<(Self, Taken)> {
        let mut glance = Self { sql: sql(tables, ids, provisioned), sums: String::new() };
        let (sums, taken) = glance.sums(session).await?;
        glance.sums = sums;
        Ok((glance, taken))
    }

    /// Takes it again; whether it comes to the same.
    pub(super) async fn again(&self, session: &mut Session) -> Result<(bool, Taken)> {
        let (sums, taken) = self.sums(session).await?;
        Ok((sums == self.sums, taken))
    }

    /// One that the next will differ from.
    pub(super) fn outdated(self) -> Self {
        Self { sums: String::new(), ..self }
    }

    async fn sums(&self, session: &mut Session) -> Result<(String, Taken)> {
        let at = Instant::now();
        let row = session.results("look whether its tables have changed", &self.sql).await?;
        let row = row.into_iter().next().and_then(|set| set.into_iter().next()).unwrap_or_default();
        let parts: Vec<String> = (0..row.len())
            .map(|place| optional_text(&row, place).ok().flatten().unwrap_or_default())
            .collect();
        Ok((parts.join("/"), Taken { at, took: at.elapsed() }))
    }
}

/// Whether the last glance is good for a batch.
pub(super) fn is_fresh(member: &SqlServerMember) -> bool {
    let Some(taken) = member.glance_taken.filter(|_| member.glance.is_some()) else { return false };
    taken.at.elapsed() < good_for(taken.took, member.settings.look_age)
}

fn good_for(took: Duration, at_most: Duration) -> Duration {
    (took * TIMES).max(SHORTEST).min(at_most)
}

/// The query. Objects are named by their numbers where they have one, since a compatible server looks every name up
/// again for each row.
fn sql(tables: &[BoundTable], ids: &Ids, provisioned: bool) -> String {
    let number = |id: Option<i64>, name: &str| {
        id.map_or_else(|| format!("OBJECT_ID({})", quote::text(name)), |id| id.to_string())
    };
    let list = |numbers: Vec<String>| if numbers.is_empty() { "NULL".to_owned() } else { numbers.join(", ") };
    let bases: Vec<String> =
        tables.iter().zip(&ids.bases).map(|(table, id)| number(*id, &table.base)).collect();
    let ours = tables.iter().zip(&ids.tracking).map(|(table, id)| number(*id, &table.tracking));
    let both = list(bases.iter().cloned().chain(ours).collect());
    let template =
        if provisioned { include_str!("sql/glance_provisioned.sql") } else { include_str!("sql/glance.sql") };
    fill(template, &[("bases", &list(bases)), ("tables", &both)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glance_is_good_for_a_while_that_its_cost_tells() {
        let at_most = Duration::from_secs(5);
        for (took, expected) in [(2, 100), (20, 100), (300, 1_500), (4_000, 5_000)] {
            let expected = Duration::from_millis(expected);
            assert_eq!(good_for(Duration::from_millis(took), at_most), expected, "{took} ms");
        }
        assert_eq!(good_for(Duration::from_secs(1), Duration::ZERO), Duration::ZERO);
    }
}
