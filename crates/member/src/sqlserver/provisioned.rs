//! What provisioning wrote down: whose member the database is, and what each table looked like.

use super::cells::{Cell, integer, text};
use super::session::{Cells, Session};
use super::table::BoundTable;
use super::{SqlServerMember, look};
use crate::provisioned::{Manner, ProvisionedColumns};
use crate::{Error, Result};
use tributary_model::Incarnation;

/// The newest layout of the sync objects that this program knows, and the one it makes.
pub(super) const FORMAT: u32 = 1;

/// How descriptions of this database's tables are compared. A column that is renamed in case alone is the one that was
/// there before, and not one that its table has gained.
pub(super) const MANNER: Manner =
    Manner { same_name: super::catalog::same_name, spelt: str::to_owned, misses_other_keys: false };

/// What a described table looks like now.
pub(super) fn described(table: &BoundTable) -> ProvisionedColumns {
    let declared = table.columns.iter().map(|column| (column.name.clone(), column.codec.declared().spelt()));
    ProvisionedColumns {
        columns: declared.collect(),
        key: table.key_columns().map(|column| column.name.clone()).collect(),
        scans: 0,
        refill: None,
    }
}

/// What provisioning wrote down about a table.
#[derive(Debug, Clone)]
pub(super) struct ProvisionedTable {
    /// The group's name of it.
    pub(super) name: String,
    /// The member's own schema.
    pub(super) local_schema: String,
    /// The member's own name of it.
    pub(super) local_table: String,
    /// The generation of its topics.
    pub(super) generation: u32,
    /// The incarnation of tracking rows that name none.
    pub(super) first_incarnation: Incarnation,
    /// The incarnation of versions to come.
    pub(super) incarnation: Incarnation,
    /// What it looked like; `None` if that cannot be read.
    pub(super) columns: Option<ProvisionedColumns>,
    /// The same as stored.
    pub(super) json: String,
}

/// What is written down about all tables.
pub(super) async fn tables(session: &mut Session) -> Result<Vec<ProvisionedTable>> {
    let sql = crate::template::fill(include_str!("sql/read_tables.sql"), &[]);
    let rows = session.query("tell what is provisioned", &sql, Vec::new()).await?;
    let tables = rows.iter().map(table).collect::<Cell<Vec<_>>>();
    tables.map_err(|reason| Error::Damaged {
        place: session.whose().place.clone(),
        object: "[DataSync].[dss_tables]".to_owned(),
        reason,
    })
}

fn table(row: &Cells) -> Cell<ProvisionedTable> {
    let incarnation = |place| {
        let text = text(row, place)?;
        Incarnation::parse(&text).map_err(|error| error.to_string())
    };
    let json = text(row, 6)?;
    Ok(ProvisionedTable {
        name: text(row, 0)?,
        local_schema: text(row, 1)?,
        local_table: text(row, 2)?,
        generation: u32::try_from(integer(row, 3)?).map_err(|error| error.to_string())?,
        first_incarnation: incarnation(4)?,
        incarnation: incarnation(5)?,
        columns: serde_json::from_str(&json).ok(),
        json,
    })
}

/// Values that provisioning wrote down about the whole member.
#[derive(Debug, Clone, Default)]
pub(super) struct Identity {
    /// The layout of the sync objects.
    pub(super) format: Option<String>,
    /// The group.
    pub(super) group: Option<String>,
    /// The member.
    pub(super) member: Option<String>,
    /// Which way its changes go.
    pub(super) direction: Option<String>,
    /// When it was provisioned first.
    pub(super) provisioned_at: Option<String>,
}

/// Whose member the database is; nothing where it is not provisioned.
pub(super) async fn identity(session: &mut Session) -> Result<Identity> {
    let mut identity = Identity::default();
    if !look::is_there(session, "dss_provisioning").await? {
        return Ok(identity);
    }
    let sql = "SELECT [name], [value] FROM [DataSync].[dss_provisioning]";
    for row in session.query("tell whose member it is", sql, Vec::new()).await? {
        let (Ok(name), Ok(value)) = (text(&row, 0), text(&row, 1)) else { continue };
        match name.as_str() {
            "format" => identity.format = Some(value),
            "group" => identity.group = Some(value),
            "member" => identity.member = Some(value),
            "direction" => identity.direction = Some(value),
            "provisioned_at" => identity.provisioned_at = Some(value),
            _ => {}
        }
    }
    Ok(identity)
}

/// An error if the database is another member's, or was provisioned by a newer program.
pub(super) async fn check_identity(member: &mut SqlServerMember) -> Result<()> {
    let found = identity(&mut member.session).await?;
    let place = member.session.whose().place.clone();
    if let Some(format) = found.format
        && !format.parse::<u32>().is_ok_and(|number| number <= FORMAT)
    {
        return Err(Error::NewerFormat { place, found: format, supported: FORMAT });
    }
    // A half-provisioned database carries none yet.
    let (Some(found_group), Some(found_member)) = (found.group, found.member) else { return Ok(()) };
    let same = found_group == member.group && found_member == member.id.as_str();
    if same && !member.settings.any_direction && !member.settings.any_identity {
        return member.settings.direction.check(&member.id, &place, found.direction.as_deref());
    }
    if same || member.settings.any_identity {
        return Ok(());
    }
    Err(Error::ForeignIdentity {
        place,
        member: member.id.clone(),
        group: member.group.clone(),
        found_member,
        found_group,
    })
}
