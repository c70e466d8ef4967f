//! Opens a stream: connects, sends the greeting with a token if there is one, and waits for the welcome.

use std::fmt;
use std::fs::File;
use std::io;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use futures_util::TryFutureExt;
use hyper_util::rt::TokioIo;
use mesh::token::NotAToken;
use proto::convert::greeting::Greeting;
use proto::wire;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Code, Request, Streaming};
use tower::service_fn;

use crate::control_client::control_clock::ControlClock;
use crate::tls::{ClientTls, advice};

/// A control plane is near; one that does not accept within this time is considered absent.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// From the connection to the welcome. A control plane that is busy with a whole fleet may need a moment.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(5);

/// A ping every four seconds, with four seconds to answer: a vanished peer is detected within eight.
const PING: Duration = Duration::from_secs(4);

/// Frames that wait to be sent: the one that is being written and one more. What does not fit is not queued, because the
/// next report covers it.
pub(super) const UP_FRAMES_MAX: usize = 2;

/// Bytes read from a token file: more than a token and its line ends. The file may be a device or a pipe,
/// whose size is unknown.
const TOKEN_FILE_BYTES_MAX: u64 = 16 * 1024;

/// The control plane to connect to.
#[derive(Debug, Clone)]
pub struct ControlPlaneTarget {
    /// Its address.
    pub uri: Uri,
    /// The token to authenticate with.
    pub token: StreamToken,
    /// How it is verified, if its address is https://.
    pub tls: ClientTls,
}

/// What a stream authenticates with.
#[derive(Clone, PartialEq, Eq)]
pub enum StreamToken {
    /// Nothing, which is enough on loopback.
    None,
    /// This token.
    Text(String),
    /// The content of this file at the time of dialling: Kubernetes renews the file.
    File(PathBuf),
}

/// How connections to the control plane are made.
#[derive(Clone)]
pub enum Transport {
    /// TCP of this machine.
    Tcp,
    /// The connections that this function makes, such as those of a simulated network.
    Made(Arc<dyn Fn(Uri) -> ConnectFuture + Send + Sync>),
}

/// A future that connects.
pub type ConnectFuture = Pin<Box<dyn Future<Output = io::Result<Box<dyn ByteStream>>> + Send>>;

/// A byte stream in both directions.
pub trait ByteStream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> ByteStream for T {}

/// A stream after the welcome.
pub(super) struct AttachedStream {
    pub(super) up: mpsc::Sender<wire::Up>,
    pub(super) down: Streaming<wire::Down>,
    pub(super) welcome: wire::Welcome,
    /// The control plane's clock, if it sends its time or its response has a date.
    pub(super) clock: Option<ControlClock>,
    /// The token that it was opened with.
    pub(super) token: Option<String>,
}

/// Opens a stream and waits for the welcome.
pub(super) async fn attach(
    control_plane: &ControlPlaneTarget,
    transport: &Transport,
    greeting: Greeting,
) -> anyhow::Result<AttachedStream> {
    let channel = connect(control_plane, transport).await?;
    let (up, frames) = mpsc::channel(UP_FRAMES_MAX);
    let mut request = Request::new(ReceiverStream::new(frames));
    let token = control_plane.token.now()?;
    if let Some(token) = &token {
        request.metadata_mut().insert("authorization", bearer(token)?);
    }
    let hello = wire::Up { message: Some(wire::up::Message::Hello(greeting.into())) };
    up.try_send(hello).expect("the channel is new, and has room for more than one frame");

    let welcomed = async move {
        let attaching = wire::mesh_client::MeshClient::new(channel).attach(request).await;
        let response = attaching.map_err(|status| refused_attach(status, control_plane))?;
        let date = response.metadata().get("date").and_then(|date| date.to_str().ok());
        let by_date = ControlClock::from_date(date, Instant::now().into_std());
        let mut down = response.into_inner();
        let first = down.message().await.map_err(refused)?;
        let by_word = first.as_ref().and_then(|first| ControlClock::from_message(first.sent_ms, Instant::now().into_std()));
        match first.and_then(|first| first.message) {
            Some(wire::down::Message::Welcome(welcome)) => {
                Ok(AttachedStream { up, down, welcome, clock: by_word.or(by_date), token })
            }
            Some(_) => {
                bail!("the first message is not a welcome: another version, or not a Sitio control plane")
            }
            None => bail!("the control plane closed the stream before its welcome"),
        }
    };
    let timely = tokio::time::timeout(WELCOME_TIMEOUT, welcomed).await;
    timely.map_err(|_| {
        anyhow::anyhow!("the control plane accepted the connection, but sent no welcome within {WELCOME_TIMEOUT:?}")
    })?
}

