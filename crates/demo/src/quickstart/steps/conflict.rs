//! Step 5: the same new key on both sides.

use super::{CLOUD, PREMISES};
use crate::quickstart::{Story, ledger};
use anyhow::{Context as _, Result};
use tributary_group::conflicts::{ConflictView, put_loser_back};
use tributary_model::{ConflictKind, Row, Value};

/// How much later the second user writes: enough that nobody's clock can mistake the order.
const LATER_MS: i64 = 50;

pub(super) fn same_key_twice(story: &mut Story<'_>) -> Result<()> {
    story.teller.begin("The same new key in both databases: a conflict")?;
    story
        .teller
        .say("both users add a customer 7 before either has seen the other's; the cloud's user is later")?;
    let (premises, cloud) = (story.shop(PREMISES)?, story.shop(CLOUD)?);
    // Open transactions on both sides: neither row can arrive at the other before it is written there too.
    premises.run(
        "BEGIN IMMEDIATE;
         INSERT INTO Customer (CustomerId, Name, City, Since) VALUES (7, 'Gina''s Garage', 'Derby', '2011-02-10');",
    )?;
    cloud.run("BEGIN IMMEDIATE")?;
    let written = premises.clock_ms()?;
    while cloud.clock_ms()? < written + LATER_MS {
        std::thread::yield_now();
    }
    cloud.run(
        "INSERT INTO Customer (CustomerId, Name, City, Since) VALUES (7, 'Gusto Grill', 'Dover', '2011-02-11')",
    )?;
    premises.run("COMMIT")?;
    cloud.run("COMMIT")?;
    story.settle()?;

    for member in [PREMISES, CLOUD] {
        story.check_customer(member, "7 Gusto Grill, Dover, since 2011-02-11")?;
    }
    story.check_conflicts(1)?;
    let conflict = story.conflicts()?.pop().context("the ledger was just counted")?;
    let group = story.group()?;
    let table = group.engine.spec.table(&conflict.table).context("the table is one of the group")?;
    let shown = ledger::describe(&ConflictView::of(&conflict, &table.schema));
    let connector = group.connector(PREMISES)?;
    let back = group.wait_for(put_loser_back(&group.opened(), connector.as_ref(), &conflict))?;
    story.teller.show(&shown)?;
    story.teller.say("SQL that puts the loser back:")?;
    story.teller.show(&back)?;
    let name = |row: &Option<Row>| match row.as_ref().and_then(|row| row.get(1)) {
        Some(Value::String(name)) => name.clone(),
        other => format!("{other:?}"),
    };
    let found = (conflict.kind, name(&conflict.winner.row), name(&conflict.loser.row));
    let expected = (ConflictKind::Concurrent, "Gusto Grill".to_owned(), "Gina's Garage".to_owned());
    story.teller.check("the more recent version won; the ledger holds both of them", &expected, &found)?;

    // Tried for real, and taken back: the story goes on with the winner.
    premises.run("BEGIN IMMEDIATE")?;
    premises.run(&back)?;
    let put_back = premises.customer(7)?;
    premises.run("ROLLBACK")?;
    let expected = Some("7 Gina's Garage, Derby, since 2011-02-10".to_owned());
    story.teller.check("that SQL does put the loser back (tried, and rolled back)", &expected, &put_back)?;
    story.check_equal(&[PREMISES, CLOUD])
}
