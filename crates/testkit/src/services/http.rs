//! As much of HTTP as tests need: one request a connection, as client and as server.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// A registry that is paused must not hang its askers for ever.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request or an answer: its first line, its headers and its body.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) line: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Message {
    /// An answer in JSON.
    pub(super) fn answer(status: u16, json: &str) -> Self {
        let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
        Self { line: format!("HTTP/1.1 {status} -"), headers, body: json.as_bytes().to_vec() }
    }

    /// A header, named in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(&found.1)
    }

    /// The status of an answer.
    pub(super) fn status(&self) -> u16 {
        self.line.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("an answer has a status")
    }

    fn read(stream: &TcpStream) -> io::Result<Self> {
        let mut reader = BufReader::new(stream);
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let pair = |line: &String| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_owned(), value.trim().to_owned()))
        };
        let headers = lines.iter().skip(1).filter_map(pair).collect();
        let line = lines.into_iter().next().ok_or(io::ErrorKind::InvalidData)?;
        let mut message = Self { line, headers, body: Vec::new() };
        match message.header("content-length").map(str::parse) {
            Some(length) => {
                message.body.resize(length.map_err(io::Error::other)?, 0);
                reader.read_exact(&mut message.body)?;
            }
            // An answer without a length ends with its connection; a request without one has no body.
            None if message.line.starts_with("HTTP/") => _ = reader.read_to_end(&mut message.body)?,
            None => {}
        }
        Ok(message)
    }

    fn write(&self, mut stream: &TcpStream) -> io::Result<()> {
        let mut head = format!("{}\r\n", self.line);
        let own = ["content-length", "connection", "transfer-encoding"];
        for (name, value) in &self.headers {
            if !own.iter().any(|own| name.eq_ignore_ascii_case(own)) {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        head.push_str(&format!("Content-Length: {}\r\nConnection: close\r\n\r\n", self.body.len()));
        stream.write_all(head.as_bytes())?;
        stream.write_all(&self.body)
    }
}

/// Sends a request to a port of this machine. Its version should be HTTP/1.0, which has no chunks.
pub(super) fn send(port: u16, request: &Message) -> io::Result<Message> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    request.write(&stream)?;
    Message::read(&stream)
}

/// A server on a free port, until it goes out of scope.
pub(super) struct Server {
    port: u16,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts one that answers each request by this.
    pub(super) fn start(answer: impl Fn(Message) -> Message + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let ends = Arc::new(AtomicBool::new(false));
        let (end, answer) = (Arc::clone(&ends), Arc::new(answer));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(stream), answer) = (stream, Arc::clone(&answer)) else { continue };
                // A client that goes away in the middle is its own affair.
                std::thread::spawn(move || {
                    Message::read(&stream).and_then(|request| answer(request).write(&stream))
                });
            }
        });
        Self { port, ends, thread: Some(thread) }
    }

    /// Its port.
    pub(super) const fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        let woken = TcpStream::connect(("127.0.0.1", self.port)).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            let _ = thread.join();
        }
    }
}

/// Bytes in base64, with these as its last two signs; padded if they are not those for URLs.
pub(super) fn base64(bytes: &[u8], for_urls: bool) -> String {
    const SIGNS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let last: &[u8] = if for_urls { b"-_" } else { b"+/" };
    let sign =
        |six: u32| char::from(SIGNS.get(six as usize).copied().unwrap_or_else(|| last[six as usize - 62]));
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let number =
            (0..3).fold(0, |number, at| number << 8 | u32::from(three.get(at).copied().unwrap_or(0)));
        text.extend((0..=three.len()).map(|at| sign(number >> (18 - 6 * at) & 63)));
        if !for_urls {
            text.extend((three.len()..3).map(|_| '='));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Message, Server, base64, send};

    #[test]
    fn base64_is_as_known() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")]
        {
            assert_eq!(base64(bytes.as_bytes(), false), text);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xfe, 0xff], false), "+//+/w==");
        assert_eq!(base64(&[0xfb, 0xff, 0xfe, 0xff], true), "-__-_w");
    }

    #[test]
    fn a_server_answers_until_it_is_dropped() {
        let server = Server::start(|request| {
            let body = String::from_utf8(request.body).unwrap();
            Message::answer(201, &format!("{} {body}", request.line))
        });
        let port = server.port();
        let request =
            Message { line: "POST /a HTTP/1.0".to_owned(), headers: Vec::new(), body: b"b".to_vec() };
        let answer = send(port, &request).unwrap();
        assert_eq!(answer.status(), 201);
        assert_eq!(answer.body, b"POST /a HTTP/1.0 b");
        drop(server);
        assert!(send(port, &request).is_err());
    }
}
