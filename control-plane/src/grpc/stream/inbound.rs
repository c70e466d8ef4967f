//! Handles what a sidecar sends on its stream, frame by frame: counts, records or refuses it.

use std::cell::RefCell;
use std::sync::Arc;

use mesh::rule::Receipt;
use mesh::workload::Workload;
use proto::convert::InvalidMessage;
use proto::convert::live::Decoder;
use proto::convert::report_buffer::ReportBuffer;
use proto::convert::windows::decode_window;
use proto::wire;
use proto::wire::{Up, up};
use tonic::Status;

use crate::clock::now_ms;
use crate::counts::fleet::process_counts::apply_report::Absorbed;
use crate::counts::fleet::stream_session::StreamSession;
use crate::grpc::pages::HistoryFetches;
use crate::grpc::stream::rule_updates::RuleUpdates;
use crate::grpc::taps::StreamTaps;
use crate::grpc::windows::{SUPERSEDED, WindowError, WindowProgress};
use crate::model::reporter::Reporter;
use crate::state::AppState;

thread_local! {
    /// The report buffer of all streams that a thread serves, one report after the other.
    static REPORT: RefCell<ReportBuffer> = RefCell::default();
}

/// Whether the stream continues after a frame.
pub(super) enum FrameEffect {
    Continue,
    End,
}

/// What one stream needs to understand its frames.
pub(super) struct Inbound {
    state: Arc<AppState>,
    decoder: Decoder,
    pub(super) windows: WindowProgress,
    pub(super) rules: RuleUpdates,
    pub(super) fetches: HistoryFetches,
    pub(super) taps: StreamTaps,
}

impl Inbound {
    pub(super) fn new(state: Arc<AppState>, workload: &Arc<Workload>, windows: WindowProgress) -> Self {
        let decoder = decoder(Arc::clone(&state), Arc::clone(workload));
        let (fetches, taps) = (HistoryFetches::default(), StreamTaps::new(Arc::clone(workload)));
        Self { state, decoder, windows, rules: RuleUpdates::default(), fetches, taps }
    }

    /// Handles a frame, or returns why it ends the stream.
    pub(super) fn handle(
        &mut self,
        session: &StreamSession,
        received: Result<Option<Up>, Status>,
    ) -> Result<FrameEffect, Status> {
        let frame = match received {
            Ok(Some(frame)) => frame,
            Ok(None) => return Ok(FrameEffect::End),
            // What cannot be decoded is a bad frame; what breaks off is a sidecar that is gone.
            Err(status) => {
                if matches!(status.code(), tonic::Code::Internal | tonic::Code::OutOfRange) {
                    self.state.stream_counts.frames_refused.up();
                }
                return Err(status);
            }
        };
        self.state.stream_counts.frames.up();
        match frame.message {
            Some(up::Message::Live(live)) => {
                self.windows.before_report().map_err(|why| self.refuse(&why))?;
                self.absorb(session, &live)?;
            }
            Some(up::Message::Window(window)) => {
                let window = decode_window(&mut self.decoder, &window).map_err(|why| self.refuse(&why))?;
                self.windows.receive(window, session, &self.state).map_err(|why| match why {
                    WindowError::Superseded => superseded(),
                    why => self.refuse(&why),
                })?;
            }
            Some(up::Message::Applied(applied)) => {
                self.rules.check_hash(&applied).map_err(|why| self.refuse(&why))?;
                let receipt = Receipt::try_from(applied).map_err(|why| self.refuse(&why))?;
                session.record_receipt(receipt, now_ms()).map_err(|why| self.refuse(&why))?;
            }
            Some(up::Message::Bye(_)) => {
                session.record_bye(now_ms());
                return Ok(FrameEffect::End);
            }
            Some(up::Message::Hello(_)) => {
                let why = "it was sent already on this stream".into();
                return Err(self.refuse(&InvalidMessage::Senseless { field: "hello", why }));
            }
            Some(up::Message::Page(mut page)) => {
                page.samples.iter_mut().for_each(|sample| redate(sample, session));
                self.fetches.receive(page).map_err(|why| self.refuse(&why))?;
            }
            Some(up::Message::Tapped(mut tapped)) => {
                tapped.seen.iter_mut().filter_map(|seen| seen.sample.as_mut()).for_each(|sample| redate(sample, session));
                let received = self.taps.receive(tapped, now_ms() / 1000, &self.state.taps);
                received.map_err(|why| self.refuse(&why))?;
            }
            None => self.state.stream_counts.frames_unread.up(),
        }
        Ok(FrameEffect::Continue)
    }

    fn absorb(&mut self, session: &StreamSession, live: &[u8]) -> Result<(), Status> {
        REPORT.with_borrow_mut(|buffer| {
            self.decoder.read(live, buffer).map_err(|why| self.refuse(&why))?;
            self.count(session, buffer)
        })
    }

    fn count(&self, session: &StreamSession, buffer: &mut ReportBuffer) -> Result<(), Status> {
        let (now_ms, report) = (now_ms(), &mut buffer.report);
        session.measure_skew(report, buffer.control_ms, now_ms);
        match session.absorb(report, now_ms, &self.state.timeline).map_err(|why| self.refuse(&why))? {
            Absorbed::Counted(_) => {
                self.state.recovery.reported(&session.workload().pod_uid);
                for row in report.endpoints.iter_mut().filter(|row| !row.recent.is_empty()) {
                    let (endpoint, exchanges) = (row.endpoint.clone(), std::mem::take(&mut row.recent));
                    self.state.histories.pushed.record(session.workload(), endpoint, exchanges, now_ms);
                }
            }
            Absorbed::Repeated => self.state.stream_counts.reports_repeated.up(),
            Absorbed::Superseded => return Err(superseded()),
        }
        Ok(())
    }

    fn refuse(&self, why: &dyn std::error::Error) -> Status {
        refuse(&self.state, why)
    }
}

/// Ends a stream, and no other, because of an invalid frame.
pub(super) fn refuse(state: &AppState, why: &dyn std::error::Error) -> Status {
    state.stream_counts.frames_refused.up();
    Status::invalid_argument(why.to_string())
}

/// Ends a stream because a newer one has superseded it.
pub(super) fn superseded() -> Status {
    Status::aborted(SUPERSEDED)
}

/// A decoder for a pod's reports that shares endpoint names among all pods of its service.
fn decoder(state: Arc<AppState>, workload: Arc<Workload>) -> Decoder {
    Decoder::sharing(move |endpoint| {
        let reporter = Reporter { namespace: &workload.namespace, service: &workload.service };
        state.timeline.intern(reporter, endpoint)
    })
}

/// Shifts an exchange to our clock, if the pod's clock is known to differ.
fn redate(sample: &mut wire::Sample, session: &StreamSession) {
    let correction_ms = session.correction_ms();
    if correction_ms != 0 {
        sample.started_ms = sample.started_ms.saturating_add_signed(correction_ms).min(now_ms());
    }
}
