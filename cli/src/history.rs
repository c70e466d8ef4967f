//! `sitio history`: lists recent exchanges of one endpoint, from the history that its pods keep.

use std::process::ExitCode;

use api::endpoints::EndpointsQuery;
use api::history::{Exchange, History, HistoryQuery};
use format::label::service_label;
use format::{number, time};

use crate::color::ColorMode;
use crate::interrupt::Interrupts;
use crate::range::RangeOptions;
use crate::sanitize::short;
use crate::show::ShowOptions;
use crate::table::column::{Cell, Column, Tone, kept, light, wide};
use crate::table::{TableWidth, table};
use crate::{complete, csv, find, moment, stat};

/// The largest number of exchanges that a control plane returns in one response.
const LIMIT_MAX: i64 = 1000;

/// Show recent requests of one endpoint: the newest, the slowest, the failures.
///
/// Its pods are asked now. They keep every failure up to eight a second, the slowest and the newest; the rest is a sample.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sitio history legacy GET /legacy/export
  sitio history /legacy/export --status 5xx --from -15m
  sitio history legacy:GET:/legacy/export --slowest --limit 10
  sitio history e5f0c2a9b1d3 --pod legacy-0 -o json")]
pub(crate) struct HistoryOptions {
    /// The endpoint: its id, or SERVICE METHOD ROUTE, or as few of these words as name no other.
    #[arg(value_name = "ENDPOINT", required = true, num_args = 1..=3, value_parser = find::word, add = complete::endpoints())]
    endpoint: Vec<String>,
    /// Only these, such as 5xx or 5xx,404.
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
    /// Those first that took longest, not the newest.
    #[arg(long)]
    slowest: bool,
    /// Only of this pod.
    #[arg(long)]
    pod: Option<String>,
    /// How many, 1000 at most.
    #[arg(long, value_name = "COUNT", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=LIMIT_MAX))]
    limit: u32,
    #[command(flatten)]
    range: RangeOptions,
    /// Look for the endpoint in this namespace only.
    #[arg(short, long)]
    namespace: Option<String>,
    #[command(flatten)]
    look: ShowOptions,
}

/// Prints the exchanges.
pub(crate) async fn run(options: HistoryOptions, paint: ColorMode, interrupts: Interrupts) -> anyhow::Result<ExitCode> {
    let client = options.look.connection.client()?;
    let all = EndpointsQuery { namespace: options.namespace.clone(), ..EndpointsQuery::default() };
    let wanted = HistoryQuery {
        status: options.status.clone(),
        slowest: options.slowest.then(|| "true".to_owned()),
        pod: options.pod.clone(),
        // With a range, all exchanges are requested, and those outside the range are removed here.
        limit: Some((if options.range.is_given() { LIMIT_MAX as u32 } else { options.limit }).to_string()),
    };
    let words = find::words(&options.endpoint);
    let page = async || {
        let endpoints = client.endpoints(&all).await?.endpoints;
        let mut history = client.history(&find::one(&endpoints, &words)?.id, &wanted).await?;
        history.exchanges.retain(|exchange| options.range.holds(exchange.started_ms));
        history.exchanges.truncate(options.limit as usize);
        options.look.format(&history, |room| page(&history, room, paint), || csv::history::file(&history))
    };
    options.look.show(interrupts, page).await
}

fn page(history: &History, room: TableWidth, paint: ColorMode) -> String {
    let service = service_label(&history.namespace, &history.service);
    let title = format!("{} {} of {}", short(&history.method), short(&history.route), short(&service));
    let taken_ms = moment::unix_ms(&history.taken_at).unwrap_or_else(moment::now_ms);
    let exchanges = table(&COLUMNS, &history.exchanges, "its pods remember no such request", taken_ms, room, paint);
    let missing: Vec<_> = history.missing.iter().map(|pod| short(pod)).collect();
    let not_answered = (!missing.is_empty()).then(|| format!("{} {}", paint.bad("not answered in time:"), missing.join(", ")));
    let not_asked =
        (history.not_asked > 0).then(|| format!("{} pods were not asked, because there are more than can be", history.not_asked));
    let notes = [not_answered, not_asked].into_iter().flatten().map(|note| format!("\n{note}\n"));
    format!("{}\n\n{exchanges}{}", paint.title(title), notes.collect::<String>())
}

/// The columns of an exchange.
pub(crate) const COLUMNS: [Column<Exchange>; 12] = [
    Column::whole("TIME (UTC)", |exchange, _| Cell::new(time::clock_ms(exchange.started_ms))),
    kept(Column::numbers("STATUS", |exchange, _| status(exchange))),
    kept(Column::numbers("TOOK", |exchange, _| stat::latency(Some(exchange.took_ms)))),
    light(Column::numbers("FIRST BYTE", |exchange, _| stat::latency(exchange.first_byte_ms))),
    kept(Column::words("PATH", |exchange, _| Cell::new(&exchange.path))),
    Column::words("POD", |exchange, _| Cell::new(&exchange.pod)),
    Column::words("CALLER", |exchange, _| optional(exchange.caller.as_deref())),
    Column::words("ENDED BY", |exchange, _| outcome(exchange)),
    wide(Column::numbers("IN", |exchange, _| Cell::new(number::payload(exchange.bytes_in as f64).words()))),
    wide(Column::numbers("OUT", |exchange, _| Cell::new(number::payload(exchange.bytes_out as f64).words()))),
    wide(Column::words("REASON", |exchange, _| Cell::new(&exchange.reason))),
    wide(Column::words("TRACE", |exchange, _| optional(exchange.trace_id.as_deref()))),
];

/// The status code with its tone: a 503 by a rule is not a failure.
pub(crate) fn status(exchange: &Exchange) -> Cell {
    let tone = match exchange.status {
        _ if exchange.rule.is_some() => Tone::Amber,
        500.. => Tone::Red,
        400..500 => Tone::Amber,
        _ => Tone::Calm,
    };
    Cell::new(if exchange.status == 0 { number::MISSING.to_owned() } else { exchange.status.to_string() }).toned(tone)
}

/// What ended the exchange: the service, a rule, or the outcome that the sidecar recorded.
pub(crate) fn outcome(exchange: &Exchange) -> Cell {
    match (exchange.outcome.as_str(), &exchange.rule) {
        (_, Some(rule)) => Cell::new(format!("rule {rule}")).toned(Tone::Amber),
        ("answered", None) => Cell::new("service"),
        (outcome, None) => Cell::new(outcome),
    }
}

fn optional(text: Option<&str>) -> Cell {
    Cell::new(text.unwrap_or(number::MISSING))
}
