//! The order of batches, by example and over random tables and records.

use super::*;
use crate::Source;
use proptest::prelude::*;
use tributary_model::{
    ChangeKind, Dot, ForeignKey, Incarnation, KeyBytes, OnDelete, Resolved, Row, Settled, TableName,
    TableSchema, VersionVector,
};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Upsert,
    Delete,
    Null,
}

fn record(table: usize, key: u8, offset: u64, kind: Kind, retry: bool) -> ApplyRecord {
    let dot = Dot::new(Incarnation::parse("a").unwrap(), offset + 2);
    let vv = VersionVector::of(&dot);
    let resolved = Resolved {
        vv: vv.clone(),
        content: vec![vv.clone()],
        winner: dot,
        kind: ChangeKind::Live,
        changed_at: None,
        effective_at: None,
        row: (kind == Kind::Upsert).then(|| Row(vec![])),
        settled: Settled::FastForward,
        policy: None,
    };
    ApplyRecord {
        table,
        key: KeyBytes::new([key]),
        resolved: if kind == Kind::Null { Err(vv) } else { Ok(resolved) },
        source: Source { generation: 1, partition: 0, offset },
        payload: vec![],
        retry,
        force: None,
    }
}

fn tables_of(steps: &[BatchStep]) -> Vec<usize> {
    steps.iter().flat_map(|step| step.tables.iter().map(|table| table.table)).collect()
}

fn records_of(steps: &[BatchStep]) -> Vec<usize> {
    steps.iter().flat_map(|step| step.tables.iter().flat_map(|table| table.records.clone())).collect()
}

#[test]
fn parents_are_written_first_and_deleted_last() {
    // 0 refers to 2, 2 to 1.
    let order = TableOrder::new(3, vec![(0, 2), (2, 1)]);
    let records: Vec<_> = (0..3)
        .flat_map(|table| [(table, 1, Kind::Upsert), (table, 2, Kind::Delete)])
        .enumerate()
        .map(|(offset, (table, key, kind))| record(table, key, offset as u64, kind, false))
        .collect();
    let plan = plan(&order, &records);
    assert_eq!(tables_of(&plan.upserts), [1, 2, 0]);
    assert_eq!(tables_of(&plan.deletes), [0, 2, 1]);
    assert!(plan.upserts.iter().all(|step| !step.cyclic));
}

#[test]
fn circles_stand_together_and_are_marked() {
    // 1 and 2 refer to each other, 0 to 1, 3 to itself, 4 to nothing.
    let order = TableOrder::new(5, vec![(1, 2), (2, 1), (0, 1), (3, 3)]);
    let records: Vec<_> = (0..5).map(|table| record(table, 0, 0, Kind::Upsert, false)).collect();
    let plan = plan(&order, &records);
    let steps: Vec<_> = plan.upserts.iter().map(|step| (step.cyclic, step.tables.len())).collect();
    assert_eq!(tables_of(&plan.upserts), [1, 2, 3, 4, 0]);
    assert_eq!(steps, [(true, 2), (true, 1), (false, 1), (false, 1)]);
    assert!(order.is_cyclic(3) && order.is_cyclic(1) && !order.is_cyclic(0));
}

#[test]
fn the_newest_record_of_a_cell_counts_whether_fresh_or_tried_again() {
    let order = TableOrder::new(1, vec![]);
    let older_retry =
        plan(&order, &[record(0, 1, 7, Kind::Upsert, false), record(0, 1, 3, Kind::Delete, true)]);
    assert_eq!((records_of(&older_retry.upserts), older_retry.superseded), (vec![0], vec![1]));
    let newer_retry =
        plan(&order, &[record(0, 1, 3, Kind::Upsert, false), record(0, 1, 7, Kind::Delete, true)]);
    assert_eq!((records_of(&newer_retry.deletes), newer_retry.superseded), (vec![1], vec![0]));
    let same = plan(&order, &[record(0, 1, 3, Kind::Upsert, false), record(0, 1, 3, Kind::Upsert, true)]);
    assert_eq!((records_of(&same.upserts), same.superseded), (vec![0], vec![1]));
    let mut next_generation = record(0, 1, 1, Kind::Upsert, false);
    next_generation.source.generation = 2;
    let generations = plan(&order, &[next_generation, record(0, 1, 9, Kind::Upsert, false)]);
    assert_eq!(records_of(&generations.upserts), [0]);
}

