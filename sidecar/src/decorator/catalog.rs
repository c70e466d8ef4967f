//! Builds the decorators that a configuration names.

use std::sync::Arc;

use decorators::action::Action;
use decorators::split::SplitAddress;

use crate::decorator::Decorator;
use crate::decorator::background::Background;
use crate::decorator::circuit_breaker::Breaker;
use crate::decorator::error_page::ErrorPages;
use crate::decorator::fault::FaultInjection;
use crate::decorator::headers::HeaderEdits;
use crate::decorator::jwt::TokenGuard;
use crate::decorator::login::SignIn;
use crate::decorator::pod_names::PodNames;
use crate::decorator::rate_limit::RateLimiter;
use crate::decorator::retry::Retries;
use crate::decorator::split::TrafficSplit;
use crate::decorator::timeout::ResponseTimeout;

/// Whether a configuration may name files of the pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A file of the pod itself: it may.
    File,
    /// A rule of the control plane. It may not: its author could otherwise read the pod's files.
    ControlPlane,
}

/// What decorators are built with.
#[derive(Debug, Clone)]
pub struct Catalog {
    /// The names of the pod.
    pub pod: PodNames,
    /// Where they run tasks.
    pub background: Background,
    /// The sidecar's own ports, to which no decorator may send a request: it would come back without an end.
    pub own_ports: Vec<u16>,
}

impl Catalog {
    /// Builds the decorator of an action; `None` if the action is no decorator. All workers share it.
    pub fn build(&self, action: &Action, origin: Origin) -> Result<Option<Arc<dyn Decorator>>, String> {
        if let Some(field) = action.names_file().filter(|_| origin == Origin::ControlPlane) {
            return Err(format!("{}: `{field}` is only for a file of decorators", action.name()));
        }
        let decorator: Arc<dyn Decorator> = match action {
            Action::CircuitBreaker(breaker) => Arc::new(Breaker::new(breaker.clone())),
            Action::Disable(_) => return Ok(None),
            Action::ErrorPage(page) => Arc::new(ErrorPages::new(page.clone(), self.pod.clone())?),
            Action::Fault(fault) => Arc::new(FaultInjection::new(fault.clone())),
            Action::Headers(headers) => Arc::new(HeaderEdits::new(headers.clone())),
            Action::Jwt(jwt) => Arc::new(TokenGuard::new(jwt, &self.background)?),
            Action::Login(login) => Arc::new(SignIn::new(login, &self.background)?),
            Action::RateLimit(limit) => Arc::new(RateLimiter::new(limit.clone())),
            Action::Retry(retry) => Arc::new(Retries::new(retry.clone())),
            Action::Split(split) if matches!(&split.to, SplitAddress::Loopback(to) if self.own_ports.contains(&to.port())) => {
                return Err("split: `to` is a port of the sidecar itself, to which requests would come back".to_owned());
            }
            Action::Split(split) => Arc::new(TrafficSplit::new(split.clone())),
            Action::Timeout(timeout) => Arc::new(ResponseTimeout::new(timeout.clone())),
        };
        Ok(Some(decorator))
    }
}
