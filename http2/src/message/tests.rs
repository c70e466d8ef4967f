//! Tables of well-formed and malformed messages.

use crate::frame::EndStream;
use crate::hpack::Field;
use crate::limits::ExtendedConnect;
use crate::message::content::Content;
use crate::message::malformed::Malformed;
use crate::message::{Judged, Method, Section, SectionKind};

const REQUEST: SectionKind = SectionKind::Request(ExtendedConnect::Announced);

/// The lines `name: value` of a section. A name may begin with a colon, and values keep their white space.
fn section(kind: SectionKind, lines: &str) -> Section {
    let mut section = Section::default();
    section.begin(kind, 1000);
    for line in lines.split('|') {
        let colon = 1 + line[1.min(line.len())..].find('=').unwrap();
        section.push(Field::new(&line[..colon], &line[colon + 1..]));
    }
    section
}

fn judge(kind: SectionKind, lines: &str, end: EndStream) -> Result<Judged, Malformed> {
    section(kind, lines).judge(Method::Other, end)
}

#[test]
fn requests_are_judged() {
    use Malformed::*;
    let get = ":method=GET|:scheme=http|:path=/|:authority=a";
    assert_eq!(judge(REQUEST, get, EndStream::Yes), Ok(Judged::Head(Content::Any)));
    let cases = [
        (":method=GET|:scheme=http|:path=/", None),
        (":method=OPTIONS|:scheme=http|:path=*", None),
        (":method=CONNECT|:authority=a:1", None),
        (":method=CONNECT|:protocol=websocket|:scheme=http|:path=/|:authority=a", None),
        (":scheme=http|:path=/", Some(PseudoMissing)),
        (":method=GET|:path=/", Some(PseudoMissing)),
        (":method=GET|:scheme=http", Some(PseudoMissing)),
        (":method=CONNECT|:protocol=websocket|:scheme=http|:path=/", Some(PseudoMissing)),
        (":method=CONNECT|:scheme=http|:path=/|:authority=a", Some(ConnectTarget)),
        (":method=CONNECT", Some(ConnectTarget)),
        (":method=GET|:protocol=websocket|:scheme=http|:path=/|:authority=a", Some(ProtocolWithoutConnect)),
        (":method=GET|:method=GET|:scheme=http|:path=/", Some(PseudoRepeated)),
        (":method=GET|:scheme=http|x=y|:path=/", Some(PseudoAfterRegular)),
        (":method=GET|:scheme=http|:path=/|:status=200", Some(PseudoUnknown)),
        (":method=GET|:scheme=http|:path=/|:x=y", Some(PseudoUnknown)),
        (":method=G T|:scheme=http|:path=/", Some(Method)),
        (":method=|:scheme=http|:path=/", Some(Method)),
        (":method=GET|:scheme=|:path=/", Some(Scheme)),
        (":method=GET|:scheme=1http|:path=/", Some(Scheme)),
        (":method=GET|:scheme=http|:path=", Some(Path)),
        (":method=GET|:scheme=http|:path=?x", Some(Path)),
        (":method=GET|:scheme=http|:path=*", Some(Path)),
        (":method=GET|:scheme=http|:path=/a b", Some(Path)),
        (":method=GET|:scheme=http|:path=/|:authority=u@a", Some(Authority)),
    ];
    for (lines, fault) in cases {
        assert_eq!(judge(REQUEST, lines, EndStream::No).err(), fault, "{lines}");
    }
}

#[test]
fn extended_connect_needs_its_setting() {
    let lines = ":method=CONNECT|:protocol=websocket|:scheme=http|:path=/|:authority=a";
    let kind = SectionKind::Request(ExtendedConnect::Refused);
    assert_eq!(judge(kind, lines, EndStream::No), Err(Malformed::PseudoUnknown));
}

#[test]
fn fields_are_judged_in_every_section() {
    use Malformed::*;
    let cases = [
        ("x=y", None),
        ("x=", None),
        ("x=a b\tc", None),
        ("te=trailers", None),
        ("X=y", Some(NameUpperCase)),
        ("x y=z", Some(NameInvalid)),
        ("x\0=z", Some(NameInvalid)),
        ("x:=z", Some(NameInvalid)),
        ("x\u{e9}=z", Some(NameInvalid)),
        ("x=a\0", Some(ValueInvalid)),
        ("x=a\rb", Some(ValueInvalid)),
        ("x=a\nb", Some(ValueInvalid)),
        ("x= y", Some(ValueWhitespace)),
        ("x=y\t", Some(ValueWhitespace)),
        ("connection=close", Some(ConnectionField)),
        ("proxy-connection=x", Some(ConnectionField)),
        ("keep-alive=x", Some(ConnectionField)),
        ("transfer-encoding=chunked", Some(ConnectionField)),
        ("upgrade=x", Some(ConnectionField)),
        ("te=gzip", Some(Te)),
    ];
    for (line, fault) in cases {
        let request = format!(":method=GET|:scheme=http|:path=/|{line}");
        assert_eq!(judge(REQUEST, &request, EndStream::No).err(), fault, "{line:?} in a request");
        let response = format!(":status=200|{line}");
        assert_eq!(judge(SectionKind::Response, &response, EndStream::No).err(), fault, "{line:?} in a response");
        assert_eq!(judge(SectionKind::Trailers, line, EndStream::Yes).err(), fault, "{line:?} in trailers");
    }
}

