//! The endpoint that a command is about, whether it was counted yet or not.

use client::client::Client;
use client::endpoints::{Endpoint, Wanted};

use crate::find::{self, NotFound};

/// The namespace of whoever names none, and has no endpoint that could be meant.
const NAMESPACE: &str = "default";

/// An endpoint by its whole name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) heard: Heard,
    pub(crate) namespace: String,
    pub(crate) service: String,
    pub(crate) method: String,
    pub(crate) route: String,
}

/// Whether anybody has called it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Requests of it were counted.
    Counted,
    /// Nobody has, as far as is known; or it is mistyped.
    Never,
}

impl Named {
    /// Finds it by words, of a namespace if one is given.
    pub(crate) async fn find(client: &Client, namespace: Option<&str>, words: &[String]) -> anyhow::Result<Self> {
        let wanted = Wanted { namespace: namespace.map(str::to_owned), ..Wanted::default() };
        let endpoints = client.endpoints(&wanted).await?.endpoints;
        Ok(Self::among(&endpoints, namespace, words)?)
    }

    fn among(endpoints: &[Endpoint], namespace: Option<&str>, words: &[String]) -> Result<Self, NotFound> {
        match (find::one(endpoints, words), words) {
            (Ok(found), _) => Ok(Self {
                // One that was only turned off or pinned is known as well.
                heard: if found.hits > 0 { Heard::Counted } else { Heard::Never },
                namespace: found.namespace.clone(),
                service: found.service.clone(),
                method: found.method.clone(),
                route: found.route.clone(),
            }),
            (Err(NotFound::Nothing | NotFound::None { .. }), [service, method, route]) if route.starts_with('/') => {
                Ok(Self::unheard(namespace, service, method, route))
            }
            (Err(other), _) => Err(other),
        }
    }

    /// One that nobody has called yet. It can be turned off nonetheless, and on again.
    fn unheard(namespace: Option<&str>, service: &str, method: &str, route: &str) -> Self {
        // As lists print it. Neither part may hold a slash.
        let (written, service) = service.split_once('/').map_or((None, service), |(before, after)| (Some(before), after));
        Self {
            heard: Heard::Never,
            namespace: namespace.or(written).unwrap_or(NAMESPACE).to_owned(),
            service: service.to_owned(),
            method: method.to_uppercase(),
            route: route.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::endpoint;

    fn among(namespace: Option<&str>, words: &str) -> Result<String, NotFound> {
        let elsewhere = |service: &str| Endpoint { namespace: "team".into(), ..endpoint(service, "GET", "/x") };
        let endpoints = [elsewhere("legacy"), elsewhere("twice"), endpoint("twice", "GET", "/x")];
        let found = Named::among(&endpoints, namespace, &find::words(&[words.to_owned()]))?;
        Ok([found.namespace, found.service, found.method, found.route].join(" "))
    }

    #[test]
    fn a_service_of_another_namespace_is_found_without_naming_that() {
        assert_eq!(among(None, "legacy GET /x").unwrap(), "team legacy GET /x");
        assert_eq!(among(None, "team/legacy get /x").unwrap(), "team legacy GET /x");
        assert!(matches!(among(None, "twice GET /x"), Err(NotFound::Several { .. })));
    }

    #[test]
    fn an_endpoint_that_was_only_turned_off_was_never_called() {
        let heard = |hits| {
            let endpoints = [Endpoint { hits, ..endpoint("legacy", "GET", "/x") }];
            Named::among(&endpoints, None, &find::words(&["/x".to_owned()])).unwrap().heard
        };
        assert_eq!((heard(0), heard(1)), (Heard::Never, Heard::Counted));
    }

    #[test]
    fn an_endpoint_that_nobody_has_called_yet_is_named_whole() {
        assert_eq!(among(None, "legacy get /y").unwrap(), "default legacy GET /y");
        assert_eq!(among(None, "team/legacy get /y").unwrap(), "team legacy GET /y");
        assert_eq!(among(Some("team"), "legacy get /y").unwrap(), "team legacy GET /y");
        assert!(matches!(among(None, "/y"), Err(NotFound::None { .. })));
        assert!(matches!(among(None, "legacy get y"), Err(NotFound::None { .. })), "no route begins so");
    }
}
