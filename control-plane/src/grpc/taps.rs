//! The taps of one stream: which of them its sidecar knows, and where its tapped exchanges go.

use std::sync::Arc;

use mesh::tap::Tap;
use mesh::workload::Workload;
use proto::convert::InvalidMessage;
use proto::convert::taps::{TapUpdate, set};
use proto::wire;

use crate::tap;
use crate::tap::open::OpenTap;

/// The taps that were sent to one sidecar.
pub(super) struct StreamTaps {
    pod: Arc<Workload>,
    /// The taps, with the exact order that was sent for each: a changed order restarts its counts.
    sent: Vec<(Arc<OpenTap>, Tap)>,
    /// The newest of all taps that were considered. Exchanges for taps up to it may still arrive
    /// after their tap has ended.
    newest: u64,
}

impl StreamTaps {
    pub(super) fn new(pod: Arc<Workload>) -> Self {
        Self { pod, sent: Vec::new(), newest: 0 }
    }

    /// The set to send to the sidecar, if these open taps change it.
    pub(super) fn update(&mut self, open: &[Arc<OpenTap>]) -> Option<wire::Taps> {
        let before = self.sent.len();
        self.sent.retain(|(tap, _)| {
            let stays = open.iter().any(|open| open.id == tap.id);
            if !stays {
                tap.leave(&self.pod);
            }
            stays
        });
        let has_ended = self.sent.len() != before;
        let new = open.iter().filter(|tap| tap.id > self.newest && tap.covers(&self.pod));
        let joined: Vec<_> = new.filter(|tap| tap.join(&self.pod)).map(|tap| (Arc::clone(tap), tap.for_sidecar())).collect();
        self.newest = open.iter().map(|tap| tap.id).fold(self.newest, u64::max);
        if !has_ended && joined.is_empty() {
            return None;
        }
        self.sent.extend(joined);
        Some(set(self.sent.iter().map(|(_, order)| order)))
    }

    /// Passes on tapped exchanges. Those of a tap that has just ended are late, which is no error.
    pub(super) fn receive(&self, tapped: wire::Tapped, now_s: u64, all: &tap::OpenTaps) -> Result<(), InvalidMessage> {
        let tapped = TapUpdate::try_from(tapped)?;
        for seen in tapped.seen {
            match self.sent(seen.tap)? {
                Some(tap) if tap.offer(&self.pod, seen, now_s) => {}
                Some(_) => all.unasked.up(),
                None => {}
            }
        }
        for (id, dropped) in tapped.dropped {
            if let Some(tap) = self.sent(id)? {
                tap.dropped(dropped);
            }
        }
        for (tap, _) in self.sent.iter().filter(|(tap, _)| tap.is_stalled()) {
            tap.close();
            all.end(tap.id);
        }
        Ok(())
    }

    fn sent(&self, id: u64) -> Result<Option<&Arc<OpenTap>>, InvalidMessage> {
        let sent = self.sent.iter().map(|(tap, _)| tap).find(|tap| tap.id == id);
        if sent.is_none() && (id == 0 || id > self.newest) {
            return Err(InvalidMessage::Senseless { field: "tapped.tap", why: format!("there is no tap {id}") });
        }
        Ok(sent)
    }
}

impl Drop for StreamTaps {
    fn drop(&mut self) {
        self.sent.iter().for_each(|(tap, _)| tap.leave(&self.pod));
    }
}

#[cfg(test)]
mod tests {
    use mesh::endpoint::Endpoint;
    use mesh::exchange::Exchange;
    use mesh::tap::{Dropped, Filter, Sighting};

    use super::*;
    use crate::tap::TapReader;
    use crate::tap::open::{TapEvent, TapLosses};
    use crate::tap::scope::TapScope;

    fn pod(name: &str) -> Workload {
        Workload {
            namespace: "default".into(),
            service: "shop".into(),
            pod: name.into(),
            pod_uid: name.into(),
            node: String::new(),
            addresses: vec![],
            version: String::new(),
        }
    }

