//! A PostgreSQL server.
//!
//! Its programs are those that `TRIBUTARY_POSTGRES_BIN` names (`scripts/postgres.sh` fetches other versions), else
//! Debian's of version 15, else those on the path. The server refuses to run as root, so root runs it as `nobody`.

use super::Identity;
use super::needs::{faketime, install};
use super::ports::free_port;
use super::process::Process;
use std::ffi::OsString;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Names the folder of the programs.
const BIN: &str = "TRIBUTARY_POSTGRES_BIN";
/// Debian's folder of the version that the test command installs.
const DEBIAN: &str = "/usr/lib/postgresql/15/bin";

/// How long it may take to start on a busy machine, and to end.
const START: Duration = Duration::from_secs(120);
const STOP: Duration = Duration::from_secs(60);

/// The user that everything belongs to; it has all rights.
const USER: &str = "tributary";

/// Who runs the server when the tests run as root: user and group without any rights.
const NOBODY: u32 = 65_534;

/// What a server is started with.
#[derive(Debug, Clone, Default)]
pub struct PostgresSettings {
    /// Whether it flushes what it commits, as servers do. Most tests have nothing to lose.
    pub durable: bool,
    /// Other settings, as `name=value`.
    pub options: Vec<String>,
    /// A certificate, to offer encryption.
    pub tls: Option<Identity>,
    /// The folder for its data, on a small file system for instance; by default one that goes with the server.
    pub data: Option<PathBuf>,
    /// Whether its clock can be set ([`Postgres::set_clock`]); needs [`super::Need::Faketime`].
    pub own_clock: bool,
}

/// A server with an empty database, killed when it goes out of scope. Until then it keeps its port.
#[derive(Debug)]
pub struct Postgres {
    bin: PathBuf,
    settings: PostgresSettings,
    folder: tempfile::TempDir,
    port: u16,
    process: Option<Process>,
}

