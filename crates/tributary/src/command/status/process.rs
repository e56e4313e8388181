//! Asking a running process what its workers do.
//!
//! One short question to one address of our own, so no HTTP library: what does not answer quickly and as expected
//! counts as not running.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use tributary_group::file::GroupName;
use tributary_group::status::ProcessView;

const PATIENCE: Duration = Duration::from_secs(1);
/// More than any process has to tell.
const LONGEST: u64 = 1 << 20;

/// What the process at `address` tells, if it is one of this group.
pub(super) fn ask(address: SocketAddr, group: &GroupName) -> Option<ProcessView> {
    if address.port() == 0 {
        return None;
    }
    let answer = get(address, "/status.json").ok()?;
    read(&answer).filter(|process| process.group == group.as_str())
}

fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    // HTTP/1.0: the answer ends with the connection and is not cut into chunks.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(LONGEST).read_to_string(&mut answer)?;
    Ok(answer)
}

fn read(answer: &str) -> Option<ProcessView> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.lines().next()?;
    status.contains(" 200 ").then(|| serde_json::from_str(body).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_and_good_answer_counts() {
        let body = r#"{"group":"retail","pid":7,"workers":[]}"#;
        assert_eq!(read(&format!("HTTP/1.0 200 OK\r\nA: b\r\n\r\n{body}")).unwrap().pid, 7);
        assert_eq!(read(&format!("HTTP/1.0 404 Not Found\r\n\r\n{body}")), None);
        assert_eq!(read("HTTP/1.0 200 OK\r\n\r\n<html>"), None);
        assert_eq!(read(""), None);
    }
}
