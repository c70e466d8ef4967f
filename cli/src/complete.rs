//! Shell completion of services, endpoints, rules and pods, with names from the control plane if it is reachable.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::time::Duration;

use api::client::Client;
use api::client::failure::Failure;
use api::endpoints::{Endpoint, EndpointsQuery};
use clap::Parser;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use format::label::service_label;

use crate::connection::Connection;
use crate::sanitize::plain;

/// The longest delay at a prompt that a user does not notice as a hang.
const ANSWER_WITHIN: Duration = Duration::from_millis(500);

/// The largest number of candidates. With more, a shell asks whether to show them, and a user does not read them.
const OFFERED_MAX: usize = 200;

/// The flags that select the control plane.
const WHERE: [&str; 3] = ["--url", "--token-file", "--ca-file"];

/// Parses the connection flags out of an unfinished command line.
#[derive(Debug, Parser)]
struct CompletionContext {
    #[command(flatten)]
    connection: Connection,
}

/// Completes the name of a service.
pub(crate) fn services() -> ArgValueCompleter {
    completer(async |client, _| {
        let endpoints = client.endpoints(&EndpointsQuery::default()).await?.endpoints;
        let pods = client.pods().await?.pods;
        let of_pods = pods.iter().map(|pod| service_label(&pod.namespace, &pod.service));
        Ok(endpoints.iter().map(service_of).chain(of_pods).collect())
    })
}

/// Completes an endpoint reference: service, method, route, or a route prefix with `*`.
pub(crate) fn endpoints() -> ArgValueCompleter {
    completer(async |client, line| Ok(words_of(&client.endpoints(&EndpointsQuery::default()).await?.endpoints, line)))
}

/// Completes the id of a rule in force.
pub(crate) fn rules() -> ArgValueCompleter {
    completer(async |client, _| Ok(client.rules().await?.rules.into_iter().map(|rule| rule.id).collect()))
}

/// Completes the id of a rule in force, or the endpoint reference of what it has turned off.
pub(crate) fn rules_and_endpoints() -> ArgValueCompleter {
    completer(async |client, line| {
        let rules = client.rules().await?.rules;
        let mut words: BTreeSet<String> = rules.iter().map(|rule| rule.id.clone()).collect();
        for rule in rules {
            let service = service_label(&rule.namespace, &rule.service);
            if line.contains(&service) {
                words.extend([rule.method, rule.route]);
            } else {
                words.insert(service);
            }
        }
        Ok(words)
    })
}

/// Completes the name of a pod; only pods of one service if the line contains its name.
pub(crate) fn pods() -> ArgValueCompleter {
    completer(async |client, line| {
        let pods = client.pods().await?.pods;
        let is_named = |service: &str| line.iter().any(|word| word == service);
        let narrows = pods.iter().any(|pod| is_named(&service_label(&pod.namespace, &pod.service)));
        let is_meant = |namespace: &str, service: &str| !narrows || is_named(&service_label(namespace, service));
        Ok(pods.into_iter().filter(|pod| is_meant(&pod.namespace, &pod.service)).map(|pod| pod.pod).collect())
    })
}

/// The possible next words of an endpoint reference, given the words on the line.
fn words_of(endpoints: &[Endpoint], line: &[String]) -> BTreeSet<String> {
    let is_on_line = |word: &str| line.iter().any(|on_line| on_line.eq_ignore_ascii_case(word));
    let of_service: Vec<&Endpoint> = endpoints.iter().filter(|endpoint| is_on_line(&service_of(endpoint))).collect();
    if of_service.is_empty() {
        return endpoints.iter().flat_map(|endpoint| [service_of(endpoint), endpoint.route.clone()]).collect();
    }
    let has_method = of_service.iter().any(|endpoint| is_on_line(&endpoint.method));
    let mut words = BTreeSet::new();
    for endpoint in of_service.into_iter().filter(|endpoint| !has_method || is_on_line(&endpoint.method)) {
        words.insert(endpoint.route.clone());
        if !has_method {
            words.insert(endpoint.method.clone());
        }
        let ends = endpoint.route.match_indices('/').map(|(at, _)| at);
        words.extend(ends.map(|at| format!("{}*", &endpoint.route[..=at])));
    }
    words
}

