//! Steps 7 and 8: a member that joins, and the proof that all are equal.

use super::{CLOUD, PREMISES, THIRD, group_file};
use crate::quickstart::Story;
use anyhow::Result;
use tributary_group::verify::{Verified, VerifySettings, verify};

pub(super) fn third_member(story: &mut Story<'_>) -> Result<()> {
    story.teller.begin("A third, empty database joins")?;
    story
        .teller
        .say("stop, add the member `third` to the group file, start; it is filled from the log alone")?;
    let pages = published(story)?;
    let file = group_file(&story.header, &[PREMISES, CLOUD, THIRD], "restore");
    story.start(&file)?;
    story.settle()?;
    story.check_customer(THIRD, "7 Gusto Grill, Dover, since 2011-02-11")?;
    story.check_order_line(THIRD, "3 60 x Espresso cups at 3.20, customer 2")?;
    story.check_equal(&[PREMISES, CLOUD, THIRD])?;
    let now = published(story)?;
    story.teller.check("the others published nothing for it", &pages, &now[..pages.len()].to_vec())?;
    story.teller.say("a user of the third adds customer 8")?;
    story.shop(THIRD)?.run(
        "INSERT INTO Customer (CustomerId, Name, City, Since) VALUES (8, 'Harbour Inn', 'Whitby', '2011-02-14')",
    )?;
    story.settle()?;
    for member in [PREMISES, CLOUD] {
        story.check_customer(member, "8 Harbour Inn, Whitby, since 2011-02-14")?;
    }
    Ok(())
}

/// How many pages each member has published, in the order of the group file.
fn published(story: &Story<'_>) -> Result<Vec<Option<u64>>> {
    let progress = story.group()?.progress()?;
    Ok(progress.members.iter().map(|member| member.token_counter).collect())
}

pub(super) fn verify_all(story: &mut Story<'_>) -> Result<()> {
    story.teller.begin("Verify all members")?;
    story.settle()?;
    let group = story.group()?;
    let found = group.wait_for(verify(&group.opened(), &VerifySettings::default(), &mut |_, _, _| {}))?;
    for Verified { table, member, compared_with, rows, differing, .. } in &found.compared {
        let (rows, differing) = (*rows, *differing);
        let what = format!("{table}: the {rows} rows of {member} are those of {compared_with}, by digest");
        story.teller.check(&what, &0, &differing)?;
    }
    let tables = story.group()?.engine.spec.tables.len();
    let compared = (found.compared.len(), found.not_compared.len(), found.unasked.len());
    story.teller.check("no table of any member was left out", &(tables * 2, 0, 0), &compared)?;
    let left_out: Vec<_> = found.compared.iter().flat_map(|verified| &verified.columns_left_out).collect();
    story.teller.check("and no column", &Vec::<&String>::new(), &left_out)?;
    let progress = story.group()?.progress()?;
    let tables = progress.members.iter().flat_map(|member| &member.tables);
    let parked: u64 = tables.map(|table| table.parked_apply + table.parked_capture).sum();
    story.teller.check("nothing is parked anywhere", &0, &parked)
}
