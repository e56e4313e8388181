//! Columns that a table gains are not filled here: provisioning refuses them.
//!
//! A member that gained a column and went on would publish its default with the next edit of each row, over what the
//! others have. Until rows can be filled in this kind of database, the table keeps its columns.

use super::provisioned::{MANNER, ProvisionedTable};
use super::table::BoundTable;
use crate::provisioned::ProvisionedColumns;
use crate::{Direction, Error, RefillStep, Refusal, Result};
use tributary_model::MemberId;

/// An error if a table has columns that it was not provisioned with. A member that takes nothing in may gain some.
pub(super) fn refuse(
    member: &MemberId,
    direction: Direction,
    table: &BoundTable,
    stored: &ProvisionedTable,
    now: &ProvisionedColumns,
) -> Result<()> {
    let Some(before) = &stored.columns else { return Ok(()) };
    let group = &table.binding.schema.columns;
    let synced =
        table.columns.iter().map(|column| (column.name.as_str(), group[column.position].name.as_str()));
    let grown = now.clone().refilled(before, &MANNER, direction != Direction::Publish, synced);
    let Some(refill) = grown.refill else { return Ok(()) };
    Err(Error::Unsupported {
        member: member.clone(),
        table: table.binding.local_table.clone(),
        reason: format!(
            "it has gained {}, and what the group has of that cannot be filled into the rows of an SQL Server member yet; \
             drop the column again, or exclude it in the group file, or run `deprovision` on the member and let it join \
             anew under another id",
            refill.columns.join(", ")
        ),
    })
}

/// A step of a refill that nobody began.
pub(super) fn refill(step: &RefillStep) -> Result<Option<Refusal>> {
    Err(Error::Misuse { call: "refill", reason: format!("table {}, which is not refilled", step.table) })
}
