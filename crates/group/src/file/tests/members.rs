//! Group, log, members, addresses, priority.

use super::*;

fn member(body: &str) -> String {
    with_members(&format!("  hq: {{ {body} }}"))
}

#[test]
fn group_names_follow_the_rule() {
    for good in ["r", "retail-2", &"a".repeat(31)] {
        accepted(&with("").replace("group: retail", &format!("group: {good}")));
    }
    for bad in ["Retail", "2retail", "re_tail", "ré", "''", &"a".repeat(32)] {
        let said = refused(&with("").replace("group: retail", &format!("group: {bad}")));
        assert!(said[0].starts_with("line 1, column 8: `"), "{said:?}");
        assert!(said[0].contains("cannot be a group's name"), "{said:?}");
    }
}

#[test]
fn member_ids_follow_the_rule() {
    for good in ["h", "till-7", &"a".repeat(31)] {
        accepted(&with_members(&format!("  {good}: {{ url: sqlite:a.db }}")));
    }
    for bad in ["HQ", "7till", "a_b", "a~2", "ä", &"a".repeat(32)] {
        let said = refused(&with_members(&format!("  {bad}: {{ url: sqlite:a.db }}")));
        assert_eq!(
            said,
            [format!(
                "line 4, column 3: `{bad}` cannot be a member's id; write a small letter, then up to 30 small \
                 letters, digits or hyphens [GRP-015]"
            )]
        );
    }
}

#[test]
fn the_reserved_id_is_refused() {
    assert_eq!(
        refused(&with_members("  operator: { url: sqlite:a.db }")),
        [
            "line 4, column 3: `operator` cannot be a member's id; choose another: operators' own decisions bear that \
          name [GRP-015]"
        ]
    );
}

#[test]
fn there_has_to_be_a_member_with_an_address() {
    assert_eq!(
        refused("group: retail\nlog: { embedded: l }\nmembers: {}\ntables: [{ name: A }]\n"),
        [
            "line 3, column 10: the group has no members; add a member, such as `hq: { url: \"sqlite:hq.db\" }` [GRP-014]"
        ]
    );
    assert_eq!(
        refused(&member("on_loss: round")),
        ["line 4, column 7: the key `url` is missing; add `url:` [GRP-014]"]
    );
}

#[test]
fn sqlite_addresses_are_relative_to_the_file_or_absolute() {
    for (url, path) in [
        ("sqlite:till.db", "/etc/tributary/till.db"),
        ("sqlite:../data/till 7.db", "/etc/tributary/../data/till 7.db"),
        ("sqlite:///var/till.db", "/var/till.db"),
        ("sqlite:/var/till.db", "/var/till.db"),
        ("sqlite:${DATA}/till.db", "/srv/data/till.db"),
    ] {
        let file = accepted(&member(&format!("url: '{url}'")));
        assert_eq!(file.members[0].url, MemberUrl::Sqlite { path: path.into() }, "{url}");
    }
}

#[test]
fn other_addresses_are_refused_with_what_to_write() {
    for (url, said) in [
        ("till.db", "does not say what kind it is"),
        ("mysql://hq/retail", "a kind of database that is not known"),
        ("sqlite://till.db", "two slashes could mean a host"),
        ("sqlite:", "names no file"),
        ("sqlite:data/", "names no file"),
        ("sqlite::memory:", "has to be a file"),
        ("sqlite:till.db?mode=ro", "takes no options"),
    ] {
        let problems = refused(&member(&format!("url: '{url}'")));
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with("line 4, column 14: ") && problems[0].contains(said), "{problems:?}");
        assert!(problems[0].ends_with("[GRP-015]"), "{problems:?}");
    }
}

#[test]
fn servers_have_addresses_without_passwords() {
    for (url, shown) in [
        ("postgres://app@db/retail", "postgres://app@db/retail"),
        ("mssql://app@hq-sql:1444/Retail?ca=/ca.pem", "mssql://app@hq-sql:1444/Retail"),
        ("sqlserver://hq-sql/Retail?authentication=entra&token_file=/run/token", "sqlserver://hq-sql/Retail"),
        (
            "postgresql://app@db:6432/${NAME}?sslmode=verify-full&sslrootcert=/ca.pem",
            "postgresql://app@db:6432/retail",
        ),
    ] {
        let file = accepted(&member(&format!("url: '{url}', password: '${{HQ_PASSWORD}}'")));
        assert_eq!(file.members[0].url.to_string(), shown);
        assert!(!format!("{file:?}").contains("correct-horse"));
    }
    for (url, said) in [
        ("postgresql://db", "the url names no database"),
        ("postgresql://db/retail", "the url names no user"),
        ("postgresql://app@db/retail?sslmode=maybe", "sslmode is one of"),
        ("mssql://app@hq-sql", "the url names no database"),
        ("mssql://app@hq-sql/Retail?encrypt=sometimes", "encrypt is one of"),
    ] {
        let problems = refused(&member(&format!("url: '{url}'")));
        assert!(problems[0].contains("the address of the database cannot be used"), "{problems:?}");
        assert!(problems[0].contains(said), "{problems:?}");
    }
}

