//! Steps 7 and 8: a member that joins, and the proof that all are equal.

use super::{CLOUD, PREMISES, THIRD, group_file};
use crate::quickstart::Story;
use anyhow::Result;
use tributary_member::BucketDigest;

/// Digests are compared in 2^4 buckets.
const BUCKET_BITS: u8 = 4;

pub(super) fn third_member(story: &mut Story<'_>) -> Result<()> {
    story.teller.begin("A third, empty database joins")?;
    story
        .teller
        .say("stop, add the member `third` to the group file, start; it is filled from the log alone")?;
    let pages = published(story)?;
    story.start(&group_file(&[PREMISES, CLOUD, THIRD], "restore"))?;
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

pub(super) fn verify(story: &mut Story<'_>) -> Result<()> {
    story.teller.begin("Verify all members")?;
    story.settle()?;
    let tables = story.group()?.engine.spec.tables.clone();
    for (at, table) in tables.iter().enumerate() {
        let (name, mut digests) = (&table.schema.name, Vec::new());
        for member in [PREMISES, CLOUD, THIRD] {
            let group = story.group()?;
            let mut connection = group.member(member)?;
            digests.push(group.wait_for(connection.digest(at, BUCKET_BITS))?);
        }
        let (rows, digest) = total(&digests[0]);
        story.teller.show(&format!("{name}: {rows} rows, digest {digest}"))?;
        let what = format!("{name} has the same digest in all three members");
        story.teller.check(&what, &vec![digests[0].clone(); 3], &digests)?;
    }
    let parked: u64 = story
        .group()?
        .progress()?
        .members
        .iter()
        .flat_map(|member| &member.tables)
        .map(|table| table.parked_apply + table.parked_capture)
        .sum();
    story.teller.check("nothing is parked anywhere", &0, &parked)
}

fn total(buckets: &[BucketDigest]) -> (u64, String) {
    let mut total = BucketDigest::default();
    buckets.iter().for_each(|bucket| total.join(bucket));
    (total.rows, total.sum.iter().map(|byte| format!("{byte:02x}")).collect())
}
