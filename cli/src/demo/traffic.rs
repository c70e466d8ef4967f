//! Gentle traffic: a few shoppers, each waiting for an answer before the next request, all through the sidecars.
//!
//! What a shopper does sets off calls of one service to another. Those are sent from the address of a pod that would make
//! them, by the shopper whose doing they are, so that all that is sent is counted in one place.

pub(crate) mod mix;
pub(crate) mod tally;

use std::f64::consts::TAU;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use client::trust;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use reqwest::{Client, Response};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::demo::shop::Service;
use crate::demo::traffic::mix::{Call, Shopper};
use crate::demo::traffic::tally::Tally;

/// Shoppers at a time: enough that a slow answer to one leaves the traffic as it is.
const SHOPPERS: u64 = 12;

/// From one request of a shopper to the next, on average. With 12 shoppers that makes 90 requests/s.
const GAP: Duration = Duration::from_millis(133);

/// The traffic swells and ebbs by this much, so that there is something to see, once in [`TIDE`].
const SWELL: f64 = 0.25;
const TIDE: Duration = Duration::from_mins(1);

/// The same in words.
pub(crate) const IN_WORDS: &str = "about 90 requests/s, all of it through the sidecars";

/// What is under way at closing time has so long to finish: as good as every answer of the shop is there by then.
const FINISH_WITHIN: Duration = Duration::from_secs(1);

/// Where the pods of each service take requests.
#[derive(Debug, Clone)]
pub(crate) struct Entrances(pub(crate) Vec<(Service, SocketAddr)>);

impl Entrances {
    fn of(&self, service: Service) -> Vec<SocketAddr> {
        self.0.iter().filter(|(of, _)| *of == service).map(|(_, address)| *address).collect()
    }
}

/// Who sends: the shoppers' own client, and one for each pod.
#[derive(Debug)]
struct Clients {
    shoppers: Client,
    pods: Vec<(Service, Client)>,
}

impl Clients {
    fn new(addresses: Vec<(Service, IpAddr)>) -> anyhow::Result<Self> {
        // A proxy named by the environment would stand between the shoppers and the sidecars.
        let client =
            |address: Option<IpAddr>| trust::plain().no_proxy().local_address(address).build().context("make an HTTP client");
        let pod = |(service, address)| Ok((service, client(Some(address))?));
        Ok(Self { shoppers: client(None)?, pods: addresses.into_iter().map(pod).collect::<anyhow::Result<_>>()? })
    }

    /// The client of some pod of a service; the shoppers' if pods have no addresses of their own here.
    fn of(&self, from: Option<Service>, rng: &mut StdRng) -> &Client {
        let pods: Vec<&Client> =
            self.pods.iter().filter(|(service, _)| Some(*service) == from).map(|(_, client)| client).collect();
        pods.choose(rng).copied().unwrap_or(&self.shoppers)
    }
}

/// The shoppers at work.
#[derive(Debug)]
pub(crate) struct Shoppers {
    at_work: JoinSet<Tally>,
    drain: CancellationToken,
}

impl Shoppers {
    /// Lets them in.
    pub(crate) fn start(entrances: Entrances, addresses: Vec<(Service, IpAddr)>) -> anyhow::Result<Self> {
        let clients = Arc::new(Clients::new(addresses)?);
        let entrances = Arc::new(entrances);
        let mut shoppers = Self { at_work: JoinSet::new(), drain: CancellationToken::new() };
        for seed in 0..SHOPPERS {
            let day = Day { begin: Instant::now(), drain: shoppers.drain.clone() };
            shoppers.at_work.spawn(shop(seed, Arc::clone(&clients), Arc::clone(&entrances), day));
        }
        Ok(shoppers)
    }

    /// Asks them to leave, and hears what they have sent.
    pub(crate) async fn stop(self) -> anyhow::Result<Tally> {
        self.drain.cancel();
        let mut shoppers = self.at_work;
        let mut tally = Tally::default();
        while let Some(shopped) = shoppers.join_next().await {
            tally.merge(shopped.context("a shopper panicked")?);
        }
        Ok(tally)
    }
}

/// From the first request to closing time.
struct Day {
    begin: Instant,
    drain: CancellationToken,
}

/// One shopper's life: call, wait for the answer, pause.
async fn shop(seed: u64, clients: Arc<Clients>, entrances: Arc<Entrances>, day: Day) -> Tally {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut shopper = Shopper::default();
    let mut tally = Tally::default();
    let mut next = day.begin;
    while !day.drain.is_cancelled() {
        let call = shopper.next_call(&mut rng);
        let entrance = *entrances.of(call.service).choose(&mut rng).expect("every service has pods");
        let client = clients.of(call.from, &mut rng);
        next = next.max(Instant::now()) + gap(&mut rng, day.begin.elapsed());
        let answer = tokio::select! {
            answer = send(client, entrance, &call) => Some(answer),
            () = closing_time(&day.drain) => None,
        };
        match answer {
            Some(Ok(answer)) => {
                tally.sent(&call);
                shopper.hear(&call, &answer);
            }
            Some(Err(error)) if error.is_connect() => tally.could_not_send(),
            // It was on its way, so the sidecar has counted it; how it ended is for the sidecar to tell.
            Some(Err(_)) | None => tally.sent(&call),
        }
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            () = day.drain.cancelled() => {}
        }
    }
    tally
}

/// Comes some time after the drain has begun.
async fn closing_time(drain: &CancellationToken) {
    drain.cancelled().await;
    tokio::time::sleep(FINISH_WITHIN).await;
}

/// Sends a call and reads the answer to its end.
async fn send(client: &Client, entrance: SocketAddr, call: &Call) -> reqwest::Result<Vec<u8>> {
    let mut request = client.request(call.method.clone(), format!("http://{entrance}{}", call.path));
    for (name, value) in &call.headers {
        request = request.header(*name, *value);
    }
    if let Some(body) = &call.body {
        request = request.body(body.clone());
    }
    let mut answer = request.send().await?;
    read(&mut answer).await
}

/// Reads a body to its end; keeps its beginning, which is all that a shopper looks at.
async fn read(answer: &mut Response) -> reqwest::Result<Vec<u8>> {
    const KEPT_BYTES_MAX: usize = 4096;
    let mut kept = Vec::new();
    while let Some(piece) = answer.chunk().await? {
        if kept.len() < KEPT_BYTES_MAX {
            kept.extend_from_slice(&piece[..piece.len().min(KEPT_BYTES_MAX - kept.len())]);
        }
    }
    Ok(kept)
}

/// An exponentially distributed pause, as between people who do not know of each other, shorter at high tide.
fn gap(rng: &mut StdRng, since_begin: Duration) -> Duration {
    let tide = 1.0 + SWELL * (TAU * since_begin.as_secs_f64() / TIDE.as_secs_f64()).sin();
    let luck: f64 = rng.random();
    // At most five times the mean: 1 in 150 is cut, and no shopper dozes off.
    GAP.mul_f64((-(1.0 - luck).ln()).min(5.0) / tide)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shoppers_together_make_gentle_traffic() {
        let mut rng = StdRng::seed_from_u64(1);
        let waited: Duration = (0..6000).map(|at| gap(&mut rng, Duration::from_millis(at * 10))).sum();
        let rate = SHOPPERS as f64 * 6000.0 / waited.as_secs_f64();
        assert!((75.0..110.0).contains(&rate), "{rate} requests/s");
    }
}
