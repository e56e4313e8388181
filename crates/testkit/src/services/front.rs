//! What stands before a registry in the world: something that asks for a password, and that fails at times.

use super::Registry;
use super::http::{Message, Server, base64, send};
use std::sync::{Arc, Mutex, MutexGuard};

/// An HTTP server that hands requests on to a registry, until it goes out of scope.
pub struct Front {
    server: Server,
    path: &'static str,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    requests: Vec<String>,
    authorization: Option<String>,
    status: Option<u16>,
}

impl Front {
    /// A front that hands on everything.
    pub fn before(registry: &Registry) -> Self {
        Self::before_port(registry.port(), Registry::PATH)
    }

    fn before_port(upstream: u16, path: &'static str) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let seen = Arc::clone(&state);
        let server = Server::start(move |request| answer(&seen, upstream, request));
        Self { server, path, state }
    }

    /// The registry's address through this front.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}{}", self.server.port(), self.path)
    }

    /// From now on lets in only this user (basic authentication); others get 401.
    pub fn demand(&self, user: &str, password: &str) {
        let credentials = base64(format!("{user}:{password}").as_bytes(), false);
        self.state().authorization = Some(format!("Basic {credentials}"));
    }

    /// From now on answers everything with this status; `None` hands on again.
    pub fn answer_with(&self, status: Option<u16>) {
        self.state().status = status;
    }

    /// Method and path of every request so far, of refused ones too.
    pub fn requests(&self) -> Vec<String> {
        self.state().requests.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

fn answer(state: &Mutex<State>, upstream: u16, mut request: Message) -> Message {
    let line = request.line.trim_end_matches(" HTTP/1.1").to_owned();
    let refusal = {
        let mut state = state.lock().unwrap();
        state.requests.push(line.clone());
        let known =
            state.authorization.as_deref().is_none_or(|one| request.header("authorization") == Some(one));
        if known { state.status } else { Some(401) }
    };
    if let Some(status) = refusal {
        return Message::answer(
            status,
            &format!(r#"{{"error_code": {status}, "message": "told to answer so"}}"#),
        );
    }
    request.line = format!("{line} HTTP/1.0");
    send(upstream, &request).unwrap_or_else(|error| {
        Message::answer(502, &format!(r#"{{"error_code": 502, "message": "no registry: {error}"}}"#))
    })
}

#[cfg(test)]
mod tests {
    use super::Front;
    use crate::services::http::{Message, Server, base64, send};

    #[test]
    fn it_demands_and_refuses_as_told() {
        let registry = Server::start(|request| Message::answer(200, &format!("{:?}", request.line)));
        let front = Front::before_port(registry.port(), "/api");
        let port = front.url().trim_end_matches("/api").rsplit(':').next().unwrap().parse().unwrap();
        let get = |credentials: Option<&str>| {
            let value = |credentials: &str| format!("Basic {}", base64(credentials.as_bytes(), false));
            let headers =
                credentials.map(|text| ("authorization".to_owned(), value(text))).into_iter().collect();
            let line = "GET /api/subjects HTTP/1.1".to_owned();
            send(port, &Message { line, headers, body: Vec::new() }).unwrap()
        };
        let handed_on = get(None);
        assert_eq!(
            (handed_on.status(), handed_on.body.as_slice()),
            (200, &br#""GET /api/subjects HTTP/1.0""#[..])
        );
        front.demand("reader", "s3cret");
        let statuses = [None, Some("reader:wrong"), Some("reader:s3cret")].map(|user| get(user).status());
        assert_eq!(statuses, [401, 401, 200]);
        front.answer_with(Some(500));
        assert_eq!(get(Some("reader:s3cret")).status(), 500);
        front.answer_with(None);
        drop(registry);
        assert_eq!(get(Some("reader:s3cret")).status(), 502);
        assert_eq!(front.requests(), vec!["GET /api/subjects"; 6]);
    }
}
