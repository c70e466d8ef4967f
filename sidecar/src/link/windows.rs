//! The windows of one stream: which of them were sent, and which is next.

use proto::convert::live::Encoder;
use proto::wire;

use crate::ledger::books::Books;

/// How far one stream has come.
#[derive(Debug)]
pub(super) struct Windows {
    /// The last slot that was sent.
    sent: u64,
    is_due: bool,
}

impl Windows {
    /// A new stream, to a control plane that has said what it has.
    pub(super) fn begin(welcome: &wire::Welcome, books: &Books) -> Self {
        let (mark, in_flight_max) = (welcome.durable_window, welcome.windows_in_flight_max as usize);
        books.read(|ledger| ledger.begin_stream(mark, in_flight_max));
        Self { sent: 0, is_due: false }
    }

    /// Whether one can be sent.
    pub(super) fn are_due(&self) -> bool {
        self.is_due
    }

    /// The control plane has these on disk.
    pub(super) fn acked(&mut self, ack: wire::WindowAck, books: &Books) {
        books.read(|ledger| ledger.windows().map(|windows| windows.ack(ack.durable_window)));
        self.look(books);
    }

    /// Looks whether one can be sent: a report has covered more, or an ack has made room.
    pub(super) fn look(&mut self, books: &Books) {
        self.is_due = books.read(|ledger| ledger.windows().is_some_and(|windows| windows.due(self.sent).is_some()));
    }

    /// The next one, as it is sent.
    pub(super) fn next(&mut self, books: &Books, encoder: &mut Encoder) -> Option<wire::Up> {
        let window = books.read(|ledger| ledger.windows()?.hand_over(self.sent))?;
        if !encoder.has_numbers_for(window.rows.iter().map(|row| &row.endpoint)) {
            return None;
        }
        self.sent = window.last_slot();
        self.look(books);
        Some(wire::Up { message: Some(encoder.encode_window(&window).into()) })
    }
}
