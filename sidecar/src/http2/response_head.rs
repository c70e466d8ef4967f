//! Rewrites the head of a service's response for the downstream, and lets the decorators see it.

use http2::connection::Connection;
use http2::frame::{EndStream, StreamId};
use http2::hpack::Field;
use http2::message::field_section::{FieldSection, Pseudo};
use mesh::endpoint::Endpoint;

use crate::decorator::Verdict;
use crate::exchange::context::WorkerContext;
use crate::exchange::decorators;
use crate::head::Version;
use crate::head::answer::Edit;
use crate::head::fields::{Connectivity, KnownField, known};
use crate::head::response::{LineFolding, ResponseHead};
use crate::head::write::is_sendable;
use crate::http2::request_head::view;
use crate::upstream::http2::field_list::FieldList;

/// Calls the decorators.
pub(super) fn decorate(worker: &WorkerContext, endpoint: &Endpoint, status: u16, section: &FieldSection) -> Verdict {
    if worker.decorators().is_empty() {
        return Verdict::Keep;
    }
    let fields = view(section);
    let head = ResponseHead {
        status,
        reason: "",
        version: Version::Http11,
        fields: &fields,
        connectivity: Connectivity::default(),
        folds: LineFolding::None,
    };
    decorators::after(worker, endpoint, &head)
}

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
        is_dated &= !edit.name().eq_ignore_ascii_case("date");
        if let Edit::Set(name, value) = edit
            && is_editable(edit)
        {
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
        && !edits.iter().any(|edit| is_editable(edit) && edit.name().eq_ignore_ascii_case(name))
}

/// An edit that would corrupt the message is skipped.
fn is_editable(edit: &Edit) -> bool {
    match edit {
        Edit::Set(name, value) => is_sendable(name, value),
        Edit::Remove(name) => is_sendable(name, ""),
    }
}
