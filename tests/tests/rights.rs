//! Topics and rights by hand, with the scripts of `deploy/kafka/`: on a broker that lets nobody do what is not allowed, a
//! group works with one principal a role, and none of them can do another's work.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tributary_testkit::services::{
    self, Broker, BrokerSettings, Certificates, Listener, Need, Security, kafka_tool, python, shared_registry,
};
use tributary_testkit::{GroupFolder, assert_members_equal, program_path, service_test};

const GROUP: &str = "retail";
const TABLES: [&str; 2] = ["Customer", "Order Lines"];
const PASSWORD: &str = "one-for-all";
/// Principals, their roles and the members that these are for. `shop` has a machine that does two things.
const ROLES: [(&str, &str, Option<&str>); 7] = [
    ("operator", "operator", None),
    ("capture-hq", "capture", Some("hq")),
    ("apply-hq", "apply", Some("hq")),
    ("shop", "capture", Some("shop")),
    ("shop", "apply", Some("shop")),
    ("resolver", "resolver", None),
    ("analytics", "consumer", None),
];

fn main() -> ExitCode {
    services::main(vec![
        service_test!(each_role_works_with_its_own_rights).needing(Need::Openssl).needing(Need::Python),
        service_test!(no_role_can_do_anothers_work).needing(Need::Openssl).needing(Need::Python),
        service_test!(quotas_are_taken).needing(Need::Openssl),
    ])
}

/// A broker that knows the principals, with the group's topics and their rights.
fn guarded() -> &'static Broker {
    static GUARDED: OnceLock<(tempfile::TempDir, Broker)> = OnceLock::new();
    &GUARDED.get_or_init(guard).1
}

fn guard() -> (tempfile::TempDir, Broker) {
    let folder = tempfile::tempdir().unwrap();
    let names: std::collections::BTreeSet<_> = ROLES.iter().map(|(name, ..)| *name).collect();
    let security = Security {
        certificates: Certificates::make(folder.path()),
        users: names.iter().map(|name| ((*name).to_owned(), PASSWORD.to_owned())).collect(),
        super_users: Some(Vec::new()),
    };
    let broker = Broker::start(BrokerSettings { security: Some(security), ..BrokerSettings::default() });
    let topics = [("TABLES", "Customer:2"), ("REPLICATION", "1"), ("MIN_INSYNC", "1")];
    script(&broker, "topics.sh", ("KAFKA_TOPICS", "org.apache.kafka.tools.TopicCommand"), &topics, &[]);
    for (principal, role, member) in ROLES {
        let principal = format!("User:{principal}");
        let arguments = [Some(role), Some(&principal), member].into_iter().flatten().collect::<Vec<_>>();
        script(&broker, "acls.sh", ("KAFKA_ACLS", "org.apache.kafka.tools.AclCommand"), &[], &arguments);
    }
    (folder, broker)
}

/// Runs a script of `deploy/kafka/` as somebody who may do everything.
fn script(
    broker: &Broker,
    name: &str,
    (variable, class): (&str, &str),
    variables: &[(&str, &str)],
    arguments: &[&str],
) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/kafka").join(name);
    let mut command = Command::new("bash");
    command.arg(path).args(arguments).envs(variables.iter().copied());
    command.env("GROUP", GROUP).env("BOOTSTRAP", broker.address()).env(variable, kafka_tool(class));
    told(&command.output().unwrap())
}

fn told(output: &Output) -> String {
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{out}\n{err}", output.status);
    out.into_owned()
}

/// The program in the group's folder, as a principal.
fn program(group: &GroupFolder, principal: &str, arguments: &[&str]) -> Command {
    let file = group.path().join(format!("{principal}.yaml"));
    if !file.exists() {
        let text = std::fs::read_to_string(group.group_file()).unwrap();
        let login = format!("sasl: {{ mechanism: scram-sha-512, user: {principal}, password: {PASSWORD} }}");
        std::fs::write(&file, text.replace("sasl: {}", &login)).unwrap();
    }
    let mut command = Command::new(program_path());
    command.arg("--group-file").arg(file).args(arguments).current_dir(group.path());
    command
}

