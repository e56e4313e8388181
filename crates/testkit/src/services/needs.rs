//! What a test may need beyond Rust, and how to get it.

use super::postgres;
use super::programs::Programs;
use super::python;
use super::tmpfs::Tmpfs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// Names what must be there, by [`Need::name`] and separated by commas, or `all`: a test that lacks such a thing
/// fails, where it would else be skipped. For machines that are meant to run everything.
const REQUIRE: &str = "TRIBUTARY_TEST_REQUIRE";

/// Names the SQL Server that tests make their databases on, as a member's url.
const MSSQL_URL: &str = "TRIBUTARY_TEST_MSSQL_URL";

/// The url of the SQL Server that tests make their databases on, if there is one.
pub fn mssql_url() -> Option<String> {
    let url = std::env::var_os(MSSQL_URL)?.to_string_lossy().into_owned();
    Some(url).filter(|url| !url.trim().is_empty())
}

/// Something that a test cannot do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Kafka and the registry: Java and Maven.
    Services,
    /// Certificates: the program `openssl`.
    Openssl,
    /// Another clock for a process: libfaketime.
    Faketime,
    /// A small file system: the right to mount one.
    Tmpfs,
    /// Python with what tests need of PyPI: see `scripts/python.sh`.
    Python,
    /// Prometheus' program that checks rules.
    Promtool,
    /// The linter of shell scripts.
    Shellcheck,
    /// The PostgreSQL server's programs.
    Postgres,
    /// A SQL Server, named in `TRIBUTARY_TEST_MSSQL_URL`. It cannot be had by itself, so `all` does not mean it.
    Mssql,
}

impl Need {
    const ALL: [Self; 9] = [
        Self::Services,
        Self::Openssl,
        Self::Faketime,
        Self::Tmpfs,
        Self::Python,
        Self::Promtool,
        Self::Shellcheck,
        Self::Postgres,
        Self::Mssql,
    ];

    /// Its name in `TRIBUTARY_TEST_REQUIRE`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Services => "services",
            Self::Openssl => "openssl",
            Self::Faketime => "faketime",
            Self::Tmpfs => "tmpfs",
            Self::Python => "python",
            Self::Promtool => "promtool",
            Self::Shellcheck => "shellcheck",
            Self::Postgres => "postgres",
            Self::Mssql => "mssql",
        }
    }

    /// What is missing and how to install it; `None` if all is there. Looked up once.
    pub fn missing(self) -> Option<&'static str> {
        static MISSING: [OnceLock<Option<String>>; Need::ALL.len()] =
            [const { OnceLock::new() }; Need::ALL.len()];
        MISSING[self as usize].get_or_init(|| self.look()).as_deref()
    }

    /// Whether lacking it is a failure.
    pub(super) fn is_required(self) -> bool {
        let Some(required) = std::env::var_os(REQUIRE) else { return false };
        let required = required.to_string_lossy().into_owned();
        let known = |name: &str| name == "all" || Self::ALL.iter().any(|need| need.name() == name);
        required.split(',').map(str::trim).filter(|name| !name.is_empty()).any(|name| {
            assert!(known(name), "{REQUIRE} names something unknown: {name}");
            (name == "all" && self != Self::Mssql) || name == self.name()
        })
    }

    fn look(self) -> Option<String> {
        match self {
            Self::Services => Programs::find().err().map(str::to_owned),
            Self::Openssl => program(&["openssl", "version"], "there is no openssl", "openssl"),
            Self::Faketime => faketime().is_none().then(|| install("there is no libfaketime", "faketime")),
            Self::Tmpfs => Tmpfs::mount(1).err(),
            Self::Python => python::find().err().map(str::to_owned),
            Self::Promtool => program(&["promtool", "--version"], "there is no promtool", "prometheus"),
            Self::Shellcheck => program(&["shellcheck", "--version"], "there is no shellcheck", "shellcheck"),
            Self::Postgres => postgres::programs().err(),
            Self::Mssql => mssql_url().is_none().then(|| {
                format!(
                    "{MSSQL_URL} names no server\nSet it to the url of one on which databases can be made, such as \
                     mssql://user:password@127.0.0.1:1433/master"
                )
            }),
        }
    }
}

pub(super) fn install(what: &str, package: &str) -> String {
    format!("{what}\nInstall it, on Debian: apt-get install -y --no-install-recommends {package}")
}

fn program(command: &[&str], what: &str, package: &str) -> Option<String> {
    let runs =
        Command::new(command[0]).args(&command[1..]).output().is_ok_and(|output| output.status.success());
    (!runs).then(|| install(what, package))
}

/// The library that shifts the clock of programs with threads.
pub(super) fn faketime() -> Option<PathBuf> {
    let machine = format!("/usr/lib/{}-linux-gnu/faketime", std::env::consts::ARCH);
    let folders = [machine.as_str(), "/usr/lib/faketime", "/usr/lib64/faketime", "/usr/local/lib/faketime"];
    let libraries = folders.map(|folder| PathBuf::from(folder).join("libfaketimeMT.so.1"));
    libraries.into_iter().find(|library| library.exists())
}
