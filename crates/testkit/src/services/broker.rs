//! One node of Kafka.

use super::needs::faketime;
use super::ports::free_port;
use super::process::{Process, run, try_run};
use super::programs::Programs;
use super::properties::{Place, server_properties};
use super::{Listener, Security};
use rand::Rng;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a node may take to start on a busy machine.
const START: Duration = Duration::from_secs(120);
/// How long it may take to hand over and end.
const STOP: Duration = Duration::from_secs(60);
/// What it logs when all its parts work and the controllers have let it in.
const STARTED: &str = "Kafka Server started";

/// What a node is started with.
#[derive(Debug, Clone, Default)]
pub struct BrokerSettings {
    /// Further properties, over the usual ones.
    pub properties: Vec<(String, String)>,
    /// The folder for its data, on a small file system for instance; by default one that goes with the node.
    pub data: Option<PathBuf>,
    /// By how many seconds its clock is ahead (or behind, if negative); needs [`super::Need::Faketime`].
    pub clock_shift: i64,
    /// The listeners beside the plain one.
    pub security: Option<Security>,
}

/// A node of Kafka, killed when it goes out of scope. Until then it keeps its ports and its data, whether it runs or
/// not. By default a cluster of its own.
#[derive(Debug)]
pub struct Broker {
    settings: BrokerSettings,
    place: Place,
    folder: tempfile::TempDir,
    data: PathBuf,
    process: Option<Process>,
    starts: usize,
}

impl Broker {
    /// A broker that answers.
    pub fn start(settings: BrokerSettings) -> Self {
        let mut broker = Self::prepare(settings, 1, vec![free_port()], &random_id());
        broker.restart();
        broker
    }

    /// A node with a formatted folder, not yet started.
    pub(super) fn prepare(
        settings: BrokerSettings,
        node: usize,
        controllers: Vec<u16>,
        cluster_id: &str,
    ) -> Self {
        let listeners = if settings.security.is_some() { Listener::ALL.len() } else { 1 };
        let ports = (0..listeners).map(|_| free_port()).collect();
        let folder = tempfile::Builder::new().prefix("kafka-").tempdir().unwrap();
        let data = settings.data.clone().unwrap_or_else(|| folder.path().to_owned()).join("data");
        let place = Place { node, controllers, ports };
        let broker = Self { settings, place, folder, data, process: None, starts: 0 };
        if !broker.data.join("meta.properties").exists() {
            broker.format(cluster_id);
        }
        broker
    }

    fn format(&self, cluster_id: &str) {
        let programs = Programs::get();
        let users = self.settings.security.iter().flat_map(|security| &security.users);
        let scram: Vec<_> = users
            .flat_map(|(user, password)| {
                let user = move |hash| format!("{hash}=[name={user},password={password}]");
                [user("SCRAM-SHA-256"), user("SCRAM-SHA-512")]
            })
            .collect();
        if !scram.is_empty() {
            let mut command = programs.kafka(&[]);
            let properties = self.write_properties();
            command.extend(["kafka.tools.StorageTool", "format", "-t", cluster_id, "-c"].map(OsString::from));
            command.push(properties.into());
            for user in scram {
                command.extend([OsString::from("--add-scram"), user.into()]);
            }
            run(&command);
            return;
        }
        // Quicker than to format: nothing in such a folder depends on the ports.
        std::fs::create_dir_all(&self.data).unwrap();
        let formatted = programs.formatted();
        let bootstrap = "bootstrap.checkpoint";
        std::fs::copy(formatted.join(bootstrap), self.data.join(bootstrap)).unwrap();
        let meta = format!(
            "version=1\ncluster.id={cluster_id}\nnode.id={}\ndirectory.id={}\n",
            self.place.node,
            random_id()
        );
        std::fs::write(self.data.join("meta.properties"), meta).unwrap();
    }

