//! The eight steps, in order. Each does something as a user would, waits until the group has come to rest, and
//! compares what the databases hold with what the step's text promises.

mod blocked_delete;
mod conflict;
mod everyday;
mod joining;

use super::Story;
use anyhow::Result;
use std::time::Duration;
use tributary_group::conflicts::read_ledger;
use tributary_group::progress::Progress;
use tributary_model::ConflictRecord;

/// The first member: the one that has data when the story begins.
const PREMISES: &str = "on-premises";
/// The second, empty at first.
const CLOUD: &str = "cloud";
/// The one that joins later.
const THIRD: &str = "third";

/// How long the group may take to come to rest. Hundreds of times what it needs.
const DEADLINE: Duration = Duration::from_secs(60);

/// Tells all steps.
pub(super) fn tell(story: &mut Story<'_>) -> Result<()> {
    everyday::first_sync(story)?;
    everyday::added_on_premises(story)?;
    everyday::added_in_the_cloud(story)?;
    everyday::both_at_once(story)?;
    conflict::same_key_twice(story)?;
    blocked_delete::parked_then_restored(story)?;
    joining::third_member(story)?;
    joining::verify_all(story)
}

/// The group file with these members; `blocked_delete` for OrderLines.
fn group_file(header: &str, members: &[&str], blocked_delete: &str) -> String {
    let members: String =
        members.iter().map(|member| format!("  {member}:\n    url: sqlite:{member}.db\n")).collect();
    format!(
        "# Written by `tributary quickstart`.\n\
         {header}\
         members:\n{members}\
         tables:\n  - name: Customer\n  - name: OrderLines\n    blocked_delete: {blocked_delete}\n\
         # OrderEvents is not listed, so it stays where it is.\n"
    )
}

impl Story<'_> {
    /// Waits until everything that was committed in any member is in all of them, or parked.
    fn settle(&mut self) -> Result<Progress> {
        let progress =
            self.group()?.wait_until("the group to come to rest", DEADLINE, Progress::is_drained)?;
        self.deeds_done()?;
        Ok(progress)
    }

    /// That both synchronised tables hold the same rows in these members.
    fn check_equal(&mut self, members: &[&str]) -> Result<()> {
        let first = self.shop(members[0])?;
        let (customers, lines) = (first.customers()?, first.order_lines()?);
        for member in &members[1..] {
            let other = self.shop(member)?;
            let (one, rows) = (members[0], customers.len());
            self.teller.check(
                &format!("Customer has the same {rows} rows in {one} and {member}"),
                &customers,
                &other.customers()?,
            )?;
            let rows = lines.len();
            self.teller.check(
                &format!("OrderLines has the same {rows} rows in {one} and {member}"),
                &lines,
                &other.order_lines()?,
            )?;
        }
        Ok(())
    }

    /// That a member has this customer.
    fn check_customer(&mut self, member: &str, expected: &str) -> Result<()> {
        let found = self.shop(member)?.customer(number(expected))?;
        self.teller.check(&format!("{member} has customer {expected}"), &Some(expected.to_owned()), &found)
    }

    /// That a member has this order line.
    fn check_order_line(&mut self, member: &str, expected: &str) -> Result<()> {
        let found = self.shop(member)?.order_line(number(expected))?;
        self.teller.check(&format!("{member} has order line {expected}"), &Some(expected.to_owned()), &found)
    }

    /// The ledger, newest first.
    fn conflicts(&self) -> Result<Vec<ConflictRecord>> {
        let group = self.group()?;
        Ok(group.wait_for(read_ledger(&group.opened()))?.records)
    }

    /// How many conflicts the ledger holds.
    fn check_conflicts(&mut self, expected: usize) -> Result<()> {
        let found = self.conflicts()?.len();
        let what = match expected {
            0 => "the ledger of conflicts is empty".to_owned(),
            1 => "the ledger holds one conflict".to_owned(),
            many => format!("the ledger holds {many} conflicts"),
        };
        self.teller.check(&what, &expected, &found)
    }
}

/// The key with which a row's line begins.
fn number(line: &str) -> i64 {
    line.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or_default()
}
