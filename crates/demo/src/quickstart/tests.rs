//! That the story fails loudly when something is not as told.

use super::{Options, run_meddled};
use rusqlite::Connection;
use std::path::Path;

/// Tells the story with a deed behind its back in one step; gives the lines and the error.
fn told(step: usize, member: &str, sql: &str) -> (String, String) {
    let mut out = Vec::new();
    let mut meddler = |at: usize, folder: &Path| {
        if at == step {
            Connection::open(folder.join(format!("{member}.db")))?.execute_batch(sql)?;
        }
        Ok(())
    };
    let error = run_meddled(&Options::default(), &mut out, &mut meddler).expect_err("the story must end");
    (String::from_utf8(out).unwrap(), format!("{error:#}"))
}

#[test]
fn a_row_that_is_not_as_told_ends_the_story_with_what_was_expected_and_found() {
    let sql = "UPDATE Customer SET Name = 'Elm Avenue Florist' WHERE CustomerId = 5";
    let (lines, error) = told(3, "on-premises", sql);
    assert!(error.contains("step 3 of the quickstart (One customer added in the cloud)"), "{error}");
    assert!(error.contains("expected Some(\"5 Elm Street Florist, York, since 2011-02-07\")"), "{error}");
    assert!(error.contains("found Some(\"5 Elm Avenue Florist, York, since 2011-02-07\")"), "{error}");
    assert!(!lines.contains("went as told"), "{lines}");
    assert!(!lines.contains("\n4. "), "{lines}");
}

#[test]
fn a_table_that_appears_in_the_cloud_ends_the_story() {
    let (_, error) = told(1, "cloud", "CREATE TABLE OrderEvents (OrderEventId INTEGER PRIMARY KEY)");
    assert!(error.contains("step 1 of the quickstart"), "{error}");
    assert!(error.contains("expected [\"Customer\", \"OrderLines\"]"), "{error}");
}
