//! What a replica that does not lead answers by itself: probes, and its own metrics.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::replication::lease::LeaseHolder;
use crate::replication::progress::Applied;

/// How long a client may take to send a request's first line, and its head.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// Bytes that decide what is requested: `HEAD /metrics ` is the longest.
const PEEKED_BYTES: usize = 16;

/// Bytes of a head that are read.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// The pause between two looks at what has arrived: a client that sends a line in pieces is rare.
const PEEK_EVERY: Duration = Duration::from_millis(5);

/// How long ago a replica may have reached the end of the logs and still count as ready.
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(10);

/// A page that each replica answers for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LocalPage {
    Live,
    Ready,
    Metrics,
}

/// What these pages show.
#[derive(Debug)]
pub(super) struct LocalPages {
    pub(super) leader: Option<LeaseHolder>,
    pub(super) applied: Applied,
    pub(super) known: u64,
}

/// Which local page the first request of a connection asks for, without reading it.
pub(super) async fn requested(stream: &TcpStream) -> io::Result<Option<LocalPage>> {
    let deadline = Instant::now() + HEAD_WITHIN;
    let mut bytes = [0; PEEKED_BYTES];
    loop {
        let peeked = tokio::time::timeout_at(deadline, stream.peek(&mut bytes)).await.map_err(|_| io::ErrorKind::TimedOut)??;
        if peeked == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let start = &bytes[..peeked];
        if peeked == PEEKED_BYTES || start.contains(&b'\n') {
            return Ok(page(start));
        }
        if Instant::now() > deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
        tokio::time::sleep(PEEK_EVERY).await;
    }
}

fn page(start: &[u8]) -> Option<LocalPage> {
    let path = start.strip_prefix(b"GET ").or_else(|| start.strip_prefix(b"HEAD "))?;
    let is = |wanted: &[u8]| path.strip_prefix(wanted).is_some_and(|rest| rest.first().is_none_or(|next| b" ?".contains(next)));
    match () {
        () if is(b"/livez") || is(b"/healthz") => Some(LocalPage::Live),
        () if is(b"/readyz") => Some(LocalPage::Ready),
        () if is(b"/metrics") => Some(LocalPage::Metrics),
        () => None,
    }
}

/// Answers a local page, and closes the connection.
pub(super) async fn answer(stream: &mut TcpStream, page: LocalPage, pages: &LocalPages) -> io::Result<()> {
    read_head(stream).await?;
    let (status, body) = match page {
        LocalPage::Live => ("200 OK", "ok\n".to_owned()),
        LocalPage::Ready => pages.ready(),
        LocalPage::Metrics => ("200 OK", pages.metrics()),
    };
    respond(stream, status, &body).await
}

/// Answers that no replica leads now.
pub(super) async fn unavailable(stream: &mut TcpStream) -> io::Result<()> {
    read_head(stream).await?;
    respond(stream, "503 Service Unavailable", "no control plane leads now, or it cannot be reached: try again in some seconds\n")
        .await
}

impl LocalPages {
    fn ready(&self) -> (&'static str, String) {
        let is_recent = |at: Option<std::time::Instant>| at.is_some_and(|at| at.elapsed() < CAUGHT_UP_WITHIN);
        if self.leader.is_none() {
            return ("503 Service Unavailable", "no control plane leads\n".to_owned());
        }
        if !is_recent(self.applied.caught_up.windows) || !is_recent(self.applied.caught_up.rules) {
            let behind = self.known.saturating_sub(self.applied.position.sequence);
            return ("503 Service Unavailable", format!("{behind} messages of the log are not applied yet\n"));
        }
        ("200 OK", "ok\n".to_owned())
    }

    fn metrics(&self) -> String {
        let Applied { position, .. } = self.applied;
        let behind = self.known.saturating_sub(position.sequence);
        let gauges = [
            ("sitio_replica_leading", "Whether this control plane leads.", 0),
            ("sitio_replica_log_applied", "The last message of the log that is applied.", position.sequence),
            ("sitio_replica_log_behind", "Messages of the log that are not applied yet.", behind),
        ];
        gauges.iter().fold(String::new(), |page, (name, help, value)| {
            page + &format!("# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n")
        })
    }
}

async fn read_head(stream: &mut TcpStream) -> io::Result<()> {
    let reading = async {
        let (mut head, mut chunk) = (Vec::<u8>::new(), [0; 1024]);
        while !head.windows(4).any(|end| end == b"\r\n\r\n") {
            let read = stream.read(&mut chunk).await?;
            if read == 0 || head.len() > HEAD_BYTES_MAX {
                return Err(io::ErrorKind::InvalidData.into());
            }
            head.extend(&chunk[..read]);
        }
        Ok(())
    };
    tokio::time::timeout(HEAD_WITHIN, reading).await.map_err(|_| io::ErrorKind::TimedOut)?
}

async fn respond(stream: &mut TcpStream, status: &str, body: &str) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain; charset=utf-8\r\ncache-control: no-store\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_and_metrics_are_local_and_nothing_else() {
        assert_eq!(page(b"GET /readyz HTTP"), Some(LocalPage::Ready));
        assert_eq!(page(b"GET /livez HTTP/"), Some(LocalPage::Live));
        assert_eq!(page(b"HEAD /metrics HT"), Some(LocalPage::Metrics));
        assert_eq!(page(b"GET /metrics?x HT"), Some(LocalPage::Metrics));
        for other in
            [&b"GET / HTTP/1.1\r\n"[..], b"GET /metricsfoo", b"GET /readyz/x HT", b"POST /readyz HTT", b"PRI * HTTP/2.0\r\n"]
        {
            assert_eq!(page(other), None, "{other:?}");
        }
    }
}
