//! Proof of who asks: Basic, or tokens from the registry's token server; none of it goes anywhere else.

use std::{
    collections::HashMap,
    sync::Mutex,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use wharf_net::{
    address::{Address, form},
    client::{Body, Client, Method, Request, Response},
    retry,
};
use wharf_spec::secret::Secret;

use super::{
    challenge::{self, Challenge},
    error::{RegistryError, Result},
    host::RegistryHost,
    refusal,
};
use crate::keychain::Credential;

/// The largest answer of a token server that is read, in bytes.
const MAX_TOKEN: usize = 1 << 20;

/// How long a token holds that does not say so (Docker's token specification).
const SHORT_LIFE: u64 = 60;

/// A token is renewed so long before it ends, so that it does not end on the way.
const MARGIN: Duration = Duration::from_secs(10);

/// Asks as somebody, in the way that the registry last asked for.
#[derive(Debug)]
pub(super) struct Auth {
    host: RegistryHost,
    base: Address,
    client: Client,
    credential: Option<Credential>,
    token_hosts: Vec<String>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    way: Way,
    tokens: HashMap<String, Token>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Way {
    #[default]
    Open,
    Basic,
    Bearer {
        realm: Address,
        service: Option<String>,
    },
}

#[derive(Debug, Clone)]
struct Token {
    text: Secret<String>,
    ends: Instant,
}

#[derive(Deserialize)]
struct TokenAnswer {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
    #[serde(default)]
    expires_in: Option<u64>,
}

impl Auth {
    pub(super) fn new(
        host: RegistryHost,
        base: Address,
        client: Client,
        credential: Option<Credential>,
        token_hosts: Vec<String>,
    ) -> Self {
        Self { host, base, client, credential, token_hosts, state: Mutex::default() }
    }

    pub(super) fn has_credentials(&self) -> bool {
        self.credential.is_some()
    }

    /// Learns from an answer of status 401 how to ask, and forgets the token that was not good enough.
    pub(super) fn learn(&self, answer: &Response, scopes: &[String]) -> Result<()> {
        let headers = answer.headers("www-authenticate");
        let way = self.way(headers.into_iter().flat_map(challenge::parse).collect())?;
        let mut state = self.state.lock().expect("nobody panics with it");
        state.tokens.remove(&scopes.join(" "));
        state.way = way;
        Ok(())
    }

    fn way(&self, challenges: Vec<Challenge>) -> Result<Way> {
        let bearer = challenges.iter().find(|challenge| challenge.scheme == "bearer");
        if let Some(challenge) = bearer {
            let realm = challenge.parameters.get("realm").map(String::as_str).unwrap_or_default();
            let realm = self.base.join(realm).map_err(|error| self.unusable(&error.to_string()))?;
            if !self.is_trusted(&realm) {
                return Err(RegistryError::Elsewhere {
                    host: self.host.to_string(),
                    what: "token server",
                    to: realm.origin().to_string(),
                });
            }
            let service = challenge.parameters.get("service").cloned();
            return Ok(Way::Bearer { realm, service });
        }
        if challenges.iter().any(|challenge| challenge.scheme == "basic") {
            return Ok(Way::Basic);
        }
        Err(self.unusable("it names no way to log in that wharf knows (Basic, Bearer)"))
    }

    fn unusable(&self, why: &str) -> RegistryError {
        RegistryError::Answer {
            host: self.host.to_string(),
            what: "way to log in",
            why: why.to_owned(),
        }
    }

    /// Says whether a token server may be asked, and given the password: the registry's own origin; by TLS also its
    /// host at another port, the one that belongs to Docker's own registry, and those that the user allowed.
    fn is_trusted(&self, realm: &Address) -> bool {
        let named = || {
            realm.host() == self.base.host()
                || self.host.is_docker_hub() && realm.host() == "auth.docker.io"
                || self.token_hosts.iter().any(|host| host.eq_ignore_ascii_case(realm.host()))
        };
        realm.origin() == self.base.origin() || realm.is_https() && named()
    }

    /// Returns the header `Authorization` for requests of these scopes, if one is asked for.
    pub(super) async fn header(&self, scopes: &[String]) -> Result<Option<Secret<String>>> {
        if let Some(Credential::RegistryToken(token)) = &self.credential {
            return Ok(Some(Secret::new(format!("Bearer {}", token.expose()))));
        }
        let key = scopes.join(" ");
        let (way, known) = {
            let state = self.state.lock().expect("nobody panics with it");
            (state.way.clone(), state.tokens.get(&key).cloned())
        };
        let (realm, service) = match way {
            Way::Open => return Ok(None),
            Way::Basic => return Ok(self.basic()),
            Way::Bearer { realm, service } => (realm, service),
        };
        let token = match known {
            Some(token) if token.ends > Instant::now() => token,
            _ => {
                let token = self.fetch(&realm, service.as_deref(), scopes).await?;
                let mut state = self.state.lock().expect("nobody panics with it");
                state.tokens.insert(key, token.clone());
                token
            }
        };
        Ok(Some(Secret::new(format!("Bearer {}", token.text.expose()))))
    }

    fn basic(&self) -> Option<Secret<String>> {
        let Some(Credential::Password { user, password }) = &self.credential else { return None };
        let pair = STANDARD.encode(format!("{user}:{}", password.expose()));
        Some(Secret::new(format!("Basic {pair}")))
    }

    async fn fetch(
        &self,
        realm: &Address,
        service: Option<&str>,
        scopes: &[String],
    ) -> Result<Token> {
        let mut attempt = 1;
        let answer = loop {
            let sent = self.client.send(self.token_request(realm, service, scopes)).await;
            let pause = match &sent {
                Ok(answer) if retry::is_passing(answer.status()) => {
                    retry::pause(attempt, answer.header("retry-after"))
                }
                Err(error) if error.is_passing() => retry::pause(attempt, None),
                _ => break sent,
            };
            if attempt == retry::ATTEMPTS {
                break sent;
            }
            tokio::time::sleep(pause).await;
            attempt += 1;
        };
        let host = self.host.as_str();
        let answer = answer.map_err(|error| RegistryError::network(host, "token server", error))?;
        match answer.status() {
            200 => self.token(answer).await,
            300..400 => Err(RegistryError::Elsewhere {
                host: host.to_owned(),
                what: "token server",
                to: answer.header("location").unwrap_or("an unknown address").to_owned(),
            }),
            // Token servers say 400 or 403 to a wrong password, too.
            400 | 401 | 403 => {
                let mut source = refusal(answer).await;
                source.status = 401;
                Err(RegistryError::refused(host, self.has_credentials(), source))
            }
            _ => {
                let source = refusal(answer).await;
                Err(RegistryError::refused(host, self.has_credentials(), source))
            }
        }
    }

    fn token_request(&self, realm: &Address, service: Option<&str>, scopes: &[String]) -> Request {
        if let Some(Credential::IdentityToken(token)) = &self.credential {
            let scope = scopes.join(" ");
            let body = form(&[
                ("grant_type", "refresh_token"),
                ("service", service.unwrap_or_default()),
                ("client_id", "wharf"),
                ("scope", &scope),
                ("refresh_token", token.expose()),
            ]);
            return Request::new(Method::Post, realm.clone())
                .header("content-type", "application/x-www-form-urlencoded")
                .body(Body::Bytes(body.into()));
        }
        let mut address = realm.clone();
        if let Some(service) = service {
            address = address.with_query("service", service);
        }
        for scope in scopes {
            address = address.with_query("scope", scope);
        }
        let request = Request::new(Method::Get, address);
        match self.basic() {
            Some(basic) => request.authorization(basic.expose()),
            None => request,
        }
    }

    async fn token(&self, answer: Response) -> Result<Token> {
        let what = "token";
        let unusable = |why: &str| RegistryError::Answer {
            host: self.host.to_string(),
            what,
            why: why.to_owned(),
        };
        let body = answer.bytes(MAX_TOKEN).await;
        let body = body.map_err(|error| RegistryError::network(self.host.as_str(), what, error))?;
        // What serde says of a wrong answer may quote it, and with it a token.
        let answer: TokenAnswer =
            serde_json::from_slice(&body).map_err(|_| unusable("it is not the JSON of a token"))?;
        let text = answer.token.filter(|text| !text.is_empty()).or(answer.access_token);
        let text = text.ok_or_else(|| unusable("it is empty"))?;
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(unusable("it has characters that no token has"));
        }
        let life = answer.expires_in.unwrap_or(SHORT_LIFE).clamp(SHORT_LIFE, 24 * 3600);
        let ends = Instant::now() + Duration::from_secs(life) - MARGIN;
        Ok(Token { text: Secret::new(text), ends })
    }
}

#[cfg(test)]
mod tests {
    use wharf_net::client::Settings;

    use super::*;

    fn check(registry: &str, realm: &str) -> bool {
        let host: RegistryHost = registry.parse().unwrap();
        let scheme = if registry.starts_with("localhost") { "http" } else { "https" };
        let base = format!("{scheme}://{}/v2/", host.api()).parse().unwrap();
        let client = Client::new(&Settings::default()).unwrap();
        let auth = Auth::new(host, base, client, None, vec!["allowed.example".to_owned()]);
        auth.is_trusted(&realm.parse().unwrap())
    }

    #[test]
    fn passwords_go_to_the_registrys_own_token_server() {
        assert!(check("reg.example", "https://reg.example/token"));
        assert!(check("reg.example", "https://reg.example:8443/token"));
        assert!(check("reg.example", "https://allowed.example/token"));
        assert!(check("docker.io", "https://auth.docker.io/token"));
        assert!(check("localhost:5000", "http://localhost:5000/token"));
    }

    #[test]
    fn passwords_go_nowhere_else() {
        assert!(!check("reg.example", "http://reg.example/token"));
        assert!(!check("reg.example", "https://auth.reg.example/token"));
        assert!(!check("reg.example", "https://reg.example.evil/token"));
        assert!(!check("reg.example", "https://auth.docker.io/token"));
        assert!(!check("reg.example", "http://allowed.example/token"));
        assert!(!check("docker.io", "https://auth.docker.io.evil/token"));
        assert!(!check("localhost:5000", "http://localhost:5001/token"));
    }

    #[test]
    fn nothing_secret_is_shown() {
        let host: RegistryHost = "reg.example".parse().unwrap();
        let credential = Credential::Password {
            user: "ann".to_owned(),
            password: Secret::new("hunter2".to_owned()),
        };
        let client = Client::new(&Settings::default()).unwrap();
        let base = "https://reg.example/v2/".parse().unwrap();
        let auth = Auth::new(host, base, client, Some(credential), Vec::new());
        assert!(!format!("{auth:?}").contains("hunter2"));
    }
}