/// Workers that run until it goes out of scope.
struct Running(Vec<(&'static str, Child)>);

impl Running {
    fn start(group: &GroupFolder, roles: &[(&'static str, &[&str])]) -> Self {
        let start = |(principal, arguments): &(&'static str, &[&str])| {
            let log = std::fs::File::create(group.path().join(format!("{principal}.log"))).unwrap();
            let mut command = program(group, principal, &[&["run"], *arguments].concat());
            (*principal, command.stderr(log).stdout(Stdio::null()).spawn().unwrap())
        };
        Self(roles.iter().map(start).collect())
    }

    /// What each has told.
    fn logs(&self, group: &GroupFolder) -> String {
        let log = |(name, _): &(&str, Child)| {
            format!(
                "--- {name}\n{}",
                std::fs::read_to_string(group.path().join(format!("{name}.log"))).unwrap()
            )
        };
        self.0.iter().map(log).collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for (_, child) in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn each_role_works_with_its_own_rights() {
    let (broker, registry) = (guarded().address_of(Listener::SaslPlain), shared_registry().url());
    let log = format!("{{ kafka: {{ brokers: [\"{broker}\"], registry: \"{registry}\", sasl: {{}} }} }}");
    let group = GroupFolder::with_log(GROUP, &log, &["hq", "shop"], &TABLES, "");
    // Made by hand with two partitions; the other table's topics are for the operator to make.
    let text = std::fs::read_to_string(group.group_file()).unwrap();
    let text = text.replace("  - name: Customer\n", "  - name: Customer\n    partitions: 2\n");
    std::fs::write(group.group_file(), text).unwrap();
    for connection in group.connect_all() {
        let sql = "CREATE TABLE Customer (Id INTEGER PRIMARY KEY, Name TEXT);
                   CREATE TABLE \"Order Lines\" (Id INTEGER PRIMARY KEY, Customer INTEGER);";
        connection.execute_batch(sql).unwrap();
    }
    let hq = group.connect("hq");
    hq.execute_batch("INSERT INTO Customer VALUES (1, 'Ada'), (2, 'Grace'), (3, 'Linus')").unwrap();
    told(&program(&group, "operator", &["provision"]).output().unwrap());
    let running = Running::start(
        &group,
        &[
            ("capture-hq", &["--role", "capture", "--member", "hq"]),
            ("apply-hq", &["--role", "apply", "--member", "hq"]),
            ("shop", &["--role", "capture,apply", "--member", "shop"]),
            ("resolver", &["--role", "resolver"]),
        ],
    );
    // Without anybody to do the work `sync` would try to do it itself, which is not an operator's right.
    let at_work = "workers on all machines: resolver 1, capture hq 1, capture shop 1";
    let deadline = Instant::now() + Duration::from_secs(120);
    while !told(&program(&group, "operator", &["status"]).output().unwrap()).contains(at_work) {
        assert!(Instant::now() < deadline, "the workers do not begin:\n{}", running.logs(&group));
    }
    let sync = |what: &str| {
        let output = program(&group, "operator", &["sync", "--timeout", "120s"]).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{what}\n{out}\n{err}\n{}", running.logs(&group));
    };
    sync("the first scan");
    let shop = group.connect("shop");
    shop.execute_batch(
        "UPDATE Customer SET Name = 'Ada L.' WHERE Id = 1; DELETE FROM Customer WHERE Id = 3;",
    )
    .unwrap();
    hq.execute_batch(
        "INSERT INTO \"Order Lines\" VALUES (1, 1); UPDATE Customer SET Name = 'A.' WHERE Id = 1",
    )
    .unwrap();
    sync("changes on both sides");
    for arguments in
        [&["verify"][..], &["status"], &["conflicts", "list"], &["exceptions", "list"], &["tail"]]
    {
        told(&program(&group, "operator", arguments).output().unwrap());
    }
    let logs = running.logs(&group);
    assert!(!logs.to_lowercase().contains("authoriz"), "something was refused:\n{logs}");
    drop(running);
    let members = [("hq".to_owned(), hq), ("shop".to_owned(), shop)];
    assert_members_equal(&members, &TABLES);
    // Others read along, and nothing else.
    let mut command = Command::new(python());
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("consumers/rebuild.py"));
    command.args(["--group", GROUP, "--registry", &shared_registry().url(), "--out"]);
    command.arg(group.path().join("copy.db")).args(["--brokers", &guarded().address_of(Listener::SaslPlain)]);
    for property in login("analytics") {
        command.args(["--property", &property]);
    }
    let read = told(&command.output().unwrap());
    assert!(read.contains(r#""tables": ["Customer", "Order Lines"]"#), "{read}");
}

/// How librdkafka logs in.
fn login(principal: &str) -> [String; 4] {
    [
        "security.protocol=sasl_plaintext".to_owned(),
        "sasl.mechanism=SCRAM-SHA-512".to_owned(),
        format!("sasl.username={principal}"),
        format!("sasl.password={PASSWORD}"),
    ]
}

/// Tries to read or to write one record, as a principal; prints `allowed` or the name of what the broker answers.
const TRY: &str = "
import sys
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
how, topic, group, *settings = sys.argv[1:]
settings = dict(pair.split('=', 1) for pair in settings)
answers = []
if how == 'write':
    producer = Producer(settings | {'message.timeout.ms': 20000})
    heard = lambda error, message: answers.append(error.name() if error else 'allowed')
    producer.produce(topic, b'x', key=b'x', on_delivery=heard)
    producer.flush(30)
elif how == 'transact':
    producer = Producer(settings | {'transactional.id': topic})
    try:
        producer.init_transactions(20)
        answers.append('allowed')
    except KafkaException as error:
        answers.append(error.args[0].name())
else:
    consumer = Consumer(settings | {'group.id': group, 'enable.partition.eof': True})
    # Who may not even look gets no answer from the topic itself.
    error = consumer.list_topics(topic, timeout=30).topics[topic].error
    if error is None:
        consumer.assign([TopicPartition(topic, 0, 0)])
        message = consumer.poll(60)
        error = message.error() if message else KafkaError(KafkaError._TIMED_OUT)
    answers.append('allowed' if error is None or error.code() == KafkaError._PARTITION_EOF else error.name())
print(answers[0])
";

fn no_role_can_do_anothers_work() {
    let broker = guarded().address_of(Listener::SaslPlain);
    let answer = |principal: &str, how: &str, name: &str| {
        let mut command = Command::new(python());
        // A group that the principal may name, so that nothing but the topic is in its way.
        let group = if principal == "analytics" { "retail-others" } else { "tributary.retail.reader" };
        command.args(["-c", TRY, how, &format!("tributary.{GROUP}.{name}"), group]);
        command.arg(format!("bootstrap.servers={broker}")).args(login(principal));
        told(&command.output().unwrap()).trim().to_owned()
    };
    let (topic, id) = ("TOPIC_AUTHORIZATION_FAILED", "TRANSACTIONAL_ID_AUTHORIZATION_FAILED");
    for (principal, how, name, expected) in [
        ("analytics", "read", "resolved.Customer", "allowed"),
        ("analytics", "read", "changes.Customer", topic),
        ("analytics", "read", "conflicts", topic),
        ("analytics", "write", "resolved.Customer", topic),
        ("capture-hq", "transact", "capture.shop", id),
        ("capture-hq", "read", "resolved.Customer", topic),
        ("capture-hq", "read", "changes.Customer", topic),
        ("capture-hq", "write", "resolved.Customer", topic),
        ("capture-hq", "write", "conflicts", topic),
        ("apply-hq", "read", "resolved.Customer", "allowed"),
        ("apply-hq", "write", "resolved.Customer", topic),
        ("apply-hq", "write", "changes.Customer", topic),
        ("apply-hq", "write", "positions", topic),
        ("resolver", "write", "changes.Customer", topic),
        ("resolver", "transact", "capture.hq", id),
        ("operator", "write", "resolved.Customer", topic),
    ] {
        assert_eq!(answer(principal, how, name), expected, "{principal} would {how} {name}");
    }
}

fn quotas_are_taken() {
    let tool = ("KAFKA_CONFIGS", "kafka.admin.ConfigCommand");
    script(guarded(), "quotas.sh", tool, &[("CONSUMER_BYTES", "1000000")], &["User:analytics"]);
    let described =
        guarded().tool(tool.1, &["--describe", "--entity-type", "users", "--entity-name", "analytics"]);
    assert!(described.contains("consumer_byte_rate=1000000"), "{described}");
}
