//! The member's clock: the server's, as its triggers read it.

use super::SqlServerMember;
use crate::Result;
use tiberius::ColumnData;
use tributary_model::Ticks;

/// The server's UTC time.
pub(super) async fn clock(member: &mut SqlServerMember) -> Result<Ticks> {
    let action = "tell the time";
    let row = member.session.row(action, "SELECT SYSUTCDATETIME()", Vec::new()).await?;
    match row.as_deref().and_then(<[_]>::first) {
        Some(ColumnData::DateTime2(Some(time))) => Ok(super::values::timestamp(*time)),
        _ => Err(member.damaged("SYSUTCDATETIME()", "no time".to_owned())),
    }
}
