//! While apply writes, the triggers are silent for the cells that it has marked, and for no others.

use crate::world::{World, schema};
use tributary_model::LogicalType as T;

const TABLE: &str = "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT UNIQUE, b INT)";

fn world() -> World {
    World::new(TABLE, schema("t", &[("id", T::Long), ("a", T::String), ("b", T::Int)], &["id"]))
}

/// What apply's transaction looks like: the batch's cells are marked before the first row is written.
fn apply(cells: &[i64], rows: &str) -> String {
    let marks: Vec<String> = cells
        .iter()
        .map(|id| {
            format!(
                "INSERT INTO \"DataSync_t_dss_tracking\" (id, seen, apply_batch) \
                 VALUES ({id}, 'cloud:7', (SELECT batch FROM \"DataSync_dss_counter\")) \
                 ON CONFLICT (id) DO UPDATE SET seen = 'cloud:7', local_version = NULL, local_incarnation = NULL, \
                 changed_at = NULL, change_kind = NULL, inside_apply = NULL, apply_batch = excluded.apply_batch"
            )
        })
        .collect();
    format!(
        "BEGIN IMMEDIATE; UPDATE \"DataSync_dss_counter\" SET batch = batch + 1; \
         INSERT INTO \"DataSync_dss_apply\" SELECT 1, batch FROM \"DataSync_dss_counter\"; \
         {}; {rows}; DELETE FROM \"DataSync_dss_apply\"; COMMIT",
        marks.join("; ")
    )
}

#[test]
fn marked_cells_are_silent() {
    let mut world = world();
    world.check(&apply(&[1, 2], "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2)"), &[]);
    world.check(&apply(&[1, 2], "UPDATE t SET b = 5; DELETE FROM t WHERE id = 2"), &[]);
    world.check(&apply(&[1, 3], "UPDATE t SET id = 3 WHERE id = 1"), &[]);
}

#[test]
fn other_cells_are_changes_made_inside() {
    let mut world = world();
    world.run(&apply(&[1], "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2); DELETE FROM t WHERE id = 9"));
    let page = world.page();
    assert_eq!(page.made_inside_apply, 1);
    assert_eq!(page.changes.len(), 1);
    // What was replaced is a change too, unless it was marked.
    world.run(&apply(&[1], "INSERT OR REPLACE INTO t VALUES (3, 'b', 3)"));
    let page = world.page();
    assert_eq!((page.made_inside_apply, page.changes.len()), (2, 2));
    world.run(&apply(&[3, 4], "INSERT OR REPLACE INTO t VALUES (4, 'b', 3)"));
    assert!(world.page().changes.is_empty());
}

#[test]
fn afterwards_the_same_cells_are_heard_again() {
    let mut world = world();
    world.check(&apply(&[1], "INSERT INTO t VALUES (1, 'a', 1)"), &[]);
    world.run("UPDATE t SET b = 2");
    let changes = world.changes();
    assert_eq!(changes[0].change.seen.to_string(), "cloud:7", "it was made on top of what apply wrote");
    world.check("DELETE FROM t", &[("1", "-")]);
}

#[test]
fn a_transaction_that_is_cut_short_leaves_the_triggers_on() {
    let mut world = world();
    let whole = apply(&[1], "INSERT INTO t VALUES (1, 'a', 1)");
    let cut = whole.strip_suffix("COMMIT").unwrap();
    world.run(&format!("{cut} ROLLBACK"));
    world.check("INSERT INTO t VALUES (1, 'a', 1)", &[("1", "1|a|1")]);
}

/// A later life of the member: its edits bear the new name, and what the older one did last goes into `seen`.
#[test]
fn a_new_incarnation_gives_new_names() {
    let mut world = world();
    world.check("INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 2)", &[("1", "1|a|1"), ("2", "2|b|2")]);
    world.run("UPDATE \"DataSync_t_dss_tracking\" SET seen = 'cloud:4' WHERE id = 1");
    world.run("UPDATE \"DataSync_dss_tables\" SET incarnation = 'hq~2'");
    crate::support::block_on(tributary_member::Member::provision(&mut world.member)).unwrap();
    world.run("UPDATE t SET b = 9");
    let changes = world.changes();
    let told: Vec<_> = changes
        .iter()
        .map(|change| (change.change.dot.incarnation.to_string(), change.change.seen.to_string()))
        .collect();
    assert_eq!(
        told,
        [("hq~2".to_owned(), "cloud:4 hq:2".to_owned()), ("hq~2".to_owned(), "hq:3".to_owned())]
    );
    world.run("UPDATE t SET b = 10; UPDATE t SET b = 11");
    let changes = world.changes();
    assert_eq!(changes[0].change.seen.to_string(), "cloud:4 hq:2", "only an older name goes into seen");
}

#[test]
fn a_restored_row_stays_restored_through_an_edit() {
    let mut world = world();
    world.run(
        "INSERT INTO t VALUES (1, 'a', 1); UPDATE \"DataSync_t_dss_tracking\" SET change_kind = 'restored'",
    );
    world.run("UPDATE t SET b = 2");
    assert_eq!(world.changes()[0].change.kind, tributary_model::ChangeKind::Restored);
    world.run("UPDATE \"DataSync_t_dss_tracking\" SET change_kind = 'restated'; UPDATE t SET b = 3");
    assert_eq!(world.changes()[0].change.kind, tributary_model::ChangeKind::Live);
}
