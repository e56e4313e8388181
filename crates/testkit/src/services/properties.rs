//! The text of a broker's `server.properties`.

use super::Certificates;
use std::fmt::Write as _;
use std::path::Path;

/// How clients may reach a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    /// Plain text, as nobody (`User:ANONYMOUS`). Always there.
    Plain,
    /// Plain text and a user, by PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER.
    SaslPlain,
    /// TLS and a user, by the same mechanisms.
    SaslTls,
    /// TLS with a certificate of the client; its common name is the user's.
    MutualTls,
}

impl Listener {
    pub(super) const ALL: [Self; 4] = [Self::Plain, Self::SaslPlain, Self::SaslTls, Self::MutualTls];

    const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAINTEXT",
            Self::SaslPlain => "SASL_PLAINTEXT",
            Self::SaslTls => "SASL_SSL",
            Self::MutualTls => "MTLS",
        }
    }

    const fn protocol(self) -> &'static str {
        match self {
            Self::MutualTls => "SSL",
            _ => self.name(),
        }
    }
}

/// Whom a broker lets in, on the three listeners beside the plain one.
#[derive(Debug, Clone)]
pub struct Security {
    /// The broker's certificate, and the authority whose clients it trusts.
    pub certificates: Certificates,
    /// Users and their passwords, for PLAIN and both kinds of SCRAM.
    pub users: Vec<(String, String)>,
    /// Who may do everything, as names of users; `None` to let everyone do everything. With it, others may do what
    /// ACLs allow them, and nobody, on the plain listener, may do everything.
    pub super_users: Option<Vec<String>>,
}

/// One node's place among its kind.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// From 1.
    pub(super) node: usize,
    /// The ports of all controllers, the first of node 1.
    pub(super) controllers: Vec<u16>,
    /// The ports of this node's listeners, in the order of [`Listener::ALL`].
    pub(super) ports: Vec<u16>,
}

impl Place {
    /// Of nodes 1 to this many, how many hold each record.
    const fn replicas(&self) -> usize {
        self.controllers.len()
    }

    fn listeners(&self) -> impl Iterator<Item = (Listener, u16)> {
        Listener::ALL.into_iter().zip(self.ports.iter().copied())
    }
}

/// The properties of a node; `extra` is appended and wins.
pub(super) fn server_properties(
    place: &Place,
    data: &Path,
    security: Option<&Security>,
    extra: &[(String, String)],
) -> String {
    let Place { node, controllers, .. } = place;
    let controller = controllers[node - 1];
    let (mut listeners, mut protocols) = (Vec::new(), Vec::new());
    for (listener, port) in place.listeners() {
        listeners.push(format!("{}://127.0.0.1:{port}", listener.name()));
        protocols.push(format!("{}:{}", listener.name(), listener.protocol()));
    }
    let advertised = listeners.join(",");
    let voters: Vec<_> = (1..).zip(controllers).map(|(id, port)| format!("{id}@127.0.0.1:{port}")).collect();
    let replicas = place.replicas();
    let in_sync = if replicas > 1 { replicas - 1 } else { 1 };
    let mut text = format!(
        "process.roles=broker,controller\nnode.id={node}\ncontroller.quorum.voters={}\n\
         listeners={advertised},CONTROLLER://127.0.0.1:{controller}\nadvertised.listeners={advertised}\n\
         listener.security.protocol.map={},CONTROLLER:PLAINTEXT\ncontroller.listener.names=CONTROLLER\n\
         inter.broker.listener.name=PLAINTEXT\nlog.dirs={}\n",
        voters.join(","),
        protocols.join(","),
        data.display(),
    );
    for kind in ["offsets.topic", "transaction.state.log", "share.coordinator.state.topic"] {
        writeln!(text, "{kind}.replication.factor={replicas}\n{kind}.num.partitions=4").unwrap();
    }
    write!(
        text,
        "transaction.state.log.min.isr={in_sync}\nshare.coordinator.state.topic.min.isr={in_sync}\n\
         default.replication.factor={replicas}\nmin.insync.replicas={in_sync}\n\
         group.initial.rebalance.delay.ms=0\n"
    )
    .unwrap();
    // How soon a dead node is missed, in a cluster; one alone that was killed is not let in again before.
    let (missed, heartbeat) = if replicas > 1 { (6_000, 1_000) } else { (2_000, 400) };
    writeln!(text, "broker.session.timeout.ms={missed}\nbroker.heartbeat.interval.ms={heartbeat}").unwrap();
    if let Some(security) = security {
        text.push_str(&security_properties(security));
    }
    for (name, value) in extra {
        writeln!(text, "{name}={value}").unwrap();
    }
    text
}

fn security_properties(security: &Security) -> String {
    let Certificates { server, ca, .. } = &security.certificates;
    let mut text = format!(
        "ssl.keystore.type=PEM\nssl.keystore.location={}\nssl.truststore.type=PEM\nssl.truststore.location={}\n\
         listener.name.mtls.ssl.client.auth=required\nssl.principal.mapping.rules=RULE:^CN=([^,]+).*$/$1/\n",
        server.bundle.display(),
        ca.display(),
    );
    let mut plain = String::from("org.apache.kafka.common.security.plain.PlainLoginModule required");
    for (user, password) in &security.users {
        write!(plain, " user_{user}=\"{password}\"").unwrap();
    }
    let scram = "org.apache.kafka.common.security.scram.ScramLoginModule required";
    // The broker's own login wants a name; tokens of clients are taken without a signature.
    let oauth = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required \
                 unsecuredLoginStringClaim_sub=\"broker\"";
    for listener in ["sasl_plaintext", "sasl_ssl"] {
        let listener = format!("listener.name.{listener}");
        writeln!(
            text,
            "{listener}.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER\n\
             {listener}.plain.sasl.jaas.config={plain};\n\
             {listener}.scram-sha-256.sasl.jaas.config={scram};\n\
             {listener}.scram-sha-512.sasl.jaas.config={scram};\n\
             {listener}.oauthbearer.sasl.jaas.config={oauth};"
        )
        .unwrap();
    }
    if let Some(users) = &security.super_users {
        let users: String = users.iter().map(|user| format!(";User:{user}")).collect();
        writeln!(
            text,
            "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer\n\
             super.users=User:ANONYMOUS{users}"
        )
        .unwrap();
    }
    text
}
