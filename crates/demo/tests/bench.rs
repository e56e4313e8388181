//! That every workload of the benchmark runs, carries what it should, and reports it in both forms.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

use serde_json::Value;
use std::time::Duration;
use tributary_demo::bench::{KeyOrder, Options, Workload, run};

#[test]
fn all_workloads_are_measured() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        rows: 2_000,
        changes: Some(400),
        members: 3,
        rate: 200,
        duration: Duration::from_secs(1),
        value_bytes: 40,
        dir: Some(folder.path().join("files")),
        ..Options::default()
    };
    let mut progress = Vec::new();
    let report = run(&options, &mut progress).unwrap();
    let json: Value = serde_json::from_str(&report.to_json()).unwrap();
    let names = ["first-sync", "insert", "update", "mixed"];
    for (backlog, name) in json["backlogs"].as_array().unwrap().iter().zip(names) {
        assert_eq!(backlog["workload"], name);
        let has_base = ["update", "mixed"].contains(&name);
        assert_eq!(backlog["rows_before"], if has_base { 2_000 } else { 0 }, "{name}");
        assert_eq!(backlog["changes"], if has_base { 400 } else { 2_000 }, "{name}");
        let end_to_end = &backlog["end_to_end"];
        for role in ["capture", "resolver", "apply"] {
            assert!(end_to_end["cpu_us_per_row_by_role"][role].as_f64().unwrap() > 0.0, "{name} {role}");
        }
        assert!(end_to_end["rows_per_second"].as_f64().unwrap() > 0.0);
        let stages: Vec<_> = backlog["stages"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(stages, ["1 capture", "2 resolver", "3 apply"], "{name}");
        assert!(backlog["file_bytes"]["log.db"].as_u64().unwrap() > 0);
    }
    assert_eq!(json["backlogs"].as_array().unwrap().len(), names.len());
    let delay = &json["delay"];
    assert_eq!(delay["changes"], 200);
    let (p50, max) = (delay["delay"]["p50"].as_f64().unwrap(), delay["delay"]["max"].as_f64().unwrap());
    assert!(0.0 < p50 && p50 <= max, "{delay}");
    let idle = &json["idle"];
    assert_eq!((&idle["members"], &idle["changed_files"]), (&3.into(), &Value::Array(Vec::new())), "{idle}");
    for kind in ["bulk_insert", "bulk_update", "single_update"] {
        assert!(json["writer"][kind]["with_us"].as_f64().unwrap() > 0.0, "{kind}");
    }
    let text = report.to_text();
    for line in
        ["first-sync", "update of 2000", "3 apply alone", "Delay at 200", "Idle group of 3", "single updates"]
    {
        assert!(text.contains(line), "`{line}` is missing in\n{text}");
    }
    let progress = String::from_utf8(progress).unwrap();
    assert!(Workload::ALL.iter().all(|workload| progress.contains(workload.as_str())), "{progress}");
    // The files stay where they were asked for, and are not overwritten.
    assert!(folder.path().join("files/insert/1/b.db").is_file());
    let again = run(&options, &mut Vec::new()).unwrap_err();
    assert!(again.to_string().contains("is there already"), "{again}");
}

#[test]
fn what_cannot_be_measured_is_refused() {
    for (options, why) in [
        (Options { members: 1, ..Options::default() }, "two members"),
        (Options { members: 9, ..Options::default() }, "at most 8"),
        (Options { rows: 0, ..Options::default() }, "must not be 0"),
    ] {
        let error = run(&options, &mut Vec::new()).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    assert_eq!(Workload::parse("backlog"), None);
    assert!(Workload::ALL.iter().all(|workload| Workload::parse(workload.as_str()) == Some(*workload)));
}

/// That it ends well says that all members hold the same rows, and that exactly so many changes were carried.
#[test]
fn the_order_of_keys_and_the_share_of_updates_can_be_chosen() {
    let order = |order| Options {
        workloads: vec![Workload::Insert, Workload::Mixed],
        rows: 600,
        changes: Some(200),
        key_order: Some(order),
        update_share: 10,
        stages: true,
        ..Options::default()
    };
    for key_order in KeyOrder::ALL {
        let report = run(&order(key_order), &mut Vec::new()).unwrap();
        let json: Value = serde_json::from_str(&report.to_json()).unwrap();
        assert_eq!(
            (&json["backlogs"][0]["changes"], &json["backlogs"][1]["changes"]),
            (&600.into(), &200.into())
        );
    }
    assert!(run(&Options { update_share: 101, ..order(KeyOrder::Random) }, &mut Vec::new()).is_err());
}
