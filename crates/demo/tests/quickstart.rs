//! The quickstart as a user runs it: all steps, in order, with what they checked.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use tributary_demo::quickstart::{Options, run};

/// Tells the story; gives its lines.
fn told(options: &Options) -> String {
    let mut out = Vec::new();
    let result = run(options, &mut out);
    let text = String::from_utf8(out).unwrap();
    if let Err(error) = result {
        panic!("{text}\n{error:#}");
    }
    text
}

#[test]
fn the_story_goes_as_told_and_leaves_its_files_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let keep = folder.path().join("story");
    let text = told(&Options { keep: Some(keep.clone()), ..Options::default() });
    let checkpoints = [
        "1. First sync into an empty database",
        "[ok] the column Customer.Location of type GEOGRAPHY is reported as a warning",
        "[ok] cloud now has the tables Customer and OrderLines, and not OrderEvents",
        "2. Two customers with order lines added on-premises",
        "[ok] cloud has customer 3 Cycle Depot, Leeds, since 2011-02-01",
        "3. One customer added in the cloud",
        "[ok] on-premises has customer 5 Elm Street Florist, York, since 2011-02-07",
        "4. Edits on both sides at once",
        "[ok] the ledger of conflicts is empty",
        "5. The same new key in both databases: a conflict",
        "Gina's Garage",
        "[ok] the more recent version won; the ledger holds both of them",
        "[ok] that SQL does put the loser back",
        "6. A delete that cannot be followed",
        "[ok] the delete is parked on-premises, and listed with its reason",
        "[ok] the order event is untouched",
        "[ok] OrderLines has the same",
        "7. A third, empty database joins",
        "[ok] the others published nothing for it",
        "8. Verify all members",
        "rows of third are those of on-premises, by digest",
        "[ok] no table of any member was left out",
        "[ok] nothing is parked anywhere",
        "All 8 steps went as told",
        "tributary status -g",
    ];
    let mut rest = text.as_str();
    for checkpoint in checkpoints {
        let at = rest.find(checkpoint);
        let at = at.unwrap_or_else(|| panic!("`{checkpoint}` is missing or out of order in\n{text}"));
        rest = &rest[at..];
    }
    for file in ["group.yaml", "on-premises.db", "cloud.db", "third.db", "quickstart.log.db"] {
        assert!(keep.join(file).is_file(), "{file} was not kept");
    }
    // What was kept is a group that goes on, and a folder that a second story does not overwrite.
    let refused = run(&Options { keep: Some(keep), ..Options::default() }, &mut Vec::new());
    assert!(format!("{:#}", refused.unwrap_err()).contains("is not empty"));
}
