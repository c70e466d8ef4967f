//! Resolves the endpoint or route prefix that a command refers to, even if no request for it was counted yet.

use api::client::Client;
use api::endpoints::{Endpoint, EndpointsQuery};
use api::rules::RuleScope;

use crate::find;
use crate::find::NotFound;

/// The namespace if none is given and no known endpoint determines it.
const NAMESPACE: &str = "default";

/// The method of a prefix that covers all methods.
const ANY_METHOD: &str = "*";

/// The full name of an endpoint or of a route prefix.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct EndpointRef {
    pub(crate) scope: RuleScope,
    pub(crate) namespace: String,
    pub(crate) service: String,
    pub(crate) method: String,
    pub(crate) route: String,
}

impl EndpointRef {
    /// Resolves words, within a namespace if one is given.
    pub(crate) async fn find(client: &Client, namespace: Option<&str>, words: &[String]) -> anyhow::Result<Self> {
        let wanted = EndpointsQuery { namespace: namespace.map(str::to_owned), ..EndpointsQuery::default() };
        let endpoints = client.endpoints(&wanted).await?.endpoints;
        Ok(Self::among(&endpoints, namespace, words)?)
    }

    fn among(endpoints: &[Endpoint], namespace: Option<&str>, words: &[String]) -> Result<Self, NotFound> {
        match (find::one(endpoints, words), words) {
            (Ok(found), _) => Ok(Self {
                scope: RuleScope::Endpoint,
                namespace: found.namespace.clone(),
                service: found.service.clone(),
                method: found.method.clone(),
                route: found.route.clone(),
            }),
            (Err(NotFound::Nothing | NotFound::None { .. }), [service, method, route]) if route.starts_with('/') => {
                let scope = if is_prefix(route) { RuleScope::Prefix } else { RuleScope::Endpoint };
                Ok(Self { scope, ..Self::unheard(endpoints, namespace, service, method, route) })
            }
            (Err(NotFound::Nothing | NotFound::None { .. }), [service, route]) if is_prefix(route) => {
                Ok(Self { scope: RuleScope::Prefix, ..Self::unheard(endpoints, namespace, service, ANY_METHOD, route) })
            }
            (Err(other), _) => Err(other),
        }
    }

    /// The name of an endpoint that was not counted yet.
    fn unheard(endpoints: &[Endpoint], namespace: Option<&str>, service: &str, method: &str, route: &str) -> Self {
        // Lists print `namespace/service`. Neither part may contain a slash.
        let (written, service) = service.split_once('/').map_or((None, service), |(before, after)| (Some(before), after));
        // A service that exists in only one namespace is taken from there.
        let mut namespaces: Vec<&str> =
            endpoints.iter().filter(|known| known.service == service).map(|known| known.namespace.as_str()).collect();
        namespaces.sort_unstable();
        namespaces.dedup();
        let only = namespaces.first().copied().filter(|_| namespaces.len() == 1);
        Self {
            scope: RuleScope::Endpoint,
            namespace: namespace.or(written).or(only).unwrap_or(NAMESPACE).to_owned(),
            service: service.to_owned(),
            method: method.to_uppercase(),
            route: route.to_owned(),
        }
    }
}

/// Whether a route is a prefix pattern, if no endpoint has that exact route.
fn is_prefix(route: &str) -> bool {
    route.starts_with('/') && route.ends_with("/*")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::endpoint;

    fn among(namespace: Option<&str>, words: &str) -> Result<String, NotFound> {
        let elsewhere = |service: &str| Endpoint { namespace: "team".into(), ..endpoint(service, "GET", "/x") };
        let endpoints = [elsewhere("legacy"), elsewhere("twice"), endpoint("twice", "GET", "/x")];
        let found = EndpointRef::among(&endpoints, namespace, &find::words(&[words.to_owned()]))?;
        Ok([found.namespace, found.service, found.method, found.route].join(" "))
    }

    #[test]
    fn a_service_of_another_namespace_is_found_without_naming_that() {
        assert_eq!(among(None, "legacy GET /x").unwrap(), "team legacy GET /x");
        assert_eq!(among(None, "team/legacy get /x").unwrap(), "team legacy GET /x");
        assert!(matches!(among(None, "twice GET /x"), Err(NotFound::Several { .. })));
    }

    #[test]
    fn a_star_at_the_end_names_what_is_below_it_unless_an_endpoint_is_called_so() {
        let scope = |endpoints: &[Endpoint], words: &str| {
            let named = EndpointRef::among(endpoints, None, &find::words(&[words.to_owned()])).unwrap();
            (named.scope, named.method, named.route)
        };
        let endpoints = [endpoint("legacy", "GET", "/x")];
        let wide = |method: &str, route: &str| (RuleScope::Prefix, method.to_owned(), route.to_owned());
        assert_eq!(scope(&endpoints, "legacy /old/*"), wide("*", "/old/*"));
        assert_eq!(scope(&endpoints, "legacy get /old/*"), wide("GET", "/old/*"));
        assert_eq!(scope(&endpoints, "legacy /*"), wide("*", "/*"));
        let literal = [endpoint("legacy", "GET", "/old/*")];
        assert_eq!(scope(&literal, "legacy /old/*"), (RuleScope::Endpoint, "GET".into(), "/old/*".into()));
    }

    #[test]
    fn an_endpoint_without_calls_is_named_whole() {
        assert_eq!(among(None, "other get /y").unwrap(), "default other GET /y");
        assert_eq!(among(None, "legacy get /y").unwrap(), "team legacy GET /y", "it is there alone");
        assert_eq!(among(None, "team/legacy get /y").unwrap(), "team legacy GET /y");
        assert_eq!(among(Some("team"), "legacy get /y").unwrap(), "team legacy GET /y");
        assert!(matches!(among(None, "/y"), Err(NotFound::None { .. })));
        assert!(matches!(among(None, "legacy get y"), Err(NotFound::None { .. })), "no route begins so");
    }
}
