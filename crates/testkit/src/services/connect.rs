//! Kafka Connect, as others run it: one process with sinks from configuration files.
//!
//! Which jars is the business of `tests/consumers/connect/pom.xml`; Maven fetches them once, into the cache.

use super::ports::free_port;
use super::process::{Process, run};
use super::programs::java;
use std::ffi::OsString;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long it may take to start, and a sink to do what is waited for, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);
const POM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/consumers/connect/pom.xml");
const LOGGING: &str = "rootLogger.level = INFO\nrootLogger.appenderRef.out.ref = out\n\
    appender.out.type = Console\nappender.out.name = out\nappender.out.target = SYSTEM_ERR\n\
    appender.out.layout.type = PatternLayout\n\
    appender.out.layout.pattern = %p %m (%c)%n\n";

/// A worker with its sinks, killed when it goes out of scope.
#[derive(Debug)]
pub struct Connect {
    // Before the folder: it may not lose its files while it runs.
    process: Process,
    _folder: tempfile::TempDir,
}

impl Connect {
    /// Starts a worker with these properties, and one sink with those. Where it listens, keeps its offsets and finds
    /// its plugins is settled here, over what `worker` says.
    pub fn start(worker: &str, sink: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("connect-").tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let kept = |line: &&str| !line.starts_with("plugin.path=");
        let mut properties: String = worker.lines().filter(kept).map(|line| format!("{line}\n")).collect();
        for (name, value) in [
            ("listeners", format!("http://127.0.0.1:{}", free_port())),
            ("offset.storage.file.filename", at("offsets").display().to_string()),
            ("offset.flush.interval.ms", "500".to_owned()),
        ] {
            properties.push_str(&format!("{name}={value}\n"));
        }
        std::fs::write(at("worker.properties"), properties).unwrap();
        std::fs::write(at("sink.properties"), sink).unwrap();
        std::fs::write(at("log4j2.properties"), LOGGING).unwrap();
        let mut command = vec![java().into_os_string()];
        command.extend(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"].map(OsString::from));
        command.push(format!("-Dlog4j2.configurationFile={}", at("log4j2.properties").display()).into());
        command.extend(["-cp".into(), format!("{}/*", jars().display()).into()]);
        command.push("org.apache.kafka.connect.cli.ConnectStandalone".into());
        command.extend([at("worker.properties").into_os_string(), at("sink.properties").into_os_string()]);
        let process = Process::start(folder.path(), &at("log"), &command);
        Self { process, _folder: folder }
    }

    /// Waits until `holds`; fails with Connect's last words if that does not come, or Connect gives up.
    pub fn wait_until(&mut self, what: &str, mut holds: impl FnMut() -> bool) {
        self.process.wait_until(what, PATIENCE, |process| {
            let log = process.log();
            let failed = log.lines().find(|line| line.contains("Task threw an uncaught"));
            assert!(failed.is_none(), "the sink gave up:\n{log}");
            holds()
        });
    }
}

/// The folder of its jars.
fn jars() -> PathBuf {
    let pom = std::fs::read_to_string(POM).unwrap();
    let mut hasher = DefaultHasher::new();
    pom.hash(&mut hasher);
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
    let cache = cache.expect("HOME is set").join("tributary-services");
    let folder = cache.join(format!("connect-{:016x}", hasher.finish()));
    if !folder.exists() {
        fetch(&cache, &folder);
    }
    folder
}

/// Under its name the folder is complete; whoever comes second throws away what it has fetched.
fn fetch(cache: &Path, folder: &Path) {
    std::fs::create_dir_all(cache).unwrap();
    let unfinished = tempfile::Builder::new().prefix("connect-new-").tempdir_in(cache).unwrap();
    let to = format!("-Dto={}", unfinished.path().display());
    run(&["mvn", "-B", "-q", "-C", "-Dstyle.color=never", "-f", POM, &to, "package"]);
    let renamed = std::fs::rename(unfinished.path(), folder);
    assert!(renamed.is_ok() || folder.exists(), "{}: {renamed:?}", folder.display());
}
