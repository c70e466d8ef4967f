//! A row of the page of notices, and one of its channels: every cell as finished text.

use serde::Serialize;

use crate::dashboard::pods::row::encoded;
use crate::dashboard::zone::Zone;
use crate::model::notice::{EXCHANGES_MAX, Notice, NoticeExchange, PODS_MAX};
use crate::notifications::outbox::ChannelCounts;
use format::label::service_label;
use format::{number, time};

/// Names of pods in a row; the others are counted.
const PODS_SHOWN: usize = 3;

/// The live values of a row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NoticeRowCells {
    /// The template that the script makes the row from.
    pub kind: &'static str,
    /// Element id.
    pub id: String,
    /// Whether it fires.
    pub state: &'static str,
    /// CSS class of the state.
    pub state_tag: &'static str,
    /// Namespace and service.
    pub service: String,
    /// Address of the service's endpoints.
    pub href: String,
    /// What is wrong.
    pub condition: String,
    /// What was seen.
    pub detail: String,
    /// How often it came and went.
    pub times: String,
    /// The first pods.
    pub pods: String,
    /// When it began.
    pub since: String,
    /// The same in RFC 3339.
    pub since_instant: String,
    /// How long it lasts or has lasted, and when it ended.
    pub lasted: String,
    /// The last failed exchanges.
    pub exchanges: [String; EXCHANGES_MAX],
}

impl NoticeRowCells {
    /// An empty row that the script clones.
    pub fn blank() -> Self {
        Self { kind: "row", state_tag: "tag", ..Self::default() }
    }

    /// The row of a notice.
    pub fn of(notice: &Notice, now_ms: u64, zone: &Zone) -> Self {
        let subject = &notice.subject;
        let exchange = |at: usize| notice.exchanges.get(at).map(|exchange| line(exchange, zone)).unwrap_or_default();
        let lasted = |until_ms: u64| time::span(until_ms.saturating_sub(notice.since_ms));
        let (state, state_tag, lasted) = match notice.resolved_ms {
            None => ("Firing", "tag bad", format!("for {}", lasted(now_ms))),
            Some(resolved_ms) => ("Resolved", "tag", format!("{}, after {}", zone.clock(resolved_ms), lasted(resolved_ms))),
        };
        Self {
            kind: "row",
            id: format!("n{}", notice.id),
            state,
            state_tag,
            service: service_label(&subject.namespace, &subject.service),
            href: format!("./?service={}", encoded(&subject.service)),
            condition: subject.condition.words().to_owned(),
            detail: notice.detail.clone(),
            times: if notice.times > 1 { format!("Came and went {} times", notice.times) } else { String::new() },
            pods: pods(notice),
            since: zone.moment(notice.since_ms),
            since_instant: time::instant(notice.since_ms),
            lasted,
            exchanges: std::array::from_fn(exchange),
        }
    }
}

fn pods(notice: &Notice) -> String {
    let named: Vec<&str> = notice.pods.iter().take(PODS_SHOWN).map(|pod| pod.name.as_str()).collect();
    match notice.pods_total.saturating_sub(named.len()) {
        0 => named.join(", "),
        // Pods over the limit of a notice are not distinguished.
        more if notice.pods_total > PODS_MAX => format!("{} and at least {more} more", named.join(", ")),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

fn line(exchange: &NoticeExchange, zone: &Zone) -> String {
    let NoticeExchange { at_ms, pod, method, path, status, outcome, took_us, .. } = exchange;
    let took = number::latency(Some(*took_us as f64)).words();
    format!("{} {method} {path} → {status} {outcome}, {took}, {pod}", zone.clock(*at_ms))
}

/// The live values of a channel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ChannelCells {
    /// Element id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `webhook` or `mail`.
    pub transport: &'static str,
    /// Delivered messages.
    pub delivered: String,
    /// Waiting messages.
    pub queued: String,
    /// Failed attempts, and messages that were given up or suppressed.
    pub failed: String,
    /// The last failure.
    pub failure: String,
}

impl ChannelCells {
    /// A channel.
    pub fn of(name: String, transport: &'static str, counts: ChannelCounts, zone: &Zone) -> Self {
        let failure = counts.last_failure.map(|(at_ms, why)| format!("{}: {why}", zone.moment(at_ms)));
        let other = [(counts.given_up, "given up"), (counts.suppressed, "in summaries")];
        let other =
            other.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!(", {} {word}", number::count(*count)));
        Self {
            id: format!("channel-{name}"),
            name,
            transport,
            delivered: number::count(counts.delivered),
            queued: number::count(counts.queued as u64),
            failed: format!("{}{}", number::count(counts.failed), other.collect::<String>()),
            failure: failure.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::live_values::flatten::values_of;
    use crate::dashboard::sample;
    use crate::model::notice::{NoticeCondition, NoticePod};

    #[test]
    fn a_row_says_what_where_since_when_and_on_which_pods() {
        let pod = |name: &str| NoticePod { name: name.to_owned(), since_ms: sample::NOW_MS, until_ms: sample::NOW_MS };
        let pods = ["a", "b", "c", "d"].map(pod).to_vec();
        let notice = Notice { pods, pods_total: 4, ..sample::notice(NoticeCondition::Refusing) };
        let row = NoticeRowCells::of(&notice, sample::NOW_MS, &Zone::default());
        assert_eq!((row.state, row.service.as_str(), row.condition.as_str()), ("Firing", "legacy", "refuses connections"));
        assert_eq!((row.pods.as_str(), row.lasted.as_str()), ("a, b, c and 1 more", "for 2 min"));
        assert_eq!(row.exchanges[0], "14:07:36 GET /orders/7 → 502 upstream-connect, 1.2 ms, legacy-1");
        assert_eq!(row.exchanges[1], "");
        let live = values_of(&row);
        assert_eq!(live.get("exchanges.0"), Some(row.exchanges[0].as_str()), "an open page shows it, too");
        let ended = Notice { resolved_ms: Some(sample::NOW_MS - 60_000), times: 3, ..notice };
        let row = NoticeRowCells::of(&ended, sample::NOW_MS, &Zone::default());
        assert_eq!((row.state, row.times.as_str()), ("Resolved", "Came and went 3 times"));
        assert!(row.lasted.ends_with(", after 60 s") || row.lasted.ends_with(", after 1 min"), "{}", row.lasted);
    }
}
