//! A model of sidecars, two replicas and a log, in which publishes are late, lost and reordered, by a seeded schedule.

use std::collections::VecDeque;
use std::convert::Infallible;

use crate::store::metrics_store::{Advance, Process};
use crate::store::replica_log::{LogPosition, Verdict, follows};

const SIDECARS: usize = 3;
const REPLICAS: usize = 2;
/// Steps of the schedule before everything that is in flight arrives and one leader finishes.
const STEPS: usize = 400;
/// Steps that a leader without faults needs at most to bring everything into the log.
const LAST_STEPS: usize = 20_000;

/// Which checks replicas make before they apply a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Checks {
    TermAndMarks,
    TermOnly,
    MarksOnly,
}

/// What must never be.
#[derive(Debug)]
#[expect(dead_code, reason = "the fields are printed")]
pub(super) enum Fault {
    WelcomeBelowAck { sidecar: usize, mark: u64, acked: u64 },
    RestoredTooLittle { sidecar: usize, restored: u64, mark: u64 },
    WrongTotal { replica: usize, sidecar: usize, total: u64, counted: u64 },
    NeverEnds,
}

/// A window counts as many hits as its number, so that each sum is of one set of windows.
type Window = (usize, u64);

#[derive(Debug, Clone)]
enum Content {
    Lead,
    Barrier,
    Write { term: u64, advances: Vec<Advance>, windows: Vec<Window> },
}

#[derive(Debug, Clone)]
struct Message {
    id: u64,
    content: Content,
}

#[derive(Debug, Default)]
struct Replica {
    position: LogPosition,
    marks: [u64; SIDECARS],
    totals: [u64; SIDECARS],
    leading: Option<Leading>,
    /// The Lead message that it has published and not seen yet.
    candidate: Option<u64>,
}

/// A replica that takes itself for the leader.
#[derive(Debug)]
struct Leading {
    term: u64,
    /// Totals when it began, and which sidecars have attached since.
    restored: [u64; SIDECARS],
    known: [bool; SIDECARS],
    queue: VecDeque<Window>,
    under_way: Option<(u64, Vec<Window>)>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stream {
    #[default]
    None,
    /// It waits for this barrier.
    Attaching(usize, u64),
    Open(usize),
}

#[derive(Debug, Default)]
struct Sidecar {
    windows: u64,
    acked: u64,
    sent: u64,
    stream: Stream,
}

/// The whole of it.
#[derive(Debug)]
pub(super) struct Model {
    random: u64,
    checks: Checks,
    ids: u64,
    log: Vec<Message>,
    in_flight: Vec<Message>,
    replicas: [Replica; REPLICAS],
    sidecars: [Sidecar; SIDECARS],
}

fn process(sidecar: usize) -> Process {
    Process { pod_uid: sidecar.to_string(), epoch: 1 }
}

fn sum_to(window: u64) -> u64 {
    window * (window + 1) / 2
}

impl Model {
    pub(super) fn new(seed: u64, checks: Checks) -> Self {
        let random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let (replicas, sidecars) = Default::default();
        Self { random, checks, ids: 0, log: Vec::new(), in_flight: Vec::new(), replicas, sidecars }
    }

    /// Xorshift: a schedule depends on its seed alone.
    fn pick(&mut self, below: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as usize % below.max(1)
    }

    pub(super) fn run(mut self) -> Result<(), Fault> {
        for _ in 0..STEPS {
            let (replica, sidecar) = (self.pick(REPLICAS), self.pick(SIDECARS));
            match self.pick(20) {
                0..3 => self.sidecars[sidecar].windows += 1,
                3..6 => self.send(sidecar),
                6..9 => self.write(replica),
                9..12 => self.deliver(),
                12..16 => self.apply(replica)?,
                16 => self.attach(sidecar, replica),
                17 => self.give_up(replica),
                18 if self.pick(4) == 0 => self.lose(),
                19 if self.pick(6) == 0 => self.take_lead(replica),
                _ => {}
            }
        }
        self.finish()
    }

