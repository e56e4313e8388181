//! The stack's own group, on its seed, with a log that a test can have in place of the stack's Kafka.

use crate::{root, run};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tributary_testkit::services::python;
use tributary_testkit::{program_path, table_content};

const TABLES: [&str; 3] = ["Customer", "OrderLines", "OrderEvents"];
const PATIENCE: Duration = Duration::from_secs(60);

/// The group, provisioned, in a folder of its own.
pub(crate) struct Stack {
    folder: tempfile::TempDir,
}

impl Stack {
    /// Does what the stack's services do, one after the other, up to `provision`, with this log.
    pub(crate) fn provisioned(log: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let stack = Self { folder };
        let seed = root().join("deploy/seed");
        for _ in 0..2 {
            let command = [python(), &seed.join("seed.py"), stack.path(), &seed.join("hq.sql")];
            run(stack.path(), &command);
        }
        let text = std::fs::read_to_string(root().join("deploy/group.yaml")).unwrap();
        std::fs::write(stack.file(), on_this_machine(&text, log, stack.path())).unwrap();
        stack.command(&["provision", "--create", "--enable-wal"]);
        stack
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn file(&self) -> PathBuf {
        self.path().join("group.yaml")
    }

    /// Runs one command to its end, which must be a success.
    pub(crate) fn command(&self, arguments: &[&str]) -> String {
        let file = self.file();
        let mut command = vec![program_path().as_os_str(), "--group-file".as_ref(), file.as_os_str()];
        command.extend(arguments.iter().map(std::ffi::OsStr::new));
        run(self.path(), &command)
    }

    /// Starts the workers.
    pub(crate) fn run(&self) -> Running {
        let mut command = Command::new(program_path());
        command.arg("--group-file").arg(self.file()).args(["run", "--listen", "127.0.0.1:0"]);
        let mut child = command.current_dir(self.path()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
        let address = lines.find_map(|line| Some(line.split_once("listening on http://")?.1.to_owned()));
        let address = address.expect("the program tells where it listens");
        // What else it tells must be read, or it would wait.
        std::thread::spawn(move || lines.for_each(drop));
        Running { child, address }
    }
}

/// The group's file with the log, the folders and the members where a test can have them.
fn on_this_machine(text: &str, log: &str, folder: &Path) -> String {
    let folder = folder.display();
    let (before, rest) = text.split_once("log:\n").unwrap();
    let (_, after) = rest.split_once("data_dir:").unwrap();
    let text = format!("{before}log: {log}\ndata_dir:{after}");
    let text = text.replace("data_dir: /var/lib/tributary", &format!("data_dir: {folder}/data"));
    text.replace("sqlite:///var/lib/members", &format!("sqlite://{folder}"))
}

/// A running program, killed when it goes out of scope.
pub(crate) struct Running {
    child: Child,
    address: String,
}

impl Running {
    /// The status line and the body of an answer.
    pub(crate) fn get(&self, path: &str) -> (String, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.lines().next().unwrap().to_owned(), body.to_owned())
    }

    /// Waits until all workers run.
    pub(crate) fn wait_until_ready(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (line, body) = self.get("/readyz");
            if line.contains(" 200 ") {
                return;
            }
            assert!(Instant::now() < deadline, "it does not become ready: {body}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn the_group_runs_on_its_seed() {
    let stack = Stack::provisioned("{ embedded: log.db }");
    let running = stack.run();
    running.wait_until_ready();
    // What the image's health check does, with what the image has.
    let docker = std::fs::read_to_string(root().join("deploy/Dockerfile")).unwrap();
    let check = docker.split_once("CMD [\"bash\", \"-c\", ").unwrap().1.lines().next().unwrap();
    let check: String = serde_json::from_str(check.trim_end_matches(']')).unwrap();
    let port = running.address.rsplit(':').next().unwrap();
    run(stack.path(), &["bash", "-c", &check.replace("9464", port)]);
    let nobody = Command::new("bash").args(["-c", &check.replace("9464", "1")]).output().unwrap();
    assert!(!nobody.status.success(), "the check is content with nobody");

    stack.command(&["sync", "--timeout", "60s"]);
    stack.command(&["verify"]);
    let member = |name: &str| rusqlite::Connection::open(stack.path().join(name)).unwrap();
    for table in TABLES {
        let rows = table_content(&member("hq.db"), table);
        assert_eq!(rows.len(), 3, "{table}");
        assert_eq!(table_content(&member("shop.db"), table), rows);
    }
}
