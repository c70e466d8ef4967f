//! Generates the demo's light traffic: simulated shoppers that send one request at a time through the sidecars.
//!
//! A shopper's action also causes calls from one service to another. The same shopper sends those from the source
//! address of a calling pod, so that everything sent is counted in one place.

pub(crate) mod call;
pub(crate) mod mix;
pub(crate) mod tally;

use std::f64::consts::TAU;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use api::client::trust;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use reqwest::{Client, Response};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::demo::shop::ShopService;
use crate::demo::traffic::call::Call;
use crate::demo::traffic::mix::Shopper;
use crate::demo::traffic::tally::SentCounts;

/// The number of concurrent shoppers: enough that one slow response does not change the traffic.
const SHOPPERS: u64 = 12;

/// The mean interval between two requests of a shopper. With 12 shoppers that makes 90 requests/s.
const GAP: Duration = Duration::from_millis(133);

/// The relative amplitude of the traffic's sine wave, so that the charts show a change; its period is [`TIDE`].
const SWELL: f64 = 0.25;
const TIDE: Duration = Duration::from_mins(1);

/// The request rate as text.
pub(crate) const IN_WORDS: &str = "about 90 requests/s, all of it through the sidecars";

/// How long requests in flight may take after the stop: almost every response of the shop has arrived by then.
const FINISH_WITHIN: Duration = Duration::from_secs(1);

/// The addresses where the pods of each service accept requests.
#[derive(Debug, Clone)]
pub(crate) struct Entrances(pub(crate) Vec<(ShopService, SocketAddr)>);

impl Entrances {
    fn of(&self, service: ShopService) -> Vec<SocketAddr> {
        self.0.iter().filter(|(of, _)| *of == service).map(|(_, address)| *address).collect()
    }
}

/// The HTTP clients: one for the shoppers, and one for each pod.
#[derive(Debug)]
struct Clients {
    shoppers: Client,
    pods: Vec<(ShopService, Client)>,
}

impl Clients {
    fn new(addresses: Vec<(ShopService, IpAddr)>) -> anyhow::Result<Self> {
        // A proxy from the environment would be between the shoppers and the sidecars.
        let client =
            |address: Option<IpAddr>| trust::plain().no_proxy().local_address(address).build().context("make an HTTP client");
        let pod = |(service, address)| Ok((service, client(Some(address))?));
        Ok(Self { shoppers: client(None)?, pods: addresses.into_iter().map(pod).collect::<anyhow::Result<_>>()? })
    }

    /// The client of a random pod of a service; the shoppers' client if pods have no addresses of their own.
    fn of(&self, from: Option<ShopService>, rng: &mut StdRng) -> &Client {
        let pods: Vec<&Client> =
            self.pods.iter().filter(|(service, _)| Some(*service) == from).map(|(_, client)| client).collect();
        pods.choose(rng).copied().unwrap_or(&self.shoppers)
    }
}

/// The running shoppers.
#[derive(Debug)]
pub(crate) struct Shoppers {
    at_work: JoinSet<SentCounts>,
    drain: CancellationToken,
}

impl Shoppers {
    /// Starts the shoppers.
    pub(crate) fn start(entrances: Entrances, addresses: Vec<(ShopService, IpAddr)>) -> anyhow::Result<Self> {
        let clients = Arc::new(Clients::new(addresses)?);
        let entrances = Arc::new(entrances);
        let mut shoppers = Self { at_work: JoinSet::new(), drain: CancellationToken::new() };
        for seed in 0..SHOPPERS {
            let day = BusinessDay { begin: Instant::now(), drain: shoppers.drain.clone() };
            shoppers.at_work.spawn(shop(seed, Arc::clone(&clients), Arc::clone(&entrances), day));
        }
        Ok(shoppers)
    }

    /// Stops the shoppers and returns what they sent.
    pub(crate) async fn stop(self) -> anyhow::Result<SentCounts> {
        self.drain.cancel();
        let mut shoppers = self.at_work;
        let mut tally = SentCounts::default();
        while let Some(shopped) = shoppers.join_next().await {
            tally.merge(shopped.context("a shopper panicked")?);
        }
        Ok(tally)
    }
}

/// The start time and the stop signal of the shoppers.
struct BusinessDay {
    begin: Instant,
    drain: CancellationToken,
}

/// The loop of one shopper: send a request, wait for the response, pause.
async fn shop(seed: u64, clients: Arc<Clients>, entrances: Arc<Entrances>, day: BusinessDay) -> SentCounts {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut shopper = Shopper::default();
    let mut tally = SentCounts::default();
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
                shopper.receive(&call, &answer);
            }
            Some(Err(error)) if error.is_connect() => tally.could_not_send(),
            // The request was sent, so the sidecar has counted it, with whatever result.
            Some(Err(_)) | None => tally.sent(&call),
        }
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            () = day.drain.cancelled() => {}
        }
    }
    tally
}

/// Completes [`FINISH_WITHIN`] after the drain has begun.
async fn closing_time(drain: &CancellationToken) {
    drain.cancelled().await;
    tokio::time::sleep(FINISH_WITHIN).await;
}

/// Sends a call and reads the whole response.
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

/// Reads a whole body but keeps only its beginning, which is all that a shopper uses.
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

/// An exponentially distributed pause, as between independent clients, shorter when the traffic is high.
fn gap(rng: &mut StdRng, since_begin: Duration) -> Duration {
    let tide = 1.0 + SWELL * (TAU * since_begin.as_secs_f64() / TIDE.as_secs_f64()).sin();
    let luck: f64 = rng.random();
    // At most five times the mean: 1 in 150 is cut, and no shopper pauses for very long.
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
