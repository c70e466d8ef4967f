//! The lower limit of cost: a TCP proxy that only copies, with one upstream connection per downstream connection.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use anyhow::Context as _;
use clap::Parser;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};
use tokio::task::JoinSet;

/// Size of one read, as in the sidecar; all connections share this buffer.
const SCRATCH_BYTES: usize = 256 * 1024;

#[derive(Parser)]
struct CopyLoopConfig {
    /// Where to listen.
    listen: SocketAddr,
    /// Where to connect to.
    target: SocketAddr,
}

/// The state of one direction.
#[derive(Default)]
struct CopyFlow {
    unsent: Vec<u8>,
    sent: usize,
    has_ended: bool,
}

fn main() -> anyhow::Result<()> {
    let config = CopyLoopConfig::parse();
    Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?.block_on(serve(config))
}

async fn serve(config: CopyLoopConfig) -> anyhow::Result<()> {
    let listener = TcpListener::bind(config.listen).await.with_context(|| format!("listen at {}", config.listen))?;
    let scratch = Rc::new(RefCell::new(vec![0; SCRATCH_BYTES]));
    let mut connections = JoinSet::new();
    loop {
        let (downstream, _) = listener.accept().await?;
        connections.spawn_local(copy(downstream, config.target, Rc::clone(&scratch)));
        while connections.try_join_next().is_some() {}
    }
}

async fn copy(mut downstream: TcpStream, target: SocketAddr, scratch: Rc<RefCell<Vec<u8>>>) -> io::Result<()> {
    let mut upstream = TcpStream::connect(target).await?;
    downstream.set_nodelay(true)?;
    upstream.set_nodelay(true)?;
    let (mut up, mut down) = (CopyFlow::default(), CopyFlow::default());
    poll_fn(|cx| {
        let scratch = &mut *scratch.borrow_mut();
        let up = up.poll(cx, &mut downstream, &mut upstream, scratch)?;
        let down = down.poll(cx, &mut upstream, &mut downstream, scratch)?;
        if up.is_ready() && down.is_ready() { Poll::Ready(Ok(())) } else { Poll::Pending }
    })
    .await
}

impl CopyFlow {
    /// Copies until a socket would block. Ready when the end of the stream has been passed on.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut TcpStream,
        to: &mut TcpStream,
        scratch: &mut [u8],
    ) -> Poll<io::Result<()>> {
        loop {
            while self.sent < self.unsent.len() {
                self.sent += ready!(Pin::new(&mut *to).poll_write(cx, &self.unsent[self.sent..]))?;
            }
            if self.has_ended {
                return Pin::new(to).poll_shutdown(cx);
            }
            let mut room = ReadBuf::new(scratch);
            ready!(Pin::new(&mut *from).poll_read(cx, &mut room))?;
            self.has_ended = room.filled().is_empty();
            let written = match Pin::new(&mut *to).poll_write(cx, room.filled()) {
                Poll::Ready(written) => written?,
                Poll::Pending => 0,
            };
            (self.unsent, self.sent) = (room.filled()[written..].to_vec(), 0);
        }
    }
}
