//! `log: kafka`.

use super::*;
use secrecy::ExposeSecret;
use tributary_stream::kafka::{Compression, Sasl, ScramHash};
use tributary_stream::{Cleanup, TopicName, TopicSettings};

/// A file that is right but for what `text` says of Kafka; `text` begins in line 4.
fn with_kafka(text: &str) -> String {
    format!(
        "group: retail\nlog:\n  kafka:\n{text}\nmembers: {{ hq: {{ url: sqlite:hq.db }} }}\ntables: [{{ name: \
         Customer }}]\n"
    )
}

/// The same with brokers and registry in lines 4 and 5, and `text` from line 6 on.
fn more(text: &str) -> String {
    with_kafka(&format!("    brokers: [a:9092]\n    registry: http://r:8081\n{text}"))
}

fn kafka(text: &str) -> Kafka {
    match accepted(text).log {
        LogSettings::Kafka(kafka) => *kafka,
        LogSettings::Embedded { path } => panic!("{}", path.display()),
    }
}

/// The only thing that is said about `text`.
#[track_caller]
fn said(text: &str) -> String {
    let mut problems = refused(text);
    assert_eq!(problems.len(), 1, "{problems:?}\n{text}");
    problems.remove(0)
}

#[test]
fn brokers_and_a_registry_are_enough() {
    let file = accepted(&with_kafka("    brokers: [localhost:9092]\n    registry: http://localhost:8081"));
    assert_eq!(file.log.prefix(), "tributary");
    assert_eq!(file.log.to_string(), "kafka localhost:9092");
    assert_eq!(file.topics().control().as_str(), "tributary.retail.control");
    let LogSettings::Kafka(kafka) = file.log else { panic!("not Kafka") };
    assert_eq!(kafka.brokers, ["localhost:9092"]);
    assert_eq!(kafka.registry.urls, ["http://localhost:8081"]);
    assert!(kafka.registry.basic.is_none() && kafka.registry.tls.ca.is_none());
    assert_eq!((kafka.client_id.as_str(), kafka.compression), ("tributary.retail", Compression::Lz4));
    assert!(kafka.replication.is_none() && kafka.tls.is_none() && kafka.sasl.is_none());
    assert!(kafka.properties.is_empty());
    assert_eq!(kafka.timeout, Duration::from_secs(15));
}

