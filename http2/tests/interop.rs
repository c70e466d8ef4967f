//! Against the `h2` crate, in memory and in both roles.

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use http2::connection::Connection;
use http2::error_code::ErrorCode;
use http2::frame::EndStream::{No, Yes};
use http2::frame::StreamId;
use http2::limits::Limits;
use tokio::io::{DuplexStream, duplex};
use tokio::task::JoinSet;

use crate::interop::peer::{Exchange, Peer, byte, drive};
use crate::recorder::{get, ok, post};

mod peer;

/// Concurrent exchanges.
const STREAMS: usize = 50;

/// Each body: many times the windows.
const BODY_BYTES: usize = 300_000;

/// Small windows, so that both sides often wait.
const WINDOW_BYTES: u32 = 5_000;

/// The bytes on their way in memory.
const SOCKET_BYTES: usize = 20_000;

fn limits() -> Limits {
    Limits { stream_window_bytes: WINDOW_BYTES, output_bytes: 10_000, ..Limits::default() }
}

fn body() -> Bytes {
    (0..BODY_BYTES).map(byte).collect()
}

/// Receives a whole body and its trailers.
async fn read_all(mut received: RecvStream) {
    let mut length = 0;
    while let Some(piece) = received.data().await {
        let piece = piece.unwrap();
        assert!(piece.iter().enumerate().all(|(at, found)| *found == byte(length + at)));
        length += piece.len();
        received.flow_control().release_capacity(piece.len()).unwrap();
    }
    assert_eq!(length, BODY_BYTES);
    assert_eq!(received.trailers().await.unwrap().unwrap()["x-end"], "yes");
}

/// Sends a whole body and trailers.
fn send_all(mut sender: SendStream<Bytes>) {
    sender.send_data(body(), false).unwrap();
    sender.send_trailers(HeaderMap::from_iter([("x-end".parse().unwrap(), "yes".parse().unwrap())])).unwrap();
}

/// Serves each stream of the other side with `answer`.
async fn h2_server(socket: DuplexStream, answer: fn(usize, Request<RecvStream>, SendResponse<Bytes>)) {
    let mut builder = h2::server::Builder::new();
    builder.initial_window_size(WINDOW_BYTES).max_concurrent_streams(STREAMS as u32);
    let mut connection = builder.handshake(socket).await.unwrap();
    let mut accepted = 0;
    while let Some(request) = connection.accept().await {
        let Ok((request, respond)) = request else { return };
        answer(accepted, request, respond);
        accepted += 1;
    }
}

#[track_caller]
fn assert_all_finished(peer: &Peer) {
    assert_eq!(peer.finished.len(), STREAMS);
    for exchange in peer.finished.values() {
        assert_eq!((exchange.received, exchange.trailers.as_deref()), (BODY_BYTES, Some("yes")));
    }
}

#[tokio::test]
async fn a_client_exchanges_bodies_and_trailers() {
    let (mut ours, theirs) = duplex(SOCKET_BYTES);
    let tasks = tokio::task::LocalSet::new();
    tasks.spawn_local(h2_server(theirs, |_, request, mut respond| {
        send_all(respond.send_response(Response::new(()), false).unwrap());
        tokio::task::spawn_local(read_all(request.into_body()));
    }));
    let test = async {
        let mut connection = Connection::client(limits());
        let mut peer = Peer::default();
        for _ in 0..STREAMS {
            let stream = connection.open(post(), No).unwrap();
            peer.exchanges.insert(stream, Exchange::default());
        }
        drive(&mut connection, &mut peer, &mut ours, &body(), |peer| peer.finished.len() == STREAMS).await;
        assert_all_finished(&peer);
        assert_eq!(connection.streams(), 0);
    };
    tasks.run_until(test).await;
}

