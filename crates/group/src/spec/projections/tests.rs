//! What is entered of members that round, lack columns, are away, or have changed.

use super::*;
use crate::spec::{derive, table_rules};
use std::path::Path;
use tributary_member::{ColumnInspection, Limits, TableInspection};
use tributary_model::{LogicalType, Narrowing, TableName};

const WIDE: LogicalType = LogicalType::Decimal { precision: 12, scale: 4 };
const NARROW: LogicalType = LogicalType::Decimal { precision: 10, scale: 2 };

fn file(on_loss: &str) -> GroupFile {
    let text = format!(
        "group: g\nlog: {{ embedded: log.db }}\nmembers:\n  hq: {{ url: \"sqlite:hq.db\" }}\n  till: {{ url: \
         \"sqlite:till.db\", on_loss: {on_loss} }}\ntables: [ {{ name: Item }} ]\n"
    );
    GroupFile::parse(&text, Path::new("/group/tributary.yaml"), &|_| None).unwrap()
}

fn column(name: &str, logical: LogicalType) -> ColumnInspection {
    let scale = match logical {
        LogicalType::Decimal { scale, .. } => Some(scale),
        _ => None,
    };
    ColumnInspection {
        name: name.to_owned(),
        declared: logical.to_string(),
        logical: Some(logical),
        nullable: true,
        max_length: None,
        limits: Limits { narrowing: Narrowing { scale, ..Narrowing::default() }, ..Limits::default() },
        has_default: false,
        generated: false,
        collation: None,
    }
}

fn member(columns: Vec<ColumnInspection>) -> Inspection {
    let table = TableInspection {
        schema: None,
        name: "Item".to_owned(),
        columns,
        key: vec!["id".to_owned()],
        foreign_keys: Vec::new(),
        unique: Vec::new(),
        triggers: Vec::new(),
        provisioned: false,
    };
    Inspection { tables: vec![table], ..Inspection::default() }
}

fn id(text: &str) -> MemberId {
    MemberId::new(text).unwrap()
}

fn hq() -> (MemberId, Inspection) {
    let note = column("note", LogicalType::String);
    (id("hq"), member(vec![column("id", WIDE), column("price", WIDE), note]))
}

/// In another order, with another name, without the note.
fn till(price: LogicalType) -> (MemberId, Inspection) {
    (id("till"), member(vec![column("PRICE", price), column("id", NARROW)]))
}

fn known(spec: &GroupSpec) -> Vec<Projection> {
    spec.table(&TableName::new("Item")).unwrap().projections.of_member(&id("till")).to_vec()
}

fn cents() -> Projection {
    Projection::Narrowed(Narrowing { scale: Some(2), ..Narrowing::default() })
}

#[test]
fn a_member_that_rounds_is_known_and_its_key_is_exact() {
    let (spec, _) = derive(&file("round"), &[hq(), till(NARROW)], None);
    assert_eq!(known(&spec), [Projection::Exact, cents(), Projection::Absent]);
    assert!(spec.tables[0].projections.of_member(&id("hq")).is_empty());
    let rules = table_rules(&file("round"), &spec);
    assert_eq!(rules[0].projections, spec.tables[0].projections);
}

#[test]
fn a_member_that_refuses_keeps_what_it_takes() {
    let (spec, _) = derive(&file("exception"), &[hq(), till(NARROW)], None);
    assert_eq!(known(&spec), [Projection::Exact, Projection::Exact, Projection::Absent]);
}

#[test]
fn a_member_that_is_away_is_known_as_it_was() {
    let (spec, _) = derive(&file("round"), &[hq(), till(NARROW)], None);
    let (again, _) = derive(&file("round"), &[hq()], Some(&spec));
    assert_eq!(again, spec);
}

#[test]
fn what_was_rounded_once_stays_known_as_rounded() {
    let (spec, _) = derive(&file("round"), &[hq(), till(NARROW)], None);
    let (widened, _) = derive(&file("round"), &[hq(), till(WIDE)], Some(&spec));
    assert_eq!(known(&widened)[1], cents());
    let (refuses, _) = derive(&file("exception"), &[hq(), till(NARROW)], Some(&spec));
    assert_eq!(known(&refuses)[1], cents());
    let (narrowed, _) = derive(&file("round"), &[till(NARROW)], Some(&widened));
    assert_eq!(known(&narrowed)[1], cents());
}

#[test]
fn a_spec_that_knows_nothing_of_it_is_read_and_completed() {
    let (spec, _) = derive(&file("round"), &[hq(), till(NARROW)], None);
    let mut json = serde_json::to_value(&spec).unwrap();
    assert_eq!(serde_json::from_value::<GroupSpec>(json.clone()).unwrap(), spec);
    json["tables"][0].as_object_mut().unwrap().remove("projections").unwrap();
    let old: GroupSpec = serde_json::from_value(json).unwrap();
    assert!(old.tables[0].projections.is_empty());
    let (again, _) = derive(&file("round"), &[hq(), till(NARROW)], Some(&old));
    assert_eq!(again, spec);
}
