//! An HTTP client for the control plane's pages and API, and simulated browsers that watch the overview.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, ensure};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// The address of a control plane's pages and API.
#[derive(Debug, Clone, Copy)]
pub struct Api(pub SocketAddr);

impl Api {
    /// Returns a page or a document as text.
    pub async fn get(self, path: &str) -> anyhow::Result<String> {
        self.ask("GET", path, "").await
    }

    /// Returns a JSON document.
    pub async fn json(self, path: &str) -> anyhow::Result<Value> {
        Ok(serde_json::from_str(&self.get(path).await?)?)
    }

    /// Sends JSON, and returns the response.
    pub async fn post(self, path: &str, body: &Value) -> anyhow::Result<Value> {
        Ok(serde_json::from_str(&self.ask("POST", path, &body.to_string()).await?)?)
    }

    /// Sends a DELETE.
    pub async fn delete(self, path: &str) -> anyhow::Result<()> {
        self.ask("DELETE", path, "").await.map(drop)
    }

    /// Requests that the control plane has counted, over all endpoints.
    pub async fn hits(self) -> anyhow::Result<u64> {
        let answer = self.json("/api/v1/endpoints?window=all").await?;
        let rows = answer["endpoints"].as_array().context("the answer has no endpoints")?;
        rows.iter().map(|row| row["hits"].as_u64().context("an endpoint's row has no hits")).sum()
    }

    async fn ask(self, method: &str, path: &str, body: &str) -> anyhow::Result<String> {
        let mut stream = TcpStream::connect(self.0).await.context("connect to the control plane's API")?;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.0,
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        let answer = String::from_utf8(answer).context("the answer is no text")?;
        let (head, body) = answer.split_once("\r\n\r\n").context("the answer has no end of its head")?;
        let status = head.split(' ').nth(1).unwrap_or_default();
        ensure!(status.starts_with('2'), "{method} {path}: {}: {body}", head.lines().next().unwrap_or_default());
        Ok(body.to_owned())
    }
}

/// Simulated browsers that watch the overview, and the bytes that they received.
#[derive(Debug, Default)]
pub struct Browsers {
    tabs: JoinSet<()>,
    bytes: Arc<AtomicU64>,
}

impl Browsers {
    /// Opens `count` tabs.
    pub async fn open(api: Api, count: usize) -> anyhow::Result<Self> {
        let mut browsers = Self::default();
        for _ in 0..count {
            let mut stream = TcpStream::connect(api.0).await.context("connect to the control plane's pages")?;
            let head = format!("GET /events?window=5m HTTP/1.1\r\nHost: {}\r\n\r\n", api.0);
            stream.write_all(head.as_bytes()).await?;
            let bytes = Arc::clone(&browsers.bytes);
            browsers.tabs.spawn(async move {
                let mut buffer = vec![0; 64 << 10];
                while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                    bytes.fetch_add(read as u64, Ordering::Relaxed);
                }
            });
        }
        Ok(browsers)
    }

    /// Bytes received so far.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}
