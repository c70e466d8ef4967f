//! The windows of one stream: which of them were sent, and which is next.

use std::time::Duration;

use proto::convert::live::Encoder;
use proto::convert::windows::encode_window;
use proto::wire;
use tokio::time::Instant;

use crate::ledger::collector::LedgerHandle;

/// The longest time that a window is held back. All pods of a mesh close theirs at the same moment. Ten thousand at once
/// would keep a control plane busy for half a second, which delays rules; spread over some seconds they do not matter.
/// It is short beside the ten seconds of a window, which a killed pod loses anyway.
const HELD_BACK_MAX: Duration = Duration::from_secs(4);

/// The progress of one stream.
#[derive(Debug)]
pub(super) struct WindowUpload {
    /// The last slot that was sent.
    sent: u64,
    is_due: bool,
    /// How long after its close a window is sent.
    held_back: Duration,
}

impl WindowUpload {
    /// Starts a new stream with what the control plane's welcome says it has.
    pub(super) fn begin(welcome: &wire::Welcome, epoch: u64, ledger_handle: &LedgerHandle) -> Self {
        let (mark, in_flight_max) = (welcome.durable_window, welcome.windows_in_flight_max as usize);
        ledger_handle.read(|ledger| ledger.begin_stream(mark, in_flight_max));
        Self { sent: 0, is_due: false, held_back: held_back(epoch) }
    }

    /// Holds no window back from now on, because the pod terminates.
    pub(super) fn hurry(&mut self) {
        self.held_back = Duration::ZERO;
    }

    /// Whether one can be sent.
    pub(super) fn has_due(&self) -> bool {
        self.is_due
    }

    /// Handles an ack: the control plane has these windows on disk.
    pub(super) fn acked(&mut self, ack: wire::WindowAck, ledger_handle: &LedgerHandle) {
        ledger_handle.read(|ledger| ledger.windows().map(|windows| windows.ack(ack.durable_window)));
        self.look(ledger_handle);
    }

    /// Checks whether one can be sent: a report has covered more, or an ack has made room.
    pub(super) fn look(&mut self, ledger_handle: &LedgerHandle) {
        let now = Instant::now().into_std();
        self.is_due =
            ledger_handle.read(|ledger| ledger.windows().is_some_and(|windows| windows.has_due(self.sent, now, self.held_back)));
    }

    /// Takes the next window, as the message to send.
    pub(super) fn next(&mut self, ledger_handle: &LedgerHandle, encoder: &mut Encoder) -> Option<wire::Up> {
        let (window, lived) = ledger_handle.read(|ledger| ledger.windows()?.hand_over(self.sent))?;
        if !encoder.check_numbers_for(window.rows.iter().map(|row| &row.endpoint)) {
            return None;
        }
        self.sent = window.last_slot();
        self.look(ledger_handle);
        let now = Instant::now().into_std();
        let (began_ago_ms, ended_ago_ms) = (ago_ms(lived.began, now), ago_ms(lived.ended, now));
        let window = wire::Window { began_ago_ms, ended_ago_ms, ..encode_window(encoder, &window) };
        Some(wire::Up { message: Some(window.into()) })
    }
}

/// How long ago an instant was, if it is known.
pub(super) fn ago_ms(then: Option<std::time::Instant>, now: std::time::Instant) -> Option<u64> {
    then.map(|then| now.saturating_duration_since(then).as_millis() as u64)
}

/// A delay that differs between processes and stays the same for one: derived from the nanosecond of its start.
fn held_back(epoch: u64) -> Duration {
    Duration::from_nanos(epoch % HELD_BACK_MAX.as_nanos() as u64)
}
