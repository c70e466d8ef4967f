//! Receives the windows of one stream in order, queues them to be written, and acknowledges them once they are on disk.

use std::collections::VecDeque;
use std::sync::Arc;

use mesh::window::WindowKind;
use proto::convert::windows::PackedWindow;
use proto::wire;
use proto::wire::down;
use tokio::sync::watch;
use tonic::Status;

use crate::clock::now_ms;
use crate::counts::fleet::stream_session::StreamSession;
use crate::counts::window_writer::pending_row::PendingRow;
use crate::counts::window_writer::pending_window::PendingWindow;
use crate::grpc::slot_assignment::assign_slots;
use crate::model::limits::IN_FLIGHT_MAX;
use crate::state::AppState;
use crate::store::metrics_store::Process;

/// Why a stream ends that is not the newest of its pod.
pub(super) const SUPERSEDED: &str = "a newer stream of this pod has taken over";

/// The progress of one stream's windows.
pub(super) struct WindowProgress {
    process: Arc<Process>,
    /// The mark in the Welcome, or in the last ack.
    mark: u64,
    /// The last slot that was received.
    received: u64,
    /// The last slots of the windows that are not on disk yet.
    in_flight: VecDeque<u64>,
    baseline: Baseline,
    acks: Arc<watch::Sender<u64>>,
    /// Whether a window found no room. No later one may be accepted then, or the mark would skip
    /// it.
    is_crowded_out: bool,
}

/// Whether the sidecar has to send what it has counted up to the mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Baseline {
    NotRequested,
    Awaited,
    Received,
}

/// Why a window is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum WindowError {
    #[error("window {id} begins at or before slot {received}, which was received already: slots must grow")]
    Backwards { id: u64, received: u64 },
    #[error("window {id} begins before slot {mark}, which is on disk, and ends after it")]
    Across { id: u64, mark: u64 },
    #[error("a window arrived before the snapshot that covers it")]
    BeforeSnapshot,
    #[error("more than {IN_FLIGHT_MAX} windows are unacknowledged: wait for an ack")]
    TooMany,
    #[error("a baseline arrived that was not requested")]
    BaselineNotRequested,
    #[error("a second baseline arrived")]
    BaselineTwice,
    #[error("the baseline ends at slot {id}, but slot {mark} was requested")]
    BaselineElsewhere { id: u64, mark: u64 },
    #[error("the requested baseline must be sent first")]
    BaselineMissing,
    #[error("{SUPERSEDED}")]
    Superseded,
}

impl WindowProgress {
    /// The windows of a new stream, from a process with this mark.
    pub(super) fn new(session: &StreamSession, mark: u64) -> Self {
        let baseline = if session.is_known() { Baseline::NotRequested } else { Baseline::Awaited };
        Self {
            process: Arc::new(session.process()),
            mark,
            received: mark,
            in_flight: VecDeque::new(),
            baseline,
            acks: Arc::new(watch::Sender::new(mark)),
            is_crowded_out: false,
        }
    }

    /// Receives the mark up to which they are on disk.
    pub(super) fn acked(&self) -> watch::Receiver<u64> {
        self.acks.subscribe()
    }

    /// Completes the Welcome with what concerns windows.
    pub(super) fn welcome(&self, welcome: wire::Welcome) -> wire::Welcome {
        wire::Welcome {
            durable_window: self.mark,
            wants_baseline: self.baseline == Baseline::Awaited,
            windows_in_flight_max: IN_FLIGHT_MAX as u32,
            ..welcome
        }
    }

    /// Checks the baseline before a report is counted. A sidecar with nothing on disk need not send
    /// one.
    pub(super) fn before_report(&mut self) -> Result<(), WindowError> {
        match self.baseline {
            Baseline::Awaited if self.mark > 0 => Err(WindowError::BaselineMissing),
            Baseline::Awaited => {
                self.baseline = Baseline::NotRequested;
                Ok(())
            }
            Baseline::NotRequested | Baseline::Received => Ok(()),
        }
    }

    /// Accepts a window.
    pub(super) fn receive(&mut self, window: PackedWindow, session: &StreamSession, state: &AppState) -> Result<(), WindowError> {
        if window.kind == WindowKind::Baseline {
            return self.receive_baseline(window, session, state);
        }
        let (id, last) = (window.id, window.last_slot());
        if last <= self.mark {
            state.window_queue.counts.repeated.up();
            return Ok(());
        }
        if !session.has_snapshot() {
            return Err(WindowError::BeforeSnapshot);
        }
        if id <= self.mark {
            return Err(WindowError::Across { id, mark: self.mark });
        }
        if id <= self.received {
            return Err(WindowError::Backwards { id, received: self.received });
        }
        if self.in_flight.len() >= IN_FLIGHT_MAX {
            return Err(WindowError::TooMany);
        }
        self.received = last;
        self.in_flight.push_back(last);
        let (span, bytes) = (u64::from(window.span), window.bytes);
        let placed = assign_slots(&window, session.correction_ms(), now_ms());
        let (rows, durable_counts) = session.assign(window, &state.timeline).ok_or(WindowError::Superseded)?;
        if self.is_crowded_out {
            state.window_queue.counts.no_room.up();
            return Ok(());
        }
        let bytes = size_of::<PendingWindow>() + bytes + rows.len() * size_of::<PendingRow>();
        let (process, acks) = (Arc::clone(&self.process), Arc::clone(&self.acks));
        self.is_crowded_out =
            state.window_queue.submit(PendingWindow { process, id, span, placed, rows, bytes, durable_counts, acks }).is_err();
        Ok(())
    }

    fn receive_baseline(&mut self, window: PackedWindow, session: &StreamSession, state: &AppState) -> Result<(), WindowError> {
        match self.baseline {
            Baseline::NotRequested => return Err(WindowError::BaselineNotRequested),
            Baseline::Received => return Err(WindowError::BaselineTwice),
            Baseline::Awaited => {}
        }
        if window.id != self.mark {
            return Err(WindowError::BaselineElsewhere { id: window.id, mark: self.mark });
        }
        self.baseline = Baseline::Received;
        let ended_ms = window.age.ended_ago_ms.map(|ago_ms| now_ms().saturating_sub(ago_ms));
        session.resume(window.unpack(), ended_ms, &state.timeline).ok_or(WindowError::Superseded)
    }

    /// Records that everything up to this slot is on disk, and returns the ack to send.
    pub(super) fn acknowledge(&mut self, mark: u64) -> down::Message {
        self.mark = mark;
        while self.in_flight.front().is_some_and(|last| *last <= mark) {
            self.in_flight.pop_front();
        }
        down::Message::Acked(wire::WindowAck { durable_window: mark })
    }

    /// Ends the stream if windows found no room: they have to be sent again, and only a new stream
    /// begins with them.
    pub(super) fn end_if_crowded_out(&self) -> Result<(), Status> {
        if self.is_crowded_out {
            return Err(Status::unavailable(
                "windows were refused for lack of room, and there is room now: attach again and send them",
            ));
        }
        Ok(())
    }
}