#[test]
fn every_setting_of_kafka_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["ca.pem", "me.pem", "me.key", "registry.pem"] {
        std::fs::write(folder.path().join(name), "PEM").unwrap();
    }
    std::fs::write(folder.path().join("secret"), "from a file\n").unwrap();
    let text = with_kafka(
        "    brokers: [kafka-1.example.org:9093, '[::1]:9093']\n\
         \x20   registry: [https://r1.example.org/apis/ccompat/v7/, http://r2:8081]\n\
         \x20   prefix: Sync_1.prod\n\
         \x20   client_id: till 7\n\
         \x20   compression: zstd\n\
         \x20   replication: 3\n\
         \x20   tls: { ca: ca.pem, certificate: me.pem, key: me.key, key_password: '${HQ_PASSWORD}' }\n\
         \x20   sasl: { mechanism: scram-sha-512, user: app, password: 'file:secret' }\n\
         \x20   registry_auth: { user: reader, password: '${HQ_PASSWORD}' }\n\
         \x20   registry_tls: { ca: registry.pem }\n\
         \x20   properties: { socket.keepalive.enable: true, statistics.interval.ms: 5000, client.rack: '${NAME}' }\n\
         \x20   timeout: 1m",
    );
    let file = GroupFile::parse(&text, &folder.path().join("retail.yaml"), &variables).unwrap();
    assert!(!format!("{file:?}").contains("correct-horse") && !format!("{file:?}").contains("from a file"));
    let LogSettings::Kafka(kafka) = file.log else { panic!("not Kafka") };
    assert_eq!(kafka.brokers, ["kafka-1.example.org:9093", "[::1]:9093"]);
    assert_eq!(kafka.registry.urls, ["https://r1.example.org/apis/ccompat/v7", "http://r2:8081"]);
    assert_eq!((kafka.prefix.as_str(), kafka.client_id.as_str()), ("Sync_1.prod", "till 7"));
    assert_eq!((kafka.compression, kafka.replication), (Compression::Zstd, Some(3)));
    let tls = kafka.tls.as_ref().unwrap();
    assert_eq!(tls.ca.as_deref(), Some(folder.path().join("ca.pem").as_path()));
    let identity = tls.identity.as_ref().unwrap();
    assert_eq!(
        (&identity.certificate, &identity.key),
        (&folder.path().join("me.pem"), &folder.path().join("me.key"))
    );
    assert_eq!(identity.password.as_ref().unwrap().expose_secret(), "correct-horse");
    let Some(Sasl::Scram { hash: ScramHash::Sha512, user, password }) = &kafka.sasl else {
        panic!("{:?}", kafka.sasl)
    };
    assert_eq!((user.as_str(), password.expose_secret()), ("app", "from a file"));
    let (user, password) = kafka.registry.basic.as_ref().unwrap();
    assert_eq!((user.as_str(), password.expose_secret()), ("reader", "correct-horse"));
    assert_eq!(kafka.registry.tls.ca.as_deref(), Some(folder.path().join("registry.pem").as_path()));
    let properties: Vec<_> = kafka.properties.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(
        properties,
        [("client.rack", "retail"), ("socket.keepalive.enable", "true"), ("statistics.interval.ms", "5000")]
    );
    assert_eq!(kafka.timeout, Duration::from_secs(60));
    let control = TopicSettings {
        name: TopicName::new("c"),
        partitions: 1,
        cleanup: Cleanup::Keep,
        max_record_bytes: 1,
    };
    let connection = kafka.connection(control.clone(), true);
    assert_eq!((connection.control, connection.writes), (control, true));
    assert_eq!((connection.brokers, connection.timeout), (kafka.brokers, kafka.timeout));
    assert_eq!((connection.client_id, connection.replication), (kafka.client_id, Some(3)));
}

#[test]
fn tls_is_a_word_or_a_mapping() {
    assert!(kafka(&more("    tls: false")).tls.is_none());
    for on in ["true", "{}", "'true'"] {
        let tls = kafka(&more(&format!("    tls: {on}"))).tls.unwrap();
        assert!(tls.ca.is_none() && tls.identity.is_none(), "{on}");
    }
    let text = said(&more("    tls: maybe"));
    assert!(text.starts_with("line 6, column 10: `tls` cannot be `maybe`; write `true`, `false`"), "{text}");
    let text = said(&more("    tls: { cert: x }"));
    assert!(
        text.starts_with("line 6, column 12: unknown key `cert`; here stand `ca`, `certificate`"),
        "{text}"
    );
    let text = said(&more("    tls: { ca: nowhere.pem }"));
    assert!(
        text.starts_with("line 6, column 16: `ca`: the file /etc/tributary/nowhere.pem cannot be read"),
        "{text}"
    );
    let text = said(&more("    tls: { key_password: x }"));
    assert_eq!(text, "line 6, column 10: `key_password` is given without `key`; add `key:` [GRP-014]");
    let file = std::env::current_exe().unwrap();
    let text = said(&more(&format!("    tls: {{ certificate: '{}' }}", file.display())));
    assert_eq!(text, "line 6, column 10: `certificate` is given without `key`; add `key:` [GRP-014]");
}

#[test]
fn both_addresses_are_needed() {
    assert_eq!(
        refused(&with_kafka("    prefix: x")),
        [
            "line 4, column 5: the key `brokers` is missing; add `brokers:` [GRP-014]",
            "line 4, column 5: the key `registry` is missing; add `registry:` [GRP-014]",
        ]
    );
    let problems = refused(&with_kafka("    brokers: []\n    registry: []"));
    assert!(
        problems[0].starts_with("line 4, column 14: `brokers` lists nothing; write `host:port`"),
        "{problems:?}"
    );
    assert!(problems[1].starts_with("line 5, column 15: `registry` lists nothing"), "{problems:?}");
}

