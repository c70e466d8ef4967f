//! Formats one exchange of a tap as one line.

use api::tap::TappedExchange;
use format::label::service_label;
use format::time;

use crate::color::ColorMode;
use crate::sanitize::short;
use crate::table::column::Tone;
use crate::{history, stat};

/// For example `14:07:41.126  503   212 ms  GET /legacy/export  legacy  legacy-0  from 10.0.0.7  rule r1`.
pub(super) fn of(seen: &TappedExchange, paint: ColorMode) -> String {
    let exchange = &seen.exchange;
    let status = history::status(exchange);
    let shown = match status.tone {
        Tone::Red => paint.worst(&status.text),
        Tone::Amber => paint.bad(&status.text),
        Tone::Calm | Tone::Muted => status.text,
    };
    let caller = exchange.caller.as_deref().map(|caller| format!("  from {}", short(caller)));
    let outcome = history::outcome(exchange).text;
    let ended_by = (outcome != "service").then(|| format!("  {}", short(&outcome)));
    format!(
        "{}  {shown:>3}  {:>7}  {} {}  {}  {}{}{}\n",
        time::clock_ms(exchange.started_ms),
        stat::latency(Some(exchange.took_ms)).text,
        short(&seen.method),
        short(&exchange.path),
        short(&service_label(&seen.namespace, &seen.service)),
        short(&exchange.pod),
        caller.unwrap_or_default(),
        ended_by.unwrap_or_default(),
    )
}
