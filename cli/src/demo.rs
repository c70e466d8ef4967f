//! `sitio demo`: a control plane, a sample shop of four services on two pods each, and gentle traffic, in one process.

mod pods;
mod ready;
mod shop;
mod summary;
mod traffic;
mod welcome;

use std::future::pending;
use std::io::{Write, stdout};
use std::net::SocketAddr;
use std::time::Duration;

use crate::demo::pods::Pod;
use crate::demo::shop::Shop;
use crate::demo::traffic::{Entrances, Shoppers};
use crate::embedded::{Embedded, Place};
use crate::interrupt::Interrupts;
use crate::local_mesh::LocalMesh;
use crate::paint::Paint;

/// The demo ends within 5 s of being told to: requests under way take 1 s at most, the last reports 2 s, the pods this,
/// and the control plane the rest.
const PODS_LEAVE_WITHIN: Duration = Duration::from_millis(1300);

/// Run a small shop behind a mesh, with traffic, and a dashboard to watch it on.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    #[command(flatten)]
    place: Place,
    /// Start the shop, but send it no requests.
    #[arg(long)]
    no_traffic: bool,
    /// End by itself after this time, such as 20s or 5m [default: at Ctrl-C].
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    duration: Option<Duration>,
}

/// Runs the demo until it is told to end, or its time is over.
pub(crate) async fn run(options: Options, paint: Paint, mut interrupts: Interrupts) -> anyhow::Result<()> {
    let control_plane = Embedded::bind(&options.place)?;
    let pods = pods::bind_all()?;
    let dashboard = control_plane.dashboard();
    let ask_ready: Vec<SocketAddr> = pods.iter().map(|pod| pod.admin).chain([dashboard]).collect();
    let entrances = Entrances(pods.iter().map(|pod| (pod.service, pod.entrance)).collect());
    let addresses = pods.iter().filter_map(|pod| Some((pod.service, pod.address?))).collect();
    let traffic = if options.no_traffic { "none; every pod can be asked by hand" } else { traffic::IN_WORDS };
    let words = welcome::words(paint, dashboard, &pods, traffic);

    let mut mesh = start(control_plane, pods);
    tokio::select! {
        ready = ready::wait(&ask_ready) => ready?,
        ended = mesh.ended_early() => return Err(ended),
        _ = interrupts.first() => return mesh.stop(PODS_LEAVE_WITHIN).await,
    }
    say(&words);

    let shoppers = (!options.no_traffic).then(|| Shoppers::start(entrances, addresses)).transpose()?;
    tokio::select! {
        _ = interrupts.first() => {}
        () = time_is_over(options.duration) => {}
        ended = mesh.ended_early() => return Err(ended),
    }
    let told = match shoppers {
        Some(shoppers) => tell_what_was_counted(shoppers, dashboard, paint).await,
        None => Ok(()),
    };
    told.and(mesh.stop(PODS_LEAVE_WITHIN).await)
}

fn start(control_plane: Embedded, pods: Vec<Pod>) -> LocalMesh {
    let stream_url = control_plane.stream_url();
    let mut mesh = LocalMesh::default();
    mesh.start_control_plane(control_plane);
    let shop = Shop::default();
    for pod in pods {
        let drain = mesh.pods.drain();
        mesh.pods.start(pod.run(shop.clone(), stream_url.clone(), drain));
    }
    mesh
}

async fn tell_what_was_counted(shoppers: Shoppers, dashboard: SocketAddr, paint: Paint) -> anyhow::Result<()> {
    let tally = shoppers.stop().await?;
    let comparison = summary::compare(tally, dashboard).await?;
    say(&format!("\n{}\n", comparison.words(paint)));
    Ok(())
}

/// Nobody may be reading any more (`sitio demo | head`), and the demo goes on all the same.
fn say(words: &str) {
    let _ = writeln!(stdout(), "{words}");
}

async fn time_is_over(duration: Option<Duration>) {
    match duration {
        Some(duration) => tokio::time::sleep(duration).await,
        None => pending().await,
    }
}