async fn connect(control_plane: &ControlPlaneTarget, transport: &Transport) -> anyhow::Result<Channel> {
    let uri = &control_plane.uri;
    let mut endpoint = Endpoint::from(uri.clone())
        .connect_timeout(CONNECT_TIMEOUT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .keep_alive_while_idle(true);
    if uri.scheme_str() == Some("https") {
        endpoint = endpoint.tls_config(control_plane.tls.config()?).context("use the certificates")?;
    }
    let connected = match transport {
        Transport::Tcp => endpoint.connect().await,
        Transport::Made(make) => {
            let make = Arc::clone(make);
            let connector = service_fn(move |uri: Uri| make(uri).map_ok(TokioIo::new));
            endpoint.connect_with_connector(connector).await
        }
    };
    connected.map_err(|error| {
        let advice = advice(&error, "SITIO_CA_FILE").map(|advice| format!("; {advice}")).unwrap_or_default();
        anyhow::Error::new(error).context(format!("connect to {uri}{advice}"))
    })
}

/// A refused call. A server asks for a client's certificate after the client has begun to send (RFC 8446, section 4.4.2),
/// and closes the connection if there is none: then the call has no status of the server.
fn refused_attach(status: tonic::Status, control_plane: &ControlPlaneTarget) -> anyhow::Error {
    let is_closed = matches!(status.code(), Code::Unknown | Code::Cancelled);
    if is_closed && control_plane.uri.scheme_str() == Some("https") && control_plane.tls.identity.is_none() {
        return anyhow::anyhow!(
            "the control plane closed the TLS connection: if it asks for a certificate, set SITIO_CLIENT_CERT_FILE and \
             SITIO_CLIENT_KEY_FILE"
        );
    }
    refused(status)
}

/// Formats a gRPC status in one line; its message is what helps most.
pub(super) fn refused(status: tonic::Status) -> anyhow::Error {
    match status.message() {
        "" => anyhow::anyhow!("{}", status.code()),
        message => anyhow::anyhow!("{message} ({:?})", status.code()),
    }
}

/// The `authorization` header for a token.
pub fn bearer(token: &str) -> anyhow::Result<MetadataValue<Ascii>> {
    ensure!(!token.is_empty(), "the token is empty");
    ensure!(token.bytes().all(|byte| byte.is_ascii_graphic()), "the token contains characters other than printable ASCII");
    Ok(format!("Bearer {token}").parse()?)
}

impl StreamToken {
    pub(super) fn now(&self) -> anyhow::Result<Option<String>> {
        let path = match self {
            Self::None => return Ok(None),
            Self::Text(token) => return Ok(Some(token.clone())),
            Self::File(path) => path,
        };
        let reading = || format!("read the token in {}", path.display());
        Ok(Some(read_token_file(path).with_context(reading)?))
    }
}

/// Reads the token in a file.
pub fn read_token_file(path: &Path) -> Result<String, TokenFileError> {
    let mut text = String::new();
    File::open(path)?.take(TOKEN_FILE_BYTES_MAX).read_to_string(&mut text)?;
    Ok(mesh::token::token(&text)?.to_owned())
}

/// Why a file has no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] io::Error),
    /// Its text is not a token.
    #[error(transparent)]
    Invalid(#[from] NotAToken),
}

impl fmt::Debug for StreamToken {
    /// Never shows the token itself.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Text(_) => f.write_str("Text(…)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}
