//! Step 6: a delete that one database cannot follow.

use super::{CLOUD, DEADLINE, PREMISES, group_file};
use crate::quickstart::Story;
use anyhow::Result;
use tributary_group::exceptions::{ExceptionFilter, ExceptionView, list_exceptions, retry_exceptions};
use tributary_group::progress::Progress;
use tributary_member::RefusalKind;
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
    let group = story.group()?;
    let parked = group.wait_for(list_exceptions(&group.opened(), &ExceptionFilter::default())).exceptions;
    let mut listed = Vec::new();
    for ExceptionView { member, table, key, kind, message, .. } in parked {
        story.teller.show(&format!("parked in {member}: {table} {key}: {kind}: {message}"))?;
        listed.push((member.to_string(), table.to_string(), key, kind));
    }
    let expected = vec![(
        PREMISES.to_owned(),
        "OrderLines".to_owned(),
        "3".to_owned(),
        RefusalKind::Referenced.as_str(),
    )];
    story.teller.check("the delete is parked on-premises, and listed with its reason", &expected, &listed)?;

    story
        .teller
        .say("now with `blocked_delete: restore`: stop, change the group file, start, retry at once")?;
    let file = group_file(&story.header, &[PREMISES, CLOUD], "restore");
    story.start(&file)?;
    let group = story.group()?;
    // The worker may have tried it again by itself already: how many were made due says nothing.
    group.wait_for(retry_exceptions(&group.opened(), &ExceptionFilter::default()));
    let nothing_parked = |progress: &Progress| {
        let tables = progress.members.iter().flat_map(|member| &member.tables);
        progress.is_drained() && tables.map(|table| table.parked_apply).sum::<u64>() == 0
    };
    group.wait_until("the parked delete to be settled", DEADLINE, nothing_parked)?;
    story.deeds_done()?;
    story.check_order_line(CLOUD, LINE)?;
    let events = story.shop(PREMISES)?.order_events()?;
    let expected = vec!["1 picked in the warehouse, line 3".to_owned()];
    story.teller.check("the order event is untouched", &expected, &events)?;
    story.check_conflicts(2)?;
    let kinds: Vec<_> = story.conflicts()?.iter().map(|conflict| conflict.kind).collect();
    let why = kinds.contains(&ConflictKind::BlockedDelete);
    story.teller.check("the second one says why the row came back", &true, &why)?;
    story.check_equal(&[PREMISES, CLOUD])
}
