//! The services for tests are what they say: they start, fall, come back, and leave nothing behind.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use tributary_testkit::service_test;
use tributary_testkit::services::{
    self, Broker, BrokerSettings, Certificates, Cluster, Listener, Need, Registry, RegistrySettings,
    Security, Tmpfs, shared_broker, shared_registry,
};

const TOPICS: &str = "org.apache.kafka.tools.TopicCommand";
/// Set for a run of this very program that is to be killed.
const VICTIM: &str = "TRIBUTARY_TEST_VICTIM";

fn main() -> ExitCode {
    if std::env::var_os(VICTIM).is_some() {
        wait_to_be_killed();
    }
    services::main(vec![
        service_test!(a_broker_comes_back_with_what_it_had),
        service_test!(a_paused_broker_does_not_answer),
        service_test!(a_cluster_does_without_one_node).needing(Need::Openssl),
        service_test!(users_are_told_apart).needing(Need::Openssl),
        service_test!(a_clock_may_be_far_off).needing(Need::Faketime),
        service_test!(a_broker_lives_on_a_file_system_that_can_be_full).needing(Need::Tmpfs),
        service_test!(a_registry_that_was_rebuilt_gives_other_ids),
        service_test!(a_registry_serves_tls).needing(Need::Openssl),
        service_test!(nothing_outlives_its_test),
        service_test!(nothing_outlives_a_killed_test_process),
    ])
}

fn exists(process: u32) -> bool {
    Path::new("/proc").join(process.to_string()).exists()
}

/// For what comes by itself in a moment.
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}: not within 30 seconds");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn a_broker_comes_back_with_what_it_had() {
    let properties = vec![("auto.create.topics.enable".to_owned(), "false".to_owned())];
    let mut broker = Broker::start(BrokerSettings { properties, ..BrokerSettings::default() });
    let address = broker.address();
    assert!(broker.answers() && broker.is_running());
    broker.tool(TOPICS, &["--create", "--topic", "kept", "--partitions", "3"]);
    broker.kill();
    assert!(!broker.answers() && !broker.is_running());
    broker.restart();
    assert_eq!(broker.address(), address);
    assert!(broker.answers());
    broker.stop();
    assert!(!broker.answers());
    broker.restart();
    assert_eq!(broker.tool(TOPICS, &["--list"]).trim(), "kept");
    assert!(broker.log().contains("auto.create.topics.enable = false"), "the property was not taken");
}

fn a_paused_broker_does_not_answer() {
    let broker = Broker::start(BrokerSettings::default());
    broker.pause();
    assert!(!broker.answers());
    broker.resume();
    eventually("an answer", || broker.answers());
}

fn a_cluster_does_without_one_node() {
    let mut cluster = Cluster::start(&BrokerSettings::default());
    assert_eq!(cluster.addresses().split(',').count(), 3);
    cluster.nodes()[0].tool(TOPICS, &["--create", "--topic", "three", "--partitions", "1"]);
    let first = cluster.leader("three", 0);
    cluster.nodes_mut()[first].kill();
    eventually("another leader", || cluster.leader("three", 0) != first);
    cluster.nodes_mut()[first].restart();
    cluster.wait_until_in_sync(Duration::from_secs(60));
}

fn users_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let certificates = Certificates::make(folder.path());
    let security = Security {
        certificates: certificates.clone(),
        users: vec![("boss".to_owned(), "b0ss".to_owned()), ("guest".to_owned(), "gu3st".to_owned())],
        super_users: Some(vec!["boss".to_owned(), "client".to_owned()]),
    };
    let broker = Broker::start(BrokerSettings { security: Some(security), ..BrokerSettings::default() });
    broker.tool(TOPICS, &["--create", "--topic", "secret"]);
    // What the stock client sees of the topics on a listener, or whether it gets in at all.
    let list = |listener, properties: &str| {
        let path = folder.path().join("client.properties");
        std::fs::write(
            &path,
            format!("{properties}\nrequest.timeout.ms=10000\ndefault.api.timeout.ms=10000\n"),
        )
        .unwrap();
        let path = path.to_str().unwrap();
        broker.try_tool_at(listener, TOPICS, &["--command-config", path, "--list"])
    };
    let module = "org.apache.kafka.common.security";
    let scram = |user: &str, password: &str| {
        format!(
            "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=SCRAM-SHA-256\nsasl.jaas.config=\
             {module}.scram.ScramLoginModule required username=\"{user}\" password=\"{password}\";"
        )
    };
    assert_eq!(list(Listener::SaslPlain, &scram("boss", "b0ss")).unwrap().trim(), "secret");
    assert_eq!(list(Listener::SaslPlain, &scram("guest", "gu3st")).unwrap().trim(), "");
    assert!(
        list(Listener::SaslPlain, &scram("boss", "wrong")).unwrap_err().contains("Authentication failed")
    );
    let oauth = format!(
        "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=OAUTHBEARER\nsasl.jaas.config=\
         {module}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"boss\";"
    );
    assert_eq!(list(Listener::SaslPlain, &oauth).unwrap().trim(), "secret");
    let trust = |ca: &Path| format!("ssl.truststore.type=PEM\nssl.truststore.location={}\n", ca.display());
    let plain = |ca| {
        trust(ca)
            + &format!(
                "security.protocol=SASL_SSL\nsasl.mechanism=PLAIN\nsasl.jaas.config=\
                 {module}.plain.PlainLoginModule required username=\"boss\" password=\"b0ss\";"
            )
    };
    assert_eq!(list(Listener::SaslTls, &plain(&certificates.ca)).unwrap().trim(), "secret");
    assert!(
        list(Listener::SaslTls, &plain(&certificates.other_ca)).unwrap_err().contains("SSL handshake failed")
    );
    let mutual = |identity: &services::Identity| {
        let keystore =
            format!("ssl.keystore.type=PEM\nssl.keystore.location={}\n", identity.bundle.display());
        trust(&certificates.ca) + &keystore + "security.protocol=SSL"
    };
    assert_eq!(list(Listener::MutualTls, &mutual(&certificates.client)).unwrap().trim(), "secret");
    assert!(list(Listener::MutualTls, &mutual(&certificates.stranger)).is_err());
}

