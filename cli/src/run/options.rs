//! The options of `sitio run`.

use std::ffi::OsString;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use axum::http::Uri;
use sidecar::control_client::dial::StreamToken;
use sidecar::decorator::not_found_page::NotFoundSource;

use crate::data_dir::ControlPlaneOptions;
use crate::ports::LOOPBACK;
use crate::token;

/// Start a program with a sidecar before it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: sitio run --port 8080 --target 8087 -- python3 -m http.server 8087")]
pub(crate) struct RunOptions {
    /// Port to take requests on; 0 for any that is free.
    #[arg(long, value_name = "PORT")]
    pub(super) port: u16,
    /// Port that the program listens on.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) target: u16,
    /// Address to take requests on.
    #[arg(long, value_name = "ADDRESS", default_value_t = LOOPBACK)]
    pub(super) address: IpAddr,
    /// Name of the service [default: the program's name].
    #[arg(long)]
    pub(super) name: Option<String>,
    /// Control plane to report to, such as http://127.0.0.1:8091 [default: one of our own].
    #[arg(long, value_name = "URL", value_parser = control_plane, conflicts_with_all = ["http_port", "grpc_port", "data_dir"])]
    pub(super) control_plane: Option<Uri>,
    /// Rejected: a command line is visible to all who list processes.
    #[arg(long, hide = true)]
    pub(super) token: Option<String>,
    /// File with the token for that control plane, read again at each dial [default: what the variable SITIO_TOKEN holds].
    #[arg(long, env = "SITIO_TOKEN_FILE", value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) place: ControlPlaneOptions,
    /// Port for health and metrics; 0 for any that is free.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub(super) admin_port: u16,
    /// HTML file in place of the program's 404 pages, or built-in [default: none].
    #[arg(long, value_name = "PATH", value_parser = not_found_page)]
    pub(super) not_found_page: Option<NotFoundSource>,
    /// The program with its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(super) command: Vec<OsString>,
}

impl RunOptions {
    /// The token for the control plane that these options name.
    pub(super) fn token(&self) -> anyhow::Result<StreamToken> {
        // Read here to report an error at once.
        let found = token::find(self.token_file.as_deref())?;
        Ok(match (&self.token_file, found) {
            (_, None) => StreamToken::None,
            (Some(file), _) => StreamToken::File(file.clone()),
            (None, Some(text)) => StreamToken::Text(text),
        })
    }
}

fn control_plane(value: &str) -> Result<Uri, &'static str> {
    let is_http = |uri: &Uri| uri.scheme_str() == Some("http") && uri.host().is_some();
    value.parse().ok().filter(is_http).ok_or("expected a URL such as http://127.0.0.1:8091")
}

fn not_found_page(value: &str) -> io::Result<NotFoundSource> {
    if value == "built-in" {
        return Ok(NotFoundSource::BuiltIn);
    }
    std::fs::read(value).map(|_| NotFoundSource::File(value.into()))
}
