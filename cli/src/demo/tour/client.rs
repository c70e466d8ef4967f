//! Sends the requests of the tour through a sidecar, counts them, and prints what came back.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use api::client::trust;
use format::number;
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Client, Method, Response};

use crate::color::ColorMode;
use crate::demo::shop::ShopService;
use crate::demo::traffic::call::Call;
use crate::demo::traffic::tally::SentCounts;
use crate::sanitize::plain;
use crate::stdout::say;

/// Redirects of a sign-in: to its start, to the provider, back, and to the page.
const REDIRECTS_MAX: usize = 8;

/// The longest text of a response that is printed, in characters.
const SHOWN_CHARS_MAX: usize = 120;

/// A request, and what is printed of its response beside the status.
#[derive(Debug, Clone)]
pub(super) struct TourRequest {
    path: &'static str,
    fields: Vec<(&'static str, String)>,
    repeats: Repeats,
    shown: Shown,
}

/// How often a request is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repeats {
    /// So many times, with a line for each.
    Times(u32),
    /// Once by each of so many clients, and added up.
    Clients(u32),
    /// Once, and redirects are followed with the cookies that are set.
    SignIn,
}

/// What is printed of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// The status only.
    Status,
    /// This header field.
    Field(&'static str),
    /// The beginning of the body.
    Body,
}

impl TourRequest {
    pub(super) fn get(path: &'static str) -> Self {
        Self { path, fields: Vec::new(), repeats: Repeats::Times(1), shown: Shown::Status }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    pub(super) fn times(mut self, times: u32) -> Self {
        self.repeats = Repeats::Times(times);
        self
    }

    pub(super) fn of_clients(mut self, clients: u32) -> Self {
        self.repeats = Repeats::Clients(clients);
        self
    }

    pub(super) fn signs_in(mut self) -> Self {
        self.repeats = Repeats::SignIn;
        self
    }

    pub(super) fn shows(mut self, shown: Shown) -> Self {
        self.shown = shown;
        self
    }
}

/// The client of the tour.
#[derive(Debug)]
pub(super) struct TourClient {
    http: Client,
    entrance: SocketAddr,
    sent: Mutex<SentCounts>,
}

impl TourClient {
    pub(super) fn new(entrance: SocketAddr) -> anyhow::Result<Self> {
        let builder = trust::plain().no_proxy().redirect(reqwest::redirect::Policy::none()).timeout(Duration::from_secs(10));
        Ok(Self { http: builder.build().context("make an HTTP client")?, entrance, sent: Mutex::default() })
    }

    /// The requests so far.
    pub(super) fn sent(&self) -> SentCounts {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends the requests, and prints what came back.
    pub(super) async fn send(&self, requests: &[TourRequest], paint: ColorMode) -> anyhow::Result<()> {
        for request in requests {
            match request.repeats {
                Repeats::Times(times) => {
                    for _ in 0..times {
                        let begun = Instant::now();
                        let answer = self.ask(&format!("http://{}{}", self.entrance, request.path), &request.fields).await?;
                        say(&format!("      {}\n", line(request, answer, begun, paint).await?))?;
                    }
                }
                Repeats::Clients(clients) => self.send_of_clients(request, clients).await?,
                Repeats::SignIn => self.sign_in(request, paint).await?,
            }
        }
        Ok(())
    }

    async fn send_of_clients(&self, request: &TourRequest, clients: u32) -> anyhow::Result<()> {
        let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
        for client in 0..clients {
            let fields = [&request.fields[..], &[("x-client", client.to_string())]].concat();
            let answer = self.ask(&format!("http://{}{}", self.entrance, request.path), &fields).await?;
            *statuses.entry(answer.status().as_u16()).or_default() += 1;
        }
        let counts: Vec<_> = statuses.iter().map(|(status, count)| format!("{count} x {status}")).collect();
        let clients = number::plural(clients as usize, "client", "clients");
        say(&format!("      GET {} of {clients}: {}\n", request.path, counts.join(", ")))
    }

    /// Follows the redirects as a browser does.
    async fn sign_in(&self, request: &TourRequest, paint: ColorMode) -> anyhow::Result<()> {
        let mut url = format!("http://{}{}", self.entrance, request.path);
        let mut cookies: BTreeMap<String, String> = BTreeMap::new();
        for _ in 0..REDIRECTS_MAX {
            let begun = Instant::now();
            let jar = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
            let fields = [&request.fields[..], &[(COOKIE.as_str(), jar)]].concat();
            let answer = self.ask(&url, &fields).await?;
            let set = answer.headers().get_all(SET_COOKIE).iter().filter_map(|field| field.to_str().ok());
            let pairs = set.filter_map(|field| field.split(';').next()?.split_once('='));
            cookies.extend(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
            let next =
                answer.headers().get(LOCATION).and_then(|next| Some(answer.url().join(next.to_str().ok()?).ok()?.to_string()));
            let shown = TourRequest { shown: Shown::Field(LOCATION.as_str()), ..request.clone() };
            say(&format!("      {}\n", line(&shown, answer, begun, paint).await?))?;
            let Some(next) = next else { return Ok(()) };
            url = next;
        }
        Ok(())
    }

    async fn ask(&self, url: &str, fields: &[(&'static str, String)]) -> anyhow::Result<Response> {
        let mut request = self.http.get(url);
        for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
            request = request.header(*name, value);
        }
        let answer = request.send().await.with_context(|| format!("GET {url}"))?;
        // The provider of the sign-in is not a part of the mesh.
        if answer.url().port() == Some(self.entrance.port()) {
            let call = Call::new(ShopService::Legacy, Method::GET, answer.url().path().to_owned());
            self.sent.lock().unwrap_or_else(PoisonError::into_inner).sent(&call);
        }
        Ok(answer)
    }
}

/// One response as a line: `GET /legacy/export: 503 in 1.2 ms, retry-after: 60`.
async fn line(request: &TourRequest, answer: Response, begun: Instant, paint: ColorMode) -> anyhow::Result<String> {
    let status = answer.status();
    let path = answer.url().path().to_owned();
    let field = match request.shown {
        Shown::Field(name) => {
            answer.headers().get(name).map(|value| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        }
        Shown::Status | Shown::Body => None,
    };
    // The whole body is read: an exchange that is broken off counts as such.
    let body = answer.bytes().await.with_context(|| format!("read the response of {path}"))?;
    let body = (request.shown == Shown::Body).then(|| String::from_utf8_lossy(&body).trim().to_owned());
    let took = number::latency(Some(begun.elapsed().as_micros() as f64)).words();
    let status = if status.as_u16() < 400 { paint.good(status.as_u16()) } else { paint.bad(status.as_u16()) };
    let more = field.or(body).map(|more| format!(", {}", cut(&more))).unwrap_or_default();
    Ok(format!("GET {path}: {status} in {took}{more}"))
}

fn cut(text: &str) -> String {
    let text = plain(text);
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.into_owned(),
    }
}
