//! What a service may say, and what becomes of it.

use crate::service::Then;

/// What the client makes of it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Verdict {
    /// An answer with this status and this body.
    Gets(u16, &'static str),
    /// 502, because the service does not speak HTTP.
    Unintelligible,
    /// 502, because the service has closed the connection.
    Nothing,
    /// A connection that breaks off, so that what came cannot be taken for the whole.
    Broken,
}

use Then::{Close, Stay};
use Verdict::{Broken, Gets, Nothing, Unintelligible};

/// A conversation: its name, the method, what the service says, what it does then, and the verdict.
/// `~` stands for an answer that somebody else must never get.
pub(super) type Case = (&'static str, &'static str, &'static str, Then, Verdict);

pub(super) const CASES: &[Case] = &[
    ("a length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", Stay, Gets(200, "hi")),
    ("chunks", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", Stay, Gets(200, "hi")),
    (
        "extensions and trailers",
        "GET",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=\"b\"\r\nhi\r\n0\r\nContent-Length: 9\r\n\r\n",
        Stay,
        Gets(200, "hi"),
    ),
    ("neither", "GET", "HTTP/1.1 200 OK\r\n\r\nhi", Close, Gets(200, "hi")),
    ("neither, of HTTP/1.0", "GET", "HTTP/1.0 200 OK\r\n\r\nhi", Close, Gets(200, "hi")),
    ("neither and no body", "GET", "HTTP/1.1 200 OK\r\n\r\n", Close, Gets(200, "")),
    ("no reason", "GET", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nhi", Stay, Gets(200, "hi")),
    ("a length of leading zeros", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0002\r\n\r\nhi", Stay, Gets(200, "hi")),
    (
        "an interim answer",
        "GET",
        "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        Stay,
        Gets(200, "hi"),
    ),
    (
        "an interim answer with a length",
        "GET",
        "HTTP/1.1 103 x\r\nContent-Length: 5\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        Stay,
        Gets(200, "hi"),
    ),
    (
        "an interim answer with a body",
        "GET",
        "HTTP/1.1 103 x\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        Close,
        Unintelligible,
    ),
    ("an interim answer and no other", "GET", "HTTP/1.1 100 Continue\r\n\r\n", Close, Nothing),
    (
        "an interim answer that contradicts itself",
        "GET",
        "HTTP/1.1 103 x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        Close,
        Unintelligible,
    ),
    ("a hundred interim answers", "GET", "@~", Stay, Unintelligible),
    ("HEAD with a length", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", Stay, Gets(200, "")),
    ("HEAD with chunks", "HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Stay, Gets(200, "")),
    ("HEAD with a body", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 44\r\n\r\n~", Stay, Gets(200, "")),
    (
        "HEAD with chunks and a body",
        "HEAD",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        Stay,
        Gets(200, ""),
    ),
    ("204", "GET", "HTTP/1.1 204 No Content\r\n\r\n", Stay, Gets(204, "")),
    ("204 with a length", "GET", "HTTP/1.1 204 No Content\r\nContent-Length: 44\r\n\r\n~", Stay, Gets(204, "")),
    (
        "204 with chunks",
        "GET",
        "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        Stay,
        Gets(204, ""),
    ),
    ("304 with a length", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 44\r\n\r\n", Stay, Gets(304, "")),
    ("304 with a body", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 44\r\n\r\n~", Stay, Gets(304, "")),
    ("205 with a body", "GET", "HTTP/1.1 205 Reset Content\r\nContent-Length: 44\r\n\r\n~", Stay, Gets(205, "")),
    (
        "205 with chunks",
        "GET",
        "HTTP/1.1 205 Reset Content\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        Stay,
        Gets(205, ""),
    ),
    ("205 until the end", "GET", "HTTP/1.1 205 Reset Content\r\n\r\nhi", Close, Gets(205, "")),
    ("more than the length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi~", Stay, Gets(200, "hi")),
    (
        "more than the chunks",
        "GET",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n~",
        Stay,
        Gets(200, "hi"),
    ),
    ("more than nothing", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n~", Stay, Gets(200, "")),
    ("a line end behind the body", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi\r\n", Stay, Gets(200, "hi")),
    ("two answers", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\n", Stay, Gets(200, "hi")),
    (
        "426 says to what",
        "GET",
        "HTTP/1.1 426 Upgrade Required\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 0\r\n\r\n",
        Stay,
        Gets(426, ""),
    ),
    ("less than the length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", Close, Broken),
    ("a chunk less than its size", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhi", Close, Broken),
    ("chunks without the last", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", Close, Broken),
    (
        "chunks without the last line",
        "GET",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n",
        Close,
        Broken,
    ),
    (
        "chunks of no size",
        "GET",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\nhi\r\n0\r\n\r\n",
        Stay,
        Unintelligible,
    ),
    (
        "chunks of a negative size",
        "GET",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\nhi\r\n0\r\n\r\n",
        Stay,
        Unintelligible,
    ),
    (
        "chunks of a size that wraps",
        "GET",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000002\r\nhi\r\n0\r\n\r\n",
        Stay,
        Unintelligible,
    ),
    ("chunks with bare LFs", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\nhi\n0\n\n", Stay, Unintelligible),
    (
        "a chunk longer than its size",
        "GET",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nhi\r\n0\r\n\r\n",
        Stay,
        Unintelligible,
    ),
    (
        "a malformed trailer",
        "GET",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX : y\r\n\r\n",
        Stay,
        Unintelligible,
    ),
    (
        "chunks and a length",
        "GET",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n~",
        Stay,
        Unintelligible,
    ),
    ("two lengths", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi~", Stay, Unintelligible),
    ("a list of lengths", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nhi", Stay, Unintelligible),
    ("a signed length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nhi", Stay, Unintelligible),
    ("a length that wraps", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551618\r\n\r\nhi", Stay, Unintelligible),
    (
        "a coding that nobody asked for",
        "GET",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        Stay,
        Unintelligible,
    ),
    ("chunks of HTTP/1.0", "GET", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", Stay, Unintelligible),
    ("a fold", "GET", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n", Stay, Unintelligible),
    ("a space before a colon", "GET", "HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n", Stay, Unintelligible),
    ("bare LFs", "GET", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", Stay, Unintelligible),
    ("a bare CR", "GET", "HTTP/1.1 200 OK\r\nA: b\rContent-Length: 0\r\n\r\n", Stay, Unintelligible),
    ("a NUL", "GET", "HTTP/1.1 200 OK\r\nA: \0\r\nContent-Length: 0\r\n\r\n", Stay, Unintelligible),
    ("two status lines", "GET", "HTTP/1.1 200 OK\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Stay, Unintelligible),
    ("an empty line first", "GET", "\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Stay, Unintelligible),
    ("status 600", "GET", "HTTP/1.1 600 x\r\nContent-Length: 0\r\n\r\n", Stay, Unintelligible),
    ("status 20", "GET", "HTTP/1.1 20 x\r\nContent-Length: 0\r\n\r\n", Stay, Unintelligible),
    ("HTTP/2.0", "GET", "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", Stay, Unintelligible),
    ("a page without a head", "GET", "<html>", Close, Unintelligible),
    ("a head without an end", "GET", "HTTP/1.1 200 OK\r\nA: #", Stay, Unintelligible),
    ("too many fields", "GET", "HTTP/1.1 200 OK\r\n$\r\n", Stay, Unintelligible),
    (
        "101 that nobody asked for",
        "GET",
        "HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n~",
        Stay,
        Unintelligible,
    ),
    ("a head that breaks off", "GET", "HTTP/1.1 200 OK\r\nContent-Len", Close, Nothing),
    ("nothing", "GET", "", Close, Nothing),
];
