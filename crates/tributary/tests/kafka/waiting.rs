//! What is not there yet, does not answer, or does not let us in.

use crate::group::{group_file, log_of, place};
use crate::place::Place;
use std::io::{Read, Write};
use std::net::TcpStream;
use tributary_testkit::service_test;
use tributary_testkit::services::{
    Broker, BrokerSettings, Certificates, Listener, Need, Registry, RegistrySettings, Security, Test,
    shared_broker, shared_registry,
};

pub(crate) fn tests() -> Vec<Test> {
    vec![
        service_test!(run_waits_for_a_broker_says_so_and_goes_on_by_itself),
        service_test!(a_registry_that_is_away_keeps_only_new_schemas_waiting),
        service_test!(who_is_not_let_in_is_told_why_and_does_not_try_for_ever).needing(Need::Openssl),
        service_test!(check_looks_at_the_log_too),
    ]
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn run_waits_for_a_broker_says_so_and_goes_on_by_itself() {
    let mut broker = Broker::start(BrokerSettings::default());
    let place = Place::new();
    let address = broker.address();
    place.write(
        "tributary.yaml",
        &group_file(
            "patient",
            &log_of(&address, &shared_registry().url(), ", timeout: 2s").replace(", timeout: 5s", ""),
        ),
    );
    place.ok(&["provision"]);
    place.edit("hq", "INSERT INTO Customer VALUES (1, 'Ada', 'London')");
    broker.kill();
    for command in ["status", "provision", "sync", "tail"] {
        place
            .run(&[command])
            .failed(69, &["error[LOG-024]", &format!("Kafka at {address} cannot be reached")]);
    }
    let mut running = place.launch(&["--listen", "127.0.0.1:0"]);
    let listening = running.wait_for("listening on http://");
    let listening = listening.trim().rsplit('/').next().unwrap().to_owned();
    let line = running.wait_for("log: failed and will be tried again");
    assert!(line.contains(&format!("Kafka at {address} cannot be reached")), "{line}");
    assert!(get(&listening, "/healthz").starts_with("HTTP/1.1 200"));
    let ready = get(&listening, "/readyz");
    assert!(ready.starts_with("HTTP/1.1 503") && ready.contains("the group is not open yet: "), "{ready}");
    assert!(get(&listening, "/status.json").contains("\"name\":\"log\""));
    broker.restart();
    running.wait_for("runs as process");
    for worker in ["capture hq", "apply shop", "resolver"] {
        if !running.has_told(&format!("{worker}: runs")) {
            running.wait_for(&format!("{worker}: runs"));
        }
    }
    place.ok(&["sync"]);
    assert_eq!(place.rows("shop", "SELECT Name FROM Customer"), ["Text(\"Ada\")"]);
    assert!(get(&listening, "/readyz").starts_with("HTTP/1.1 200"));
    assert!(get(&listening, "/metrics").contains("tributary_kafka_clients{kind=\"consumer\"}"));
    let (code, told) = running.stop("-TERM");
    assert_eq!(code, 0, "{told}");
}

fn a_registry_that_is_away_keeps_only_new_schemas_waiting() {
    let mut registry = Registry::start(RegistrySettings::default());
    let place = Place::new();
    let log = log_of(&shared_broker().address(), &registry.url(), "");
    place.write("tributary.yaml", &group_file("offline", &log));
    place.ok(&["provision"]);
    let url = registry.url();
    registry.kill();
    // What is known goes on.
    place.edit("hq", "INSERT INTO Customer VALUES (1, 'Ada', 'London')");
    place.ok(&["sync"]);
    assert_eq!(place.rows("shop", "SELECT Name FROM Customer"), ["Text(\"Ada\")"]);
    // What is new waits, and says for what.
    let new = Place::new();
    new.write("tributary.yaml", &group_file("newcomer", &log));
    let said = format!("the schema registry at {url} cannot be reached");
    new.run(&["provision"]).failed(69, &["error[LOG-024]", &said]);
    let mut running = new.launch(&[]);
    let line = running.wait_for("log: failed and will be tried again");
    assert!(line.contains(&said), "{line}");
    registry.restart();
    running.wait_for("runs as process");
    running.wait_for("halted");
    assert_eq!(running.stop("-TERM").0, 1, "the members are not provisioned");
}

fn who_is_not_let_in_is_told_why_and_does_not_try_for_ever() {
    let place = Place::new();
    let certificates = Certificates::make(place.folder());
    let security = Security {
        certificates,
        users: vec![("app".to_owned(), "right".to_owned())],
        super_users: Some(vec!["app".to_owned()]),
    };
    let broker =
        Broker::start(BrokerSettings { security: Some(security.clone()), ..BrokerSettings::default() });
    let registry = shared_registry().url();
    let with = |listener: Listener, more: &str| {
        let log = log_of(&broker.address_of(listener), &registry, more);
        place.write("tributary.yaml", &group_file("guarded", &log));
    };
    let sasl = |password: &str| {
        format!(", sasl: {{ mechanism: scram-sha-256, user: app, password: \"{password}\" }}")
    };
    with(Listener::SaslPlain, &sasl("wrong"));
    for command in ["run", "provision", "status"] {
        let ended = place.run(&[command]);
        ended.failed(69, &["error[LOG-025]", "refuses the credentials"]);
        assert!(!ended.err.contains("wrong\""), "{ended:?}");
    }
    let ca = security.certificates.ca.display().to_string();
    with(Listener::SaslTls, &format!("{}, tls: true", sasl("right")));
    place.run(&["run"]).failed(69, &["error[LOG-026]", "name its certificate authority in `tls: ca`"]);
    with(Listener::SaslTls, &format!("{}, tls: {{ ca: \"{ca}\" }}", sasl("right")));
    place.ok(&["provision"]);
    place.edit("hq", "INSERT INTO Customer VALUES (1, 'Ada', 'London')");
    place.ok(&["sync"]);
    assert_eq!(place.rows("shop", "SELECT Name FROM Customer"), ["Text(\"Ada\")"]);
}

fn check_looks_at_the_log_too() {
    let place = place("looked-at");
    place.ok(&["check"]);
    let log = log_of("127.0.0.1:1", &shared_registry().url(), "").replace("timeout: 5s", "timeout: 1s");
    place.write("tributary.yaml", &group_file("looked-at", &log));
    let ended = place.run(&["check"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(
        ended.out.contains("Kafka at 127.0.0.1:1 cannot be reached") && ended.out.contains("LOG-024"),
        "{ended:?}"
    );
    let log = log_of(&shared_broker().address(), "http://127.0.0.1:1", "");
    place.write("tributary.yaml", &group_file("looked-at", &log));
    let unregistered = place.run(&["check"]);
    assert_eq!(unregistered.code, 1, "{unregistered:?}");
    assert!(
        unregistered.out.contains("the schema registry at http://127.0.0.1:1 cannot be reached"),
        "{unregistered:?}"
    );
    assert!(ended.out.contains("not provisioned"), "the members are looked at all the same: {ended:?}");
}
