//! An action: one decorator with its configuration, under the decorator's name.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use crate::circuit_breaker::CircuitBreaker;
use crate::disable::Disable;
use crate::error_page::ErrorPage;
use crate::fault::Fault;
use crate::headers::Headers;
use crate::invalid::Invalid;
use crate::jwt::Jwt;
use crate::login::Login;
use crate::rate_limit::RateLimit;
use crate::retry::Retry;
use crate::split::{Split, SplitAddress};
use crate::timeout::Timeout;

/// Bytes of an action's JSON. The largest part is a page.
pub const ACTION_BYTES_MAX: usize = 64 * 1024;

/// Defines the actions: each has a name, which is its key in YAML and JSON.
macro_rules! actions {
    ($($(#[$docs:meta])* $name:literal, $field:ident: $variant:ident, $example:literal;)+) => {
        /// What to do with the requests of an endpoint. Exactly one decorator, under its name.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(try_from = "ActionFields")]
        pub enum Action {
            $($(#[$docs])* #[serde(rename = $name)] $variant($variant),)+
        }

        /// The form of an action in a text. It is a map and not an enum, so that YAML needs no tags, and so that an error
        /// lists all names.
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct ActionFields {
            $(#[serde(rename = $name)] $field: Option<$variant>,)+
        }

        #[cfg(feature = "schema")]
        impl utoipa::PartialSchema for Action {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder};
                let one_of = OneOfBuilder::new();
                $(let one_of = one_of.item(
                    ObjectBuilder::new()
                        .property($name, utoipa::openapi::Ref::from_schema_name(<$variant as utoipa::ToSchema>::name()))
                        .required($name),
                );)+
                one_of.description(Some("What to do with the requests of an endpoint. Exactly one decorator, under its name.")).into()
            }
        }

        #[cfg(feature = "schema")]
        impl utoipa::ToSchema for Action {
            fn schemas(schemas: &mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::schema::Schema>)>) {
                $(
                    schemas.push((<$variant as utoipa::ToSchema>::name().into_owned(), <$variant as utoipa::PartialSchema>::schema()));
                    <$variant as utoipa::ToSchema>::schemas(schemas);
                )+
            }
        }

        /// The names of all actions.
        pub const NAMES: &[&str] = &[$($name,)+];

        /// An example of each action in YAML, in the order of the names.
        pub const EXAMPLES: &[&str] = &[$($example,)+];

        impl Action {
            /// The decorator's name.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $name,)+
                }
            }

            /// Checks what its type does not say: limits, and what fits together.
            pub fn check(&self) -> Result<(), Invalid> {
                match self {
                    $(Self::$variant(config) => config.check(),)+
                }
            }
        }

        impl ActionFields {
            /// The only action that is given.
            fn only(self) -> Result<Action, Invalid> {
                let fields = self;
                let mut given = Vec::new();
                $(given.extend(fields.$field.map(Action::$variant));)+
                let count = given.len();
                let action = given.pop().filter(|_| count == 1);
                action.ok_or_else(|| Invalid(format!("an action has exactly one of {}", NAMES.join(", "))))
            }
        }
    };
}

