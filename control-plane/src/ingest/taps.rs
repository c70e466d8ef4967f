//! The taps of one stream: which of them its sidecar was told of, and what becomes of what it sees.

use std::sync::Arc;

use mesh::tap::Tap;
use mesh::workload::Workload;
use proto::convert::Refused;
use proto::convert::taps::{Tapped, set};
use proto::wire;

use crate::tap::{self, OpenTap};

/// The taps that one sidecar was told of.
pub(super) struct Taps {
    pod: Arc<Workload>,
    /// The taps and, word for word, what it was told of each: an order that changes begins to count anew.
    told: Vec<(Arc<OpenTap>, Tap)>,
    /// The newest of all taps that were looked at. Numbers up to it may still come after their tap has ended.
    newest: u64,
}

impl Taps {
    pub(super) fn of(pod: &Workload) -> Self {
        Self { pod: Arc::new(pod.clone()), told: Vec::new(), newest: 0 }
    }

    /// What the sidecar has to be told, if these taps are others for it than before.
    pub(super) fn change(&mut self, open: &[Arc<OpenTap>]) -> Option<wire::Taps> {
        let before = self.told.len();
        self.told.retain(|(told, _)| {
            let stays = open.iter().any(|tap| tap.id == told.id);
            if !stays {
                told.leave(&self.pod);
            }
            stays
        });
        let has_ended = self.told.len() != before;
        let new = open.iter().filter(|tap| tap.id > self.newest && tap.concerns(&self.pod));
        let joined: Vec<_> = new.filter(|tap| tap.join(&self.pod)).map(|tap| (Arc::clone(tap), tap.order())).collect();
        self.newest = open.iter().map(|tap| tap.id).fold(self.newest, u64::max);
        if !has_ended && joined.is_empty() {
            return None;
        }
        self.told.extend(joined);
        Some(set(self.told.iter().map(|(_, order)| order)))
    }

    /// Passes on what the sidecar has seen. What comes for a tap that has just ended is late, which is no offence.
    pub(super) fn take(&self, tapped: wire::Tapped, now_s: u64, all: &tap::Taps) -> Result<(), Refused> {
        let tapped = Tapped::try_from(tapped)?;
        for seen in tapped.seen {
            match self.told(seen.tap)? {
                Some(tap) if tap.seen(&self.pod, seen, now_s) => {}
                Some(_) => all.unasked.up(),
                None => {}
            }
        }
        for (id, dropped) in tapped.dropped {
            if let Some(tap) = self.told(id)? {
                tap.dropped(dropped);
            }
        }
        for (tap, _) in self.told.iter().filter(|(tap, _)| tap.is_stalled()) {
            tap.close();
            all.end(tap.id);
        }
        Ok(())
    }

    fn told(&self, id: u64) -> Result<Option<&Arc<OpenTap>>, Refused> {
        let told = self.told.iter().map(|(tap, _)| tap).find(|tap| tap.id == id);
        if told.is_none() && (id == 0 || id > self.newest) {
            return Err(Refused::Senseless { field: "tapped.tap", why: format!("there is no tap {id}") });
        }
        Ok(told)
    }
}

impl Drop for Taps {
    fn drop(&mut self) {
        self.told.iter().for_each(|(tap, _)| tap.leave(&self.pod));
    }
}
