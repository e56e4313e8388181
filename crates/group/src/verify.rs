//! Comparing members with each other, table by table, without locking writers.
//!
//! Members are compared by digests of buckets of rows, then by the rows' hashes in the buckets that differ, and only
//! rows that differ are read. What is still on its way looks like a difference: one counts only if it is the same
//! before and after a moment at which nothing was under way, or after a number of tries. Columns that one of two
//! members lacks are not compared between them, and those that one shows rounded by what it would show.

mod compare;
mod one_way;
mod plan;

use crate::exceptions::Unasked;
use crate::file::{Direction, GroupFile};
use crate::opened::Opened;
use crate::progress::{ProgressError, progress};
use crate::spec::TableSpec;
use crate::view::key_text;
use compare::{Reader, Sides, differing_buckets, differing_columns, row_count};
use one_way::{OneWay, one_way};
use plan::{Comparison, comparisons};
use serde::{Serialize, Serializer};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tributary_member::{Connector, Error, TableBinding, TableState};
use tributary_model::{KeyBytes, MemberId, Projection, TableName, TableSchema};

/// How a verification goes about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifySettings {
    /// Only this table.
    pub table: Option<TableName>,
    /// How many differences of a table and member are told one by one; all are counted.
    pub listed: usize,
    /// How often rows that differ are looked at again.
    pub tries: u32,
    /// The pause between two looks.
    pub pause: Duration,
}

impl Default for VerifySettings {
    fn default() -> Self {
        Self { table: None, listed: 100, tries: 10, pause: Duration::from_millis(500) }
    }
}

/// How a row differs in a member from the one that it is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DifferenceKind {
    /// The row is not here.
    Missing,
    /// The row is only here.
    Extra,
    /// Both have the row, with other values.
    Differs,
}

/// A row that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Its key.
    pub key: String,
    /// How.
    pub kind: DifferenceKind,
    /// The columns that differ.
    pub columns: Vec<String>,
    /// Why, where something is known to explain it.
    pub explained: Option<String>,
}

/// One member's table against another's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verified {
    /// The table.
    #[serde(serialize_with = "as_text")]
    pub table: TableName,
    /// The member.
    pub member: MemberId,
    /// The member it was compared with.
    pub compared_with: MemberId,
    /// How many rows the member has.
    pub rows: u64,
    /// How many rows are equal in both.
    pub equal: u64,
    /// How many rows differ.
    pub differing: u64,
    /// How many of these differ as the members' directions have it: what a subscriber has of its own, and what a
    /// member that only publishes does not take.
    pub one_way: u64,
    /// How many of the listed differences nothing explains.
    pub unexplained: u64,
    /// Whether nothing was under way when the differences were looked at again. If not, some may be on their way.
    pub settled: bool,
    /// Columns that were not compared, because one of the two lacks them or each rounds them in its own way.
    pub columns_left_out: Vec<String>,
    /// Columns that were compared as the one of the two shows them that rounds.
    pub columns_rounded: Vec<String>,
    /// The differences, up to the number asked for.
    pub differences: Vec<Difference>,
}

/// A table of a member that could not be compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotCompared {
    /// The table.
    #[serde(serialize_with = "as_text")]
    pub table: TableName,
    /// The member.
    pub member: MemberId,
    /// Why.
    pub reason: String,
}

/// What a verification came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// By table, then member.
    pub compared: Vec<Verified>,
    /// Tables that stand still in a member.
    pub not_compared: Vec<NotCompared>,
    /// Members that could not be asked.
    pub unasked: Vec<Unasked>,
}

impl Verification {
    /// Whether all members were compared, and found equal but for what their directions let differ.
    pub fn is_equal(&self) -> bool {
        self.unasked.is_empty()
            && self.not_compared.is_empty()
            && self.compared.iter().all(|verified| verified.differing == verified.one_way)
    }
}

fn as_text<S: Serializer>(name: &TableName, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name.as_str())
}

/// Why a verification could not be made. Members in trouble are part of its answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// Whether anything is under way could not be told.
    #[error("whether changes are under way could not be told")]
    Progress(#[from] ProgressError),
}

impl VerifyError {
    /// The stable code, listed in `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Progress(source) => source.code(),
        }
    }
}

/// A member that answers.
struct Reached {
    id: MemberId,
    connector: Arc<dyn Connector>,
    bindings: Vec<Arc<TableBinding>>,
    states: Vec<TableState>,
    /// What is parked here, by table and key: the kind of refusal.
    parked: HashMap<(TableName, KeyBytes), &'static str>,
    direction: Direction,
}