fn service_of(endpoint: &Endpoint) -> String {
    service_label(&endpoint.namespace, &endpoint.service)
}

/// Builds a completer from a function that reads candidates from the control plane, given the words of the line.
fn completer(
    look: impl AsyncFn(&Client, &[String]) -> Result<BTreeSet<String>, Failure> + Send + Sync + 'static,
) -> ArgValueCompleter {
    ArgValueCompleter::new(move |current: &OsStr| {
        let line = line();
        let words = client(&line).and_then(|client| ask(async || look(&client, &line).await));
        offered(&words.unwrap_or_default(), &current.to_string_lossy())
    })
}

/// The words that start with the current one. Leaves out words with whitespace or control characters: a shell would
/// split them, or a terminal would obey them.
fn offered(words: &BTreeSet<String>, current: &str) -> Vec<CompletionCandidate> {
    let fits = |word: &&String| word.starts_with(current) && plain(word) == word.as_str() && !word.contains(char::is_whitespace);
    words.iter().filter(fits).take(OFFERED_MAX).map(CompletionCandidate::new).collect()
}

/// The words of the line so far: the shell passes them after the first `--`.
fn line() -> Vec<String> {
    let words = std::env::args_os().map(|word| word.to_string_lossy().into_owned());
    words.skip_while(|word| word != "--").skip(1).collect()
}

/// A client of the control plane that the line or the environment selects.
fn client(line: &[String]) -> Option<Client> {
    let mut flags = vec!["sitio".to_owned()];
    for (at, word) in line.iter().enumerate() {
        let (name, value) = word
            .split_once('=')
            .map_or((word.as_str(), line.get(at + 1).cloned()), |(name, value)| (name, Some(value.to_owned())));
        if let Some(value) = value.filter(|_| WHERE.contains(&name)) {
            flags.extend([name.to_owned(), value]);
        }
    }
    CompletionContext::try_parse_from(flags).ok()?.connection.silent_client().ok()
}

/// Runs the request; returns `None` if it fails or takes longer than [`ANSWER_WITHIN`].
fn ask(look: impl AsyncFnOnce() -> Result<BTreeSet<String>, Failure>) -> Option<BTreeSet<String>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let answer = runtime.block_on(async { tokio::time::timeout(ANSWER_WITHIN, look()).await });
    // DNS lookups run on a blocking thread; do not wait for it.
    runtime.shutdown_background();
    answer.ok()?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::endpoint;

    fn words(line: &str, current: &str) -> Vec<String> {
        let endpoints =
            [endpoint("legacy", "GET", "/old/export"), endpoint("legacy", "POST", "/old/{id}"), endpoint("web", "GET", "/")];
        let line: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let words = words_of(&endpoints, &line);
        offered(&words, current).iter().map(|word| word.get_value().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn an_endpoint_is_completed_word_by_word() {
        assert_eq!(words("sitio disable l", "l"), ["legacy"]);
        assert_eq!(words("sitio disable legacy", ""), ["/*", "/old/*", "/old/export", "/old/{id}", "GET", "POST"]);
        assert_eq!(words("sitio disable legacy POST", "/o"), ["/old/*", "/old/{id}"]);
        assert_eq!(words("sitio history /", "/"), ["/", "/old/export", "/old/{id}"]);
    }

    #[test]
    fn what_is_no_word_of_a_shell_is_not_offered() {
        let words = BTreeSet::from(["a".to_owned(), "a b".to_owned(), "a\u{1b}[2J".to_owned()]);
        assert_eq!(offered(&words, "a").len(), 1);
    }
}