actions! {
    /// Answers with 503 while the service fails.
    "circuit-breaker", circuit_breaker: CircuitBreaker,
        "circuit-breaker:\n  failures: 5\n  error_percent: 50\n  open_for: 30s\n";
    /// Answers instead of the service.
    "disable", disable: Disable, "disable:\n  status: 503\n";
    /// Replaces responses by a page.
    "error-page", error_page: ErrorPage,
        "error-page:\n  on: [404, 5xx]\n  html: <h1>{status} {reason}</h1><p>{path} is not available.</p>\n  problem: \"{method} {route} is not available\"\n";
    /// Delays requests or answers them with an error, for tests.
    "fault", fault: Fault, "fault:\n  delay: 200ms\n  jitter: 50ms\n";
    /// Sets and removes fields of requests and responses.
    "headers", headers: Headers,
        "headers:\n  request:\n    set: {X-Tenant: shop}\n  response:\n    remove: [X-Powered-By]\n  preset: security\n";
    /// Lets only requests with a valid access token pass.
    "jwt", jwt: Jwt,
        "jwt:\n  issuer: https://keycloak.example/realms/shop\n  audience: [orders]\n  roles: [orders-read]\n  forward: {X-User: sub}\n";
    /// Signs people in at an OpenID provider.
    "login", login: Login,
        "login:\n  issuer: https://keycloak.example/realms/shop\n  client_id: shop\n  public_url: https://shop.example\n  roles: [staff]\n  forward: {X-User: preferred_username}\n";
    /// Answers requests over a rate with 429.
    "rate-limit", rate_limit: RateLimit, "rate-limit:\n  requests: 10\n  per: 1s\n  by: caller\n";
    /// Sends requests again that the service did not answer.
    "retry", retry: Retry, "retry:\n  attempts: 2\n  on: [connect, reset, 502, 503, 504]\n  backoff: 50ms\n  budget_percent: 20\n";
    /// Sends a share of clients to another address, and compares both sides.
    "split", split: Split, "split:\n  to: 127.0.0.1:8088\n  percent: 10\n  by: cookie:session\n";
    /// Limits how long the service may take.
    "timeout", timeout: Timeout, "timeout:\n  response: 2s\n  exchange: 10s\n";
}

impl TryFrom<ActionFields> for Action {
    type Error = Invalid;

    fn try_from(fields: ActionFields) -> Result<Self, Invalid> {
        let action = fields.only()?;
        action.check()?;
        Ok(action)
    }
}

/// Reads an action without its check, for a command: one that is refused by the check is logged with what it asked for.
pub fn unchecked<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Action, D::Error> {
    ActionFields::deserialize(deserializer)?.only().map_err(D::Error::custom)
}

impl Action {
    /// Whether it guards the service: what it does not let through must not pass in another way.
    pub fn is_guard(&self) -> bool {
        matches!(self, Self::Jwt(_) | Self::Login(_))
    }

    /// The files of the pod that it names: the field of each, and its path.
    pub fn named_files(&self) -> Vec<(&'static str, &str)> {
        let files = match self {
            Self::ErrorPage(page) => vec![("html_file", &page.html_file)],
            Self::Jwt(jwt) => vec![("ca_file", &jwt.ca_file)],
            Self::Login(login) => {
                vec![
                    ("client_secret_file", &login.client_secret_file),
                    ("key_file", &login.key_file),
                    ("ca_file", &login.ca_file),
                ]
            }
            _ => Vec::new(),
        };
        files.into_iter().filter_map(|(field, file)| Some((field, file.as_deref()?))).collect()
    }

