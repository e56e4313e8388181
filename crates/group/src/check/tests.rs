//! Tests of the schema check, on inspections made by hand.

use super::*;
use std::path::{Path, PathBuf};
use tributary_member::{ColumnInspection, ForeignKeyInspection, Limits, Place, TriggerInspection};
use tributary_model::{LogicalType, OnDelete};

const FILE: &str = "
group: retail
log: { embedded: log.db }
members:
  hq: { url: \"sqlite:hq.db\" }
  shop: { url: \"sqlite:shop.db\" }
tables:
  - name: Customer
";

fn file() -> GroupFile {
    GroupFile::parse(FILE, Path::new("/group/tributary.yaml"), &|_| None).unwrap()
}

const GUARD: &str = "NOT EXISTS (SELECT 1 FROM at_work)";

fn column(name: &str, logical: Option<LogicalType>) -> ColumnInspection {
    ColumnInspection {
        name: name.to_owned(),
        declared: "INTEGER".to_owned(),
        logical,
        nullable: true,
        max_length: None,
        limits: Limits::default(),
        has_default: false,
        generated: false,
        collation: None,
    }
}

fn table(name: &str, key: &[&str], columns: Vec<ColumnInspection>) -> TableInspection {
    TableInspection {
        schema: None,
        name: name.to_owned(),
        columns,
        key: key.iter().map(|part| (*part).to_owned()).collect(),
        foreign_keys: Vec::new(),
        unique: Vec::new(),
        triggers: Vec::new(),
        provisioned: false,
    }
}

fn customer() -> TableInspection {
    let columns = vec![column("Id", Some(LogicalType::Long)), column("Age", Some(LogicalType::Long))];
    table("Customer", &["Id"], columns)
}

fn with(tables: Vec<TableInspection>, findings: Vec<Finding>) -> Result<Inspection, Error> {
    Ok(Inspection { server: "SQLite 3.50".to_owned(), tables, findings, trigger_guard: GUARD })
}

fn id(text: &str) -> MemberId {
    MemberId::new(text).unwrap()
}

fn finding(severity: Severity, table: Option<&str>, message: &str) -> Finding {
    let table = table.map(str::to_owned);
    Finding { severity, table, column: None, message: message.to_owned(), remedy: "mend it".to_owned() }
}

fn messages(report: &CheckReport) -> Vec<String> {
    let line = |found: &FindingView| {
        format!("{} {} {}", found.severity, found.member.as_deref().unwrap_or("-"), found.message)
    };
    report.findings.iter().map(line).collect()
}

#[test]
fn equal_members_have_no_findings() {
    let report = check(
        &file(),
        vec![(id("hq"), with(vec![customer()], vec![])), (id("shop"), with(vec![customer()], vec![]))],
        None,
        Vec::new(),
    );
    assert_eq!(messages(&report), Vec::<String>::new());
    assert_eq!((report.errors(), report.warnings()), (0, 0));
    assert_eq!(report.members.len(), 2);
    assert!(report.members[1].tables[0].exists && report.members[1].tables[0].columns == 2);
}

#[test]
fn errors_come_first_and_a_member_that_is_away_is_one() {
    let missing = Error::Missing { member: id("shop"), place: Place::new("/group/shop.db") };
    let notes = vec![
        finding(Severity::Note, None, "a note of the file"),
        finding(Severity::Error, None, "not in WAL mode"),
        finding(Severity::Warning, Some("Customer"), "odd collation"),
        finding(Severity::Error, Some("Unrelated"), "no key, but it takes no part"),
    ];
    let report = check(
        &file(),
        vec![(id("shop"), Err(missing)), (id("hq"), with(vec![customer()], notes))],
        None,
        Vec::new(),
    );
    let said = messages(&report);
    assert_eq!(report.errors(), 2, "{said:?}");
    assert_eq!(said[0], "error hq not in WAL mode");
    assert!(said[1].starts_with("error shop there is no database at /group/shop.db"), "{said:?}");
    assert!(said[1].ends_with("(DBS-001)"), "{said:?}");
    assert_eq!(said[2..], ["warning hq odd collation", "note hq a note of the file"]);
    let order: Vec<_> =
        report.members.iter().map(|member| (member.member.as_str(), member.server.is_some())).collect();
    assert_eq!(order, [("hq", true), ("shop", false)]);
}

#[test]
fn a_table_without_a_key_and_one_that_nobody_has_are_errors() {
    let keyless = table("Customer", &[], vec![column("Id", Some(LogicalType::Long))]);
    let report = check(&file(), vec![(id("hq"), with(vec![keyless], vec![]))], None, Vec::new());
    assert!(
        messages(&report).iter().any(|line| line.contains("has no primary key")),
        "{:?}",
        messages(&report)
    );
    let report = check(&file(), vec![(id("hq"), with(vec![], vec![]))], None, Vec::new());
    assert!(
        messages(&report)
            .iter()
            .any(|line| line.starts_with("error - no member that can be reached has a table Customer"))
    );
}

#[test]
fn unguarded_triggers_are_warned_of_once() {
    let mut triggered = customer();
    let trigger = |name: &str, guarded| {
        let sql = format!("CREATE TRIGGER {name} AFTER INSERT ON Customer BEGIN SELECT 1; END");
        TriggerInspection { name: name.to_owned(), sql, guarded }
    };
    triggered.triggers = vec![trigger("audit", false), trigger("quiet", true), trigger("said", false)];
    let said = finding(Severity::Warning, Some("Customer"), "the adapter speaks of said itself");
    let report = check(&file(), vec![(id("hq"), with(vec![triggered], vec![said]))], None, Vec::new());
    let about = |name: &str| report.findings.iter().filter(|found| found.message.contains(name)).count();
    assert_eq!((about("audit"), about("quiet"), about("said")), (1, 0, 1));
    assert!(report.findings.iter().any(|found| found.remedy.contains(GUARD)));
}

#[test]
fn columns_that_take_no_part_are_left_out_and_those_that_do_are_told_once() {
    let text = format!("{FILE}    columns: {{ exclude: [Blob] }}\n");
    let file = GroupFile::parse(&text, Path::new("/group/tributary.yaml"), &|_| None).unwrap();
    let mut found = customer();
    found.columns.push(column("Blob", None));
    let about = |name: &str, message: &str| Finding {
        column: Some(name.to_owned()),
        ..finding(Severity::Warning, Some("Customer"), message)
    };
    let said = vec![about("Blob", "excluded"), about("Age", "synchronised")];
    let report = check(&file, vec![(id("hq"), with(vec![found], said))], None, Vec::new());
    assert_eq!(messages(&report), ["warning hq synchronised"]);
}

/// A group over Kafka, with `more` beside brokers `broker` and a registry.
fn over_kafka(broker: &str, more: &str) -> GroupFile {
    let kafka =
        format!("{{ kafka: {{ brokers: ['{broker}'], registry: 'http://r.example.org:8081'{more} }} }}");
    let text = FILE.replace("{ embedded: log.db }", &kafka);
    GroupFile::parse(&text, Path::new("/group/tributary.yaml"), &|_| None).unwrap()
}

fn warned(file: &GroupFile) -> Vec<String> {
    let report = check(file, Vec::new(), Some(&GroupSpec::default()), Vec::new());
    let said =
        report.findings.into_iter().filter(|found| found.severity == "warning" && found.member.is_none());
    said.map(|found| found.message).collect()
}

#[test]
fn secrets_in_clear_are_warned_of_unless_they_stay_on_this_machine() {
    let plain = ", sasl: { mechanism: plain, user: u, password: p }";
    for here in ["localhost:9092", "127.0.0.1:9092", "127.1.2.3:9092", "[::1]:9092"] {
        assert_eq!(warned(&over_kafka(here, plain)), Vec::<String>::new(), "{here}");
    }
    for away in ["kafka:9092", "10.0.0.1:9092", "[fe80::1]:9092", "localhost.example.org:9092"] {
        assert_eq!(
            warned(&over_kafka(away, plain)),
            ["the password for Kafka goes over the network in clear"]
        );
    }
    assert!(warned(&over_kafka("kafka:9092", &format!("{plain}, tls: true"))).is_empty());
    let scram = ", sasl: { mechanism: scram-sha-256, user: u, password: p }";
    assert!(warned(&over_kafka("kafka:9092", scram)).is_empty(), "the password does not travel");
    let token = ", tls: {}, sasl: { mechanism: oauthbearer, token_url: 'http://id.example.org/t', client_id: c, \
                 client_secret: s }";
    assert_eq!(
        warned(&over_kafka("kafka:9092", token)),
        ["the client's secret for tokens goes over the network in clear"]
    );
    let registry = ", registry_auth: { user: u, password: p }";
    assert_eq!(
        warned(&over_kafka("localhost:9092", registry)),
        ["the password for the schema registry goes over the network in clear"]
    );
    assert_eq!(warned(&over_kafka("kafka:9092", ", replication: 1")).len(), 1);
}

#[test]
fn a_log_that_cannot_be_asked_is_an_error_beside_what_else_is_found() {
    let error = tributary_stream::Error::Missing { path: PathBuf::from("x") };
    let found = GroupFinding::log_unreachable(&error, error.code());
    let report = check(&file(), vec![(id("hq"), with(vec![], vec![]))], None, vec![found]);
    assert!(
        report.findings.iter().any(|found| found.severity == "error" && found.message.contains("(LOG-013)"))
    );
    assert_eq!(report.members[0].member, "hq");
}

fn number(name: &str, logical: LogicalType) -> ColumnInspection {
    ColumnInspection { nullable: false, ..column(name, Some(logical)) }
}

#[test]
fn what_a_member_cannot_hold_of_another_is_told_and_keys_are_never_rounded() {
    let text = FILE
        .replace("shop: { url: \"sqlite:shop.db\" }", "shop: { url: \"sqlite:shop.db\", on_loss: round }");
    let file = GroupFile::parse(&text, Path::new("/group/tributary.yaml"), &|_| None).unwrap();
    let decimal = |scale| LogicalType::Decimal { precision: 12, scale };
    let of = |scale| {
        table("Customer", &["Id"], vec![number("Id", decimal(scale)), number("Price", decimal(scale))])
    };
    let members = vec![(id("hq"), with(vec![of(4)], vec![])), (id("shop"), with(vec![of(2)], vec![]))];
    let said = messages(&check(&file, members, None, Vec::new()));
    let about = |what: &str| said.iter().filter(|line| line.contains(what)).count();
    assert_eq!(
        about("shop of hq, a number with more than 2 digits behind the point is rounded here"),
        1,
        "{said:?}"
    );
    assert_eq!(
        about("shop of hq, a number with more than 2 digits behind the point is not written here"),
        1,
        "{said:?}"
    );
    assert_eq!(about("hq of shop, a number with more than 8 digits before the point"), 2, "{said:?}");
}

#[test]
fn findings_of_a_table_in_another_schema_are_not_those_of_its_namesake() {
    let text = FILE.replace(
        "  - name: Customer\n",
        "  - name: Customer\n    as: { hq: sales.Customer, shop: sales.Customer }\n",
    );
    let file = GroupFile::parse(&text, Path::new("/group/tributary.yaml"), &|_| None).unwrap();
    let of = || vec![customer(), TableInspection { schema: Some("sales".to_owned()), ..customer() }];
    let notes = vec![
        finding(Severity::Warning, Some("Customer"), "of the namesake"),
        finding(Severity::Warning, Some("sales.Customer"), "of the one that is meant"),
    ];
    let members = vec![(id("hq"), with(of(), notes)), (id("shop"), with(of(), vec![]))];
    let report = check(&file, members, None, Vec::new());
    assert_eq!(messages(&report), ["warning hq of the one that is meant"]);
    assert_eq!(report.members[0].tables[0].local, "sales.Customer");
}

#[test]
fn foreign_keys_name_columns_as_the_group_does() {
    let key = ForeignKeyInspection {
        columns: vec!["customer_id".to_owned()],
        references: "customer".to_owned(),
        referenced_columns: vec!["id_".to_owned()],
        on_delete: OnDelete::Refuse,
        deferred: false,
    };
    let orders = TableInspection {
        foreign_keys: vec![key],
        ..table(
            "orders",
            &["id_"],
            vec![number("id_", LogicalType::Long), number("customer_id", LogicalType::Long)],
        )
    };
    let own = table("customer", &["id_"], vec![number("id_", LogicalType::Long)]);
    let file = GroupFile::parse(&format!("{FILE}  - name: Orders\n"), Path::new("/group/t.yaml"), &|_| None)
        .unwrap();
    let inspection =
        |tables| Inspection { server: String::new(), tables, findings: Vec::new(), trigger_guard: GUARD };
    let members = [(id("hq"), inspection(vec![customer()])), (id("shop"), inspection(vec![own, orders]))];
    let (spec, findings) = derive(&file, &members, None);
    assert!(findings.is_empty(), "{findings:?}");
    assert_eq!(spec.tables[1].schema.foreign_keys[0].referenced_columns, ["Id"]);
    // What the log knows stays as it is: topics were made of it.
    let mut known = spec.clone();
    std::sync::Arc::make_mut(&mut known.tables[1].schema).foreign_keys[0].referenced_columns =
        vec!["id_".to_owned()];
    assert_eq!(derive(&file, &members, Some(&known)).0, known);
}

/// Rows that are born where a column is missing have no value for it, and where it takes no NULL they cannot be written.
#[test]
fn a_column_that_takes_no_null_and_that_another_member_lacks_is_told() {
    let full = || {
        let mut customer = customer();
        customer.columns[1].nullable = false;
        customer
    };
    let mut poor = customer();
    poor.columns.truncate(1);
    let inspected = vec![(id("hq"), with(vec![full()], vec![])), (id("shop"), with(vec![poor], vec![]))];
    let told = messages(&check(&file(), inspected, None, Vec::new()));
    let of = |texts: &[String]| texts.iter().filter(|text| text.contains("takes no NULL")).count();
    assert_eq!(of(&told), 1, "{told:?}");
    assert!(told.iter().any(|text| text.contains("of shop, a row that is first written there")), "{told:?}");
    let equal = vec![(id("hq"), with(vec![full()], vec![])), (id("shop"), with(vec![full()], vec![]))];
    assert_eq!(of(&messages(&check(&file(), equal, None, Vec::new()))), 0);
}
