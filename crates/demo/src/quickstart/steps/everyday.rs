//! Steps 1 to 4: what a group does all day.

use super::{CLOUD, PREMISES, group_file};
use crate::quickstart::{Story, shop};
use anyhow::{Context as _, Result};
use tributary_member::Severity;

pub(super) fn first_sync(story: &mut Story<'_>) -> Result<()> {
    story.teller.begin("First sync into an empty database")?;
    story
        .teller
        .say("on-premises.db has the tables Customer, OrderLines and OrderEvents; cloud.db is empty")?;
    let premises = story.shop(PREMISES)?;
    premises.run(shop::TABLES)?;
    story.teller.say("the group file lists Customer and OrderLines; provision, then start all workers")?;
    let file = group_file(&story.header, &[PREMISES, CLOUD], "park");
    story.start(&file)?;
    story.settle()?;

    let about_location = |column: Option<&str>| column == Some("Location");
    let found = story.findings.iter().find(|found| about_location(found.finding.column.as_deref()));
    let finding = &found.context("nothing was reported about the column Customer.Location")?.finding;
    let (severity, text) = (finding.severity, finding.message.clone());
    story.teller.show(&format!("warning: Customer.Location: {text}"))?;
    let what = "the column Customer.Location of type GEOGRAPHY is reported as a warning";
    story.teller.check(what, &Severity::Warning, &severity)?;
    let cloud = story.shop(CLOUD)?;
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    story.teller.check(
        "cloud now has the tables Customer and OrderLines, and not OrderEvents",
        &names(&["Customer", "OrderLines"]),
        &cloud.tables()?,
    )?;
    story.teller.check(
        "its Customer has all columns but Location",
        &names(&["CustomerId", "Name", "City", "Since"]),
        &cloud.columns("Customer")?,
    )?;
    story.teller.check(
        "its OrderLines has all columns",
        &names(&["OrderLineId", "CustomerId", "Product", "Quantity", "Price"]),
        &cloud.columns("OrderLines")?,
    )?;
    story.check_customer(CLOUD, "2 Brasserie Müller, Zürich, since 2010-11-02")?;
    story.check_order_line(CLOUD, "3 60 x Espresso cups at 3.20, customer 2")?;
    story.check_equal(&[PREMISES, CLOUD])
}

pub(super) fn added_on_premises(story: &mut Story<'_>) -> Result<()> {
    story.teller.begin("Two customers with order lines added on-premises")?;
    story.shop(PREMISES)?.run(
        "BEGIN;
         INSERT INTO Customer (CustomerId, Name, City, Since, Location) VALUES
             (3, 'Cycle Depot', 'Leeds', '2011-02-01', 'POINT(-1.55 53.80)'),
             (4, 'Dale Farm Dairy', NULL, '2011-02-03', NULL);
         INSERT INTO OrderLines (OrderLineId, CustomerId, Product, Quantity, Price) VALUES
             (4, 3, 'Brake cable', 200, 1.15), (5, 3, 'Bell, brass', 35, 6.4), (6, 4, 'Milk churn', 8, 41);
         COMMIT;",
    )?;
    story.teller.say("customers 3 and 4 with order lines 4, 5 and 6, in one transaction")?;
    story.settle()?;
    story.check_customer(CLOUD, "3 Cycle Depot, Leeds, since 2011-02-01")?;
    story.check_customer(CLOUD, "4 Dale Farm Dairy, ?, since 2011-02-03")?;
    story.check_order_line(CLOUD, "4 200 x Brake cable at 1.15, customer 3")?;
    story.check_order_line(CLOUD, "6 8 x Milk churn at 41.00, customer 4")?;
    story.check_equal(&[PREMISES, CLOUD])
}

pub(super) fn added_in_the_cloud(story: &mut Story<'_>) -> Result<()> {
    story.teller.begin("One customer added in the cloud")?;
    story.shop(CLOUD)?.run(
        "INSERT INTO Customer (CustomerId, Name, City, Since) VALUES (5, 'Elm Street Florist', 'York', '2011-02-07')",
    )?;
    story.teller.say("customer 5, by a user of cloud.db")?;
    story.settle()?;
    story.check_customer(PREMISES, "5 Elm Street Florist, York, since 2011-02-07")?;
    story.check_equal(&[PREMISES, CLOUD])?;
    story.check_conflicts(0)
}

pub(super) fn both_at_once(story: &mut Story<'_>) -> Result<()> {
    story.teller.begin("Edits on both sides at once")?;
    story
        .teller
        .say("on-premises: customer 1 moves, order line 7 is new; cloud: customer 6 is new with order")?;
    story.teller.say("line 8, order line 2 gets another price; both commit while the workers run")?;
    let (premises, cloud) = (story.shop(PREMISES)?, story.shop(CLOUD)?);
    premises.run(
        "BEGIN IMMEDIATE;
         UPDATE Customer SET City = 'Bath' WHERE CustomerId = 1;
         INSERT INTO OrderLines (OrderLineId, CustomerId, Product, Quantity, Price)
             VALUES (7, 5, 'Glass vase', 24, 7.75);",
    )?;
    cloud.run(
        "BEGIN IMMEDIATE;
         INSERT INTO Customer (CustomerId, Name, City, Since) VALUES (6, 'Fern & Sons', 'Hull', '2011-02-09');
         INSERT INTO OrderLines (OrderLineId, CustomerId, Product, Quantity, Price)
             VALUES (8, 6, 'Seed tray', 500, 0.35);
         UPDATE OrderLines SET Price = 22.5 WHERE OrderLineId = 2;",
    )?;
    premises.run("COMMIT")?;
    cloud.run("COMMIT")?;
    story.settle()?;
    for member in [PREMISES, CLOUD] {
        story.check_customer(member, "1 Adele's Books, Bath, since 2009-03-14")?;
        story.check_customer(member, "6 Fern & Sons, Hull, since 2011-02-09")?;
        story.check_order_line(member, "2 12 x Reading lamp at 22.50, customer 1")?;
        story.check_order_line(member, "7 24 x Glass vase at 7.75, customer 5")?;
        story.check_order_line(member, "8 500 x Seed tray at 0.35, customer 6")?;
    }
    story.check_equal(&[PREMISES, CLOUD])?;
    story.check_conflicts(0)
}
