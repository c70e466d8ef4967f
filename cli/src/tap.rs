//! `sitio tap`: prints live exchanges, one line each, until Ctrl-C or until the output is closed.

mod line;
mod reader;

use std::process::ExitCode;

use anyhow::bail;
use api::client::tap_stream::{TapEvent, TapStream};
use api::tap::{TapDropped, TapQuery, TappedExchange};
use clap::ValueEnum;
use format::number;
use mesh::visible::json;

use crate::color::ColorMode;
use crate::complete;
use crate::connection::Connection;
use crate::interrupt::Interrupts;
use crate::sanitize::short;
use crate::stdout::{beside, say};

/// The highest rate at which a control plane streams exchanges.
const RATE_MAX: i64 = 500;

/// Watch requests while they happen, across pods.
///
/// It is a sample: what is over the rate is not shown, and counted.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sitio tap                                  everything, as far as the rate goes
  sitio tap legacy --status 5xx              failures of one service
  sitio tap --route '/api/*' --method POST
  sitio tap legacy | head -3
  sitio tap -o json | jq .took_ms")]
pub(crate) struct TapOptions {
    /// Only of this service.
    #[arg(add = complete::services())]
    service: Option<String>,
    /// Only of this route, such as /users/{id}; /api/* is every route that begins with /api/.
    #[arg(long)]
    route: Option<String>,
    /// Only these, such as 5xx or 5xx,404.
    #[arg(long)]
    status: Option<String>,
    /// Only of this method.
    #[arg(long)]
    method: Option<String>,
    /// Only of this pod.
    #[arg(long)]
    pod: Option<String>,
    /// Only of this namespace.
    #[arg(short, long)]
    namespace: Option<String>,
    /// No more than so many a second, 500 at most.
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=RATE_MAX))]
    rate: u32,
    /// How to print.
    #[arg(short, long, value_enum, default_value_t = TapOutput::Line, value_name = "FORMAT")]
    output: TapOutput,
    #[command(flatten)]
    connection: Connection,
}

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TapOutput {
    /// For people.
    Line,
    /// A line of JSON each.
    Json,
}

/// The number of exchanges that were shown and dropped.
#[derive(Debug, Default)]
struct TapSummary {
    shown: u64,
    dropped: TapDropped,
}

/// Prints exchanges until interrupted.
pub(crate) async fn run(options: TapOptions, paint: ColorMode, mut interrupts: Interrupts) -> anyhow::Result<ExitCode> {
    let client = options.connection.client()?;
    let wanted = TapQuery {
        namespace: options.namespace.clone(),
        service: options.service.clone(),
        pod: options.pod.clone(),
        method: options.method.as_ref().map(|method| method.to_uppercase()),
        route: options.route.clone(),
        status: options.status.clone(),
        limit_per_s: Some(options.rate.to_string()),
    };
    let mut account = TapSummary::default();
    let watched = async {
        let tap = client.tap(&wanted).await?;
        watch(tap, options.output, paint, &mut account).await
    };
    tokio::select! {
        ended = watched => ended?,
        left = reader::left() => left?,
        _ = interrupts.first() => {}
    }
    beside(&account.words(options.rate));
    Ok(ExitCode::SUCCESS)
}

/// Prints the events of the tap, which does not end by itself.
async fn watch(mut tap: TapStream, output: TapOutput, paint: ColorMode, account: &mut TapSummary) -> anyhow::Result<()> {
    while let Some(event) = tap.next().await? {
        match event {
            TapEvent::Exchange(seen) => {
                account.shown += 1;
                say(&format(&seen, output, paint)?)?;
            }
            TapEvent::Dropped(dropped) => account.drop(dropped),
            TapEvent::Ended(ended) => bail!("the tap has ended: {}; try again", short(&ended.why)),
            TapEvent::Opened | TapEvent::Pod(_) => {}
        }
    }
    bail!("the tap has ended: the control plane has closed it; try again")
}

fn format(seen: &TappedExchange, output: TapOutput, paint: ColorMode) -> anyhow::Result<String> {
    Ok(match output {
        TapOutput::Line => line::of(seen, paint),
        // Paths and names are untrusted, and may hold characters that control a terminal.
        TapOutput::Json => format!("{}\n", json(&serde_json::to_string(seen)?)),
    })
}

impl TapSummary {
    /// Prints how many exchanges were dropped since the last call.
    fn drop(&mut self, dropped: TapDropped) {
        let more = dropped.exchanges().saturating_sub(self.dropped.exchanges());
        if more > 0 {
            beside(&format!("  … {} more not shown", number::count(more)));
        }
        if dropped.pods > self.dropped.pods {
            beside(&format!(
                "  … {} pods are not tapped, because there are too many: name a service",
                number::count(dropped.pods)
            ));
        }
        self.dropped = dropped;
    }

    /// The summary at the end.
    fn words(&self, rate: u32) -> String {
        let shown = format!("{} shown", number::plural(self.shown as usize, "request", "requests"));
        let reasons: Vec<_> = [
            (self.dropped.rate, format!("over {rate} a second (--rate)")),
            (self.dropped.queue, "no room on the way from a pod".to_owned()),
            (self.dropped.reader, "not read in time".to_owned()),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, why)| format!("{} {why}", number::count(count)))
        .collect();
        if reasons.is_empty() {
            return format!("{shown}, none left out");
        }
        format!("{shown}, {} not: {}", number::count(self.dropped.exchanges()), reasons.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_lists_what_was_not_shown_and_why() {
        let mut account = TapSummary { shown: 1, ..TapSummary::default() };
        assert_eq!(account.words(50), "1 request shown, none left out");
        account.dropped = TapDropped { rate: 1200, reader: 3, ..TapDropped::default() };
        assert_eq!(account.words(50), "1 request shown, 1,203 not: 1,200 over 50 a second (--rate), 3 not read in time");
    }
    #[test]
    fn json_cannot_control_a_terminal() {
        let seen = serde_json::json!({
            "namespace": "default", "service": "shop", "method": "GET", "route": "/{id}", "started": "", "started_ms": 0,
            "path": "/a\u{202e}b\u{9b}2J", "status": 200, "reason": "OK", "outcome": "service", "took_ms": 1.0,
            "bytes_in": 0, "bytes_out": 0, "pod": "shop-1", "told_before": false,
        });
        let seen: TappedExchange = serde_json::from_value(seen).unwrap();

        let line = format(&seen, TapOutput::Json, ColorMode::Plain).unwrap();

        assert!(line.contains(r"/a\u202eb\u009b2J"), "{line}");
        assert_eq!(serde_json::from_str::<TappedExchange>(&line).unwrap().exchange.path, seen.exchange.path);
    }
}