#[test]
fn brokers_are_hosts_with_ports() {
    let of = |brokers: &str| with_kafka(&format!("    brokers: {brokers}\n    registry: http://r"));
    assert_eq!(kafka(&of("localhost:9092")).brokers, ["localhost:9092"], "one needs no list");
    assert_eq!(kafka(&of("['${NAME}:9092']")).brokers, ["retail:9092"]);
    for wrong in
        ["localhost", "':9092'", "a:0", "a:99999", "http://a:9092", "'a:1,b:2'", "'[::1:9092'", "'a b:1'"]
    {
        let text = said(&of(wrong));
        assert!(text.starts_with("line 4, column 14: `"), "{text}");
        assert!(
            text.contains("is not a broker's host and port; write `host:port`")
                && text.ends_with("[GRP-015]")
        );
    }
    let text = said(&of("[a:1, b:2, a:1]"));
    assert_eq!(text, "line 4, column 25: `brokers` lists `a:1` twice; remove one of them [GRP-012]");
    let problems = refused(&of("{ a: 1 }"));
    assert!(problems[0].starts_with("line 4, column"), "{problems:?}");
}

#[test]
fn the_registry_is_a_web_address_without_secrets() {
    let of = |registry: &str| with_kafka(&format!("    brokers: [a:1]\n    registry: {registry}"));
    for right in ["http://r", "https://r.example.org:443/a/b", "'http://[::1]:8081'", "'http://[::1]/x'"] {
        kafka(&of(right));
    }
    for wrong in ["r:8081", "ftp://r", "http://", "http:///x", "http://r:0", "http://r:port", "'http://a b'"]
    {
        let text = said(&of(wrong));
        assert!(
            text.starts_with("line 5, column 15: `registry`: `") && text.ends_with("[GRP-015]"),
            "{text}"
        );
    }
    for secret in
        ["http://me:correct-horse@r:8081", "'https://token@r'", "'http://r/?password=correct-horse'"]
    {
        let text = said(&of(secret));
        assert!(text.contains("holds a user or a password") && text.ends_with("[GRP-020]"), "{text}");
        assert!(!text.contains("correct-horse"), "{text}");
    }
    let text = said(&more("    registry_tls: {}"));
    assert!(text.starts_with("line 6, column 19: `registry_tls` is given, and"), "{text}");
    let problems = refused(&more("    registry_auth: {}"));
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].contains("`user` is missing") && problems[1].contains("`password` is missing"));
}