    fn open(all: &Arc<tap::OpenTaps>, pod: &str) -> TapReader {
        all.open(TapScope { pod: Some(pod.into()), ..TapScope::default() }, Filter::default(), 10).unwrap()
    }

    fn sent(taps: &mut StreamTaps, all: &tap::OpenTaps) -> Option<Vec<u64>> {
        let open = Arc::clone(&all.watch().borrow());
        let set = taps.update(&open)?;
        Some(proto::convert::taps::taps(set).unwrap().into_iter().map(|tap| tap.id).collect())
    }

    fn tapped(tap: u64) -> wire::Tapped {
        let endpoint = Endpoint::named("GET", "/a").unwrap();
        let seen = vec![Sighting { tap, endpoint, exchange: Exchange::default() }];
        TapUpdate { seen, dropped: vec![(tap, Dropped { over_rate: 1, over_queue: 0 })] }.into()
    }

    #[test]
    fn a_sidecar_receives_its_taps_only_when_they_change() {
        let all = Arc::<tap::OpenTaps>::default();
        let mut taps = StreamTaps::new(Arc::new(pod("shop-1")));
        assert_eq!(sent(&mut taps, &all), None);
        let first = open(&all, "shop-1");
        let _other = open(&all, "shop-2");
        let second = open(&all, "shop-1");
        let (one, two) = (first.tap.id, second.tap.id);
        assert_eq!(sent(&mut taps, &all), Some(vec![one, two]));
        assert_eq!(sent(&mut taps, &all), None);
        drop(first);
        assert_eq!(sent(&mut taps, &all), Some(vec![two]));
        drop(second);
        assert_eq!(sent(&mut taps, &all), Some(vec![]));
    }

    #[test]
    fn what_comes_late_is_no_offence_and_what_was_never_asked_for_is_one() {
        let all = Arc::<tap::OpenTaps>::default();
        let mut taps = StreamTaps::new(Arc::new(pod("shop-1")));
        let reader = open(&all, "shop-1");
        let id = reader.tap.id;
        assert!(taps.receive(tapped(id), 0, &all).is_err(), "it has not received it yet");
        sent(&mut taps, &all);
        taps.receive(tapped(id), 0, &all).unwrap();
        assert_eq!(reader.tap.losses(), TapLosses { rate: 1, ..TapLosses::default() });
        drop(reader);
        sent(&mut taps, &all);
        taps.receive(tapped(id), 0, &all).unwrap();
        assert!(taps.receive(tapped(id + 1), 0, &all).is_err() && taps.receive(tapped(0), 0, &all).is_err());
    }

    #[test]
    fn a_reader_who_has_read_nothing_for_long_is_taken_for_gone() {
        let all = Arc::<tap::OpenTaps>::default();
        let mut taps = StreamTaps::new(Arc::new(pod("shop-1")));
        let mut reader = open(&all, "shop-1");
        sent(&mut taps, &all);
        reader.tap.stall();
        taps.receive(wire::Tapped::default(), 0, &all).unwrap();
        assert_eq!((all.count(), sent(&mut taps, &all)), (0, Some(vec![])));
        assert!(matches!(reader.events.try_recv(), Ok(TapEvent::Joined(_))));
        assert!(reader.events.try_recv().is_err(), "and then the end");
    }

    #[test]
    fn readers_are_notified_when_a_stream_ends() {
        let all = Arc::<tap::OpenTaps>::default();
        let mut taps = StreamTaps::new(Arc::new(pod("shop-1")));
        let mut reader = open(&all, "shop-1");
        sent(&mut taps, &all);
        drop(taps);
        let names: Vec<bool> =
            std::iter::from_fn(|| reader.events.try_recv().ok()).map(|event| matches!(event, TapEvent::Left(_))).collect();
        assert_eq!(names, [false, true]);
    }
}
