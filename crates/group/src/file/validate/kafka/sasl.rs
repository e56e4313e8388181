//! How this program proves who it is: what each mechanism needs, and what means nothing to it.

use super::super::Checker;
use crate::file::choice::Mechanism;
use crate::file::problem::ProblemKind;
use crate::file::raw::{At, RawSasl};
use tributary_stream::kafka::{Sasl, ScramHash};

impl Checker<'_> {
    pub(super) fn sasl(&mut self, sasl: &At<RawSasl>) -> Option<Sasl> {
        let raw = &sasl.value;
        let mechanism = self.required("mechanism", raw.mechanism.as_ref(), sasl.at)?;
        let mechanism: Mechanism = self.choice("mechanism", Some(mechanism))?;
        let user = raw.user.as_ref().and_then(|text| self.words("user", text));
        let password = raw.password.as_ref().and_then(|password| self.secret(password));
        let token_url = raw.token_url.as_ref().and_then(|url| self.http_url("token_url", &url.value, url.at));
        let client_id = raw.client_id.as_ref().and_then(|text| self.words("client_id", text));
        let client_secret = raw.client_secret.as_ref().and_then(|secret| self.secret(secret));
        let scope = raw.scope.as_ref().and_then(|text| self.words("scope", text));
        let ca = raw.ca.as_ref().and_then(|text| self.readable("ca", text));
        // What each mechanism needs and what means nothing to it.
        let by_password = [("user", raw.user.is_some()), ("password", raw.password.as_ref().is_some())];
        let by_token = [
            ("token_url", raw.token_url.is_some()),
            ("client_id", raw.client_id.is_some()),
            ("client_secret", raw.client_secret.is_some()),
        ];
        let beside_token = [("scope", raw.scope.is_some()), ("ca", raw.ca.is_some())];
        let is_token = mechanism == Mechanism::OAuthBearer;
        let (needed, foreign): (&[_], Vec<_>) = if is_token {
            (&by_token, by_password.to_vec())
        } else {
            (&by_password, by_token.iter().chain(&beside_token).copied().collect())
        };
        for (key, given) in needed {
            if !given {
                let what = format!("the key `{key}` is missing");
                self.problem(ProblemKind::Missing, sasl.at, what, format!("add `{key}:`"));
            }
        }
        let word = raw.mechanism.as_ref().map_or("", |text| text.value.as_str());
        for (key, _) in foreign.iter().filter(|(_, given)| *given) {
            let what = format!("`mechanism: {word}` takes no `{key}`");
            self.problem(ProblemKind::Contradiction, sasl.at, what, format!("remove `{key}:`"));
        }
        Some(match mechanism {
            Mechanism::Plain => Sasl::Plain { user: user?, password: password? },
            Mechanism::ScramSha256 => {
                Sasl::Scram { hash: ScramHash::Sha256, user: user?, password: password? }
            }
            Mechanism::ScramSha512 => {
                Sasl::Scram { hash: ScramHash::Sha512, user: user?, password: password? }
            }
            Mechanism::OAuthBearer => Sasl::OAuthBearer {
                token_url: token_url?,
                client_id: client_id?,
                client_secret: client_secret?,
                scope,
                ca,
            },
        })
    }
}