/// Compares the members' tables; `told` is called before each comparison with table, member and the member it is
/// compared with.
///
/// # Errors
/// When the log cannot be read.
pub async fn verify(
    group: &Opened<'_>,
    settings: &VerifySettings,
    told: &mut dyn FnMut(&TableName, &MemberId, &MemberId),
) -> Result<Verification, VerifyError> {
    let mut verification = Verification::default();
    let mut reached = Vec::new();
    for connector in group.connectors {
        match reach(group, connector).await {
            Ok(member) => reached.push(member),
            Err(error) => verification.unasked.push(Unasked::new(connector.id(), &error)),
        }
    }
    // Where several may be the reference, one that gives and takes tells most, and a subscriber least.
    reached.sort_by_key(|member| match member.direction {
        Direction::Both => 0,
        Direction::Publish => 1,
        Direction::Subscribe => 2,
    });
    for (at, table) in group.spec.tables.iter().enumerate() {
        let name = &table.schema.name;
        if settings.table.as_ref().is_some_and(|wanted| wanted != name) {
            continue;
        }
        let mut columns = BTreeMap::new();
        for (position, member) in reached.iter().enumerate() {
            match &member.states[at] {
                TableState::Ready => {
                    columns.insert(position, kept(table, &member.id, &member.bindings[at]));
                }
                state @ (TableState::Stopped { .. } | TableState::Refills { .. }) => {
                    verification.not_compared.push(NotCompared {
                        table: name.clone(),
                        member: member.id.clone(),
                        reason: state.hindrance().unwrap_or_default(),
                    });
                }
            }
        }
        for comparison in comparisons(&columns) {
            let (reference, other) = (&reached[comparison.reference], &reached[comparison.other]);
            told(name, &other.id, &reference.id);
            match compare_pair(group, settings, at, &comparison, reference, other).await? {
                Ok(verified) => verification.compared.push(verified),
                Err((member, error)) => verification.not_compared.push(NotCompared {
                    table: name.clone(),
                    member,
                    reason: format!("{} ({})", tributary_runtime::Chain(&error), error.code()),
                }),
            }
        }
    }
    Ok(verification)
}

async fn reach(group: &Opened<'_>, connector: &Arc<dyn Connector>) -> Result<Reached, Error> {
    let mut open = group.open(connector.as_ref()).await?;
    let states = open.member.table_states().await?;
    let mut parked = Vec::new();
    crate::exceptions::each(open.member.as_mut(), None, |found| {
        parked.extend(found.key.map(|key| ((found.table, key), found.refusal.kind.as_str())));
        true
    })
    .await?;
    let direction = group.file.member(connector.id()).map(|member| member.direction).unwrap_or_default();
    Ok(Reached {
        id: connector.id().clone(),
        connector: Arc::clone(connector),
        bindings: open.bound.bindings,
        states,
        parked: parked.into_iter().collect(),
        direction,
    })
}

/// A member's failure on the way, with its name.
type Asked<T> = Result<T, (MemberId, Error)>;

struct Side<'a> {
    reached: &'a Reached,
    reader: Reader,
}

impl Side<'_> {
    fn failed(&self) -> impl Fn(Error) -> (MemberId, Error) + use<> {
        let id = self.reached.id.clone();
        move |error| (id.clone(), error)
    }
}

/// What a member keeps of a table's columns: what the spec knows, and which columns it has now.
fn kept(table: &TableSpec, member: &MemberId, binding: &TableBinding) -> Vec<Projection> {
    let known = table.projections.of_member(member);
    let columns = binding.local_columns.iter().enumerate();
    columns
        .map(|(at, own)| match (own, known.get(at)) {
            (None, _) => Projection::Absent,
            (Some(_), Some(narrowed @ Projection::Narrowed(_))) => *narrowed,
            (Some(_), _) => Projection::Exact,
        })
        .collect()
}

async fn side<'a>(reached: &'a Reached, table: usize, looks: &[Projection]) -> Asked<Side<'a>> {
    let binding = &reached.bindings[table];
    // As it is provisioned: an adapter does not take a binding with fewer columns for the same table.
    let member = reached.connector.connect(std::slice::from_ref(binding)).await;
    let member = member.map_err(|error| (reached.id.clone(), error))?;
    let otherwise =
        |(own, looks): (&Option<String>, &Projection)| own.is_some() && *looks != Projection::Exact;
    let looks_otherwise = binding.local_columns.iter().zip(looks).any(otherwise);
    Ok(Side { reached, reader: Reader::new(member, looks_otherwise.then(|| looks.to_vec())) })
}

async fn compare_pair(
    group: &Opened<'_>,
    settings: &VerifySettings,
    table: usize,
    comparison: &Comparison,
    reference: &Reached,
    other: &Reached,
) -> Result<Asked<Verified>, ProgressError> {
    let schema = &group.spec.tables[table].schema;
    let mut sides = match (
        side(reference, table, &comparison.of_reference).await,
        side(other, table, &comparison.of_other).await,
    ) {
        (Ok(reference), Ok(other)) => (reference, other),
        (Err(failed), _) | (_, Err(failed)) => return Ok(Err(failed)),
    };
    let found = match settle(group, settings, &mut sides).await? {
        Ok(found) => found,
        Err(failed) => return Ok(Err(failed)),
    };
    Ok(describe(group.file, settings, schema, comparison, sides, found).await)
}

/// Differences that have lasted.
struct Lasting {
    rows: u64,
    candidates: BTreeMap<KeyBytes, Sides>,
    settled: bool,
}