    /// Delivers what is in flight; then one replica leads without faults, until every window is acknowledged.
    fn finish(&mut self) -> Result<(), Fault> {
        while !self.in_flight.is_empty() {
            self.deliver();
        }
        self.take_lead(0);
        for _ in 0..LAST_STEPS {
            self.deliver();
            (0..REPLICAS).try_for_each(|replica| self.apply(replica))?;
            for sidecar in 0..SIDECARS {
                match self.sidecars[sidecar].stream {
                    Stream::None => self.attach(sidecar, 0),
                    Stream::Open(0) => self.send(sidecar),
                    Stream::Open(_) => self.sidecars[sidecar].stream = Stream::None,
                    Stream::Attaching(..) => {}
                }
            }
            self.write(0);
            if self.sidecars.iter().all(|sidecar| sidecar.acked == sidecar.windows) {
                return self.compare();
            }
        }
        Err(Fault::NeverEnds)
    }

    fn compare(&mut self) -> Result<(), Fault> {
        for replica in 0..REPLICAS {
            while self.replicas[replica].position.sequence < self.log.len() as u64 {
                self.apply(replica)?;
            }
            for sidecar in 0..SIDECARS {
                let (total, counted) = (self.replicas[replica].totals[sidecar], sum_to(self.sidecars[sidecar].windows));
                if total != counted {
                    return Err(Fault::WrongTotal { replica, sidecar, total, counted });
                }
            }
        }
        Ok(())
    }

    fn publish(&mut self, content: Content) -> u64 {
        self.ids += 1;
        self.in_flight.push(Message { id: self.ids, content });
        self.ids
    }

    /// One of the publishes in flight arrives: not always the first.
    fn deliver(&mut self) {
        if !self.in_flight.is_empty() {
            let at = self.pick(self.in_flight.len());
            self.log.push(self.in_flight.remove(at));
        }
    }

    fn lose(&mut self) {
        if !self.in_flight.is_empty() {
            let at = self.pick(self.in_flight.len());
            self.in_flight.remove(at);
        }
    }

    fn take_lead(&mut self, replica: usize) {
        let id = self.publish(Content::Lead);
        self.replicas[replica].candidate = Some(id);
    }

    fn attach(&mut self, sidecar: usize, replica: usize) {
        if self.replicas[replica].leading.is_some() {
            let barrier = self.publish(Content::Barrier);
            self.sidecars[sidecar].stream = Stream::Attaching(replica, barrier);
        }
    }

    fn send(&mut self, at: usize) {
        let sidecar = &mut self.sidecars[at];
        let Stream::Open(replica) = sidecar.stream else { return };
        let Some(leading) = &mut self.replicas[replica].leading else {
            sidecar.stream = Stream::None;
            return;
        };
        if sidecar.sent < sidecar.windows {
            sidecar.sent += 1;
            leading.queue.push_back((at, sidecar.sent));
        }
    }

    /// Publishes what is queued, decided on the replica's own marks, as the window writer does.
    fn write(&mut self, at: usize) {
        let replica = &mut self.replicas[at];
        let Some(leading) = &mut replica.leading else { return };
        if leading.under_way.is_some() || leading.queue.is_empty() {
            return;
        }
        let batch: Vec<Window> = leading.queue.drain(..).collect();
        let mut marks = replica.marks;
        let mut written = Vec::new();
        for (sidecar, id) in &batch {
            if *id > marks[*sidecar] {
                marks[*sidecar] = *id;
                written.push((*sidecar, *id));
            }
        }
        let moved = (0..SIDECARS).filter(|sidecar| marks[*sidecar] > replica.marks[*sidecar]);
        let advance = |sidecar: usize| Advance { process: process(sidecar), from: replica.marks[sidecar], to: marks[sidecar] };
        let (term, advances): (_, Vec<Advance>) = (leading.term, moved.map(advance).collect());
        if advances.is_empty() {
            return self.acknowledge(at, &batch);
        }
        let id = self.publish(Content::Write { term, advances, windows: written });
        if let Some(leading) = &mut self.replicas[at].leading {
            leading.under_way = Some((id, batch));
        }
    }