/// The folder of the server's programs; otherwise why there is none and what to do.
pub(super) fn programs() -> Result<PathBuf, String> {
    if let Some(named) = std::env::var_os(BIN).filter(|named| !named.is_empty()) {
        let folder = PathBuf::from(named);
        return if folder.join("initdb").exists() {
            Ok(folder)
        } else {
            Err(format!("{BIN} names {}, and there is no initdb", folder.display()))
        };
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = [PathBuf::from(DEBIAN)].into_iter().chain(std::env::split_paths(&path));
    folders
        .into_iter()
        .find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
        .ok_or_else(|| install("there is no PostgreSQL server", "postgresql"))
}

impl Postgres {
    /// A server that answers.
    pub fn start(settings: PostgresSettings) -> Self {
        let bin = programs().unwrap_or_else(|why| panic!("{why}"));
        let folder = tempfile::Builder::new().prefix("postgres-").tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        if is_root() {
            for folder in [Some(folder.path()), settings.data.as_deref()].into_iter().flatten() {
                chown(folder, Some(NOBODY), Some(NOBODY)).unwrap();
            }
        }
        let mut server = Self { bin, settings, folder, port: free_port(), process: None };
        server.initialise();
        if server.settings.own_clock {
            server.set_clock(0);
        }
        server.restart();
        server
    }

    fn initialise(&self) {
        let data = self.data();
        let data = data.to_str().unwrap();
        let mut command = self.program("initdb");
        let arguments =
            ["-D", data, "-U", USER, "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"];
        command.extend(arguments.map(OsString::from));
        let output = Command::new(&command[0]).args(&command[1..]).current_dir(self.folder.path()).output();
        let output = output.unwrap_or_else(|error| panic!("initdb cannot be run: {error}"));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        if let Some(identity) = &self.settings.tls {
            for (from, name) in [(&identity.certificate, "server.crt"), (&identity.key, "server.key")] {
                let copy = self.folder.path().join(name);
                std::fs::copy(from, &copy).unwrap();
                std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o600)).unwrap();
                if is_root() {
                    chown(&copy, Some(NOBODY), Some(NOBODY)).unwrap();
                }
            }
        }
    }

    /// Starts it again on the same port, with what it holds, and waits until it answers.
    pub fn restart(&mut self) {
        assert!(self.process.is_none(), "the server runs already");
        let log = self.folder.path().join("log");
        let _ = std::fs::remove_file(&log);
        let mut command = self.program("postgres");
        if self.settings.own_clock {
            let library = faketime().expect("the test does not say that it needs libfaketime");
            let mut clock: Vec<OsString> = vec!["env".into()];
            clock.push(format!("LD_PRELOAD={}", library.display()).into());
            clock.push(format!("FAKETIME_TIMESTAMP_FILE={}", self.clock().display()).into());
            // Waits go by the other clock, and the file is looked at each time.
            clock.extend(["FAKETIME_DONT_FAKE_MONOTONIC=1", "FAKETIME_NO_CACHE=1"].map(OsString::from));
            // Behind the change of user, who must be able to open what the library shares.
            let program = command.len() - 1;
            command.splice(program..program, clock);
        }
        command.extend(["-D".into(), self.data().into_os_string()]);
        let folder = self.folder.path().display();
        let mut options = vec![
            format!("port={}", self.port),
            "listen_addresses=127.0.0.1".to_owned(),
            format!("unix_socket_directories={folder}"),
            "max_connections=200".to_owned(),
            "shared_buffers=64MB".to_owned(),
            "max_wal_size=512MB".to_owned(),
        ];
        if !self.settings.durable {
            options
                .extend(["fsync=off", "synchronous_commit=off", "full_page_writes=off"].map(str::to_owned));
        }
        if self.settings.tls.is_some() {
            options.push("ssl=on".to_owned());
            options.push(format!("ssl_cert_file={folder}/server.crt"));
            options.push(format!("ssl_key_file={folder}/server.key"));
        }
        for option in options.iter().chain(&self.settings.options) {
            command.extend(["-c".into(), option.into()]);
        }
        let mut process = Process::start(self.folder.path(), &log, &command);
        process.wait_until("PostgreSQL to start", START, |process| {
            process.log().contains("database system is ready to accept connections")
        });
        self.process = Some(process);
    }

    /// Sets its clock ahead by so many seconds (behind, if negative), from now on.
    pub fn set_clock(&self, ahead: i64) {
        // Put in place as a whole: it may be read at any moment.
        let new = self.folder.path().join("clock.new");
        std::fs::write(&new, format!("{ahead:+}\n")).unwrap();
        std::fs::rename(&new, self.clock()).unwrap();
    }

    fn clock(&self) -> PathBuf {
        self.folder.path().join("clock")
    }

    /// Whether it runs.
    pub fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(|process| !process.has_ended())
    }

    /// SIGKILL, for it and its children: what was not flushed is lost with the machine only.
    pub fn kill(&mut self) {
        self.process = None;
        // Its children end when they notice; the next start waits for that.
        let deadline = Instant::now() + STOP;
        let pid = self.data().join("postmaster.pid");
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = std::fs::remove_file(pid);
    }

    /// Lets it end in order, without waiting for its clients.
    pub fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.signal("INT");
            assert!(process.stop(STOP), "PostgreSQL did not end when asked to");
        }
    }

    /// The url of a database, for its owner.
    pub fn url(&self, database: &str) -> String {
        self.url_of(USER, database)
    }

    /// The url of a database, for this user.
    pub fn url_of(&self, user: &str, database: &str) -> String {
        format!("postgresql://{user}@127.0.0.1:{}/{database}", self.port)
    }

    /// Its port on this machine.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The folder of its Unix socket.
    pub fn socket(&self) -> &Path {
        self.folder.path()
    }

    /// What it has printed since it was started.
    pub fn log(&self) -> String {
        self.process.as_ref().map(Process::log).unwrap_or_default()
    }

    fn data(&self) -> PathBuf {
        self.settings.data.as_deref().unwrap_or_else(|| self.folder.path()).join("data")
    }

    /// The beginning of a command line.
    fn program(&self, name: &str) -> Vec<OsString> {
        let mut command: Vec<OsString> = Vec::new();
        if is_root() {
            let id = NOBODY.to_string();
            command.extend(["setpriv", "--reuid", &id, "--regid", &id, "--clear-groups"].map(OsString::from));
        }
        command.push(self.bin.join(name).into_os_string());
        command
    }
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").stderr(Stdio::null()).output();
    output.is_ok_and(|output| output.stdout == b"0\n")
}
