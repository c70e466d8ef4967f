//! Encodes and decodes taps: the set of taps to the sidecar, tapped and dropped exchanges to the control plane.

use mesh::endpoint::Endpoint;
use mesh::tap::{Dropped, Filter, Sighting, Tap};

use crate::convert::exchanges::{exchange, sample};
use crate::convert::{InvalidMessage, bounded};
use crate::wire;

/// Concurrent taps on one sidecar. Each one costs its workers a comparison per exchange.
pub const TAPS_MAX: usize = 8;

/// Exchanges in one frame. With the longest paths and routes that is about 50 kB.
pub const SEEN_MAX: usize = 64;

/// What a sidecar reports for its taps.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TapUpdate {
    /// Exchanges that matched a tap.
    pub seen: Vec<Sighting>,
    /// Counts of dropped exchanges, by tap.
    pub dropped: Vec<(u64, Dropped)>,
}

/// Encodes the complete set of taps.
pub fn set<'a>(taps: impl Iterator<Item = &'a Tap>) -> wire::Taps {
    let tap = |tap: &Tap| wire::Tap {
        id: tap.id,
        method: tap.filter.method.clone().unwrap_or_default(),
        route: tap.filter.route.clone().unwrap_or_default(),
        status: tap.filter.statuses.as_ref().map(ToString::to_string).unwrap_or_default(),
        per_second: tap.per_second_max,
    };
    wire::Taps { taps: taps.map(tap).collect() }
}

/// Decodes and validates a set of taps.
pub fn taps(set: wire::Taps) -> Result<Vec<Tap>, InvalidMessage> {
    let tap = |tap: wire::Tap| {
        let filter = Filter::read(&tap.method, &tap.route, &tap.status);
        let filter = filter.map_err(|why| InvalidMessage::Senseless { field: "taps", why: why.to_string() })?;
        Ok(Tap { id: tap.id, filter, per_second_max: tap.per_second })
    };
    bounded("taps", set.taps, TAPS_MAX)?.into_iter().map(tap).collect()
}

impl From<TapUpdate> for wire::Tapped {
    fn from(tapped: TapUpdate) -> Self {
        let seen = |seen: Sighting| wire::Seen {
            tap: seen.tap,
            method: seen.endpoint.method().to_owned(),
            route: seen.endpoint.route().to_owned(),
            sample: Some(sample(&seen.exchange)),
        };
        let dropped =
            |(tap, dropped): (u64, Dropped)| wire::Dropped { tap, over_rate: dropped.over_rate, over_queue: dropped.over_queue };
        Self { seen: tapped.seen.into_iter().map(seen).collect(), dropped: tapped.dropped.into_iter().map(dropped).collect() }
    }
}

impl TryFrom<wire::Tapped> for TapUpdate {
    type Error = InvalidMessage;

    fn try_from(tapped: wire::Tapped) -> Result<Self, InvalidMessage> {
        let seen = |seen: wire::Seen| {
            let endpoint = Endpoint::named(&seen.method, &seen.route);
            let endpoint = endpoint.map_err(|why| InvalidMessage::Senseless { field: "tapped.seen", why: why.to_string() })?;
            let sample = seen.sample.ok_or(InvalidMessage::Missing("tapped.seen.sample"))?;
            Ok(Sighting { tap: seen.tap, endpoint, exchange: exchange(sample)? })
        };
        let dropped =
            |dropped: wire::Dropped| (dropped.tap, Dropped { over_rate: dropped.over_rate, over_queue: dropped.over_queue });
        Ok(Self {
            seen: bounded("tapped.seen", tapped.seen, SEEN_MAX)?.into_iter().map(seen).collect::<Result<_, _>>()?,
            dropped: bounded("tapped.dropped", tapped.dropped, 2 * TAPS_MAX)?.into_iter().map(dropped).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use mesh::exchange::Exchange;

    use super::*;

    #[test]
    fn a_set_of_taps_survives_the_wire() {
        let sent = [
            Tap { id: 7, filter: Filter::read("GET", "/a/*", "5xx,404").unwrap(), per_second_max: 9 },
            Tap { id: 8, filter: Filter::default(), per_second_max: 1 },
        ];
        assert_eq!(taps(set(sent.iter())), Ok(sent.to_vec()));
        assert_eq!(taps(wire::Taps::default()), Ok(vec![]));
    }

    #[test]
    fn what_was_seen_survives_the_wire() {
        let endpoint = Endpoint::named("GET", "/a").unwrap();
        let exchange = Exchange { status: 503, path: "/a".into(), started_ms: 5, ..Exchange::default() };
        let sent = TapUpdate {
            seen: vec![Sighting { tap: 7, endpoint, exchange }],
            dropped: vec![(7, Dropped { over_rate: 3, over_queue: 1 })],
        };
        assert_eq!(TapUpdate::try_from(wire::Tapped::from(sent.clone())), Ok(sent));
    }

    #[test]
    fn what_is_too_much_or_makes_no_sense_is_refused() {
        let many = wire::Taps { taps: vec![wire::Tap::default(); TAPS_MAX + 1] };
        assert_eq!(taps(many), Err(InvalidMessage::TooMuch { field: "taps", limit: TAPS_MAX }));
        let odd = wire::Taps { taps: vec![wire::Tap { status: "bad".into(), ..wire::Tap::default() }] };
        assert!(taps(odd).unwrap_err().to_string().contains("status=bad"));
        let seen = wire::Seen { method: "GET".into(), route: "/a".into(), sample: Some(wire::Sample::default()), tap: 1 };
        let flood = wire::Tapped { seen: vec![seen.clone(); SEEN_MAX + 1], dropped: vec![] };
        assert_eq!(TapUpdate::try_from(flood), Err(InvalidMessage::TooMuch { field: "tapped.seen", limit: SEEN_MAX }));
        let hollow = wire::Tapped { seen: vec![wire::Seen { sample: None, ..seen.clone() }], dropped: vec![] };
        assert!(TapUpdate::try_from(hollow).is_err());
        let nowhere = wire::Tapped { seen: vec![wire::Seen { route: "a".into(), ..seen }], dropped: vec![] };
        assert!(TapUpdate::try_from(nowhere).is_err());
        let flood = wire::Tapped { seen: vec![], dropped: vec![wire::Dropped::default(); 2 * TAPS_MAX + 1] };
        assert!(TapUpdate::try_from(flood).is_err());
    }
}