    /// A leader stops waiting for its publish, which may arrive later, and tries again.
    fn give_up(&mut self, at: usize) {
        let Some(leading) = &mut self.replicas[at].leading else { return };
        if let Some((_, batch)) = leading.under_way.take() {
            batch.into_iter().rev().for_each(|window| leading.queue.push_front(window));
        }
    }

    fn acknowledge(&mut self, replica: usize, batch: &[Window]) {
        for (sidecar, id) in batch {
            let sidecar = &mut self.sidecars[*sidecar];
            if sidecar.stream == Stream::Open(replica) {
                sidecar.acked = sidecar.acked.max(*id);
            }
        }
    }

    /// A replica applies the next message of the log.
    fn apply(&mut self, at: usize) -> Result<(), Fault> {
        let replica = &mut self.replicas[at];
        let Some(message) = self.log.get(replica.position.sequence as usize).cloned() else { return Ok(()) };
        replica.position.sequence += 1;
        match message.content {
            Content::Lead => {
                replica.position.term = replica.position.sequence;
                let (term, restored) = (replica.position.term, replica.totals);
                let is_own = replica.candidate == Some(message.id);
                let (known, queue) = Default::default();
                replica.leading = is_own.then_some(Leading { term, restored, known, queue, under_way: None });
                let streams = self.sidecars.iter_mut().map(|sidecar| &mut sidecar.stream);
                streams
                    .filter(|stream| matches!(stream, Stream::Attaching(of, _) | Stream::Open(of) if *of == at))
                    .for_each(|stream| *stream = Stream::None);
                Ok(())
            }
            Content::Barrier => self.welcome(at, message.id),
            Content::Write { term, advances, windows } => {
                let verdict = replica.verdict(self.checks, term, &advances);
                if verdict == Verdict::Taken {
                    for Advance { process, to, .. } in &advances {
                        replica.marks[process.pod_uid.parse::<usize>().unwrap()] = *to;
                    }
                    for (sidecar, id) in &windows {
                        replica.totals[*sidecar] += id;
                    }
                }
                let Some(leading) = &mut replica.leading else { return Ok(()) };
                let Some((_, batch)) = leading.under_way.take_if(|(id, _)| *id == message.id) else { return Ok(()) };
                if verdict == Verdict::Taken {
                    self.acknowledge(at, &batch);
                } else {
                    batch.into_iter().rev().for_each(|window| leading.queue.push_front(window));
                }
                Ok(())
            }
        }
    }

    /// Answers the sidecars that wait for this barrier.
    fn welcome(&mut self, at: usize, barrier: u64) -> Result<(), Fault> {
        for sidecar in 0..SIDECARS {
            if self.sidecars[sidecar].stream != Stream::Attaching(at, barrier) {
                continue;
            }
            let (mark, acked) = (self.replicas[at].marks[sidecar], self.sidecars[sidecar].acked);
            if mark < acked {
                return Err(Fault::WelcomeBelowAck { sidecar, mark, acked });
            }
            let Some(leading) = &mut self.replicas[at].leading else { continue };
            // The sidecar sends its sum up to the mark, and the leader takes it for what it has restored.
            let restored = leading.restored[sidecar];
            if !std::mem::replace(&mut leading.known[sidecar], true) && restored < sum_to(mark) {
                return Err(Fault::RestoredTooLittle { sidecar, restored, mark });
            }
            let sidecar = &mut self.sidecars[sidecar];
            (sidecar.acked, sidecar.sent, sidecar.stream) = (mark, mark, Stream::Open(at));
        }
        Ok(())
    }
}

impl Replica {
    fn verdict(&self, checks: Checks, term: u64, advances: &[Advance]) -> Verdict {
        if checks != Checks::MarksOnly && !self.position.admits(term) {
            return Verdict::OtherTerm;
        }
        if checks == Checks::TermOnly {
            return Verdict::Taken;
        }
        let mark = |process: &Process| Ok::<_, Infallible>(self.marks[process.pod_uid.parse::<usize>().unwrap()]);
        let Ok(verdict) = follows(advances, mark);
        verdict
    }
}
