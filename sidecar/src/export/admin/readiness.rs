//! Decides whether this pod can take traffic: it has rules, the service accepts connections, and no drain has begun.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::target::ServiceAddr;

/// How long a check stays valid: the service is dialled at most this often, however many probes arrive.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// The service is on the same machine: if it does not accept within this time, it cannot take traffic. The kubelet's own
/// default timeout is one second.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(800);

/// Whether the pod can take traffic. It never depends on the control plane.
#[derive(Debug)]
pub struct Readiness {
    target: ServiceAddr,
    open: CancellationToken,
    draining: CancellationToken,
    last: Mutex<Option<Check>>,
}

#[derive(Debug, Clone)]
struct Check {
    at: Instant,
    verdict: Result<(), String>,
}

impl Readiness {
    /// Ready from the cancellation of `open` to that of `draining`, while `target` accepts connections.
    pub fn new(target: ServiceAddr, open: CancellationToken, draining: CancellationToken) -> Self {
        Self { target, open, draining, last: Mutex::new(None) }
    }

    /// Returns `Ok` if the pod can take traffic now, otherwise the reason.
    pub async fn check(&self) -> Result<(), String> {
        if self.draining.is_cancelled() {
            return Err("draining".to_owned());
        }
        if !self.open.is_cancelled() {
            return Err("waiting for the first rules".to_owned());
        }
        if let Some(verdict) = self.cached_result() {
            return verdict;
        }
        let verdict = self.dial().await;
        *self.last() = Some(Check { at: Instant::now(), verdict: verdict.clone() });
        verdict
    }

    /// Returns the last verdict if it is recent. If it is stale, returns `None` to one caller, which then dials, and
    /// renews its time, so that other callers get the stale verdict for up to a second meanwhile.
    fn cached_result(&self) -> Option<Result<(), String>> {
        let mut last = self.last();
        let Some(check) = last.as_mut() else {
            let verdict = Err("the first check of the service has not ended".to_owned());
            *last = Some(Check { at: Instant::now(), verdict });
            return None;
        };
        if check.at.elapsed() < CHECK_INTERVAL {
            return Some(check.verdict.clone());
        }
        check.at = Instant::now();
        None
    }

    async fn dial(&self) -> Result<(), String> {
        match tokio::time::timeout(CONNECT_TIMEOUT, self.target.connect()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(why)) => Err(format!("the service on {} does not accept connections: {why}", self.target)),
            Err(_) => Err(format!("the service on {} did not accept a connection within {CONNECT_TIMEOUT:?}", self.target)),
        }
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Option<Check>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ready_follows_the_service_but_asks_it_once_a_second() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let target = listener.local_addr().unwrap();
        let (open, draining) = (CancellationToken::new(), CancellationToken::new());
        let readiness = Readiness::new(target.into(), open.clone(), draining.clone());
        assert_eq!(readiness.check().await, Err("waiting for the first rules".to_owned()));
        open.cancel();
        for _ in 0..3 {
            assert_eq!(readiness.check().await, Ok(()));
        }
        listener.set_nonblocking(true).unwrap();
        assert!(listener.accept().is_ok());
        assert!(listener.accept().is_err(), "one connection for three probes");

        drop(listener);
        assert_eq!(readiness.check().await, Ok(()), "within the second the last word holds");
        readiness.last().as_mut().unwrap().at -= CHECK_INTERVAL;
        let why = readiness.check().await.unwrap_err();
        assert!(why.starts_with(&format!("the service on {target} does not accept")), "{why}");

        draining.cancel();
        assert_eq!(readiness.check().await, Err("draining".to_owned()));
    }

    #[tokio::test]
    async fn probes_that_arrive_during_the_first_check_do_not_dial_too() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let open = CancellationToken::new();
        open.cancel();
        let readiness = Readiness::new(listener.local_addr().unwrap().into(), open, CancellationToken::new());
        let (first, second) = tokio::join!(readiness.check(), readiness.check());
        assert!(first.is_ok() && second.is_err(), "{first:?} {second:?}");
        listener.set_nonblocking(true).unwrap();
        assert!(listener.accept().is_ok());
        assert!(listener.accept().is_err(), "one connection for two probes");
    }
}