    /// The field by which it names a file or a socket of the pod, if it does. Only a file of decorators may: the author of a
    /// rule could otherwise read the pod's files.
    pub fn names_file(&self) -> Option<&'static str> {
        match self {
            Self::Split(split) if matches!(split.to, SplitAddress::Unix(_)) => Some("to: unix:"),
            _ => self.named_files().first().map(|(field, _)| *field),
        }
    }

    /// Reads an action from JSON.
    pub fn from_json(json: &str) -> Result<Self, Invalid> {
        if json.len() > ACTION_BYTES_MAX {
            return Err(Invalid(format!("an action has {ACTION_BYTES_MAX} bytes at most")));
        }
        serde_json::from_str(json).map_err(|why| Invalid(why.to_string()))
    }

    /// The action as JSON, which is the same for equal actions.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("an action is made of maps with text keys")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_read_as_it_is_written() {
        for json in [
            r#"{"circuit-breaker":{"failures":5}}"#,
            r#"{"circuit-breaker":{"error_percent":50,"requests":50,"within":"1m","open_for":"10s","open_for_max":"2m","probes":3}}"#,
            r#"{"disable":{"status":503}}"#,
            r#"{"error-page":{"on":["404","5xx"],"html":"<h1>gone</h1>"}}"#,
            r#"{"fault":{"delay":"200ms","jitter":"50ms"}}"#,
            r#"{"fault":{"abort":503}}"#,
            r#"{"headers":{"response":{"set":{"X-Frame-Options":"DENY"}}}}"#,
            r#"{"rate-limit":{"requests":10,"per":"1s"}}"#,
            r#"{"retry":{}}"#,
            r#"{"retry":{"attempts":1,"on":["connect","5xx"],"backoff":"100ms","budget_percent":10}}"#,
            r#"{"split":{"to":"127.0.0.1:8088","percent":10}}"#,
            r#"{"split":{"to":"unix:/run/canary.sock","percent":100,"by":"cookie:session"}}"#,
            r#"{"timeout":{"response":"2s","exchange":"10s"}}"#,
            r#"{"jwt":{"issuer":"https://sso.example/realms/shop","audience":["orders"]}}"#,
            r#"{"jwt":{"issuer":"https://sso.example","audience":["a"],"algorithms":["RS256"],"roles":["r"],"client_roles":{"c":["r"]},"scopes":["s"],"leeway":"5s","forward":{"X-User":"sub"},"token":"remove"}}"#,
            r#"{"login":{"issuer":"https://sso.example","client_id":"shop","public_url":"https://shop.example"}}"#,
        ] {
            let action = Action::from_json(json).unwrap();
            assert_eq!(action.to_json(), json);
            assert!(NAMES.contains(&action.name()));
        }
    }

    #[test]
    fn an_error_says_what_is_valid() {
        let why = |json: &str| Action::from_json(json).unwrap_err().0;
        assert!(why("{}").contains("exactly one of circuit-breaker, disable"), "{}", why("{}"));
        assert!(why(r#"{"rate-limits":{}}"#).contains("`rate-limit`"), "{}", why(r#"{"rate-limits":{}}"#));
        let two = r#"{"fault":{"abort":500},"disable":{}}"#;
        assert!(why(two).contains("exactly one"), "{}", why(two));
        let jwt = |rest: &str| why(&format!(r#"{{"jwt":{{"issuer":"https://sso.example",{rest}}}}}"#));
        assert!(jwt(r#""audience":[]"#).contains("any other service"), "{}", jwt(r#""audience":[]"#));
        for algorithm in ["none", "HS256", "rs256"] {
            let refused = jwt(&format!(r#""audience":["a"],"algorithms":["{algorithm}"]"#));
            assert!(refused.contains("RS256") && refused.contains(algorithm), "{refused}");
        }
        assert!(jwt(r#""audience":["a"],"leeway":"1h""#).contains("0s to 5m"));
        assert!(jwt(r#""audience":["a"],"forward":{"Authorization":"sub"}"#).contains("credentials"));
        assert!(jwt(r#""audience":["a"],"forward":{"X-A\r\nB":"sub"}"#).contains("no name of a field"));
        let plain = why(r#"{"jwt":{"issuer":"http://sso.example","audience":["a"]}}"#);
        assert!(plain.contains("https://"), "{plain}");
        let login = |rest: &str| why(&format!(r#"{{"login":{{"issuer":"https://sso.example","client_id":"a",{rest}}}}}"#));
        assert!(login(r#""public_url":"https://shop.example/a""#).contains("has a path"));
        assert!(login(r#""public_url":"http://shop.example""#).contains("https://"));
        assert!(login(r#""public_url":"https://shop.example","scopes":"profile""#).contains("must have openid"));
        assert!(login(r#""public_url":"https://shop.example","session":"1s""#).contains("1m to 30d"));
        assert!(why(&"{".repeat(ACTION_BYTES_MAX + 1)).contains("bytes at most"));
    }

    #[test]
    fn what_a_decorator_cannot_keep_to_is_refused() {
        for (json, reason) in [
            (r#"{"timeout":{}}"#, "`response` or `exchange` is required"),
            (r#"{"timeout":{"response":"0s"}}"#, "`response` is 10ms to 24h"),
            (r#"{"timeout":{"exchange":"25h"}}"#, "`exchange` is 10ms to 24h"),
            (r#"{"timeout":{"response":"5s","exchange":"1s"}}"#, "at most `exchange`"),
            (r#"{"timeout":{"response":2}}"#, "expected a string"),
            (r#"{"split":{"to":"10.0.0.1:80","percent":10}}"#, "is not on this machine"),
            (r#"{"split":{"to":"169.254.169.254:80","percent":10}}"#, "is not on this machine"),
            (r#"{"split":{"to":"[::ffff:10.0.0.1]:80","percent":10}}"#, "is not on this machine"),
            (r#"{"split":{"to":"0.0.0.0:80","percent":10}}"#, "is not on this machine"),
            (r#"{"split":{"to":"127.0.0.1:0","percent":10}}"#, "is not on this machine"),
            (r#"{"split":{"to":"localhost:80","percent":10}}"#, "no address such as"),
            (r#"{"split":{"to":"canary.example:80","percent":10}}"#, "no address such as"),
            (r#"{"split":{"to":"unix:canary.sock","percent":10}}"#, "no address such as"),
            (r#"{"split":{"to":"unix:/a\u0000b","percent":10}}"#, "no address such as"),
            (r#"{"split":{"to":"127.0.0.1:80","percent":0}}"#, "`percent` is 1 to 100"),
            (r#"{"split":{"to":"127.0.0.1:80","percent":10,"by":"cookie:a b"}}"#, "none of caller, cookie:NAME"),
            (r#"{"split":{"to":"127.0.0.1:80","percent":10,"by":"ip"}}"#, "none of caller, cookie:NAME"),
            (r#"{"retry":{"attempts":0}}"#, "`attempts` is 1 to 5"),
            (r#"{"retry":{"attempts":6}}"#, "`attempts` is 1 to 5"),
            (r#"{"retry":{"on":[]}}"#, "`on` is empty"),
            (r#"{"retry":{"on":["404"]}}"#, "429 and statuses from 500 to 599"),
            (r#"{"retry":{"on":["400-599"]}}"#, "429 and statuses from 500 to 599"),
            (r#"{"retry":{"on":["timeout"]}}"#, "neither connect nor reset"),
            (r#"{"retry":{"backoff":"2s"}}"#, "`backoff` is 0s to 1s"),
            (r#"{"retry":{"budget_percent":0}}"#, "`budget_percent` is 1 to 100"),
            (r#"{"circuit-breaker":{}}"#, "`failures` or `error_percent` is required"),
            (r#"{"circuit-breaker":{"failures":0}}"#, "`failures` is 1 to 10000"),
            (r#"{"circuit-breaker":{"failures":-1}}"#, "invalid value"),
            (r#"{"circuit-breaker":{"error_percent":101}}"#, "`error_percent` is 1 to 100"),
            (r#"{"circuit-breaker":{"error_percent":50,"requests":0}}"#, "`requests` is 1 to"),
            (r#"{"circuit-breaker":{"error_percent":50,"within":"1ms"}}"#, "`within` is 1s to 1h"),
            (r#"{"circuit-breaker":{"failures":5,"open_for":"2h"}}"#, "`open_for` is 100ms to 1h"),
            (r#"{"circuit-breaker":{"failures":5,"open_for_max":"1s"}}"#, "at least `open_for`"),
            (r#"{"circuit-breaker":{"failures":5,"open_for":"1s","open_for_max":"2h"}}"#, "at most 1h"),
            (r#"{"circuit-breaker":{"failures":5,"probes":101}}"#, "`probes` is 1 to 100"),
        ] {
            let why = Action::from_json(json).unwrap_err().0;
            assert!(why.contains(reason), "{json}: {why}");
        }
    }
}
