//! Tables, columns, policies, defaults.

use super::*;

#[test]
fn there_has_to_be_a_table() {
    let text = with_tables("").replace("tables:\n", "tables: []\n");
    assert_eq!(
        refused(&text),
        [
            "line 4, column 9: the group has no tables; list at least one, such as `- name: Customer` [GRP-014]"
        ]
    );
    assert_eq!(
        refused(&with_tables("  - conflict: manual")),
        ["line 5, column 5: the key `name` is missing; add `name:` [GRP-014]"]
    );
    for name in ["''", "' '", "\"a\\u0000b\""] {
        let said = refused(&with_tables(&format!("  - name: {name}")));
        assert!(said[0].contains("is empty or has characters that cannot be seen"), "{said:?}");
    }
}

#[test]
fn a_table_is_listed_once() {
    assert_eq!(
        refused(&with_tables("  - name: Customer\n  - name: Item\n  - name: Customer")),
        [
            "line 7, column 11: the table `Customer` is listed a second time; the first is in line 5; remove or rename \
          one of them [GRP-012]"
        ]
    );
}

#[test]
fn case_does_not_tell_tables_apart() {
    assert_eq!(
        refused(&with_tables("  - name: Größe\n  - name: GRÖßE")),
        [
            "line 6, column 11: the table `GRÖßE` differs only in case from `Größe` in line 5; remove or rename one of \
          them [GRP-012]"
        ]
    );
}

#[test]
fn two_tables_cannot_be_one_table_of_a_member() {
    assert_eq!(
        refused(&with_tables("  - name: Customer\n  - { name: Client, as: { shop: CUSTOMER } }")),
        [
            "line 6, column 33: the table `CUSTOMER` of member `shop` is used a second time; the first is in line 5; let \
          every table be one of its own in every member [GRP-012]"
        ]
    );
    // Crossed names are no trouble.
    accepted(&with_tables("  - { name: A, as: { shop: B } }\n  - { name: B, as: { shop: A } }"));
}

#[test]
fn names_are_for_members_that_exist() {
    assert_eq!(
        refused(&with_tables("  - { name: Customer, as: { shopp: client, hq: '' } }")),
        [
            "line 5, column 29: `as` names the member `shopp`, which the group does not have; did you mean `shop`? \
             [GRP-016]",
            "line 5, column 48: a table's name is empty or has characters that cannot be seen; write the name as \
             the database shows it [GRP-015]",
        ]
    );
}

#[test]
fn columns_are_chosen_in_one_way() {
    let columns = |text: &str| with_tables(&format!("  - name: Customer\n    columns: {text}"));
    assert_eq!(
        refused(&columns("{ include: [a], exclude: [b] }")),
        ["line 6, column 14: `columns` has both `include` and `exclude`; keep one of them [GRP-017]"]
    );
    assert_eq!(
        refused(&columns("{}")),
        [
            "line 6, column 14: `columns` says nothing; give `include` or `exclude`, or leave `columns` out for all \
          [GRP-014]"
        ]
    );
    assert_eq!(
        refused(&columns("{ include: [] }")),
        [
            "line 6, column 25: `include` lists no columns; name at least one, or leave `columns` out for all [GRP-014]"
        ]
    );
    assert_eq!(
        refused(&columns("{ exclude: [Note, NOTE, ''] }")),
        [
            "line 6, column 32: `exclude` lists the column `NOTE` twice; remove one of them [GRP-012]",
            "line 6, column 38: `exclude` has an empty name; name a column [GRP-015]",
        ]
    );
}

#[test]
fn policies_are_known_words() {
    assert_eq!(
        refused(&with_tables(
            "  - { name: A, conflict: latest, delete_vs_update: update_win, blocked_delete: restor }"
        )),
        [
            "line 5, column 26: `conflict` cannot be `latest`; use `latest_wins`, `priority`, `manual` or \
             `merge_columns` [GRP-015]",
            "line 5, column 52: `delete_vs_update` cannot be `update_win`; did you mean `update_wins`? [GRP-015]",
            "line 5, column 80: `blocked_delete` cannot be `restor`; did you mean `restore`? [GRP-015]",
        ]
    );
}

#[test]
fn merging_columns_is_not_in_this_build() {
    let said = "`conflict: merge_columns` is not in this build yet; use `latest_wins`, `priority` or `manual`, or a \
                later version [GRP-018]";
    assert_eq!(
        refused(&with_tables("  - { name: A, conflict: merge_columns }")),
        [format!("line 5, column 26: {said}")]
    );
    assert_eq!(
        refused(&with("defaults: { conflict: merge_columns }")),
        [format!("line 6, column 23: {said}")]
    );
}

#[test]
fn partitions_are_a_number_within_bounds() {
    for good in ["1", "'16'", "1024"] {
        accepted(&with(&format!("defaults: {{ partitions: {good} }}")));
    }
    for bad in ["0", "1025", "-1", "four", "4.5"] {
        assert_eq!(
            refused(&with(&format!("defaults: {{ partitions: {bad} }}"))),
            [format!(
                "line 6, column 25: `partitions` cannot be `{bad}`; give a whole number from 1 to 1024 [GRP-015]"
            )]
        );
    }
}