#[test]
fn each_mechanism_takes_what_it_needs() {
    let of = |sasl: &str| more(&format!("    sasl: {{ {sasl} }}"));
    let Some(Sasl::Plain { user, .. }) = kafka(&of("mechanism: plain, user: u, password: p")).sasl else {
        panic!("not plain")
    };
    assert_eq!(user, "u");
    let sasl = kafka(&of("mechanism: scram-sha-256, user: u, password: p")).sasl;
    assert!(matches!(sasl, Some(Sasl::Scram { hash: ScramHash::Sha256, .. })));
    let token = "mechanism: oauthbearer, token_url: 'https://id.example.org/token', client_id: c";
    let Some(Sasl::OAuthBearer { token_url, client_id, client_secret, scope, .. }) =
        kafka(&of(&format!("{token}, client_secret: '${{HQ_PASSWORD}}', scope: kafka"))).sasl
    else {
        panic!("not oauthbearer")
    };
    assert_eq!((token_url.as_str(), client_id.as_str()), ("https://id.example.org/token", "c"));
    assert_eq!((client_secret.expose_secret(), scope.as_deref()), ("correct-horse", Some("kafka")));

    for (sasl, expected) in [
        ("user: u, password: p", "the key `mechanism` is missing; add `mechanism:` [GRP-014]"),
        ("mechanism: SCRAM-SHA-256, user: u, password: p", "did you mean `scram-sha-256`? [GRP-015]"),
        ("mechanism: kerberos", "`mechanism` cannot be `kerberos`; use `plain`, `scram-sha-256`"),
        ("mechanism: plain, user: u", "the key `password` is missing; add `password:` [GRP-014]"),
        ("mechanism: plain, password: p", "the key `user` is missing; add `user:` [GRP-014]"),
        ("mechanism: plain, user: '', password: p", "`user` is empty or has characters that cannot be seen"),
        (
            "mechanism: plain, user: u, password: p, scope: s",
            "`mechanism: plain` takes no `scope`; remove `scope:`",
        ),
        ("mechanism: plain, user: u, password: 'file:none'", "cannot read the password file"),
        (token, "the key `client_secret` is missing"),
    ] {
        let text = said(&of(sasl));
        assert!(text.starts_with("line 6, column ") && text.contains(expected), "{text}");
    }
    let text = said(&of(&format!("{token}, client_secret: s, user: u")));
    assert!(text.contains("`mechanism: oauthbearer` takes no `user`"), "{text}");
}

#[test]
fn properties_cannot_break_what_the_log_promises() {
    for (property, expected) in [
        ("enable.idempotence: false", "`enable.idempotence` is set by this program"),
        ("group.id: x", "`group.id` is set by this program"),
        ("bootstrap.servers: x", "`bootstrap.servers` has a key of its own; use `brokers` instead [GRP-017]"),
        ("sasl.password: correct-horse", "use `sasl: { password }` instead"),
        ("Linger.Ms: 5", "`Linger.Ms` is no property of the client library"),
        ("linger.ms: '${NOT_SET}'", "the variable `NOT_SET` is not set"),
    ] {
        let text = said(&more(&format!("    properties:\n      {property}")));
        assert!(text.starts_with("line 7, column ") && text.contains(expected), "{text}");
        assert!(!text.contains("correct-horse"), "{text}");
    }
    let text = said(&more("    properties: { linger.ms: 5, linger.ms: 6 }"));
    assert!(text.contains("`linger.ms` stands here a second time"), "{text}");
}

#[test]
fn other_values_of_kafka_are_held_to_their_rules() {
    for (setting, expected) in [
        ("prefix: a/b", "`prefix` cannot be `a/b`; write up to 60 letters"),
        ("prefix: .a", "`prefix` cannot be `.a`"),
        ("prefix: ''", "`prefix` cannot be ``"),
        ("client_id: ''", "`client_id` is empty"),
        ("compression: gzip", "`compression` cannot be `gzip`; use `lz4`, `zstd` or `none` [GRP-015]"),
        ("replication: 0", "`replication` cannot be `0`; give a whole number from 1 to 99"),
        ("replication: many", "`replication` cannot be `many`"),
        ("timeout: 10ms", "`timeout`: `10ms` is shorter than 1s"),
        ("timeout: 1h", "`timeout`: `1h` is longer than 10m"),
        ("acks: 1", "unknown key `acks`"),
    ] {
        let text = said(&more(&format!("    {setting}")));
        assert!(text.starts_with("line 6, column ") && text.contains(expected), "{text}");
    }
}

#[test]
fn one_log_is_named() {
    let both = more("").replace("log:\n", "log:\n  embedded: log.db\n");
    assert!(said(&both).contains("`log` names two logs"));
    let none = with("").replace("log: { embedded: log.db }", "log: {}");
    assert!(
        said(&none).contains("`log` names no log; write `embedded: <file>`, or `kafka:` with its brokers")
    );
}

#[test]
fn the_example_for_kafka_can_be_used() {
    let text = include_str!("../../../../../docs/examples/kafka.yaml");
    let kafka = kafka(text);
    assert_eq!(kafka.brokers, ["localhost:9092"]);
}
