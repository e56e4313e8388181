//! What members refused, and rows that could not be published: listed, shown, tried again.
//!
//! The member's own store is the truth, so every member is asked; one that cannot be reached is named beside the
//! listing and does not keep the others from being listed.

use crate::opened::{ActionError, Opened, by_prefix};
use crate::view::{RowView, key_text, time_text};
use serde::{Serialize, Serializer};
use tributary_member::{Connector, Member, Parked, ParkedAt, ParkedFilter};
use tributary_model::{MemberId, TableName};

/// Exceptions that are read of a member at a time: rows may be large, and there may be a flood of them.
const PAGE: usize = 200;

/// Which exceptions are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExceptionFilter {
    /// In this member.
    pub member: Option<MemberId>,
    /// Of this table.
    pub table: Option<TableName>,
    /// At this end.
    pub at: Option<ParkedAt>,
    /// At most so many, of all members together.
    pub limit: Option<usize>,
}

impl ExceptionFilter {
    fn wants_member(&self, id: &MemberId) -> bool {
        self.member.as_ref().is_none_or(|member| member == id)
    }
}

/// Where a refused record stands in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceView {
    /// Generation of the table's topics.
    pub generation: u32,
    /// Partition.
    pub partition: u32,
    /// Offset.
    pub offset: u64,
}

/// An exception, for showing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExceptionView {
    /// Names it among all of the group; the same as long as it is parked.
    pub id: String,
    /// The member.
    pub member: MemberId,
    /// `capture`: the row could not be published. `apply`: the record could not be written.
    pub at: &'static str,
    /// The table.
    #[serde(serialize_with = "as_text")]
    pub table: TableName,
    /// The key as text.
    pub key: String,
    /// Why, as a stable word.
    pub kind: &'static str,
    /// The database's own number or state.
    pub code: String,
    /// The database's own words.
    pub message: String,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was first refused.
    pub first_at: String,
    /// When it was last tried.
    pub last_at: String,
    /// When it is tried again by itself; only apply's are.
    pub due_at: Option<String>,
    /// What the record takes into account.
    pub vector: String,
    /// Its place in the log.
    pub source: Option<SourceView>,
    /// Whose change it carries.
    pub origin: Option<String>,
    /// Whether it deletes the row; unknown when the record cannot be read.
    pub deletes: Option<bool>,
    /// The row it would write.
    pub row: Option<RowView>,
}

fn as_text<S: Serializer>(name: &TableName, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(name.as_str())
}

/// A member that could not be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unasked {
    /// The member.
    pub member: MemberId,
    /// Why.
    pub trouble: String,
    /// The stable code of why.
    pub code: &'static str,
}

impl Unasked {
    pub(crate) fn new(member: &MemberId, error: &tributary_member::Error) -> Self {
        let trouble = tributary_runtime::Chain(error).to_string();
        Self { member: member.clone(), trouble, code: error.code() }
    }
}

/// Exceptions of all members that could be asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Exceptions {
    /// By member in the order of the file, then oldest first; no more than were asked for.
    pub exceptions: Vec<ExceptionView>,
    /// How many there are, listed or not.
    pub total: u64,
    /// Members that could not be asked.
    pub unasked: Vec<Unasked>,
}

/// Asks the members what is parked in them.
pub async fn list_exceptions(group: &Opened<'_>, filter: &ExceptionFilter) -> Exceptions {
    let mut all = Exceptions::default();
    for connector in group.connectors.iter().filter(|connector| filter.wants_member(connector.id())) {
        let id = connector.id();
        let left = filter.limit.unwrap_or(usize::MAX).saturating_sub(all.exceptions.len());
        let mut listed = Vec::new();
        let asked = async {
            let mut member = connector.connect(&[]).await?;
            if left > 0 {
                each(member.as_mut(), filter.table.as_ref(), |parked| {
                    if filter.at.is_none_or(|at| at == parked.at) {
                        listed.push(view(group, id, &parked));
                    }
                    listed.len() < left
                })
                .await?;
            }
            member.parked_counts().await
        };
        match asked.await {
            Ok(counts) => {
                let counted = counts.iter().filter(|((table, end), _)| {
                    filter.table.as_ref().is_none_or(|wanted| wanted == table)
                        && filter.at.is_none_or(|at| end_name(at) == *end)
                });
                all.total += counted.map(|(_, count)| count).sum::<u64>();
                all.exceptions.extend(listed);
            }
            Err(error) => all.unasked.push(Unasked::new(id, &error)),
        }
    }
    all
}

/// The exception whose id begins so, of all members, and the members that could not be asked.
///
/// # Errors
/// When there is none, or more than one.
pub async fn find_exception(
    group: &Opened<'_>,
    id: &str,
) -> Result<(ExceptionView, Vec<Unasked>), ActionError> {
    let mut found = Exceptions::default();
    for connector in group.connectors {
        let asked = find_in(group, connector.as_ref(), id, &mut found.exceptions);
        if let Err(error) = asked.await {
            found.unasked.push(Unasked::new(connector.id(), &error));
        }
    }
    let view =
        by_prefix("exception", "tributary exceptions list", id, &found.exceptions, |found| found.id.clone())?;
    Ok((view.clone(), found.unasked))
}

async fn find_in(
    group: &Opened<'_>,
    connector: &dyn Connector,
    id: &str,
    found: &mut Vec<ExceptionView>,
) -> Result<(), tributary_member::Error> {
    let mut member = connector.connect(&[]).await?;
    each(member.as_mut(), None, |parked| {
        if id_of(connector.id(), &parked).starts_with(id) {
            found.push(view(group, connector.id(), &parked));
        }
        // A beginning that several share names none of them.
        found.len() < 2
    })
    .await
}

