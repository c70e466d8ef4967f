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
use crate::grpc::windows::{NotTaken, WindowProgress};
use crate::grpc::wishes::Wishes;

thread_local! {
    /// The report buffer of all streams that a thread serves, one report after the other.
    static READING: RefCell<ReportBuffer> = RefCell::default();
}

/// Whether the stream continues after a frame.
pub(super) enum FrameEffect {
    Listen,
    End,
}

impl SidecarStream {
    /// Handles a frame, or returns why it ends the stream.
    pub(super) fn hear(
        &mut self,
        attachment: &StreamSession,
        (wishes, windows): (&mut Wishes, &mut WindowProgress),
        heard: Result<Option<Up>, Status>,
    ) -> Result<FrameEffect, Status> {
        let heard = match heard {
            Ok(Some(heard)) => heard,
            Ok(None) => return Ok(FrameEffect::End),
            // What cannot be decoded is a bad frame; what breaks off is a sidecar that is gone.
            Err(status) => {
                if matches!(status.code(), tonic::Code::Internal | tonic::Code::OutOfRange) {
                    self.plane.stream_counts.frames_refused.up();
                }
                return Err(status);
            }
        };
        self.plane.stream_counts.frames.up();
        match heard.message {
            Some(up::Message::Live(live)) => {
                windows.before_report().map_err(|why| self.refuse(&why))?;
                self.absorb(attachment, &live)
            }
            Some(up::Message::Window(window)) => {
                let window = self.decoder.decode_window(&window).map_err(|why| self.refuse(&why))?;
                windows.take(window, attachment, &self.plane).map_err(|why| self.not_taken(&why))?;
                Ok(FrameEffect::Listen)
            }
            Some(up::Message::Applied(applied)) => {
                self.check_hash(&applied)?;
                let receipt = Receipt::try_from(applied).map_err(|why| self.refuse(&why))?;
                attachment.file(receipt, now_ms()).map_err(|why| self.refuse(&why))?;
                Ok(FrameEffect::Listen)
            }
            Some(up::Message::Bye(_)) => {
                attachment.left(now_ms());
                Ok(FrameEffect::End)
            }
            Some(up::Message::Hello(_)) => {
                Err(self.refuse(&InvalidMessage::Senseless { field: "hello", why: "it was said already on this stream".into() }))
            }
            Some(up::Message::Page(mut page)) => {
                page.samples.iter_mut().for_each(|sample| redate(sample, attachment));
                wishes.take_page(page).map_err(|why| self.refuse(&why))?;
                Ok(FrameEffect::Listen)
            }
            Some(up::Message::Tapped(mut tapped)) => {
                tapped.seen.iter_mut().filter_map(|seen| seen.sample.as_mut()).for_each(|sample| redate(sample, attachment));
                let taken = wishes.take_tapped(tapped, now_ms() / 1000, &self.plane.taps);
                taken.map_err(|why| self.refuse(&why))?;
                Ok(FrameEffect::Listen)
            }
            None => {
                self.plane.stream_counts.frames_unread.up();
                Ok(FrameEffect::Listen)
            }
        }
    }

    fn not_taken(&self, why: &NotTaken) -> Status {
        if *why == NotTaken::Fenced { Status::aborted(why.to_string()) } else { self.refuse(why) }
    }

    fn absorb(&mut self, attachment: &StreamSession, live: &[u8]) -> Result<FrameEffect, Status> {
        READING.with_borrow_mut(|reading| {
            self.decoder.read(live, reading).map_err(|why| self.refuse(&why))?;
            self.count(attachment, reading)
        })
    }

    fn count(&self, attachment: &StreamSession, reading: &mut ReportBuffer) -> Result<FrameEffect, Status> {
        let (now_ms, report) = (now_ms(), &mut reading.report);
        attachment.measure(report, reading.control_ms, now_ms);
        match attachment.absorb(report, now_ms, &self.plane.timeline).map_err(|why| self.refuse(&why))? {
            Absorbed::Counted(_) => {
                self.plane.recovery.reported(&attachment.workload().pod_uid);
                for told in report.endpoints.iter_mut().filter(|told| !told.recent.is_empty()) {
                    let (endpoint, exchanges) = (told.endpoint.clone(), std::mem::take(&mut told.recent));
                    self.plane.histories.told.keep(attachment.workload(), endpoint, exchanges, now_ms);
                }
            }
            Absorbed::Repeated => self.plane.stream_counts.reports_repeated.up(),
            Absorbed::Fenced => return Err(Status::aborted("a newer stream of this pod has taken over")),
        }
        Ok(FrameEffect::Listen)
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
fn redate(sample: &mut wire::Sample, attachment: &StreamSession) {
    let correction_ms = attachment.correction_ms();
    if correction_ms != 0 {
        sample.started_ms = sample.started_ms.saturating_add_signed(correction_ms).min(now_ms());
    }
}
