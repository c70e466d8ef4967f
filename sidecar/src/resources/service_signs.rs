//! Watches the service without a request: whether it listens, when it was restarted, and what was killed for memory.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Instant;

use mesh::report::{ListenerState, ServiceSigns};

use crate::resources::parse::{is_listening, listening};

/// Bytes read of a table of sockets. A line has 150 bytes, so this is room for 20,000 listening sockets.
const TABLE_BYTES_MAX: u64 = 3 << 20;

/// The signs of one service, from the tables of sockets and from the kernel's count of kills.
#[derive(Debug)]
pub(super) struct SignWatch {
    proc: PathBuf,
    /// The service's port on this machine; `None` if it is elsewhere.
    port: Option<u16>,
    listener: ListenerState,
    /// The sockets that listened last.
    sockets: BTreeSet<u64>,
    restarts: EventCount,
    oom_kills: EventCount,
    /// The kernel's count at the last look; `None` before the first look at this source.
    oom_kills_before: Option<u64>,
}

/// How often something has happened, and when it happened last.
#[derive(Debug, Default)]
struct EventCount {
    times: u64,
    last: Option<Instant>,
}

impl EventCount {
    fn add(&mut self, times: u64, now: Instant) {
        if times > 0 {
            (self.times, self.last) = (self.times.saturating_add(times), Some(now));
        }
    }

    fn since_ms(&self, now: Instant) -> u64 {
        self.last.map_or(0, |last| now.saturating_duration_since(last).as_millis() as u64)
    }
}

impl SignWatch {
    /// Watches the service on this port in the process table at `proc`.
    pub(super) fn new(proc: &Path, port: Option<u16>) -> Self {
        Self {
            proc: proc.to_owned(),
            port,
            listener: ListenerState::Unknown,
            sockets: BTreeSet::new(),
            restarts: EventCount::default(),
            oom_kills: EventCount::default(),
            oom_kills_before: None,
        }
    }

    /// Looks at the sockets, and at the kernel's count of kills, which is `None` if the kernel does not show it.
    pub(super) fn look(&mut self, oom_kills: Option<u64>, now: Instant) -> ServiceSigns {
        if let Some(before) = self.oom_kills_before.filter(|_| oom_kills.is_some()) {
            self.oom_kills.add(oom_kills.unwrap_or(before).saturating_sub(before), now);
        }
        self.oom_kills_before = oom_kills;
        match self.port.and_then(|port| sockets(&self.proc, port)) {
            None => self.listener = ListenerState::Unknown,
            Some(sockets) => self.saw(sockets, now),
        }
        ServiceSigns {
            listener: self.listener,
            restarts: self.restarts.times.try_into().unwrap_or(u32::MAX),
            since_restart_ms: self.restarts.since_ms(now),
            oom_kills: self.oom_kills.times,
            since_oom_kill_ms: self.oom_kills.since_ms(now),
        }
    }

    /// Forgets the kernel's count, because the next one is that of another control group.
    pub(super) fn forget_kill_count(&mut self) {
        self.oom_kills_before = None;
    }

    /// A service that shares its port with its successor, or hands its sockets on, is not restarted.
    fn saw(&mut self, sockets: BTreeSet<u64>, now: Instant) {
        if sockets.is_empty() {
            self.listener = if self.sockets.is_empty() { ListenerState::NotYet } else { ListenerState::Gone };
            return;
        }
        if !self.sockets.is_empty() && self.sockets.is_disjoint(&sockets) {
            self.restarts.add(1, now);
        }
        (self.listener, self.sockets) = (ListenerState::Listening, sockets);
    }
}

/// The inodes of the sockets that listen on a port; `None` if the kernel does not show them.
fn sockets(proc: &Path, port: u16) -> Option<BTreeSet<u64>> {
    let tables: Vec<String> = ["net/tcp", "net/tcp6"].iter().filter_map(|table| listeners(&proc.join(table))).collect();
    let inodes = tables.iter().flat_map(|table| listening(table, port)).collect();
    (!tables.is_empty()).then_some(inodes)
}

/// The listening sockets of a table. They come first in it (`tcp_seq_start` in net/ipv4/tcp_ipv4.c), so thousands of
/// open connections are not read.
fn listeners(table: &Path) -> Option<String> {
    let lines = BufReader::new(File::open(table).ok()?.take(TABLE_BYTES_MAX)).lines().skip(1);
    Some(lines.map_while(Result::ok).take_while(|line| is_listening(line)).map(|line| line + "\n").collect())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;

    const HEAD: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    fn listens(inode: u64) -> String {
        format!("   0: 0100007F:1F97 00000000:0000 0A 0:0 0:0 0 0 0 {inode} 1\n")
    }

    #[test]
    fn a_service_that_stops_and_listens_again_was_restarted() {
        let proc = tempfile::tempdir().unwrap();
        fs::create_dir(proc.path().join("net")).unwrap();
        let connected = "   1: 0100007F:1F97 0100007F:9C40 01 0:0 0:0 0 0 0 4712 1\n";
        let (began, mut watch) = (Instant::now(), SignWatch::new(proc.path(), Some(8087)));
        let mut look = |table: &str, at_s: u64| {
            fs::write(proc.path().join("net/tcp"), format!("{HEAD}{table}{connected}")).unwrap();
            let signs = watch.look(None, began + Duration::from_secs(at_s));
            (signs.listener, signs.restarts, signs.since_restart_ms)
        };
        assert_eq!(look("", 0), (ListenerState::NotYet, 0, 0), "it is still starting");
        assert_eq!(look(&listens(7), 1), (ListenerState::Listening, 0, 0));
        assert_eq!(look("", 2), (ListenerState::Gone, 0, 0));
        assert_eq!(look(&listens(8), 3), (ListenerState::Listening, 1, 0));
        assert_eq!(look(&(listens(8) + &listens(9)), 4), (ListenerState::Listening, 1, 1000), "a second one of its processes");
        assert_eq!(look(&listens(9), 5), (ListenerState::Listening, 1, 2000), "a successor that shared the port");
        assert_eq!(look(&listens(10), 6), (ListenerState::Listening, 2, 0), "restarted between two looks");
    }

    #[test]
    fn nothing_is_claimed_of_a_service_that_cannot_be_seen() {
        let proc = tempfile::tempdir().unwrap();
        for port in [None, Some(8087)] {
            assert_eq!(SignWatch::new(proc.path(), port).look(None, Instant::now()), ServiceSigns::default());
        }
    }

    #[test]
    fn kills_are_counted_from_the_first_look_on() {
        let proc = tempfile::tempdir().unwrap();
        let (now, mut watch) = (Instant::now(), SignWatch::new(proc.path(), None));
        let counted = [Some(4), Some(4), Some(6), None, Some(9), Some(10)].map(|kills| watch.look(kills, now).oom_kills);
        assert_eq!(counted, [0, 0, 2, 2, 2, 3], "another control group begins with a count of its own");
    }
}