    fn write_properties(&self) -> PathBuf {
        let path = self.folder.path().join("server.properties");
        let BrokerSettings { security, properties, .. } = &self.settings;
        let text = server_properties(&self.place, &self.data, security.as_ref(), properties);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Starts it, on the same ports and data as before; [`Broker::wait`] waits until it answers.
    pub fn spawn(&mut self) {
        assert!(self.process.is_none(), "node {} runs already", self.place.node);
        let mut command = Vec::new();
        if self.settings.clock_shift != 0 {
            let library = faketime().expect("the test does not say that it needs libfaketime");
            command.extend(["env".into(), assignment("LD_PRELOAD", library.as_os_str().to_str().unwrap())]);
            // Both of Java's clocks are shifted: with the one for waits left alone, all waits end at once.
            command.push(assignment("FAKETIME", &format!("{:+}", self.settings.clock_shift)));
        }
        // Tests are short: code compiled once and simply saves more time than it costs.
        command.extend(Programs::get().kafka(&["-Xmx384m", "-XX:TieredStopAtLevel=1"]));
        command.extend(["kafka.Kafka".into(), self.write_properties().into_os_string()]);
        let log = self.folder.path().join(format!("{}.log", self.starts));
        self.starts += 1;
        self.process = Some(Process::start(self.folder.path(), &log, &command));
    }

    /// Waits until it answers after [`Broker::spawn`].
    pub fn wait(&mut self) {
        let what = format!("node {} of Kafka to start", self.place.node);
        let process = self.process.as_mut().expect("the node was started");
        process.wait_until(&what, START, |process| process.log().contains(STARTED));
    }

    /// Starts it again, on the same ports and data, and waits until it answers.
    pub fn restart(&mut self) {
        self.spawn();
        self.wait();
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Lets it hand over and end.
    pub fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            assert!(process.stop(STOP), "node {} did not end when asked to", self.place.node);
        }
    }

    /// SIGSTOP: its connections stay open, and nothing answers.
    pub fn pause(&self) {
        self.process.as_ref().expect("the node runs").signal("STOP");
    }

    /// SIGCONT.
    pub fn resume(&self) {
        self.process.as_ref().expect("the node runs").signal("CONT");
    }

    /// What it is started with, to be changed for the next start.
    pub fn settings_mut(&mut self) -> &mut BrokerSettings {
        &mut self.settings
    }

    /// Whether its process runs: it may have given up by itself, on a full disk for instance.
    pub fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| !process.has_ended())
    }

    /// Whether it answers a request on the plain listener within three seconds.
    pub fn answers(&self) -> bool {
        ask_for_versions(self.place.ports[0]).is_ok()
    }

    /// The plain listener's address, as `host:port`.
    pub fn address(&self) -> String {
        self.address_of(Listener::Plain)
    }

    /// A listener's address; others than the plain one take [`BrokerSettings::security`].
    pub fn address_of(&self, listener: Listener) -> String {
        let at = Listener::ALL.iter().position(|one| *one == listener).expect("all listeners are listed");
        let port =
            self.place.ports.get(at).unwrap_or_else(|| panic!("{listener:?} takes settings of security"));
        format!("127.0.0.1:{port}")
    }

    /// Its number in the cluster, from 1.
    pub const fn node(&self) -> usize {
        self.place.node
    }

    /// Its process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Where its records are.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// What it has logged since its first start.
    pub fn log(&self) -> String {
        let files = (0..self.starts).map(|start| self.folder.path().join(format!("{start}.log")));
        files.map(|file| String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned()).collect()
    }

    /// Runs one of Kafka's command line tools, named by its class, against this node, and gives what it printed:
    /// `tool("org.apache.kafka.tools.TopicCommand", &["--list"])`. Takes more than a second.
    pub fn tool(&self, class: &str, arguments: &[&str]) -> String {
        self.try_tool_at(Listener::Plain, class, arguments)
            .unwrap_or_else(|told| panic!("{class} failed:\n{told}"))
    }

    /// Runs one of Kafka's command line tools against a listener of this node, and gives what it printed; as an
    /// error, if it was none of a success.
    pub fn try_tool_at(&self, listener: Listener, class: &str, arguments: &[&str]) -> Result<String, String> {
        let mut command = Programs::get().kafka(&["-Xmx128m", "-XX:TieredStopAtLevel=1"]);
        command.extend([class, "--bootstrap-server", &self.address_of(listener)].map(OsString::from));
        command.extend(arguments.iter().map(OsString::from));
        try_run(&command)
    }
}

fn assignment(name: &str, value: &str) -> OsString {
    format!("{name}={value}").into()
}

/// An id as Kafka wants it: 16 bytes in base64. The last character holds only four bits, `A` is zero.
pub(super) fn random_id() -> String {
    const SIGNS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut random = rand::rng();
    let mut id: String = (0..21).map(|_| char::from(SIGNS[random.random_range(0..SIGNS.len())])).collect();
    id.push('A');
    id
}

/// Sends an `ApiVersions` request, the one that any client begins with, and reads the head of the answer.
fn ask_for_versions(port: u16) -> std::io::Result<()> {
    const REQUEST: [u8; 14] = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff];
    let patience = Some(Duration::from_secs(3));
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(patience)?;
    stream.write_all(&REQUEST)?;
    let mut head = [0; 10];
    stream.read_exact(&mut head)?;
    let expected = head[4..] == [0, 0, 0, 7, 0, 0];
    expected.then_some(()).ok_or_else(|| std::io::Error::other(format!("an unexpected answer: {head:?}")))
}
