//! Where Java, Kafka and the registry are.
//!
//! Which versions, and how they are fetched, is the business of `scripts/services.sh`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// What `services.sh` has fetched.
pub(super) struct Programs {
    cache: PathBuf,
}

impl Programs {
    /// The programs, fetched if this was never done; otherwise why they are not there and what to do.
    pub(super) fn find() -> Result<&'static Self, &'static str> {
        static FOUND: OnceLock<Result<Programs, String>> = OnceLock::new();
        FOUND.get_or_init(fetch).as_ref().map_err(String::as_str)
    }

    /// The programs, in a test that has asked for them as [`super::Need::Services`].
    pub(super) fn get() -> &'static Self {
        Self::find().unwrap_or_else(|why| panic!("the services are not there: {why}"))
    }

    /// The command line of Kafka's Java with these arguments of the JVM, up to the main class.
    pub(super) fn kafka(&self, jvm: &[&str]) -> Vec<OsString> {
        self.java(jvm, "kafka.args")
    }

    /// The command line of the registry with these arguments of the JVM.
    pub(super) fn registry(&self, jvm: &[&str]) -> Vec<OsString> {
        self.java(jvm, "registry.args")
    }

    /// A storage folder that Kafka has formatted.
    pub(super) fn formatted(&self) -> PathBuf {
        self.cache.join("formatted")
    }

    fn java(&self, jvm: &[&str], arguments: &str) -> Vec<OsString> {
        let mut command = vec![java().into_os_string()];
        command.extend(jvm.iter().map(OsString::from));
        let mut file = OsString::from("@");
        file.push(self.cache.join(arguments));
        command.push(file);
        command
    }
}

/// How one of Kafka's command line tools is called, named by its class, for scripts that take it from a variable: words
/// with spaces between them, followed by the tool's own arguments.
pub fn kafka_tool(class: &str) -> String {
    let mut words = Programs::get().kafka(&["-Xmx128m", "-XX:TieredStopAtLevel=1"]);
    words.push(class.into());
    let words: Vec<_> = words.iter().map(|word| word.to_str().expect("the cache's path is text")).collect();
    words.join(" ")
}

/// As `services.sh` chooses it.
pub(super) fn java() -> PathBuf {
    match std::env::var_os("JAVA_HOME").filter(|home| !home.is_empty()) {
        Some(home) => Path::new(&home).join("bin/java"),
        None => PathBuf::from("java"),
    }
}

fn fetch() -> Result<Programs, String> {
    let script = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/services.sh"));
    let output = Command::new("bash").arg(script).arg("fetch").output();
    let output = output.map_err(|error| format!("bash cannot be run: {error}"))?;
    if output.status.success() {
        let cache = String::from_utf8_lossy(&output.stdout);
        return Ok(Programs { cache: PathBuf::from(cache.trim_end()) });
    }
    let told = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<_> = told.lines().map(|line| line.trim_start_matches("services.sh: ")).collect();
    Err(lines.join("\n"))
}
