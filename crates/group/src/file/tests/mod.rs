//! One test for every rule of the group file, and for what it says when a rule is broken.

mod files;
mod kafka;
mod members;
mod robust;
mod schema;
mod shapes;
mod tables;
mod values;

use super::*;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The variables of these tests.
fn variables(name: &str) -> Option<String> {
    match name {
        "NAME" => Some("retail".to_owned()),
        "DATA" => Some("/srv/data".to_owned()),
        "HQ_PASSWORD" => Some("correct-horse".to_owned()),
        "LOOKS_LIKE_A_FILE" => Some("file:/etc/hostname".to_owned()),
        "DOLLAR" => Some("${NAME}".to_owned()),
        _ => None,
    }
}

fn parse(text: &str) -> Result<GroupFile, GroupFileError> {
    GroupFile::parse(text, Path::new("/etc/tributary/retail.yaml"), &variables)
}

fn accepted(text: &str) -> GroupFile {
    parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// What is said about `text`, a line for each problem.
fn refused(text: &str) -> Vec<String> {
    match parse(text) {
        Ok(file) => panic!("was accepted: {file:?}"),
        Err(error) => {
            assert_eq!(error.exit_code(), 64);
            assert_eq!(error.problems().first().map(|problem| problem.kind.code()), Some(error.code()));
            error.problems().iter().map(ToString::to_string).collect()
        }
    }
}

fn embedded(file: &GroupFile) -> &Path {
    match &file.log {
        LogSettings::Embedded { path } => path,
        LogSettings::Kafka(kafka) => panic!("{:?}", kafka.brokers),
    }
}

/// A file that is right, with `more` in front of its tables.
fn with(more: &str) -> String {
    format!(
        "group: retail\nlog: {{ embedded: log.db }}\nmembers:\n  hq: {{ url: sqlite:hq.db }}\n  shop: {{ url: \
         sqlite:shop.db }}\n{more}\ntables:\n  - name: Customer\n"
    )
}

/// The same with these members; `text` begins in line 4.
fn with_members(text: &str) -> String {
    format!("group: retail\nlog: {{ embedded: log.db }}\nmembers:\n{text}\ntables: [{{ name: Customer }}]\n")
}

/// The same with these tables; `text` begins in line 5.
fn with_tables(text: &str) -> String {
    format!(
        "group: retail\nlog: {{ embedded: log.db }}\nmembers: {{ hq: {{ url: sqlite:hq.db }}, shop: {{ url: \
         sqlite:shop.db }} }}\ntables:\n{text}\n"
    )
}

#[test]
fn a_short_file_gets_the_documented_defaults() {
    let file = accepted(&with(""));
    assert_eq!(file.group.as_str(), "retail");
    assert_eq!(embedded(&file), Path::new("/etc/tributary/log.db"));
    assert_eq!(file.topics().positions().as_str(), "tributary.retail.positions");
    assert_eq!(file.data_dir, Path::new("/etc/tributary/retail.data"));
    assert_eq!(file.members.len(), 2);
    let hq = &file.members[0];
    assert_eq!(hq.id.as_str(), "hq");
    assert_eq!(hq.url, MemberUrl::Sqlite { path: "/etc/tributary/hq.db".into() });
    assert!(hq.password.is_none());
    assert_eq!((hq.direction, hq.on_loss), (Direction::Both, OnLoss::Exception));
    assert_eq!(hq.apply.longest_lock, Duration::from_millis(50));
    assert_eq!(file.priority, [hq.id.clone(), file.members[1].id.clone()]);
    assert_eq!(file.schedule, Schedule::Continuous);
    assert_eq!(file.poll_interval, Duration::from_millis(50));
    assert_eq!(file.tombstone_retention, 45 * DAY);
    assert_eq!(file.conflict_retention, Some(45 * DAY));
    assert_eq!(file.metrics, None);
    assert_eq!(file.clock_skew_warning, Duration::from_secs(2));
    let table = &file.tables[0];
    assert_eq!(table.name.as_str(), "Customer");
    assert_eq!((&table.columns, table.name_in(&hq.id)), (&ColumnChoice::All, None));
    assert_eq!(table.conflict, tributary_model::Policy::LatestWins);
    assert_eq!(table.delete_vs_update, tributary_settle::DeleteVsUpdate::ByPolicy);
    assert_eq!((table.blocked_delete, table.partitions), (BlockedDelete::Park, 4));
    assert_eq!(file.member(&hq.id).map(|member| &member.id), Some(&hq.id));
    assert_eq!(file.table(&table.name), Some(table));
}

#[test]
fn every_setting_is_taken() {
    let file = accepted(
        "group: retail\n\
         log: { embedded: /var/lib/log.db }\n\
         data_dir: state\n\
         members:\n\
         \x20 hq: { url: 'sqlite:///var/lib/hq.db', direction: both, on_loss: round, apply: { longest_lock: 1s } }\n\
         \x20 shop: { url: sqlite:shop.db }\n\
         priority: [shop]\n\
         defaults: { conflict: manual, delete_vs_update: delete_wins, blocked_delete: restore, partitions: 8 }\n\
         tables:\n\
         \x20 - name: Customer\n\
         \x20 - { name: OrderLines, as: { shop: order_line }, columns: { exclude: [Note] }, conflict: priority,\n\
         \x20     delete_vs_update: update_wins, blocked_delete: park, partitions: 1 }\n\
         \x20 - { name: Item, columns: { include: [Id, Price] } }\n\
         schedule: every 5m\n\
         poll_interval: 1s 500ms\n\
         tombstone_retention: 30d\n\
         conflict_retention: never\n\
         metrics: { listen: '127.0.0.1:0' }\n\
         clock_skew_warning: 10s\n",
    );
    assert_eq!(embedded(&file), Path::new("/var/lib/log.db"));
    assert_eq!(file.data_dir, Path::new("/etc/tributary/state"));
    assert_eq!(file.members[0].url, MemberUrl::Sqlite { path: "/var/lib/hq.db".into() });
    assert_eq!(file.members[0].on_loss, OnLoss::Round);
    assert_eq!(file.members[0].apply.longest_lock, Duration::from_secs(1));
    let priority: Vec<_> = file.priority.iter().map(tributary_model::MemberId::as_str).collect();
    assert_eq!(priority, ["shop", "hq"]);
    let [customer, lines, item] = file.tables.as_slice() else { panic!("{:?}", file.tables) };
    assert_eq!(customer.conflict, tributary_model::Policy::Manual);
    assert_eq!(customer.delete_vs_update, tributary_settle::DeleteVsUpdate::DeleteWins);
    assert_eq!((customer.blocked_delete, customer.partitions), (BlockedDelete::Restore, 8));
    assert_eq!(lines.conflict, tributary_model::Policy::Priority);
    assert_eq!(lines.delete_vs_update, tributary_settle::DeleteVsUpdate::UpdateWins);
    assert_eq!((lines.blocked_delete, lines.partitions), (BlockedDelete::Park, 1));
    assert_eq!(lines.name_in(&file.members[1].id), Some("order_line"));
    assert_eq!(lines.columns, ColumnChoice::Exclude(vec!["Note".to_owned()]));
    assert_eq!(item.columns, ColumnChoice::Include(vec!["Id".to_owned(), "Price".to_owned()]));
    assert_eq!(file.schedule, Schedule::Every(Duration::from_secs(300)));
    assert_eq!(file.poll_interval, Duration::from_millis(1500));
    assert_eq!((file.tombstone_retention, file.conflict_retention), (30 * DAY, None));
    assert_eq!(file.metrics, Some(([127, 0, 0, 1], 0).into()));
    assert_eq!(file.clock_skew_warning, Duration::from_secs(10));
}

/// The file that the documentation shows for a group of three kinds of databases over Kafka.
const DOCUMENTED: &str = r#"
group: retail
log: { kafka: { brokers: [localhost:9092], registry: http://localhost:8081 } }
members:
  hq:    { url: "mssql://app@hq-sql:1433/Retail", password: "${HQ_PASSWORD}" }
  cloud: { url: "postgres://app@db/retail", password: "${HQ_PASSWORD}" }
  till7: { url: "sqlite:///var/lib/till.db", direction: both }   # both | publish | subscribe
tables:
  - name: Customer
  - name: OrderLines                          # names may differ by member
    columns: { exclude: [InternalNote] }
    conflict: latest_wins
    blocked_delete: restore
schedule: continuous        # or "every 5m", or manual
"#;

#[test]
fn the_documented_file_is_accepted() {
    let file = accepted(DOCUMENTED);
    assert!(!format!("{file:?}").contains("correct-horse"));
    assert_eq!((file.members.len(), file.tables.len()), (3, 2));
    assert_eq!(file.tables[1].blocked_delete, BlockedDelete::Restore);
}

#[test]
fn the_template_is_a_file_that_can_be_used() {
    let file = accepted(template());
    assert_eq!((file.members.len(), file.tables.len()), (2, 2));
}

#[test]
fn what_the_template_has_in_comments_can_be_used_and_shows_the_defaults() {
    // Every line that is commented out begins with a key, a bracket of its own or a list of a few words behind.
    let commented = |line: &str| -> String {
        let bare = line.trim_start();
        let indent = &line[..line.len() - bare.len()];
        match bare.strip_prefix("# ").map(|rest| (rest, rest.trim_start().split(':').next().unwrap_or(""))) {
            Some((rest, key)) if rest.contains(": ") || rest.ends_with(':') => {
                let known = [
                    "data_dir",
                    "on_loss",
                    "apply",
                    "priority",
                    "defaults",
                    "conflict",
                    "delete_vs_update",
                    "blocked_delete",
                    "partitions",
                    "as",
                    "columns",
                    "schedule",
                    "poll_interval",
                    "tombstone_retention",
                    "conflict_retention",
                    "clock_skew_warning",
                    "metrics",
                ];
                if known.contains(&key) { format!("{indent}{rest}") } else { line.to_owned() }
            }
            Some((rest, "defaults")) => format!("{indent}{rest}"),
            _ => line.to_owned(),
        }
    };
    let full: String = template().lines().map(|line| commented(line) + "\n").collect();
    let (short, full) = (accepted(template()), accepted(&full));
    assert_eq!(full.data_dir, short.data_dir);
    assert_eq!(full.priority, short.priority);
    assert_eq!(full.tables[0], short.tables[0], "`defaults` shows the defaults");
    assert_eq!(full.tables[1].name_in(&full.members[1].id), Some("order_line"));
    assert_eq!((full.schedule, full.poll_interval), (short.schedule, short.poll_interval));
    assert_eq!(full.tombstone_retention, short.tombstone_retention);
    assert_eq!(full.conflict_retention, short.conflict_retention);
    assert_eq!(full.clock_skew_warning, short.clock_skew_warning);
    assert_eq!(full.members[1].apply, short.members[1].apply);
    assert!(full.metrics.is_some(), "metrics are shown switched on");
    assert!(matches!(full.log, LogSettings::Embedded { .. }), "Kafka is the other choice");
}

#[test]
fn what_the_template_shows_of_kafka_can_be_used_and_shows_the_defaults() {
    let lines = template().lines().map(|line| match line.strip_prefix("  # ") {
        // What needs files, or a password that is set, stays a comment.
        Some(rest) if ["tls:", "sasl:", "registry_auth:"].iter().any(|key| rest.contains(key)) => {
            String::new()
        }
        Some(rest) if rest.starts_with("kafka:") || rest.starts_with("  ") => format!("  {rest}\n"),
        _ if line.trim_start().starts_with("embedded:") => String::new(),
        _ => format!("{line}\n"),
    });
    let text: String = lines.collect();
    let LogSettings::Kafka(shown) = accepted(&text).log else { panic!("{text}") };
    let plain = with("").replace("{ embedded: log.db }", "{ kafka: { brokers: [a:1], registry: http://r } }");
    let LogSettings::Kafka(default) = accepted(&plain).log else { panic!("{plain}") };
    assert_eq!((&shown.prefix, &shown.client_id), (&default.prefix, &default.client_id));
    assert_eq!((shown.compression, shown.timeout), (default.compression, default.timeout));
    assert!(shown.replication.is_some(), "a number is shown, since the default is the brokers'");
}

#[test]
fn several_problems_are_told_together_in_the_order_of_the_file() {
    let error = parse(&with("schedule: sometimes\npoll_interval: 5\npriority: [shpo]")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "group file /etc/tributary/retail.yaml has 3 problems\n  line 6, column 11: `schedule`: `sometimes` is not a \
         schedule; write `continuous`, `every 5m` (or another interval) or `manual` [GRP-015]\n  line 7, column 16: \
         `poll_interval`: `5` is not a duration; write a number and a unit, such as `50ms` or `5m` [GRP-015]\n  line \
         8, column 12: `priority` names the member `shpo`, which the group does not have; did you mean `shop`? \
         [GRP-016]"
    );
}

#[test]
fn a_single_problem_is_told_in_one_line_with_the_file() {
    let error = parse(&with("metrics: { listen: localhost }")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "group file /etc/tributary/retail.yaml, line 6, column 20: `localhost` is not an address and a port; write it \
         like `127.0.0.1:9464` or `[::1]:9464`, without a host's name [GRP-015]"
    );
}

#[test]
fn codes_are_stable_and_used_once() {
    let mut codes: Vec<_> = ProblemKind::ALL.iter().map(|kind| kind.code()).collect();
    codes.extend(["GRP-001", "GRP-002", "GRP-003"]);
    codes.sort_unstable();
    let count = codes.len();
    codes.dedup();
    assert_eq!(codes.len(), count);
    assert!(codes.iter().all(|code| code.starts_with("GRP-") && code.len() == 7));
}
