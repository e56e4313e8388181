//! Step 6: a delete that one database cannot follow.

use super::{CLOUD, DEADLINE, PREMISES, group_file};
use crate::quickstart::{Story, ledger};
use anyhow::{Context as _, Result};
use tributary_group::progress::Progress;
use tributary_member::{Parked, ParkedFilter, RefusalKind};
use tributary_model::ConflictKind;

const LINE: &str = "3 60 x Espresso cups at 3.20, customer 2";

pub(super) fn parked_then_restored(story: &mut Story<'_>) -> Result<()> {
    story.teller.begin("A delete that cannot be followed")?;
    story
        .teller
        .say("on-premises, an order event refers to order line 3; OrderEvents is not synchronised, so the")?;
    story.teller.say("cloud knows nothing of it; a user of the cloud deletes order line 3")?;
    story.shop(CLOUD)?.run("DELETE FROM OrderLines WHERE OrderLineId = 3")?;
    story.settle()?;
    story.check_order_line(PREMISES, LINE)?;
    let gone = story.shop(CLOUD)?.order_line(3)?;
    story.teller.check("cloud no longer has it: the two differ, and that is not hidden", &None, &gone)?;
    let parked = parked(story)?;
    let listed: Vec<_> = parked
        .iter()
        .map(|record| (record.table.to_string(), record.key_text.clone(), record.refusal.kind))
        .collect();
    for record in &parked {
        let (table, key, refusal) = (&record.table, &record.key_text, &record.refusal);
        let kind = refusal.kind.as_str();
        story.teller.show(&format!("parked on-premises: {table} {key}: {kind}: {}", refusal.message))?;
    }
    let expected = vec![("OrderLines".to_owned(), "3".to_owned(), RefusalKind::Referenced)];
    story.teller.check("the delete is parked on-premises, and listed with its reason", &expected, &listed)?;

    story
        .teller
        .say("now with `blocked_delete: restore`: stop, change the group file, start, retry at once")?;
    story.start(&group_file(&[PREMISES, CLOUD], "restore"))?;
    let group = story.group()?;
    let retried = group.wait_for(group.member(PREMISES)?.retry_parked(None))?;
    let nothing_parked = |progress: &Progress| {
        let tables = progress.members.iter().flat_map(|member| &member.tables);
        progress.is_drained() && tables.map(|table| table.parked_apply).sum::<u64>() == 0
    };
    group.wait_until("the parked delete to be settled", DEADLINE, nothing_parked)?;
    story.deeds_done()?;
    story.teller.check("one parked record was made due", &1, &retried)?;
    story.check_order_line(CLOUD, LINE)?;
    let events = story.shop(PREMISES)?.order_events()?;
    let expected = vec!["1 picked in the warehouse, line 3".to_owned()];
    story.teller.check("the order event is untouched", &expected, &events)?;
    story.check_conflicts(2)?;
    let kinds: Vec<_> = ledger::conflicts(story.group()?)?.iter().map(|conflict| conflict.kind).collect();
    let why = kinds.contains(&ConflictKind::BlockedDelete);
    story.teller.check("the second one says why the row came back", &true, &why)?;
    story.check_equal(&[PREMISES, CLOUD])
}

fn parked(story: &Story<'_>) -> Result<Vec<Parked>> {
    let group = story.group()?;
    let mut member = group.member(PREMISES)?;
    group
        .wait_for(member.parked(&ParkedFilter::All { limit: 100 }))
        .context("the exceptions cannot be listed")
}
