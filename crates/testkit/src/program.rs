//! The program as a child process.

use crate::GroupFolder;
use crate::watch::watch;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

/// The program, built in the profile of the test that asks.
pub fn program_path() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        // target/<profile>/deps/<test> → target/<profile>/tributary
        let test = std::env::current_exe().unwrap();
        let folder = test.parent().and_then(Path::parent).expect("tests run from target/<profile>/deps");
        let mut build = Command::new(option_env!("CARGO").unwrap_or("cargo"));
        build.args(["build", "--quiet", "--locked", "--package", "tributary"]);
        if folder.file_name().is_some_and(|profile| profile == "release") {
            build.arg("--release");
        }
        // The target folder may lie outside the checkout.
        build.env("CARGO_TARGET_DIR", folder.parent().expect("a profile's folder lies in a target folder"));
        build.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        assert!(build.status().unwrap().success(), "the program could not be built");
        folder.join("tributary")
    })
}

/// How long a process may take to begin.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a command may take to come to an end.
const LONGEST: Duration = Duration::from_secs(10 * 60);

/// A running `tributary run`, killed when it goes out of scope.
pub struct Program {
    child: Child,
}

impl Program {
    /// Starts `tributary run`.
    pub fn run(group: &GroupFolder) -> Self {
        Self::run_with(group, &[])
    }

    /// Starts `tributary run` with these arguments, such as `--role capture`.
    pub fn run_with(group: &GroupFolder, arguments: &[&str]) -> Self {
        Self::run_in(group, arguments, &[])
    }

    /// The same with these variables in its environment.
    pub fn run_in(group: &GroupFolder, arguments: &[&str], environment: &[(OsString, OsString)]) -> Self {
        let mut run = command(group, &["run"]);
        run.args(arguments).envs(environment.iter().cloned());
        let child = run.stdout(Stdio::null()).stderr(log_file(group)).spawn().unwrap();
        let mut program = Self { child };
        program.await_log(group);
        program
    }

    /// Waits until it has the embedded log, if the group has one, or has ended: whoever calls `sync` next would take the
    /// log first, on a busy machine.
    fn await_log(&mut self, group: &GroupFolder) {
        let settings = std::fs::read_to_string(group.group_file()).unwrap_or_default();
        let Some((_, rest)) = settings.split_once("embedded:") else { return };
        let log = rest.split(['}', ',', '\n', '#']).next().unwrap_or_default().trim().trim_matches('"');
        let log = group.path().join(log);
        let id = self.id().to_string();
        crate::eventually("a process has the log", PATIENCE, || {
            let real = log.canonicalize().unwrap_or_else(|_| log.clone());
            let mut lock = real.into_os_string();
            lock.push(".lock");
            self.has_ended() || std::fs::read_to_string(lock).is_ok_and(|holder| holder.trim() == id)
        });
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: no chance to finish anything.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGSTOP: stands still without knowing it, until [`Program::resume`].
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// The same at a moment when it holds no write lock of these SQLite members: users would wait for it as long as it
    /// stands still.
    pub fn pause_outside_of_writes(&self, group: &GroupFolder, members: &[&str]) {
        let locked = |member: &&str| {
            let user = group.connect(member);
            user.busy_timeout(Duration::from_millis(200)).unwrap();
            user.execute_batch("BEGIN IMMEDIATE; ROLLBACK").is_err()
        };
        crate::eventually("a moment without a write lock", PATIENCE, || {
            self.pause();
            let free = !members.iter().any(locked);
            if !free {
                self.resume();
            }
            free
        });
    }

    /// SIGCONT.
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    /// SIGTERM, and waits for the end; fails if that is not a success.
    pub fn stop(mut self) {
        self.signal("-TERM");
        let ended = self.child.wait().unwrap();
        assert!(ended.success(), "a stopped process ended with {ended}");
    }

    fn signal(&self, signal: &str) {
        send(signal, self.id());
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Runs one command to its end.
    pub fn output(group: &GroupFolder, arguments: &[&str]) -> Output {
        let mut command = command(group, arguments);
        let child =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let id = child.id();
        let _running = watch(format!("tributary {arguments:?}"), LONGEST, move || send("-KILL", id));
        child.wait_with_output().unwrap()
    }

    /// Fails unless no member has refused anything, and every record could be used.
    pub fn assert_no_exceptions(group: &GroupFolder) {
        let listed = Self::ok(group, &["exceptions", "list", "--output", "json"]);
        let listed: String = listed.split_whitespace().collect();
        assert_eq!(
            listed, r#"{"exceptions":[],"total":0,"unasked":[],"records":[]}"#,
            "something was refused or not asked"
        );
    }

    /// Runs one command to its end, which must be a success, and gives what it printed.
    pub fn ok(group: &GroupFolder, arguments: &[&str]) -> String {
        let output = Self::output(group, arguments);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "tributary {arguments:?} failed: {}\n{out}\n{err}", output.status);
        out.into_owned()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn send(signal: &str, process: u32) {
    let sent = Command::new("kill").args([signal, &process.to_string()]).status().unwrap();
    assert!(sent.success(), "kill {signal} failed: {sent}");
}

fn command(group: &GroupFolder, arguments: &[&str]) -> Command {
    let mut command = Command::new(program_path());
    command.args(arguments).arg("--group-file").arg(group.group_file()).current_dir(group.path());
    command
}

fn log_file(group: &GroupFolder) -> Stdio {
    let path = group.path().join("run.log");
    Stdio::from(std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap())
}
