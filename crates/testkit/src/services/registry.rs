//! A schema registry.

use super::Certificates;
use super::http::{Message, send};
use super::ports::free_port;
use super::process::Process;
use super::programs::Programs;
use std::net::TcpStream;
use std::time::Duration;

/// How long it may take to start on a busy machine.
const START: Duration = Duration::from_secs(120);
const STOP: Duration = Duration::from_secs(60);

/// What a registry is started with.
#[derive(Debug, Clone, Default)]
pub struct RegistrySettings {
    /// Certificates to serve TLS as well, on a port of its own.
    pub tls: Option<Certificates>,
}

/// A registry that keeps its schemas in memory, killed when it goes out of scope. Until then it keeps its port.
/// [`super::Front`] before it asks for a password, counts, and fails when told to.
#[derive(Debug)]
pub struct Registry {
    settings: RegistrySettings,
    folder: tempfile::TempDir,
    port: u16,
    tls_port: u16,
    process: Option<Process>,
}

impl Registry {
    /// Where it speaks as Confluent's registry does.
    pub(super) const PATH: &str = "/apis/ccompat/v7";

    /// A registry that answers, empty.
    pub fn start(settings: RegistrySettings) -> Self {
        let folder = tempfile::Builder::new().prefix("registry-").tempdir().unwrap();
        let (port, tls_port) = (free_port(), free_port());
        let mut registry = Self { settings, folder, port, tls_port, process: None };
        registry.restart();
        registry
    }

    /// Starts it again on the same port, empty, and waits until it answers.
    pub fn restart(&mut self) {
        assert!(self.process.is_none(), "the registry runs already");
        let mut properties = vec![format!("-Dquarkus.http.port={}", self.port)];
        if let Some(Certificates { server, .. }) = &self.settings.tls {
            properties.extend([
                format!("-Dquarkus.http.ssl-port={}", self.tls_port),
                format!("-Dquarkus.http.ssl.certificate.files={}", server.certificate.display()),
                format!("-Dquarkus.http.ssl.certificate.key-files={}", server.key.display()),
            ]);
        }
        let mut arguments = vec!["-Xmx192m"];
        arguments.extend(properties.iter().map(String::as_str));
        let command = Programs::get().registry(&arguments);
        let log = self.folder.path().join("log");
        let mut process = Process::start(self.folder.path(), &log, &command);
        // What Confluent's registry demands by default.
        let body = r#"{"compatibility": "BACKWARD"}"#;
        process.wait_until("the registry to start", START, |_| {
            self.try_ask("PUT", "/config", body).is_ok_and(|(status, _)| status == 200)
                // Listened on a moment later.
                && (self.settings.tls.is_none() || TcpStream::connect(("127.0.0.1", self.tls_port)).is_ok())
        });
        self.process = Some(process);
    }

    /// Starts it again after all its schemas have been lost, so that a new one gets an id higher by this many than
    /// it would have got in an empty registry.
    pub fn rebuild(&mut self, taken: usize) {
        self.kill();
        self.restart();
        for number in 0..taken {
            let schema = format!(r#"{{"type": "fixed", "name": "taken{number}", "size": 1}}"#);
            self.register(&format!("taken{number}"), &schema);
        }
    }

    /// Registers an Avro schema and gives its id.
    pub fn register(&self, subject: &str, schema: &str) -> u32 {
        let escaped = schema.replace('\\', r"\\").replace('"', r#"\""#);
        let path = format!("/subjects/{subject}/versions");
        let (status, answer) = self.ask("POST", &path, &format!(r#"{{"schema": "{escaped}"}}"#));
        let id = answer.strip_prefix(r#"{"id":"#).and_then(|rest| rest.trim_end_matches('}').parse().ok());
        id.unwrap_or_else(|| panic!("the registry took no schema: {status} {answer}"))
    }

    /// Sends a request below [`Registry::url`] and gives status and body of the answer.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        self.try_ask(method, path, body).unwrap()
    }

    fn try_ask(&self, method: &str, path: &str, body: &str) -> std::io::Result<(u16, String)> {
        let line = format!("{method} {}{path} HTTP/1.0", Self::PATH);
        let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
        let answer = send(self.port, &Message { line, headers, body: body.as_bytes().to_vec() })?;
        Ok((answer.status(), String::from_utf8_lossy(&answer.body).into_owned()))
    }

    /// SIGKILL; its schemas are lost, as they are whenever it ends.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Lets it end in order.
    pub fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            assert!(process.stop(STOP), "the registry did not end when asked to");
        }
    }

    /// SIGSTOP: it takes connections, and does not answer.
    pub fn pause(&self) {
        self.process.as_ref().expect("the registry runs").signal("STOP");
    }

    /// SIGCONT.
    pub fn resume(&self) {
        self.process.as_ref().expect("the registry runs").signal("CONT");
    }

    /// Its address for clients.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}{}", self.port, Self::PATH)
    }

    /// Its address with TLS; takes [`RegistrySettings::tls`].
    pub fn tls_url(&self) -> String {
        assert!(self.settings.tls.is_some(), "the registry was started without certificates");
        format!("https://127.0.0.1:{}{}", self.tls_port, Self::PATH)
    }

    /// Its port without TLS.
    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// Its process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}
