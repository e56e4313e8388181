//! A server that gives tokens for OAUTHBEARER.

use super::http::{Message, Server, base64};
use std::time::{Duration, SystemTime};

/// An OAuth 2 token endpoint for client credentials, until it goes out of scope. Its tokens name the client and bear
/// no signature, as the broker's simplest validator takes them.
pub struct Tokens {
    server: Server,
}

impl Tokens {
    /// Gives tokens that hold this long to whoever knows the client's secret, in the header or in the form.
    pub fn start(client: &str, secret: &str, lifetime: Duration) -> Self {
        let header = format!("Basic {}", base64(format!("{client}:{secret}").as_bytes(), false));
        let form = [format!("client_id={client}"), format!("client_secret={secret}")];
        let client = client.to_owned();
        let server = Server::start(move |request| {
            let body = String::from_utf8_lossy(&request.body).into_owned();
            let in_form = || form.iter().all(|pair| body.split('&').any(|one| one == pair));
            if request.header("authorization") != Some(&header) && !in_form() {
                return Message::answer(401, r#"{"error": "invalid_client"}"#);
            }
            let seconds = lifetime.as_secs();
            let token = token(&client, lifetime);
            let text = format!(
                r#"{{"access_token": "{token}", "token_type": "Bearer", "expires_in": {seconds}, "scope": "kafka"}}"#
            );
            Message::answer(200, &text)
        });
        Self { server }
    }

    /// The endpoint.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/token", self.server.port())
    }
}

/// An unsigned token: `alg` none, and nothing after the second dot.
#[allow(clippy::disallowed_methods, reason = "the broker holds it against the system's clock")]
fn token(subject: &str, lifetime: Duration) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let (issued, expires) = (now.as_secs(), (now + lifetime).as_secs());
    let claims = format!(r#"{{"sub": "{subject}", "iat": {issued}, "exp": {expires}, "scope": "kafka"}}"#);
    let part = |text: &str| base64(text.as_bytes(), true);
    format!("{}.{}.", part(r#"{"alg": "none"}"#), part(&claims))
}

#[cfg(test)]
mod tests {
    use super::Tokens;
    use crate::services::http::{Message, base64, send};
    use std::time::Duration;

    #[test]
    fn they_are_for_those_who_know_the_secret() {
        let tokens = Tokens::start("app", "s3cret", Duration::from_secs(60));
        let ask = |credentials: &str, form: &str| {
            let value = format!("Basic {}", base64(credentials.as_bytes(), false));
            let headers = vec![("Authorization".to_owned(), value)];
            let line = "POST /token HTTP/1.1".to_owned();
            let body = format!("grant_type=client_credentials{form}").into_bytes();
            let answer = send(tokens.server.port(), &Message { line, headers, body }).unwrap();
            (answer.status(), String::from_utf8(answer.body).unwrap())
        };
        assert_eq!(ask("app:wrong", "").0, 401);
        assert_eq!(ask("", "&client_id=app&client_secret=wrong").0, 401);
        assert_eq!(ask("", "&client_id=app&client_secret=s3cret").0, 200);
        let (status, answer) = ask("app:s3cret", "");
        assert_eq!(status, 200);
        let claims = base64(br#"{"sub": "app", "iat": "#, true);
        assert!(answer.contains(&format!(".{}", &claims[..claims.len() - 2])), "{answer}");
        assert!(answer.contains(r#".", "token_type": "Bearer", "expires_in": 60"#), "{answer}");
    }
}