#[test]
fn an_empty_name_is_malformed() {
    let mut section = Section::default();
    section.begin(SectionKind::Trailers, 1000);
    section.push(Field::new("", "x"));
    assert_eq!(section.judge(Method::Other, EndStream::Yes), Err(Malformed::NameEmpty));
}

#[test]
fn responses_are_judged() {
    use EndStream::{No, Yes};
    use Malformed::*;
    let cases = [
        (":status=200", No, Ok(Judged::Head(Content::Any))),
        (":status=200|content-length=5", No, Ok(Judged::Head(Content::Exactly(5)))),
        (":status=204", No, Ok(Judged::Head(Content::None))),
        (":status=304|content-length=5", Yes, Ok(Judged::Head(Content::None))),
        (":status=103|link=x", No, Ok(Judged::Interim)),
        (":status=999", No, Ok(Judged::Head(Content::Any))),
        (":status=100", Yes, Err(InterimWithEnd)),
        (":status=101", No, Err(Status)),
        (":status=20", No, Err(Status)),
        (":status=099", No, Err(Status)),
        (":status=2000", No, Err(Status)),
        (":status=2x0", No, Err(Status)),
        (":status=", No, Err(Status)),
        ("x=y", No, Err(PseudoMissing)),
        (":status=200|:status=200", No, Err(PseudoRepeated)),
        (":method=GET|:status=200", No, Err(PseudoUnknown)),
        (":status=200|content-length=5", Yes, Err(ContentTooShort)),
        (":status=200|content-length=x", No, Err(ContentLengthInvalid)),
        (":status=200|content-length=", No, Err(ContentLengthInvalid)),
        (":status=200|content-length=+5", No, Err(ContentLengthInvalid)),
        (":status=200|content-length=99999999999999999999", No, Err(ContentLengthInvalid)),
        (":status=200|content-length=5|content-length=5", No, Err(ContentLengthRepeated)),
    ];
    for (lines, end, expected) in cases {
        assert_eq!(judge(SectionKind::Response, lines, end), expected, "{lines}");
    }
    let answer = section(SectionKind::Response, ":status=200|content-length=5");
    assert_eq!(answer.judge(super::Method::Head, Yes), Ok(Judged::Head(Content::None)));
    assert_eq!(answer.judge(super::Method::Connect, No), Ok(Judged::Head(Content::Tunnel)));
}

#[test]
fn trailers_are_judged() {
    assert_eq!(judge(SectionKind::Trailers, "grpc-status=0", EndStream::Yes), Ok(Judged::Trailers));
    assert_eq!(judge(SectionKind::Trailers, "grpc-status=0", EndStream::No), Err(Malformed::TrailersWithoutEnd));
    assert_eq!(judge(SectionKind::Trailers, ":status=200", EndStream::Yes), Err(Malformed::PseudoInTrailers));
}

#[test]
fn content_keeps_its_promise() {
    let mut content = Content::Exactly(5);
    assert_eq!(content.receive(3), Ok(()));
    assert_eq!(content.finish(), Err(Malformed::ContentTooShort));
    assert_eq!(content.receive(3), Err(Malformed::ContentTooLong));
    assert_eq!(content.receive(2), Ok(()));
    assert_eq!(content.finish(), Ok(()));
    assert_eq!(Content::None.receive(0), Ok(()));
    assert_eq!(Content::None.receive(1), Err(Malformed::UnexpectedContent));
}

#[test]
fn a_section_over_the_limit_keeps_nothing_more() {
    let mut section = Section::default();
    section.begin(SectionKind::Trailers, 100);
    for _ in 0..1000 {
        section.push(Field::new("name", "value"));
    }
    assert_eq!(section.judge(Method::Other, EndStream::Yes), Ok(Judged::TooLarge));
    assert_eq!(section.fields.regular().len(), 2);
}
