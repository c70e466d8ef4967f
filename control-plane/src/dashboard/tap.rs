//! The tap page: exchanges of one endpoint or service as they happen, and their event stream.

use std::collections::BTreeSet;

use askama::Template;
use axum::extract::Query;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use futures_util::{StreamExt as _, stream};
use mesh::tap::Filter;
use serde::Deserialize;

use crate::dashboard::curl;
use crate::dashboard::page::{HtmlPage, PageReader, Shell};
use crate::dashboard::state::DashboardState;
use crate::dashboard::stream::{Events, StreamRefusal, answer};
use crate::dashboard::tap::watch::TapWatch;
use crate::tap::scope::TapScope;

mod watch;

/// Exchanges that are shown per second: more than a person can read, and few enough to see them move.
const PER_SECOND: u32 = 50;

/// The parameters of the tap page. An empty field matches everything.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct TapQuery {
    namespace: String,
    service: String,
    pod: String,
    method: String,
    route: String,
    status: String,
}

/// The template of the tap page.
#[derive(Template)]
#[template(path = "tap.html")]
pub struct TapPage {
    shell: Shell,
    query: TapQuery,
    /// Services to choose from: the name, and whether it is selected.
    services: Vec<(String, bool)>,
    /// Why nothing is shown; empty if it is.
    problem: String,
    /// The command that shows the same in a terminal.
    command: String,
}

/// `GET /tap`
pub async fn tap(Query(query): Query<TapQuery>, headers: HeaderMap, state: DashboardState) -> HtmlPage<TapPage> {
    let snapshot = state.snapshot();
    let services = names(state.reader.services());
    let services = services.into_iter().map(|service| (service.clone(), service == query.service)).collect();
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1:8090");
    let problem = query.filter().err().unwrap_or_default();
    let command = query.command(host);
    HtmlPage(TapPage {
        shell: Shell::of("tap", query.title(), &snapshot, PageReader::from(&*state.reader.principal)).live(),
        query,
        services,
        problem,
        command,
    })
}

/// The names of the services, each once, whatever their namespace.
fn names(services: BTreeSet<(String, String)>) -> BTreeSet<String> {
    services.into_iter().map(|(_, service)| service).collect()
}

/// `GET /tap/events`: rows as values, a few times a second.
pub async fn events(Query(query): Query<TapQuery>, state: DashboardState) -> Result<Response, StreamRefusal> {
    open(&state, &query).map(answer)
}

/// The events of the page. A bad filter or too many taps are sent as an event: a page cannot read a refused stream.
pub(super) fn open(state: &DashboardState, query: &TapQuery) -> Result<Events, StreamRefusal> {
    let permit = state.stream_permit().ok_or(StreamRefusal::Full)?;
    let tap = query.filter().and_then(|filter| {
        let tap = state.reader.open_tap(query.scope(), filter, PER_SECOND);
        tap.map_err(|too_many| too_many.to_string())
    });
    let watch = match tap {
        Ok(tap) => TapWatch::new(tap, state.reader.clone(), permit),
        Err(why) => TapWatch::refused(&why, state.reader.clone(), permit),
    };
    let events = stream::unfold(watch, |mut watch| async move {
        let event = watch.next().await?;
        Some((event, watch))
    });
    Ok(events.boxed())
}

impl TapQuery {
    fn scope(&self) -> TapScope {
        let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        TapScope {
            namespace: given(&self.namespace),
            service: given(&self.service),
            pod: given(&self.pod),
            ..TapScope::default()
        }
    }

    fn filter(&self) -> Result<Filter, String> {
        Filter::read(self.method.trim(), self.route.trim(), self.status.trim()).map_err(|why| why.to_string())
    }

    fn title(&self) -> String {
        let what: Vec<&str> = [&self.service, &self.method, &self.route].into_iter().map(String::as_str).collect();
        let what = what.join(" ").trim().to_owned();
        if what.is_empty() { "Tap".into() } else { format!("Tap {what}") }
    }

    /// The command that shows the same in a terminal: without script, it is the only live view.
    fn command(&self, host: &str) -> String {
        let fields = [
            ("namespace", &self.namespace),
            ("service", &self.service),
            ("pod", &self.pod),
            ("method", &self.method),
            ("route", &self.route),
            ("status", &self.status),
        ];
        let given = fields.into_iter().filter(|(_, value)| !value.is_empty());
        let address = format!("curl -N -G {}", curl::word(&format!("http://{host}/api/v1/tap")));
        given.fold(address, |command, (name, value)| command + " --data-urlencode " + &curl::word(&format!("{name}={value}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_becomes_a_filter_or_is_refused_in_words() {
        let query = TapQuery { method: "GET".into(), status: "5xx".into(), ..TapQuery::default() };
        assert!(query.filter().is_ok());
        assert!(TapQuery { status: "bad".into(), ..query }.filter().unwrap_err().starts_with("status=bad"));
    }

    #[test]
    fn services_of_two_namespaces_with_one_name_are_one_choice() {
        let services = [("a", "shop"), ("b", "cart"), ("c", "shop")];
        let services = services.into_iter().map(|(namespace, name)| (namespace.to_owned(), name.to_owned())).collect();
        assert_eq!(names(services).into_iter().collect::<Vec<_>>(), ["cart", "shop"]);
    }

    #[test]
    fn the_same_can_be_seen_in_a_terminal() {
        let query = TapQuery { service: "shop".into(), route: "/it's/{id}".into(), ..TapQuery::default() };
        assert_eq!(
            query.command("localhost:8090"),
            r"curl -N -G 'http://localhost:8090/api/v1/tap' --data-urlencode 'service=shop' --data-urlencode 'route=/it'\''s/{id}'"
        );
        assert_eq!(query.title(), "Tap shop  /it's/{id}");
        assert_eq!(TapQuery::default().title(), "Tap");
    }
}
