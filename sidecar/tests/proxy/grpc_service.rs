//! A gRPC service with a method of each kind, and its client, both based on `tonic`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::task::JoinSet;
use tokio_stream::{Stream, StreamExt};
use tonic::body::Body;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::codegen::{Service, http};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Server};
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use tower::service_fn;

use crate::support::async_listener;

/// Messages may be larger than the default limit of `tonic`, 4 MiB.
const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Note {
    #[prost(uint32, tag = "1")]
    pub(crate) number: u32,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) text: Vec<u8>,
}

type Notes = Pin<Box<dyn Stream<Item = Result<Note, Status>> + Send>>;

/// The test service.
///
/// - `Repeat` answers with the note, or, if its text is `fail`, with the status code of that number.
/// - `Count` streams `number` notes, or, if its text is `metadata`, ends with NOT_FOUND and so many bytes of metadata.
/// - `Sum` takes a stream and returns the sum of its notes.
/// - `Chat` echoes each note when it comes.
#[derive(Clone)]
struct Echo;

impl tonic::server::NamedService for Echo {
    const NAME: &'static str = "test.Echo";
}

impl Service<http::Request<Body>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let codec = ProstCodec::<Note, Note>::default();
        let mut grpc = tonic::server::Grpc::new(codec).max_decoding_message_size(MESSAGE_BYTES_MAX);
        Box::pin(async move {
            Ok(match request.uri().path() {
                "/test.Echo/Repeat" => grpc.unary(service_fn(repeat), request).await,
                "/test.Echo/Count" => grpc.server_streaming(service_fn(count), request).await,
                "/test.Echo/Sum" => grpc.client_streaming(service_fn(sum), request).await,
                "/test.Echo/Chat" => grpc.streaming(service_fn(chat), request).await,
                _ => Status::unimplemented("no such method").into_http(),
            })
        })
    }
}

async fn repeat(request: Request<Note>) -> Result<Response<Note>, Status> {
    let note = request.into_inner();
    if note.text == b"fail" {
        return Err(Status::new(Code::from(note.number as i32), "as was asked"));
    }
    Ok(Response::new(note))
}

async fn count(request: Request<Note>) -> Result<Response<Notes>, Status> {
    let note = request.into_inner();
    if note.text.starts_with(b"metadata") {
        let mut status = Status::new(Code::NotFound, "as was asked");
        status.metadata_mut().insert("details", "d".repeat(note.number as usize).parse().unwrap());
        if note.text == b"metadata alone" {
            return Err(status);
        }
        let one = Note { number: note.number, ..Note::default() };
        return Ok(Response::new(Box::pin(tokio_stream::iter([Ok(one), Err(status)]))));
    }
    let each = move |number| Ok(Note { number, text: note.text.clone() });
    Ok(Response::new(Box::pin(tokio_stream::iter(0..note.number).map(each))))
}

async fn sum(request: Request<Streaming<Note>>) -> Result<Response<Note>, Status> {
    let (mut notes, mut sum) = (request.into_inner(), Note::default());
    while let Some(note) = notes.message().await? {
        sum.number += note.number;
        sum.text = note.text;
    }
    Ok(Response::new(sum))
}

async fn chat(request: Request<Streaming<Note>>) -> Result<Response<Notes>, Status> {
    Ok(Response::new(Box::pin(request.into_inner())))
}

/// Starts the service. It ends when the returned set is dropped.
pub(crate) fn serve() -> (SocketAddr, JoinSet<()>) {
    let (listener, address) = async_listener();
    let mut service = JoinSet::new();
    service.spawn(async move {
        Server::builder().add_service(Echo).serve_with_incoming(TcpIncoming::from(listener)).await.unwrap();
    });
    (address, service)
}

/// A client on a connection of its own.
pub(crate) struct Client(tonic::client::Grpc<Channel>);

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let channel = Channel::from_shared(format!("http://{address}")).unwrap().http2_max_header_list_size(1 << 20);
        let channel = channel.connect().await.unwrap();
        Self(tonic::client::Grpc::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX))
    }

    pub(crate) async fn repeat(&mut self, note: Note) -> Result<Note, Status> {
        self.0.ready().await.unwrap();
        let response = self.0.unary(Request::new(note), method("/test.Echo/Repeat"), codec()).await;
        response.map(Response::into_inner)
    }

    pub(crate) async fn count(&mut self, note: Note) -> Result<Streaming<Note>, Status> {
        self.0.ready().await.unwrap();
        self.0.server_streaming(Request::new(note), method("/test.Echo/Count"), codec()).await.map(Response::into_inner)
    }

    pub(crate) async fn sum(&mut self, notes: impl Stream<Item = Note> + Send + 'static) -> Result<Note, Status> {
        self.0.ready().await.unwrap();
        self.0.client_streaming(Request::new(notes), method("/test.Echo/Sum"), codec()).await.map(Response::into_inner)
    }

    pub(crate) async fn chat(&mut self, notes: impl Stream<Item = Note> + Send + 'static) -> Result<Streaming<Note>, Status> {
        self.0.ready().await.unwrap();
        self.0.streaming(Request::new(notes), method("/test.Echo/Chat"), codec()).await.map(Response::into_inner)
    }
}

fn method(path: &'static str) -> PathAndQuery {
    PathAndQuery::from_static(path)
}

fn codec() -> ProstCodec<Note, Note> {
    ProstCodec::default()
}
