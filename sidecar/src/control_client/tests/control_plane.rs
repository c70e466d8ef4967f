//! A scripted control plane for tests, on a real gRPC server.

use std::net::SocketAddr;

use mesh::endpoint::Endpoint;
use mesh::report::Report;
use mesh::rule::{ANY_METHOD, Action, DesiredRules, Protection, Receipt, Rule, Scope, Selector};
use proto::convert::greeting::Greeting;
use proto::convert::live::Decoder;
use proto::convert::pages::HistoryPage;
use proto::convert::rules::desired;
use proto::convert::taps::TapUpdate;
use proto::wire;
use proto::wire::{down, mesh_server, up};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Server, Uri};
use tonic::{Request, Response, Status, Streaming};

use crate::control_client::dial::{ControlPlaneTarget, StreamToken};
use crate::sidecar::tests::world::within;
use crate::tls::ClientTls;

/// The control plane, controlled by the test.
pub(crate) struct Mesh {
    pub(crate) address: SocketAddr,
    streams: mpsc::Receiver<Stream>,
    _server: JoinSet<Result<(), tonic::transport::Error>>,
}

/// One stream whose greeting was already read.
pub(crate) struct Stream {
    pub(crate) greeting: Greeting,
    /// The `authorization` metadata of the sidecar.
    pub(crate) authorization: Option<String>,
    up: Streaming<wire::Up>,
    down: mpsc::Sender<Result<wire::Down, Status>>,
    pub(crate) decoder: Decoder,
    /// The time that it sends with each message; 0 like an older control plane.
    pub(crate) sent_ms: u64,
}

struct Door(mpsc::Sender<Stream>);

#[tonic::async_trait]
impl mesh_server::Mesh for Door {
    type AttachStream = ReceiverStream<Result<wire::Down, Status>>;

    async fn attach(&self, request: Request<Streaming<wire::Up>>) -> Result<Response<Self::AttachStream>, Status> {
        let authorization = request.metadata().get("authorization").map(|value| value.to_str().unwrap().to_owned());
        let mut up = request.into_inner();
        let Some(up::Message::Hello(hello)) = up.message().await?.unwrap().message else { panic!("no hello") };
        let (down, frames) = mpsc::channel(8);
        let greeting = Greeting::try_from(hello).unwrap();
        let stream = Stream { greeting, authorization, up, down, decoder: Decoder::default(), sent_ms: 0 };
        self.0.send(stream).await.map_err(|_| Status::unavailable("the test is over"))?;
        Ok(Response::new(ReceiverStream::new(frames)))
    }
}

impl Mesh {
    pub(crate) async fn start() -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), None).await
    }

    /// Starts with an HTTP/2 window of so many bytes, which is what a sidecar can send before the test reads.
    pub(crate) async fn start_at(address: SocketAddr, window: Option<u32>) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, streams) = mpsc::channel(8);
        let builder = Server::builder().initial_stream_window_size(window);
        let service = mesh_server::MeshServer::new(Door(sender));
        let mut server = JoinSet::new();
        server.spawn({ builder }.add_service(service).serve_with_incoming(TcpIncoming::from(listener)));
        Self { address, streams, _server: server }
    }

    pub(crate) fn with(&self, token: StreamToken) -> ControlPlaneTarget {
        let uri: Uri = format!("http://{}", self.address).parse().unwrap();
        ControlPlaneTarget { uri, token, tls: ClientTls::default() }
    }

    /// The next stream that a sidecar opens, not welcomed yet.
    pub(crate) async fn next(&mut self) -> Stream {
        within(self.streams.recv()).await.unwrap()
    }

    /// The next stream, welcomed at ten reports a second, and without any rules.
    pub(crate) async fn welcomed(&mut self) -> Stream {
        let mut stream = self.next().await;
        stream.welcome().await;
        stream.desire(1, vec![]).await;
        assert_eq!(stream.receipt().await.revision, 1);
        stream
    }
}

impl Stream {
    pub(crate) async fn say(&mut self, message: down::Message) {
        within(self.down.send(Ok(wire::Down { message: Some(message), sent_ms: self.sent_ms }))).await.unwrap();
    }

    pub(crate) async fn welcome(&mut self) {
        self.say(down::Message::Welcome(wire::Welcome { live_ms: 100, ..Default::default() })).await;
    }

    pub(crate) async fn desire(&mut self, revision: u64, rules: Vec<Rule>) {
        let set = desired(&DesiredRules { store: "test".into(), revision, rules });
        self.say(set.into()).await;
    }

    /// The next message of the sidecar; `None` once it has nothing more to send.
    pub(crate) async fn receive(&mut self) -> Option<up::Message> {
        within(self.up.message()).await.unwrap().map(|up| up.message.unwrap())
    }

    pub(crate) async fn report(&mut self) -> Report {
        loop {
            if let up::Message::Live(live) = self.receive().await.expect("the stream ended before a report") {
                return self.decoder.decode(&live).unwrap();
            }
        }
    }

    /// The next page, which answers this fetch. Reports before it are taken off the stream.
    pub(crate) async fn page(&mut self, id: u64) -> HistoryPage {
        loop {
            match self.receive().await.expect("the stream ended before a page") {
                up::Message::Page(page) => {
                    assert_eq!(page.id, id);
                    return page.try_into().unwrap();
                }
                up::Message::Live(live) => drop(self.decoder.decode(&live).unwrap()),
                other => panic!("{other:?} instead of a page"),
            }
        }
    }

    /// The next frame of taps. Reports before it are taken off the stream.
    pub(crate) async fn tapped(&mut self) -> TapUpdate {
        loop {
            match self.receive().await.expect("the stream ended before the first event of a tap") {
                up::Message::Tapped(tapped) => return tapped.try_into().unwrap(),
                up::Message::Live(live) => drop(self.decoder.decode(&live).unwrap()),
                other => panic!("{other:?} instead of an event of a tap"),
            }
        }
    }

    /// The next receipt. Reports before it are taken off the stream, and their numbers with them.
    pub(crate) async fn receipt(&mut self) -> Receipt {
        loop {
            match self.receive().await.expect("the stream ended before a receipt") {
                up::Message::Applied(applied) => return Receipt::try_from(applied).unwrap(),
                up::Message::Live(live) => drop(self.decoder.decode(&live).unwrap()),
                other => panic!("{other:?} instead of a receipt"),
            }
        }
    }
}

/// A rule that turns an endpoint of the world's service off.
pub(crate) fn off(id: &str, route: &str) -> Rule {
    Rule {
        id: id.into(),
        selector: Selector { namespace: "default".into(), service: "web".into(), pods: vec![] },
        endpoint: Endpoint::named("GET", route).unwrap(),
        action: Action::Disable { status: 503 },
        scope: Scope::default(),
        selection: decorators::selection::Selection::default(),
        protection: Protection::default(),
        expires_ms: None,
        by: "test".into(),
        reason: "test".into(),
    }
}

/// A rule for all methods.
pub(crate) fn off_for_all(id: &str, route: &str) -> Rule {
    Rule { endpoint: Endpoint::named(ANY_METHOD, route).unwrap(), ..off(id, route) }
}
