//! `sitio demo`: runs a sample shop of four services with two pods each, light traffic, and a killable control plane.

pub(crate) mod control_plane;
mod pods;
mod ready;
mod shop;
mod summary;
mod supervisor;
mod tour;
mod traffic;
mod welcome;

use std::future::pending;
use std::io::{IsTerminal, Write, stdout};
use std::net::SocketAddr;
use std::time::Duration;

use axum::http::Uri;

use crate::color::ColorMode;
use crate::data_dir::{ControlPlaneOptions, Home};
use crate::demo::pods::DemoPod;
use crate::demo::shop::Shop;
use crate::demo::summary::Counts;
use crate::demo::supervisor::Supervisor;
use crate::demo::tour::{Tour, TourServers};
use crate::demo::traffic::tally::SentCounts;
use crate::demo::traffic::{Entrances, Shoppers};
use crate::interrupt::Interrupts;
use crate::local_mesh::LocalMesh;

/// The demo ends within 5 s of the signal to stop. Requests in flight and the last reports take at most 1 s each, the
/// pods this time, and the control plane the rest. Only a control plane that was killed just before takes longer.
const PODS_LEAVE_WITHIN: Duration = Duration::from_millis(1300);

/// Run a small shop behind a mesh, with traffic, and a dashboard to watch it on.
#[derive(Debug, clap::Args)]
pub(crate) struct DemoOptions {
    #[command(flatten)]
    place: ControlPlaneOptions,
    /// Start the shop, but send it no requests.
    #[arg(long)]
    no_traffic: bool,
    /// Show each decorator in front of the legacy service, step by step. Without a terminal, it ends after the last.
    #[arg(long)]
    tour: bool,
    /// End by itself after this time, such as 20s or 5m [default: at Ctrl-C].
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    duration: Option<Duration>,
}

/// Runs the demo until it is interrupted or its duration is over.
pub(crate) async fn run(options: DemoOptions, paint: ColorMode, mut interrupts: Interrupts) -> anyhow::Result<()> {
    let place = options.place.take()?;
    let pods = pods::bind_all()?;
    let (dashboard, stream_url) = (place.dashboard(), place.stream_url());
    let ask_ready: Vec<SocketAddr> = pods.iter().map(|pod| pod.admin).collect();
    let entrances = Entrances(pods.iter().map(|pod| (pod.service, pod.entrance)).collect());
    let addresses = pods.iter().filter_map(|pod| Some((pod.service, pod.address?))).collect();
    let traffic = if options.no_traffic { "none; every pod can be asked by hand" } else { traffic::IN_WORDS };

    let (listeners, home) = place.into_parts();
    let servers = options.tour.then(|| TourServers::start(home.path())).transpose()?;
    let notifications_file = servers.as_ref().map(TourServers::notifications_file);
    let supervisor = Supervisor::start(listeners, home.path(), notifications_file)?;
    let tour = servers.as_ref().map(|_| Tour::new(&pods, dashboard, paint, interrupts.clone())).transpose()?;
    let words = welcome::words(paint, dashboard, supervisor.process_id(), &pods, traffic);
    let mut mesh = start(supervisor, home, pods, &stream_url);
    tokio::select! {
        ready = ready::wait(&ask_ready, dashboard) => ready?,
        ended = mesh.ended_early() => return Err(ended),
        _ = interrupts.first() => return mesh.stop(PODS_LEAVE_WITHIN).await,
    }
    say(&words);

    let before = summary::counted_before(dashboard).await?;
    let shoppers = (!options.no_traffic).then(|| Shoppers::start(entrances, addresses)).transpose()?;
    let toured = tokio::select! {
        _ = interrupts.first() => Ok(()),
        () = time_is_over(options.duration) => Ok(()),
        ended = mesh.ended_early() => return Err(ended),
        toured = guide(tour.as_ref().zip(servers.as_ref())) => toured,
    };
    let of_tour = tour.map(|tour| tour.sent()).unwrap_or_default();
    let output = match shoppers {
        Some(shoppers) => print_counts((shoppers, of_tour), &before, dashboard, paint).await,
        None => Ok(()),
    };
    toured.and(output).and(mesh.stop(PODS_LEAVE_WITHIN).await)
}

/// Completes when the tour is over and there is no terminal; never without a tour.
async fn guide(tour: Option<(&Tour, &TourServers)>) -> anyhow::Result<()> {
    let Some((tour, servers)) = tour else { return pending().await };
    tour.run(servers).await?;
    if !stdout().is_terminal() {
        return Ok(());
    }
    say("  That was the tour. The shop stays open; Ctrl-C ends everything.\n");
    pending().await
}

fn start(supervisor: Supervisor, home: Home, pods: Vec<DemoPod>, stream_url: &Uri) -> LocalMesh {
    let mut mesh = LocalMesh::default();
    mesh.keep(home);
    let drain = mesh.control_plane.drain();
    mesh.control_plane.start(supervisor.run(drain));
    let shop = Shop::default();
    for pod in pods {
        let drain = mesh.pods.drain();
        mesh.pods.start(pod.run(shop.clone(), stream_url.clone(), drain));
    }
    mesh
}

async fn print_counts(
    (shoppers, of_tour): (Shoppers, SentCounts),
    before: &Counts,
    dashboard: SocketAddr,
    paint: ColorMode,
) -> anyhow::Result<()> {
    let mut tally = shoppers.stop().await?;
    tally.merge(of_tour);
    let comparison = summary::compare(tally, before, dashboard).await?;
    say(&format!("\n{}\n", comparison.words(paint)));
    Ok(())
}

/// Ignores a closed standard output (`sitio demo | head`): the demo continues.
fn say(words: &str) {
    let _ = writeln!(stdout(), "{words}");
}

async fn time_is_over(duration: Option<Duration>) {
    match duration {
        Some(duration) => tokio::time::sleep(duration).await,
        None => pending().await,
    }
}
