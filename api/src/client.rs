//! The HTTP client of the control plane's API: sends one request and returns one bounded response, or an error.

use std::fmt;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Method, RequestBuilder, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::client::failure::Failure;
use crate::client::proxy::{is_this_machine, proxy_for};
use crate::client::response_error::{ErrorHead, TokenSent};
use crate::client::trust::Authorities;

mod calls;
mod events;
pub mod failure;
mod proxy;
mod response_error;
pub mod samples;
pub mod tap_stream;
mod transport_error;
pub mod trust;

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

/// A request to the API.
struct ApiRequest<'a> {
    /// What the caller tries, for error messages: `list the pods`.
    what: &'a str,
    method: Method,
    /// The path segments; the client escapes them.
    path: &'a [&'a str],
}

impl<'a> ApiRequest<'a> {
    fn get(what: &'a str, path: &'a [&'a str]) -> Self {
        Self { what, method: Method::GET, path }
    }

    fn post(what: &'a str, path: &'a [&'a str]) -> Self {
        Self { what, method: Method::POST, path }
    }

    fn delete(what: &'a str, path: &'a [&'a str]) -> Self {
        Self { what, method: Method::DELETE, path }
    }
}

impl Client {
    /// A client of the control plane with its dashboard at `url`. For TLS, it trusts `authorities`.
    pub fn new(url: Url, token: Option<Token>, authorities: Option<Authorities>) -> Result<Self, Failure> {
        let no_authorities = |why| Failure::NoAuthorities { url: url.to_string(), why };
        let builder = if url.scheme() == "https" { trust::tls(authorities).map_err(no_authorities)? } else { trust::plain() };
        let mut builder = builder
            .connect_timeout(CONNECT_WITHIN)
            .read_timeout(SILENCE_MAX)
            // The token must only be sent to this control plane.
            .redirect(Policy::none());
        if is_this_machine(&url) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| no_authorities(transport_error::innermost(&error)))?;
        let proxy = proxy_for(&url);
        Ok(Self { http, url, token, proxy })
    }

    /// Whether the token is sent in plain text to another machine.
    pub fn sends_token_in_plain_text(&self) -> bool {
        self.token.is_some() && self.url.scheme() == "http" && !is_this_machine(&self.url)
    }

    /// The URL of the control plane's dashboard.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Sends a request without query or body, and decodes the JSON response.
    async fn json<T: DeserializeOwned>(&self, api: &ApiRequest<'_>) -> Result<T, Failure> {
        self.decoded(api.what, self.request(api)).await
    }

    /// Sends a request with a query, and decodes the JSON response.
    async fn json_of_query<T: DeserializeOwned>(&self, api: &ApiRequest<'_>, query: &impl Serialize) -> Result<T, Failure> {
        self.decoded(api.what, self.request(api).query(query)).await
    }

    /// Sends a request with a JSON body, and decodes the JSON response.
    async fn json_of_body<T: DeserializeOwned>(&self, api: &ApiRequest<'_>, body: &impl Serialize) -> Result<T, Failure> {
        self.decoded(api.what, self.request(api).json(body)).await
    }

    /// Sends a request and returns the response as text.
    async fn text(&self, api: &ApiRequest<'_>) -> Result<String, Failure> {
        let response = self.success(api.what, self.request(api).timeout(ANSWER_WITHIN)).await?;
        let body = self.body(api.what, response).await?;
        Ok(String::from_utf8_lossy(&body).into_owned())
    }

    /// Opens a stream, which lasts until either side closes it.
    async fn stream(&self, api: &ApiRequest<'_>, query: &impl Serialize) -> Result<Response, Failure> {
        self.success(api.what, self.request(api).query(query)).await
    }

    fn request(&self, api: &ApiRequest<'_>) -> RequestBuilder {
        let mut url = self.url.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(api.path);
        }
        let request = self.http.request(api.method.clone(), url);
        match &self.token {
            Some(Token(secret)) => request.bearer_auth(secret),
            None => request,
        }
    }

    async fn decoded<T: DeserializeOwned>(&self, what: &str, request: RequestBuilder) -> Result<T, Failure> {
        let response = self.success(what, request.timeout(ANSWER_WITHIN)).await?;
        let body = self.body(what, response).await?;
        serde_json::from_slice(&body).map_err(|error| Failure::not_sitio(what, &self.url, error.to_string()))
    }

    /// Sends a request and returns the response if its status is a success.
    async fn success(&self, what: &str, request: RequestBuilder) -> Result<Response, Failure> {
        let response = request.send().await.map_err(|error| self.transport_failure(what, &error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let head = ErrorHead::from_response(&response);
        let token = if self.token.is_some() { TokenSent::Yes } else { TokenSent::No };
        let body = self.body(what, response).await?;
        Err(response_error::failure(what, &self.url, head, &body, token))
    }

    async fn body(&self, what: &str, mut response: Response) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.transport_failure(what, &error))? {
            if body.len() + chunk.len() > BODY_BYTES_MAX {
                let why = format!("its response is larger than {} MiB", BODY_BYTES_MAX >> 20);
                return Err(Failure::not_sitio(what, &self.url, why));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn transport_failure(&self, what: &str, error: &reqwest::Error) -> Failure {
        let failure = transport_error::failure(what, &self.url, error, ANSWER_WITHIN);
        match (failure, &self.proxy) {
            (Failure::Unreachable { what, url, why }, Some(proxy)) => {
                Failure::ProxyFailed { what, url, proxy: proxy.clone(), why }
            }
            (failure, _) => failure,
        }
    }
}

#[cfg(test)]
mod tests;
