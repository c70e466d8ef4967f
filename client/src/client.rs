//! The HTTP client of the control plane's API: sends one request and returns one bounded response, or an error.

use std::fmt;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Method, RequestBuilder, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::{Denial, Failure, Shown, innermost};
use crate::proxy::{is_this_machine, on_the_way_to};
use crate::trust;
use crate::trust::Authorities;

/// Connect timeout. A control plane that is up accepts at once.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);

/// Response timeout. The slowest response is a history, which waits a second for its pods.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// How long a stream may be silent. The control plane sends a comment every five seconds.
const SILENCE_MAX: Duration = Duration::from_secs(15);

/// Bytes of a response body. Ten thousand pods are about 6 MB.
const BODY_BYTES_MAX: usize = 64 << 20;

/// A client of one control plane, with its token. Clones share their connections.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    url: Url,
    token: Option<Token>,
    /// The proxy in use, for error messages.
    proxy: Option<String>,
}

/// The access token.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// A token, trimmed of white space and line ends; `None` if nothing is left.
    pub fn new(secret: &str) -> Option<Self> {
        let secret = secret.trim();
        (!secret.is_empty()).then(|| Self(secret.to_owned()))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// A request to the API: the path segments and the query.
pub(crate) struct Question<'a> {
    /// What the caller tries, for error messages: `list the pods`.
    pub(crate) what: &'a str,
    /// The path segments; the client escapes them.
    pub(crate) path: &'a [&'a str],
    /// Query parameters, escaped by the client; those without a value are left out.
    pub(crate) query: &'a [(&'a str, Option<String>)],
}

impl Client {
    /// A client of the control plane with its dashboard at `url`. For TLS, it trusts `authorities`.
    pub fn new(url: Url, token: Option<Token>, authorities: Option<Authorities>) -> Result<Self, Failure> {
        let distrustful = |why| Failure::Distrustful { url: url.to_string(), why };
        let builder = if url.scheme() == "https" { trust::tls(authorities).map_err(distrustful)? } else { trust::plain() };
        let mut builder = builder
            .connect_timeout(CONNECT_WITHIN)
            .read_timeout(SILENCE_MAX)
            // The token must only be sent to this control plane.
            .redirect(Policy::none());
        if is_this_machine(&url) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| distrustful(innermost(&error)))?;
        let proxy = on_the_way_to(&url);
        Ok(Self { http, url, token, proxy })
    }

    /// Whether the token is sent in plain text to another machine.
    pub fn is_overheard(&self) -> bool {
        self.token.is_some() && self.url.scheme() == "http" && !is_this_machine(&self.url)
    }

    /// The URL of the control plane's dashboard.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Sends a GET and decodes the JSON response.
    pub(crate) async fn get<T: DeserializeOwned>(&self, question: &Question<'_>) -> Result<T, Failure> {
        let response = self.answer(question, self.request(Method::GET, question).timeout(ANSWER_WITHIN)).await?;
        self.understood(question, response).await
    }

    /// Sends a GET and returns the response as text.
    pub(crate) async fn text(&self, question: &Question<'_>) -> Result<String, Failure> {
        let response = self.answer(question, self.request(Method::GET, question).timeout(ANSWER_WITHIN)).await?;
        let body = self.body(question.what, response).await?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// Sends a POST and decodes the JSON response.
    pub(crate) async fn post<T: DeserializeOwned>(&self, question: &Question<'_>, order: &impl Serialize) -> Result<T, Failure> {
        let request = self.request(Method::POST, question).timeout(ANSWER_WITHIN).json(order);
        let response = self.answer(question, request).await?;
        self.understood(question, response).await
    }

    /// Sends a DELETE and decodes the JSON response.
    pub(crate) async fn delete<T: DeserializeOwned>(&self, question: &Question<'_>) -> Result<T, Failure> {
        let response = self.answer(question, self.request(Method::DELETE, question).timeout(ANSWER_WITHIN)).await?;
        self.understood(question, response).await
    }

    /// Opens a stream, which lasts until either side closes it.
    pub(crate) async fn stream(&self, question: &Question<'_>) -> Result<Response, Failure> {
        self.answer(question, self.request(Method::GET, question)).await
    }

    fn request(&self, method: Method, question: &Question<'_>) -> RequestBuilder {
        let mut url = self.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(question.path);
        }
        let values = question.query.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        for (name, value) in values {
            url.query_pairs_mut().append_pair(name, value);
        }
        let request = self.http.request(method, url);
        match &self.token {
            Some(Token(secret)) => request.bearer_auth(secret),
            None => request,
        }
    }

    /// Returns the response if its status is a success.
    async fn answer(&self, question: &Question<'_>, request: RequestBuilder) -> Result<Response, Failure> {
        let response = request.send().await.map_err(|error| self.unanswered(question.what, &error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let denial = Denial::of(&response);
        let shown = if self.token.is_some() { Shown::Token } else { Shown::Nothing };
        let body = self.body(question.what, response).await?;
        Err(Failure::answered(question.what, &self.url, denial, &body, shown))
    }

    async fn understood<T: DeserializeOwned>(&self, question: &Question<'_>, response: Response) -> Result<T, Failure> {
        let body = self.body(question.what, response).await?;
        serde_json::from_slice(&body).map_err(|error| self.foreign(question.what, error.to_string()))
    }

    async fn body(&self, what: &str, mut response: Response) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        let lost = |error| self.unanswered(what, &error);
        while let Some(chunk) = response.chunk().await.map_err(lost)? {
            if body.len() + chunk.len() > BODY_BYTES_MAX {
                return Err(self.foreign(what, format!("it answers with more than {} MiB", BODY_BYTES_MAX >> 20)));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn unanswered(&self, what: &str, error: &reqwest::Error) -> Failure {
        let failure = Failure::unanswered(what, &self.url, error, ANSWER_WITHIN);
        match (failure, &self.proxy) {
            (Failure::Unreachable { what, url, why }, Some(proxy)) => {
                Failure::NoWayThroughProxy { what, url, proxy: proxy.clone(), why }
            }
            (failure, _) => failure,
        }
    }

    fn foreign(&self, what: &str, why: String) -> Failure {
        Failure::Foreign { what: what.to_owned(), url: self.url.to_string(), why }
    }
}

#[cfg(test)]
mod tests;