#[test]
fn two_members_cannot_be_one_database() {
    let said = refused(&with_members(
        "  hq: { url: 'postgresql://app@db/a?sslmode=disable' }\n  shop: { url: 'postgresql://app@db/a' }",
    ));
    assert!(said[0].contains("member `shop` is the same database as member `hq`"), "{said:?}");
    let by_socket = "  hq: { url: 'postgresql://app@/a?host=/run/one&sslmode=disable' }\n  shop: { url: 'postgresql://app@/a?host=/run/two' }";
    let file = accepted(&with_members(by_socket));
    assert_eq!(file.members[0].url.to_string(), "postgresql://app@/a?host=/run/one");
}

#[test]
fn a_password_in_an_address_is_refused_and_not_repeated() {
    for url in [
        "postgres://app:geheim@db/retail",
        "mssql://app:ge/he@im@db/retail",
        "postgres://db/retail?sslmode=require&password=geheim",
        "mssql://db/retail?Encrypt=yes;PWD=geheim",
    ] {
        let error = parse(&member(&format!("url: '{url}'"))).unwrap_err();
        let said = error.to_string();
        assert!(
            said.contains(
                "line 4, column 14: the address of the database holds a password; move it to `password:`"
            ),
            "{said}"
        );
        assert!(!format!("{said}{error:?}").contains("geheim"), "{said}");
    }
}

#[test]
fn a_password_for_a_file_is_refused_and_not_repeated() {
    let error = parse(&member("url: sqlite:a.db, password: geheim")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "group file /etc/tributary/retail.yaml, line 4, column 37: a SQLite file has no password; remove `password:` \
         [GRP-017]"
    );
    assert!(!format!("{error:?}").contains("geheim"));
}

#[test]
fn a_direction_is_one_of_three_words_and_somebody_must_give() {
    let pair = |one: &str, two: &str| {
        with_members(&format!(
            "  hq: {{ url: sqlite:a.db, direction: {one} }}\n  shop: {{ url: sqlite:b.db, direction: {two} }}"
        ))
    };
    let file = accepted(&pair("publish", "subscribe"));
    let directions: Vec<_> = file.members.iter().map(|member| member.direction).collect();
    assert_eq!(directions, [Direction::Publish, Direction::Subscribe]);
    assert_eq!(
        refused(&pair("subscribe", "subscribe")),
        [
            "line 4, column 3: every member only subscribes, so that there is nothing to take; leave `direction` out, or \
             write `publish`, for the member whose rows the others shall have [GRP-017]"
        ]
    );
    assert_eq!(
        refused(&member("url: sqlite:a.db, direction: bth")),
        ["line 4, column 38: `direction` cannot be `bth`; did you mean `both`? [GRP-015]"]
    );
}

#[test]
fn on_loss_is_one_of_two_words() {
    assert_eq!(
        refused(&member("url: sqlite:a.db, on_loss: ignore")),
        ["line 4, column 36: `on_loss` cannot be `ignore`; use `exception` or `round` [GRP-015]"]
    );
}

#[test]
fn two_members_cannot_be_one_file() {
    let said = refused(&with_members("  hq: { url: sqlite:a.db }\n  shop: { url: 'sqlite:x/../a.db' }"));
    assert_eq!(
        said,
        [
            "line 5, column 16: member `shop` is the same file as member `hq`; give every member a database of its own \
          [GRP-017]"
        ]
    );
}

#[test]
fn the_log_cannot_be_a_members_file() {
    let said = refused(&with_members("  hq: { url: sqlite:./log.db }"));
    assert_eq!(
        said,
        [
            "line 2, column 18: the embedded log and member `hq` are the same file; give the log a file of its own [GRP-017]"
        ]
    );
}

#[test]
fn the_embedded_log_is_a_file() {
    let text = with("").replace("log: { embedded: log.db }", "log: { embedded: '' }");
    assert_eq!(
        refused(&text),
        ["line 2, column 18: `embedded` names no path; write a path, or leave the key out [GRP-015]"]
    );
}

#[test]
fn priority_lists_members_once() {
    assert_eq!(
        refused(&with("priority: [hq, shp, hq]")),
        [
            "line 6, column 16: `priority` names the member `shp`, which the group does not have; did you mean \
             `shop`? [GRP-016]",
            "line 6, column 21: `priority` lists `hq` twice; remove one of them [GRP-012]",
        ]
    );
    assert_eq!(
        refused(&with("priority: [warehouse]")),
        [
            "line 6, column 12: `priority` names the member `warehouse`, which the group does not have; use `hq` or \
          `shop` [GRP-016]"
        ]
    );
}
