//! A program as a child process that does not outlive the test.
//!
//! Between the test and the program stands a small shell. It holds the reading end of a pipe whose other end only
//! the test's process has, so it learns of that process's end however it comes about, kills the program and removes
//! its folder. It also leads a process group of its own: an interrupt from the terminal goes to the test alone.

use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Between two looks at whether something has happened.
const LOOK: Duration = Duration::from_millis(20);

/// `$1` is the folder to remove at the end, the rest the program. The watcher succeeds only when the pipe has been
/// closed before the program ended.
const KEEPER: &str = r#"
folder=$1
shift
exec 3<&0
"$@" </dev/null 3<&- &
program=$!
(
  while read -r _; do :; done
  kill -KILL "$program"
) <&3 &
watcher=$!
echo "$program"
exec 3<&- >&2
wait "$program"
code=$?
kill -KILL "$watcher"
wait "$watcher" && rm -rf "$folder"
exit "$code"
"#;

/// A running program.
#[derive(Debug)]
pub(super) struct Process {
    keeper: Child,
    /// Apart from the keeper, as waiting for a child closes the pipe to it.
    _alive: ChildStdin,
    id: u32,
    log: PathBuf,
}

impl Process {
    /// Starts a program whose output goes to a file, and whose folder is removed if the test's process ends first.
    pub(super) fn start(folder: &Path, log: &Path, program: &[OsString]) -> Self {
        let output = OpenOptions::new().create(true).append(true).open(log).unwrap();
        let mut command = Command::new("sh");
        command.arg("-c").arg(KEEPER).arg("keeper").arg(folder).args(program);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(output).process_group(0);
        let mut keeper = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let id = line.trim_end().parse().unwrap();
        let alive = keeper.stdin.take().unwrap();
        Self { keeper, _alive: alive, id, log: log.to_owned() }
    }

    /// The program's process id.
    pub(super) const fn id(&self) -> u32 {
        self.id
    }

    /// What it has printed.
    pub(super) fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap()).into_owned()
    }

    /// Sends a signal, by its name without SIG.
    pub(super) fn signal(&self, name: &str) {
        let sent = self.try_signal(name);
        assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    }

    fn try_signal(&self, name: &str) -> Output {
        let id = self.id.to_string();
        Command::new("sh").args(["-c", r#"kill -s "$0" "$1""#, name, &id]).output().unwrap()
    }

    /// Whether it has ended.
    pub(super) fn has_ended(&mut self) -> bool {
        self.keeper.try_wait().unwrap().is_some()
    }

    /// Asks it to end, and waits until it has; `false` if it had to be killed.
    pub(super) fn stop(mut self, patience: Duration) -> bool {
        if !self.has_ended() {
            // One that is stopped would not hear; one that ends just now need not.
            self.try_signal("CONT");
            self.try_signal("TERM");
        }
        let deadline = Instant::now() + patience;
        while !self.has_ended() {
            if Instant::now() > deadline {
                return false;
            }
            std::thread::sleep(LOOK);
        }
        true
    }

    /// Waits until this holds; fails when the program ends or the time is over, with what it printed last.
    pub(super) fn wait_until(
        &mut self,
        what: &str,
        patience: Duration,
        mut holds: impl FnMut(&Self) -> bool,
    ) {
        let deadline = Instant::now() + patience;
        loop {
            let ended = self.has_ended();
            if !ended && holds(self) {
                return;
            }
            if ended || Instant::now() > deadline {
                let log = self.log();
                let lines: Vec<_> = log.lines().collect();
                let last = lines[lines.len().saturating_sub(30)..].join("\n");
                let how = if ended { "the program ended" } else { "nothing of the kind came" };
                panic!("waited for {what}, but {how}; its last words:\n{last}");
            }
            std::thread::sleep(LOOK);
        }
    }
}

impl Drop for Process {
    /// Kills it.
    fn drop(&mut self) {
        if !self.has_ended() {
            // It may end by itself just now.
            self.try_signal("KILL");
        }
        let _ = self.keeper.wait();
    }
}

/// Runs a program to its end, which must be a success, and gives what it printed on standard output.
pub(super) fn run<A: AsRef<OsStr>>(program: &[A]) -> String {
    try_run(program).unwrap_or_else(|told| {
        let shown: Vec<_> = program.iter().map(|word| word.as_ref().to_string_lossy()).collect();
        panic!("{} failed:\n{told}", shown.join(" "))
    })
}

/// Runs a program to its end and gives what it printed on standard output; all that it printed, as an error, if it
/// failed.
pub(super) fn try_run<A: AsRef<OsStr>>(program: &[A]) -> Result<String, String> {
    let output = Command::new(&program[0]).args(&program[1..]).output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(out);
    }
    Err(format!("{}\n{out}\n{}", output.status, String::from_utf8_lossy(&output.stderr)))
}
