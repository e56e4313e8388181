//! Whether each bound table is as provisioned, found anew whenever the file's schema has changed.

use super::{SqliteMember, catalog};
use crate::{Result, TableState};

/// Whether each bound table can be worked on.
pub(super) fn table_states(member: &mut SqliteMember) -> Result<Vec<TableState>> {
    refresh(member)?;
    Ok(member.tables.iter().map(|table| table.state.clone()).collect())
}

/// Looks at the bound tables again if the schema has changed since the last look.
pub(super) fn refresh(member: &mut SqliteMember) -> Result<()> {
    let version = catalog::schema_version(&member.connection, &member.path)?;
    if member.schema_version == Some(version) {
        return Ok(());
    }
    for table in &mut member.tables {
        let trouble = table.describe(&member.connection, &member.path)?;
        table.state = match trouble {
            None => TableState::Ready,
            Some(reason) => TableState::Stopped { reason },
        };
    }
    member.schema_version = Some(version);
    Ok(())
}

/// Whether anything may have been written by others since the last call.
pub(super) fn has_news(member: &mut SqliteMember) -> Result<bool> {
    let _ = member;
    Ok(true)
}