/// Hands over a member's exceptions one after the other, in bounded memory, until it has had enough.
pub(crate) async fn each(
    member: &mut dyn Member,
    table: Option<&TableName>,
    mut take: impl FnMut(Parked) -> bool,
) -> Result<(), tributary_member::Error> {
    let mut after = None;
    loop {
        let page = ParkedFilter::All { table: table.cloned(), after, limit: PAGE };
        let page = member.parked(&page).await?;
        let is_last = page.len() < PAGE;
        after = page.last().map(|parked| parked.number);
        for parked in page {
            if !take(parked) {
                return Ok(());
            }
        }
        if is_last {
            return Ok(());
        }
    }
}

/// What a retry came to in one member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Retried {
    /// The member.
    pub member: MemberId,
    /// How many exceptions are due now; `None` when it could not be asked.
    pub due: Option<u64>,
    /// Why not.
    pub trouble: Option<String>,
}

/// Makes apply's exceptions due at once, so that the running worker tries them again.
pub async fn retry_exceptions(group: &Opened<'_>, filter: &ExceptionFilter) -> Vec<Retried> {
    let mut retried = Vec::new();
    for connector in group.connectors.iter().filter(|connector| filter.wants_member(connector.id())) {
        let asked = async { connector.connect(&[]).await?.retry_parked(filter.table.as_ref()).await };
        let member = connector.id().clone();
        retried.push(match asked.await {
            Ok(due) => Retried { member, due: Some(due), trouble: None },
            Err(error) => {
                let trouble = format!("{} ({})", tributary_runtime::Chain(&error), error.code());
                Retried { member, due: None, trouble: Some(trouble) }
            }
        });
    }
    retried
}

fn view(group: &Opened<'_>, member: &MemberId, parked: &Parked) -> ExceptionView {
    let schema = group.schema(&parked.table);
    let key = match (schema, &parked.key) {
        (Some(schema), Some(key)) => key_text(schema, key),
        _ => parked.key_text.clone(),
    };
    // A record that cannot be read is listed all the same: what was refused is known without it.
    let record = group
        .codec(parked.table.as_str())
        .filter(|_| parked.at == ParkedAt::Apply)
        .and_then(|codec| codec.decode_resolved(&parked.payload).ok());
    let row = record.as_ref().and_then(|record| record.row.as_ref());
    ExceptionView {
        id: id_of(member, parked),
        member: member.clone(),
        at: end_name(parked.at),
        table: parked.table.clone(),
        key,
        kind: parked.refusal.kind.as_str(),
        code: parked.refusal.code.clone(),
        message: parked.refusal.message.clone(),
        attempts: parked.attempts,
        first_at: time_text(parked.first_at),
        last_at: time_text(parked.last_at),
        due_at: (parked.at == ParkedAt::Apply).then(|| time_text(parked.due_at)),
        vector: parked.vv.to_string(),
        source: parked.source.as_ref().map(|source| SourceView {
            generation: source.generation,
            partition: source.partition,
            offset: source.offset,
        }),
        origin: record.as_ref().map(|record| record.winner.incarnation.member().to_owned()),
        deletes: record.as_ref().map(|record| record.row.is_none()),
        row: schema.zip(row).map(|(schema, row)| RowView::of(schema, row)),
    }
}

/// The stable name of an end.
pub fn end_name(at: ParkedAt) -> &'static str {
    match at {
        ParkedAt::Capture => "capture",
        ParkedAt::Apply => "apply",
    }
}

/// A hash of what makes an exception: member, end, table and row. Retrying does not change it.
fn id_of(member: &MemberId, parked: &Parked) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut part = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_be_bytes());
        hasher.update(bytes);
    };
    part(member.as_str().as_bytes());
    part(end_name(parked.at).as_bytes());
    part(parked.table.as_str().as_bytes());
    match &parked.key {
        Some(key) => part(key.as_slice()),
        None => part(parked.key_text.as_bytes()),
    }
    hasher.finalize().to_hex()[..12].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_member::{Refusal, RefusalKind};
    use tributary_model::{KeyBytes, VersionVector};

    fn parked(at: ParkedAt, key: u8) -> Parked {
        Parked {
            number: 1,
            at,
            table: TableName::new("Customer"),
            key: Some(KeyBytes::new([key])),
            key_text: "1".to_owned(),
            vv: VersionVector::new(),
            source: None,
            refusal: Refusal { kind: RefusalKind::Check, code: "275".to_owned(), message: "no".to_owned() },
            attempts: 1,
            first_at: 0,
            last_at: 0,
            due_at: 0,
            payload: Vec::new(),
        }
    }

    #[test]
    fn an_id_stays_when_it_is_tried_again_and_differs_by_member_end_and_row() {
        let (hq, cloud) = (MemberId::new("hq").unwrap(), MemberId::new("cloud").unwrap());
        let first = parked(ParkedAt::Apply, 2);
        let mut again = first.clone();
        (again.attempts, again.last_at) = (9, 7);
        assert_eq!(id_of(&hq, &first), id_of(&hq, &again));
        assert_eq!(id_of(&hq, &first).len(), 12);
        let mut ids = vec![
            id_of(&hq, &first),
            id_of(&cloud, &first),
            id_of(&hq, &parked(ParkedAt::Capture, 2)),
            id_of(&hq, &parked(ParkedAt::Apply, 3)),
        ];
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 4);
    }
}