#[test]
fn a_null_record_beside_another_of_its_cell_is_found() {
    let order = TableOrder::new(1, vec![]);
    let apart = [record(0, 1, 1, Kind::Null, false), record(0, 2, 2, Kind::Upsert, false)];
    assert_eq!(plan(&order, &apart).uncut, None);
    assert_eq!(plan(&order, &apart).nulls, [0]);
    for (first, second) in [(Kind::Null, Kind::Upsert), (Kind::Delete, Kind::Null), (Kind::Null, Kind::Null)]
    {
        let beside = [record(0, 1, 1, first, false), record(0, 1, 2, second, false)];
        assert_eq!(plan(&order, &beside).uncut, Some(1));
    }
}

#[test]
fn references_to_tables_that_are_not_bound_are_passed_over() {
    let schema = |name: &str, references: &[&str]| {
        let foreign_keys = references.iter().map(|parent| ForeignKey {
            columns: vec![0],
            references: TableName::new(*parent),
            referenced_columns: vec!["id".into()],
            on_delete: OnDelete::Refuse,
        });
        Arc::new(TableBinding::same_names(Arc::new(TableSchema {
            name: TableName::new(name),
            columns: vec![],
            key: vec![],
            foreign_keys: foreign_keys.collect(),
            unique: vec![],
            generation: 1,
        })))
    };
    let order = TableOrder::of(&[schema("line", &["order", "elsewhere"]), schema("order", &[])]);
    assert_eq!(order, TableOrder::new(2, vec![(0, 1)]));
}

fn batches() -> impl Strategy<Value = (usize, Vec<(usize, usize)>, Vec<ApplyRecord>)> {
    (1..6_usize).prop_flat_map(|tables| {
        let references = prop::collection::vec((0..tables, 0..tables), 0..8);
        let kind = prop_oneof![4 => Just(Kind::Upsert), 3 => Just(Kind::Delete), 1 => Just(Kind::Null)];
        let record = (0..tables, 0..4_u8, 0..50_u64, kind, any::<bool>())
            .prop_map(|(table, key, offset, kind, retry)| record(table, key, offset, kind, retry));
        (Just(tables), references, prop::collection::vec(record, 0..40))
    })
}

proptest! {
    #[test]
    fn every_record_has_one_place((tables, references, records) in batches()) {
        let plan = plan(&TableOrder::new(tables, references), &records);
        let mut all = [plan.superseded.clone(), plan.nulls, records_of(&plan.upserts), records_of(&plan.deletes)].concat();
        all.sort_unstable();
        prop_assert_eq!(all, (0..records.len()).collect::<Vec<_>>());
        for index in plan.superseded {
            let newer = records.iter().enumerate().any(|(other, record)| {
                let ApplyRecord { table, key, source, .. } = &records[index];
                other != index && record.table == *table && record.key == *key && record.source.offset >= source.offset
            });
            prop_assert!(newer, "record {index} was put aside for none that is newer");
        }
    }

    #[test]
    fn references_are_kept_wherever_they_can_be((tables, references, records) in batches()) {
        let order = TableOrder::new(tables, references.clone());
        let plan = plan(&order, &records);
        let circle = |a: usize, b: usize| order.component_of[a] == order.component_of[b];
        for (steps, parent_first) in [(&plan.upserts, true), (&plan.deletes, false)] {
            let sequence = tables_of(steps);
            let place = |table: usize| sequence.iter().position(|other| *other == table);
            for (child, parent) in references.iter().filter(|(child, parent)| !circle(*child, *parent)) {
                if let (Some(child), Some(parent)) = (place(*child), place(*parent)) {
                    prop_assert_eq!(parent < child, parent_first);
                }
            }
            for step in steps {
                let circles = step.tables.iter().all(|table| order.is_cyclic(table.table) == step.cyclic);
                prop_assert!(circles && (step.cyclic || step.tables.len() == 1));
            }
        }
        for (child, parent) in references.iter().filter(|(child, parent)| circle(*child, *parent)) {
            prop_assert!(order.is_cyclic(*child) && order.is_cyclic(*parent));
        }
    }
}