#[tokio::test]
async fn a_server_exchanges_bodies_and_trailers() {
    let (mut ours, theirs) = duplex(SOCKET_BYTES);
    let client = async {
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(WINDOW_BYTES);
        let (mut requests, connection) = builder.handshake::<_, Bytes>(theirs).await.unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async { connection.await.unwrap() });
        for _ in 0..STREAMS {
            requests = requests.ready().await.unwrap();
            let request = Request::post("http://a/x").body(()).unwrap();
            let (response, sender) = requests.send_request(request, false).unwrap();
            send_all(sender);
            tasks.spawn(async { read_all(response.await.unwrap().into_body()).await });
        }
        drop(requests);
        while let Some(task) = tasks.join_next().await {
            task.unwrap();
        }
    };
    let server = async {
        let mut connection = Connection::server(limits());
        let mut peer = Peer { is_server: true, ..Peer::default() };
        drive(&mut connection, &mut peer, &mut ours, &body(), |_| false).await;
        assert_all_finished(&peer);
        assert!(peer.heads.iter().all(|(_, path)| path == "/x"));
        assert_eq!(connection.streams(), 0);
    };
    tokio::join!(client, server);
}

#[tokio::test]
async fn a_client_learns_what_was_not_processed() {
    let (mut ours, theirs) = duplex(SOCKET_BYTES);
    let server = h2_server(theirs, |accepted, _, mut respond| match accepted {
        0 => respond.send_reset(Reason::REFUSED_STREAM),
        1 => respond.send_reset(Reason::CANCEL),
        _ => drop(respond.send_response(Response::new(()), true)),
    });
    let client = async {
        let mut connection = Connection::client(limits());
        let mut peer = Peer::default();
        for _ in 0..3 {
            let stream = connection.open(get(), Yes).unwrap();
            peer.exchanges.insert(stream, Exchange::default());
        }
        drive(&mut connection, &mut peer, &mut ours, &[], |peer| peer.finished.len() == 1).await;
        assert_eq!(peer.unprocessed, [StreamId(1)]);
        assert_eq!(peer.resets, [(StreamId(3), ErrorCode::CANCEL)]);
        assert_eq!(peer.heads, [(StreamId(5), "200".to_owned())]);
        drop(ours);
    };
    tokio::join!(server, client);
}

#[tokio::test]
async fn a_server_resets_and_goes_away() {
    let (mut ours, theirs) = duplex(SOCKET_BYTES);
    let client = async {
        let (mut requests, connection) = h2::client::handshake(theirs).await.unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(connection);
        let send = |requests: &mut h2::client::SendRequest<Bytes>| {
            requests.send_request(Request::get("http://a/x").body(()).unwrap(), true).unwrap().0
        };
        let responses = [send(&mut requests), send(&mut requests)];
        let [reset, answered] = responses;
        assert_eq!(reset.await.unwrap_err().reason(), Some(Reason::ENHANCE_YOUR_CALM));
        assert_eq!(answered.await.unwrap().status(), 200);
        // GOAWAY without an error ends the connection in good order.
        tasks.join_next().await.unwrap().unwrap().unwrap();
    };
    let server = async {
        let mut connection = Connection::server(limits());
        let mut recorder = crate::recorder::Recorder::default();
        let mut buffer = Vec::new();
        while recorder.events.len() < 2 {
            tokio::io::AsyncReadExt::read_buf(&mut ours, &mut buffer).await.unwrap();
            let read = connection.receive(&buffer, &mut recorder).unwrap();
            buffer.drain(..read);
        }
        connection.reset(StreamId(1), ErrorCode::ENHANCE_YOUR_CALM);
        connection.respond(StreamId(3), ok(), Yes).unwrap();
        connection.drain();
        connection.go_away(ErrorCode::NO_ERROR);
        tokio::io::AsyncWriteExt::write_all(&mut ours, connection.output()).await.unwrap();
        tokio::io::AsyncReadExt::read_to_end(&mut ours, &mut buffer).await.unwrap();
    };
    tokio::join!(client, server);
}
