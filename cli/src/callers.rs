//! `sitio callers`: lists the callers of one endpoint, to check before it is turned off.

use std::process::ExitCode;

use api::callers::{Caller, CallerKind, Callers};
use api::endpoints::EndpointsQuery;
use format::health::{HealthLevel, ratio};
use format::label::service_label;
use format::{health, number};

use crate::color::ColorMode;
use crate::interrupt::Interrupts;
use crate::sanitize::short;
use crate::show::ShowOptions;
use crate::table::column::{Cell, Column, Tone, kept, light, wide};
use crate::table::{TableWidth, table};
use crate::{complete, csv, find, moment};

/// Show who has been calling one endpoint: services by name, strangers by address.
///
/// Each pod counts 32 callers of an endpoint separately. Rates are those of about the last minute, hits since the pods
/// started.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sitio callers legacy GET /legacy/export
  sitio callers /legacy/export -o wide
  sitio callers e5f0c2a9b1d3 -o json | jq '.callers[].service'")]
pub(crate) struct CallersOptions {
    /// The endpoint: its id, or SERVICE METHOD ROUTE, or as few of these words as name no other.
    #[arg(value_name = "ENDPOINT", required = true, num_args = 1..=3, value_parser = find::word, add = complete::endpoints())]
    endpoint: Vec<String>,
    /// Look for the endpoint in this namespace only.
    #[arg(short, long)]
    namespace: Option<String>,
    #[command(flatten)]
    look: ShowOptions,
}

/// Prints the callers.
pub(crate) async fn run(options: CallersOptions, paint: ColorMode, interrupts: Interrupts) -> anyhow::Result<ExitCode> {
    let client = options.look.connection.client()?;
    let all = EndpointsQuery { namespace: options.namespace.clone(), ..EndpointsQuery::default() };
    let words = find::words(&options.endpoint);
    let page = async || {
        let endpoints = client.endpoints(&all).await?.endpoints;
        let callers = client.callers(&find::one(&endpoints, &words)?.id).await?;
        options.look.format(&callers, |room| page(&callers, room, paint), || csv::callers::file(&callers))
    };
    options.look.show(interrupts, page).await
}

fn page(callers: &Callers, room: TableWidth, paint: ColorMode) -> String {
    let service = service_label(&callers.namespace, &callers.service);
    let title = format!("{} {} of {}", short(&callers.method), short(&callers.route), short(&service));
    let taken_ms = moment::unix_ms(&callers.taken_at).unwrap_or_else(moment::now_ms);
    let rows = table(&COLUMNS, &callers.callers, "no caller reported", taken_ms, room, paint);
    let unknown = (callers.unknown_hits > 0).then(|| {
        format!("\n{} earlier requests cannot be attributed to a caller any more\n", number::count(callers.unknown_hits))
    });
    format!("{}\n\n{rows}{}", paint.title(title), unknown.unwrap_or_default())
}

const COLUMNS: [Column<Caller>; 8] = [
    kept(Column::words("CALLER", |caller, _| name(caller))),
    light(Column::numbers("PODS", |caller, _| pods(caller))),
    Column::numbers("RPS", |caller, _| Cell::new(number::rate(caller.rps))),
    kept(Column::numbers("HITS", |caller, _| Cell::new(number::count(caller.hits)))),
    Column::numbers("SHARE", |caller, _| Cell::new(number::percent(caller.share).words())),
    Column::numbers("5XX", |caller, _| failing(caller)),
    Column::numbers("LAST SEEN", |caller, now_ms| Cell::new(moment::ago(Some(&caller.last_seen), now_ms))),
    wide(Column::words("FROM", |caller, _| from(caller))),
];

fn name(caller: &Caller) -> Cell {
    match (&caller.kind, &caller.service, &caller.address) {
        (CallerKind::Service, Some(service), _) => {
            Cell::new(service_label(caller.namespace.as_deref().unwrap_or("default"), service))
        }
        (_, _, Some(address)) => Cell::new(address),
        (CallerKind::Unknown(word), ..) => Cell::new(word),
        _ => Cell::new("(other)").toned(Tone::Muted),
    }
}

fn pods(caller: &Caller) -> Cell {
    match caller.kind {
        CallerKind::Service => Cell::new(caller.pods.len().to_string()),
        _ => Cell::new(number::MISSING),
    }
}

fn failing(caller: &Caller) -> Cell {
    let share = ratio(caller.failures, caller.hits);
    let tone = match health::failing(share, caller.hits) {
        HealthLevel::Red => Tone::Red,
        HealthLevel::Amber => Tone::Amber,
        HealthLevel::Calm => Tone::Calm,
    };
    Cell::new(number::percent(share).words()).toned(tone)
}

/// Each calling pod with its address and its number of requests.
fn from(caller: &Caller) -> Cell {
    let pod = |pod: &api::callers::CallerPod| {
        format!("{} ({}) {}", pod.pod.as_deref().unwrap_or("one of several"), pod.address, number::count(pod.hits))
    };
    Cell::new(caller.pods.iter().map(pod).collect::<Vec<_>>().join(", "))
}
