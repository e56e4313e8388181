//! Syntax, keys, shapes, what is missing.

use super::*;

#[test]
fn an_unknown_key_names_its_place_and_the_nearest() {
    assert_eq!(
        refused("group: retail\ntabels: []\n"),
        ["line 2, column 1: unknown key `tabels`; did you mean `tables`? [GRP-011]"]
    );
    let text = with_tables("  - name: Customer\n    blockedDelete: park");
    assert_eq!(
        refused(&text),
        ["line 6, column 5: unknown key `blockedDelete`; did you mean `blocked_delete`? [GRP-011]"]
    );
}

#[test]
fn an_unknown_key_that_is_near_to_nothing_lists_what_may_stand_there() {
    assert_eq!(
        refused(&with("metrics: { listen: '127.0.0.1:1', colour: red }")),
        ["line 6, column 35: unknown key `colour`; here stand `listen` [GRP-011]"]
    );
    assert_eq!(
        refused(&with_tables("  - name: Customer\n    columns: { only: [a] }")),
        ["line 6, column 16: unknown key `only`; here stand `include` or `exclude` [GRP-011]"]
    );
}

#[test]
fn a_doubled_key_names_both_places() {
    assert_eq!(
        refused("group: retail\nlog: { embedded: a }\ngroup: other\n"),
        [
            "line 3, column 1: `group` stands here a second time; the first is in line 1, column 1; remove or rename \
          one of them [GRP-012]"
        ]
    );
}

#[test]
fn all_doubled_keys_are_told_wherever_they_stand() {
    let text =
        with_tables("  - { name: A, conflict: manual, name: B }\n  - name: C\n    as: { hq: x, hq: y }");
    let said = refused(&text);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].starts_with("line 5, column 34: `name` stands here a second time"), "{said:?}");
    assert!(said[1].starts_with("line 7, column 18: `hq` stands here a second time"), "{said:?}");
}

#[test]
fn a_doubled_member_is_a_doubled_key() {
    let text =
        with_members("  hq: { url: sqlite:a.db }\n  shop: { url: sqlite:b.db }\n  hq: { url: sqlite:c.db }");
    assert_eq!(
        refused(&text),
        [
            "line 6, column 3: `hq` stands here a second time; the first is in line 4, column 3; remove or rename one \
          of them [GRP-012]"
        ]
    );
}

#[test]
fn wrong_syntax_names_the_line() {
    for (text, place) in [
        ("group: retail\nlog: { embedded: a\nmembers: {}\n", "line "),
        (
            "group: retail\n\tlog: x\n",
            "line 1, column 8: not valid YAML: while scanning a plain scalar, found a tab",
        ),
        ("group: 'retail\n", "line "),
        ("group: retail\n  log: x\n", "line 2, column "),
        ("group: *nothing\n", "line 1, column 8"),
    ] {
        let said = refused(text);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].starts_with(place) && said[0].ends_with("[GRP-010]"), "{text:?}: {said:?}");
    }
}

#[test]
fn wrong_shapes_say_what_belongs_there() {
    for (text, said) in [
        (
            with("priority: hq"),
            "line 6, column 11: a list belongs here; write `- ` lines or `[a, b]` [GRP-013]",
        ),
        (
            with("priority: [hq, [shop]]"),
            "line 6, column 16: a single value belongs here; write plain or quoted text [GRP-013]",
        ),
        (
            with("schedule: { every: 5m }"),
            "line 6, column 11: a single value belongs here; write plain or quoted text [GRP-013]",
        ),
        (
            with("metrics: 9464"),
            "line 6, column 10: a mapping belongs here; write `key: value` lines, indented, or `{ key: value }` [GRP-013]",
        ),
        (
            with("priority: [hq, ~]"),
            "line 6, column 16: a value is missing; write one, or leave the key out [GRP-013]",
        ),
        (
            with_members("  hq:"),
            "line 4, column 5: a mapping belongs here; write `key: value` lines, indented, or `{ key: value }` [GRP-013]",
        ),
        (
            with("") + "---\ngroup: other\n",
            "line 10, column 1: a second YAML document begins; keep one group in a file, without `---` lines [GRP-013]",
        ),
    ] {
        assert_eq!(refused(&text), [said], "{text}");
    }
}

#[test]
fn what_is_no_mapping_at_all_is_no_group_file() {
    for text in ["just text", "- a\n- b\n", "{}", "~", "# only a comment\n"] {
        let said = refused(text);
        assert!(
            said[0].starts_with("line 1, column 1: the file is not a mapping of settings"),
            "{text}: {said:?}"
        );
    }
    for text in ["", " \n\n"] {
        assert_eq!(refused(text), ["the file is empty; `tributary init` writes one to start from [GRP-014]"]);
    }
}

#[test]
fn what_has_to_be_there_is_missed_all_at_once() {
    assert_eq!(
        refused("schedule: manual\n"),
        [
            "line 1, column 1: the key `group` is missing; add `group:` [GRP-014]",
            "line 1, column 1: the key `log` is missing; add `log:` [GRP-014]",
            "line 1, column 1: the key `members` is missing; add `members:` [GRP-014]",
            "line 1, column 1: the key `tables` is missing; add `tables:` [GRP-014]",
        ]
    );
}

#[test]
fn anchors_and_merges_may_be_used() {
    let file = accepted(&with_tables(
        "  - &usual { name: Customer, conflict: manual }\n  - { <<: *usual, name: OrderLines }",
    ));
    assert_eq!(file.tables[1].name.as_str(), "OrderLines");
    assert_eq!(file.tables[1].conflict, tributary_model::Policy::Manual);
}

#[test]
fn a_byte_order_mark_does_no_harm() {
    accepted(&format!("\u{feff}{}", with("")));
}

#[test]
fn text_that_grows_without_bound_is_refused() {
    let mut text = "a: &a [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (next, last) in ["b", "c", "d", "e", "f", "g", "h"].iter().zip(["a", "b", "c", "d", "e", "f", "g"]) {
        let uses = vec![format!("*{last}"); 10].join(", ");
        text.push_str(&format!("{next}: &{next} [{uses}]\n"));
    }
    let said = refused(&text);
    assert!(said[0].contains("alias"), "{said:?}");
}
