//! Rewrites the head of a service's response for the downstream.

use http2::connection::Connection;
use http2::frame::{EndStream, StreamId};
use http2::hpack::Field;
use http2::message::field_section::{FieldSection, Pseudo};

use crate::exchange::context::WorkerContext;
use crate::head::answer::Edit;
use crate::head::fields::{KnownField, known};
use crate::head::write::is_editable;
use crate::upstream::http2::field_list::FieldList;

/// Sends an interim response.
pub(super) fn inform(downstream: &mut Connection, stream: StreamId, section: &FieldSection) {
    let status = section.pseudo(Pseudo::Status).unwrap_or_default();
    let fields = section.regular().filter(|field| passes(*field, &[]));
    // A downstream that has left needs no interim response.
    let _ = downstream.inform(stream, std::iter::once(Field::new(":status", status)).chain(fields));
}

/// Sends the head with the edits of decorators.
pub(super) fn respond(
    worker: &WorkerContext,
    downstream: &mut Connection,
    stream: StreamId,
    section: &FieldSection,
    edits: &[Edit],
    end: EndStream,
) {
    let status = section.pseudo(Pseudo::Status).unwrap_or_default();
    let mut added = FieldList::default();
    let mut is_dated = section.regular().any(|field| field.name == b"date");
    for edit in edits {
        is_dated &= !edit.takes_away("date");
        if let Some((name, value)) = edit.written().filter(|_| is_editable(edit)) {
            is_dated |= name.eq_ignore_ascii_case("date");
            added.push_lower_case(name, value);
        }
    }
    if !is_dated {
        let mut date = Vec::with_capacity("Sun, 06 Nov 1994 08:49:37 GMT".len());
        worker.dates.append(&mut date);
        added.push(Field::new("date", &date));
    }
    // A 204 has no content, and must not announce any (RFC 9110, section 8.6).
    let has_length = status != b"204";
    let passed = section.regular().filter(|field| passes(*field, edits) && (has_length || field.name != b"content-length"));
    let fields = std::iter::once(Field::new(":status", status)).chain(passed).chain(added.iter());
    // The stream of a downstream that has left is closed, and its exchange ends by the reset.
    let _ = downstream.respond(stream, fields, end);
}

/// The trailers that are forwarded.
pub(super) fn trailers(section: &FieldSection) -> FieldList {
    let mut list = FieldList::default();
    section.regular().filter(|field| passes(*field, &[])).for_each(|field| list.push(field));
    list
}

/// Whether a field of the service is forwarded: it does not concern the connection, is not one of the sidecar's own,
/// and no decorator changes it.
fn passes(field: Field<'_>, edits: &[Edit]) -> bool {
    let name = std::str::from_utf8(field.name).unwrap_or_default();
    !matches!(known(name), KnownField::Te | KnownField::Ours)
        && !edits.iter().any(|edit| is_editable(edit) && edit.takes_away(name))
}