/// Looks until the differences have outlasted a moment at which nothing was under way, or the tries are used up.
async fn settle(
    group: &Opened<'_>,
    settings: &VerifySettings,
    (reference, other): &mut (Side<'_>, Side<'_>),
) -> Result<Asked<Lasting>, ProgressError> {
    let mut first = match look(reference, other).await {
        Ok(first) => first,
        Err(failed) => return Ok(Err(failed)),
    };
    let mut settled = false;
    for attempt in 0..settings.tries {
        if first.candidates.is_empty() {
            break;
        }
        if attempt > 0 {
            tokio::time::sleep(settings.pause).await;
        }
        let read = progress(group.file, group.spec, group.channels, group.log, group.connectors).await?;
        settled = read.is_drained();
        let again = match look(reference, other).await {
            Ok(again) => again,
            Err(failed) => return Ok(Err(failed)),
        };
        first.rows = again.rows;
        // What has changed in between was on its way, and what is new now may be.
        first.candidates.retain(|key, sides| again.candidates.get(key) == Some(sides));
        if settled {
            break;
        }
    }
    first.settled = settled || first.candidates.is_empty();
    Ok(Ok(first))
}

async fn look(reference: &mut Side<'_>, other: &mut Side<'_>) -> Asked<Lasting> {
    let here = reference.reader.digest().await.map_err(reference.failed())?;
    let there = other.reader.digest().await.map_err(other.failed())?;
    let buckets = differing_buckets(&here, &there);
    let mut candidates = BTreeMap::new();
    if !buckets.is_empty() {
        let left = reference.reader.hashes(&buckets).await.map_err(reference.failed())?;
        let right = other.reader.hashes(&buckets).await.map_err(other.failed())?;
        candidates = compare::differences(left, right);
    }
    Ok(Lasting { rows: row_count(&there), candidates, settled: false })
}

async fn describe(
    file: &GroupFile,
    settings: &VerifySettings,
    schema: &TableSchema,
    comparison: &Comparison,
    (mut reference, mut other): (Side<'_>, Side<'_>),
    found: Lasting,
) -> Asked<Verified> {
    let differing = found.candidates.len() as u64;
    let own = OneWay {
        reference: one_way(file, &mut reference, &found).await?,
        other: one_way(file, &mut other, &found).await?,
    };
    let one_way = found.candidates.iter().filter(|(key, sides)| own.explains(key, sides).is_some()).count();
    let keys: Vec<KeyBytes> = found.candidates.keys().take(settings.listed).cloned().collect();
    let left = reference.reader.rows(&keys).await.map_err(reference.failed())?;
    let right = other.reader.rows(&keys).await.map_err(other.failed())?;
    let mut differences = Vec::with_capacity(keys.len());
    for ((key, left), right) in keys.iter().zip(&left).zip(&right) {
        let kind = match found.candidates.get(key) {
            Some((Some(_), None)) => DifferenceKind::Missing,
            Some((None, _)) => DifferenceKind::Extra,
            Some((Some(_), Some(_))) | None => DifferenceKind::Differs,
        };
        differences.push(Difference {
            key: key_text(schema, key),
            kind,
            columns: match kind {
                DifferenceKind::Differs => differing_columns(schema, left.as_ref(), right.as_ref()),
                DifferenceKind::Missing | DifferenceKind::Extra => Vec::new(),
            },
            explained: explanation(schema, key, reference.reached, other.reached)
                .or_else(|| own.explains(key, found.candidates.get(key)?)),
        });
    }
    let missing = |sides: &&Sides| sides.1.is_none();
    let here = found.candidates.values().filter(|sides| !missing(sides)).count() as u64;
    let looks = comparison.of_reference.iter().zip(&comparison.of_other);
    let names = |wanted: fn(&Projection) -> bool| -> Vec<String> {
        let columns = schema.columns.iter().zip(looks.clone());
        let wanted = columns.filter(|(_, (one, other))| wanted(one) || wanted(other));
        wanted.map(|(column, _)| column.name.clone()).collect()
    };
    Ok(Verified {
        table: schema.name.clone(),
        member: other.reached.id.clone(),
        compared_with: reference.reached.id.clone(),
        rows: found.rows,
        equal: found.rows.saturating_sub(here),
        differing,
        one_way: one_way as u64,
        unexplained: differences.iter().filter(|difference| difference.explained.is_none()).count() as u64,
        settled: found.settled,
        columns_left_out: names(|looks| *looks == Projection::Absent),
        columns_rounded: names(|looks| matches!(looks, Projection::Narrowed(_))),
        differences,
    })
}

/// What is parked and keeps a row from being equal.
fn explanation(schema: &TableSchema, key: &KeyBytes, reference: &Reached, other: &Reached) -> Option<String> {
    let cell = (schema.name.clone(), key.clone());
    let parked = |member: &&Reached| Some(format!("parked in {} ({})", member.id, member.parked.get(&cell)?));
    [other, reference].iter().find_map(parked)
}
