//! Handles what a sidecar sends on its stream, frame by frame: counts, records or refuses it.

use std::cell::RefCell;

use mesh::rule::Receipt;
use proto::convert::InvalidMessage;
use proto::convert::report_buffer::ReportBuffer;
use proto::wire;
use proto::wire::{Up, up};
use tonic::Status;

use crate::clock::now_ms;
use crate::counts::fleet::process_counts::apply_report::Absorbed;
use crate::counts::fleet::stream_session::StreamSession;
use crate::grpc::stream::SidecarStream;
use crate::grpc::windows::{WindowError, WindowProgress};
use crate::grpc::wishes::Wishes;

thread_local! {
    /// The report buffer of all streams that a thread serves, one report after the other.
    static READING: RefCell<ReportBuffer> = RefCell::default();
}

/// Whether the stream continues after a frame.
pub(super) enum FrameEffect {
    Continue,
    End,
}

impl SidecarStream {
    /// Handles a frame, or returns why it ends the stream.
    pub(super) fn hear(
        &mut self,
        session: &StreamSession,
        (wishes, windows): (&mut Wishes, &mut WindowProgress),
        received: Result<Option<Up>, Status>,
    ) -> Result<FrameEffect, Status> {
        let received = match received {
            Ok(Some(received)) => received,
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
        match received.message {
            Some(up::Message::Live(live)) => {
                windows.before_report().map_err(|why| self.refuse(&why))?;
                self.absorb(session, &live)
            }
            Some(up::Message::Window(window)) => {
                let window = self.decoder.decode_window(&window).map_err(|why| self.refuse(&why))?;
                windows.take(window, session, &self.state).map_err(|why| self.not_taken(&why))?;
                Ok(FrameEffect::Continue)
            }
            Some(up::Message::Applied(applied)) => {
                self.check_hash(&applied)?;
                let receipt = Receipt::try_from(applied).map_err(|why| self.refuse(&why))?;
                session.record_receipt(receipt, now_ms()).map_err(|why| self.refuse(&why))?;
                Ok(FrameEffect::Continue)
            }
            Some(up::Message::Bye(_)) => {
                session.record_bye(now_ms());
                Ok(FrameEffect::End)
            }
            Some(up::Message::Hello(_)) => {
                Err(self.refuse(&InvalidMessage::Senseless { field: "hello", why: "it was said already on this stream".into() }))
            }
            Some(up::Message::Page(mut page)) => {
                page.samples.iter_mut().for_each(|sample| redate(sample, session));
                wishes.take_page(page).map_err(|why| self.refuse(&why))?;
                Ok(FrameEffect::Continue)
            }
            Some(up::Message::Tapped(mut tapped)) => {
                tapped.seen.iter_mut().filter_map(|seen| seen.sample.as_mut()).for_each(|sample| redate(sample, session));
                let taken = wishes.take_tapped(tapped, now_ms() / 1000, &self.state.taps);
                taken.map_err(|why| self.refuse(&why))?;
                Ok(FrameEffect::Continue)
            }
            None => {
                self.state.stream_counts.frames_unread.up();
                Ok(FrameEffect::Continue)
            }
        }
    }

    fn not_taken(&self, why: &WindowError) -> Status {
        if *why == WindowError::Fenced { Status::aborted(why.to_string()) } else { self.refuse(why) }
    }

    fn absorb(&mut self, session: &StreamSession, live: &[u8]) -> Result<FrameEffect, Status> {
        READING.with_borrow_mut(|reading| {
            self.decoder.read(live, reading).map_err(|why| self.refuse(&why))?;
            self.count(session, reading)
        })
    }

    fn count(&self, session: &StreamSession, reading: &mut ReportBuffer) -> Result<FrameEffect, Status> {
        let (now_ms, report) = (now_ms(), &mut reading.report);
        session.measure_skew(report, reading.control_ms, now_ms);
        match session.absorb(report, now_ms, &self.state.timeline).map_err(|why| self.refuse(&why))? {
            Absorbed::Counted(_) => {
                self.state.recovery.reported(&session.workload().pod_uid);
                for told in report.endpoints.iter_mut().filter(|told| !told.recent.is_empty()) {
                    let (endpoint, exchanges) = (told.endpoint.clone(), std::mem::take(&mut told.recent));
                    self.state.histories.pushed.record(session.workload(), endpoint, exchanges, now_ms);
                }
            }
            Absorbed::Repeated => self.state.stream_counts.reports_repeated.up(),
            Absorbed::Superseded => return Err(Status::aborted("a newer stream of this pod has taken over")),
        }
        Ok(FrameEffect::Continue)
    }

    /// A pod that confirms another hash than that of the set sent under this revision obeys other
    /// rules.
    fn check_hash(&self, applied: &wire::Applied) -> Result<(), Status> {
        let sent = self.sent.filter(|sent| sent.revision == applied.revision && applied.ok && applied.rules_hash != 0);
        if sent.is_none_or(|sent| sent.hash == applied.rules_hash) {
            return Ok(());
        }
        let why = format!("it is not that of the rules which were sent as revision {}", applied.revision);
        Err(self.refuse(&InvalidMessage::Senseless { field: "rules_hash", why }))
    }
}

/// Shifts an exchange to our clock, if the pod's clock is known to differ.
fn redate(sample: &mut wire::Sample, session: &StreamSession) {
    let correction_ms = session.correction_ms();
    if correction_ms != 0 {
        sample.started_ms = sample.started_ms.saturating_add_signed(correction_ms).min(now_ms());
    }
}