fn a_clock_may_be_far_off() {
    let today = Command::new("date").arg("+%F").output().unwrap().stdout;
    let today = String::from_utf8(today).unwrap();
    let mut broker = Broker::start(BrokerSettings { clock_shift: -3 * 86_400, ..BrokerSettings::default() });
    assert!(broker.answers());
    assert!(broker.log().as_str() < today.trim(), "the log begins with today's date or a later one");
    broker.stop();
    broker.settings_mut().clock_shift = 0;
    broker.restart();
    assert!(broker.log().lines().last().unwrap() >= today.trim());
}

fn a_broker_lives_on_a_file_system_that_can_be_full() {
    let small = Tmpfs::mount(48).unwrap();
    let data = Some(small.path().to_owned());
    let mut broker = Broker::start(BrokerSettings { data, ..BrokerSettings::default() });
    assert!(broker.data().starts_with(small.path()));
    let fill =
        |file: &Path| std::io::copy(&mut std::io::repeat(1), &mut std::fs::File::create(file).unwrap());
    let file = small.path().join("fill");
    assert_eq!(fill(&file).unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    // No room for the new topic: the broker gives its only folder up, and itself with it.
    let arguments = ["--create", "--topic", "full", "--partitions", "8"];
    let _ = broker.try_tool_at(Listener::Plain, TOPICS, &arguments);
    eventually("the end of the broker", || !broker.is_running());
    std::fs::remove_file(&file).unwrap();
    broker.kill();
    broker.restart();
    small.resize(64);
    broker.tool(TOPICS, &["--create", "--topic", "room"]);
}

fn a_registry_that_was_rebuilt_gives_other_ids() {
    let mut registry = Registry::start(RegistrySettings::default());
    let schema = r#"{"type": "record", "name": "a", "fields": [{"name": "b", "type": "int"}]}"#;
    let id = registry.register("a-value", schema);
    assert_eq!(
        registry.register("a-value", &schema.replace(' ', "")),
        id,
        "white space makes another schema"
    );
    let narrower = schema.replace(r#""int""#, r#""boolean""#).replace('"', r#"\""#);
    let body = format!(r#"{{"schema": "{narrower}"}}"#);
    assert_eq!(registry.ask("POST", "/subjects/a-value/versions", &body).0, 409);
    registry.rebuild(3);
    assert_eq!(registry.register("a-value", schema), id + 3);
    registry.stop();
    registry.restart();
    assert_eq!(registry.ask("GET", "/subjects", "").1, "[]");
}

fn a_registry_serves_tls() {
    let folder = tempfile::tempdir().unwrap();
    let certificates = Certificates::make(folder.path());
    let registry = Registry::start(RegistrySettings { tls: Some(certificates.clone()) });
    let address = registry.tls_url();
    let (host, path) = address.trim_start_matches("https://").split_once('/').unwrap();
    let get = |ca: &Path| {
        let mut client = Command::new("openssl");
        client.args(["s_client", "-quiet", "-verify_return_error", "-connect", host, "-CAfile"]).arg(ca);
        let mut client =
            client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let request = format!("GET /{path}/subjects HTTP/1.0\r\n\r\n");
        // It fails where the client has already turned away.
        let _ = client.stdin.as_mut().unwrap().write_all(request.as_bytes());
        String::from_utf8(client.wait_with_output().unwrap().stdout).unwrap()
    };
    let answer = get(&certificates.ca);
    assert!(answer.contains("200 OK") && answer.ends_with("[]"), "{answer}");
    assert_eq!(get(&certificates.other_ca), "");
}

fn nothing_outlives_its_test() {
    let broker = Broker::start(BrokerSettings::default());
    let (process, data) = (broker.id().unwrap(), broker.data().to_owned());
    assert!(exists(process) && data.exists());
    let panicked = std::panic::catch_unwind(move || {
        let _broker = broker;
        // Without the hook's noise.
        std::panic::resume_unwind(Box::new("as a failing test does"));
    });
    assert!(panicked.is_err());
    assert!(!exists(process) && !data.exists());
    assert!(shared_broker().answers(), "another broker went with it");
    assert_eq!(shared_registry().ask("GET", "/mode", "").0, 404, "its registry answers as known");
}

fn nothing_outlives_a_killed_test_process() {
    let mut victim = Command::new(std::env::current_exe().unwrap());
    let mut victim = victim.env(VICTIM, "1").stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(victim.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let (process, data) = line.trim_end().split_once(' ').unwrap();
    let (process, data) = (process.parse().unwrap(), Path::new(data));
    assert!(exists(process) && data.exists());
    victim.kill().unwrap();
    victim.wait().unwrap();
    eventually("the end of the broker", || !exists(process));
    eventually("the removal of its folder", || !data.exists());
}

/// Starts a broker, tells of it, and waits for the end.
#[allow(clippy::print_stdout, reason = "its parent reads it")]
fn wait_to_be_killed() -> ! {
    let broker = Broker::start(BrokerSettings::default());
    println!("{} {}", broker.id().unwrap(), broker.data().display());
    loop {
        std::thread::park();
    }
}
