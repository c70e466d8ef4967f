//! Command-line options for the control plane's URL, token and certificates, shared by all commands that query it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use api::client::trust::Authorities;
use api::client::{Client, Token};
use reqwest::Url;

use crate::stdout::beside;
use crate::token;

/// The connection options.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(crate) struct Connection {
    /// Where the control plane's dashboard is.
    #[arg(
        long,
        env = "SITIO_URL",
        value_name = "URL",
        default_value = "http://127.0.0.1:8090",
        value_parser = url,
        help_heading = "Control plane"
    )]
    url: Url,
    /// File with the control plane's token [default: what the variable SITIO_TOKEN holds].
    #[arg(long, env = "SITIO_TOKEN_FILE", value_name = "FILE", help_heading = "Control plane")]
    token_file: Option<PathBuf>,
    /// File with the certificates (PEM) of the authorities to trust, for https [default: those that this machine
    /// trusts].
    #[arg(long, env = "SITIO_CA_FILE", value_name = "FILE", help_heading = "Control plane")]
    ca_file: Option<PathBuf>,
}

impl Connection {
    /// Builds a client without printing a warning.
    pub(crate) fn silent_client(&self) -> anyhow::Result<Client> {
        let authorities = self.ca_file.as_deref().map(authorities).transpose()?;
        Ok(Client::new(self.url.clone(), self.token()?, authorities)?)
    }

    /// Builds a client; warns on standard error if the token would be sent in plain text.
    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        let client = self.silent_client()?;
        if client.sends_token_in_plain_text() {
            let host = self.url.host_str().unwrap_or_default();
            beside(&format!("sitio: the token goes to {host} over plain http, where others can read it; use https://"));
        }
        Ok(client)
    }

    /// The URL of the dashboard.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    fn token(&self) -> anyhow::Result<Option<Token>> {
        Ok(token::find(self.token_file.as_deref())?.as_deref().and_then(Token::new))
    }
}

fn authorities(file: &Path) -> anyhow::Result<Authorities> {
    let read = fs::read(file).with_context(|| format!("read the certificates in {}", file.display()))?;
    let wanted = "no certificate is in it; it must be PEM, with lines such as -----BEGIN CERTIFICATE-----";
    Authorities::read(&read).ok_or_else(|| anyhow!("read the certificates in {}: {wanted}", file.display()))
}

/// Parses a URL; the scheme defaults to http.
fn url(text: &str) -> Result<Url, String> {
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = Url::parse(&with_scheme).ok().filter(Url::has_host);
    let url = url.filter(|url| ["http", "https"].contains(&url.scheme()));
    let url = url.ok_or_else(|| "expected a URL such as http://127.0.0.1:8090 or https://mesh.example".to_owned())?;
    if url.username().is_empty() && url.password().is_none() {
        Ok(url)
    } else {
        // Credentials in the URL would appear in messages and in the shell's history.
        Err("expected a URL without a user and a password: a control plane has a token, see --token-file".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_may_leave_out_what_is_plain() {
        for (text, read) in [
            ("http://127.0.0.1:8090", "http://127.0.0.1:8090/"),
            ("localhost:8090", "http://localhost:8090/"),
            ("http://mesh.example/sitio/", "http://mesh.example/sitio/"),
            ("https://mesh.example", "https://mesh.example/"),
        ] {
            assert_eq!(url(text).unwrap().as_str(), read);
        }
        for text in ["", "http://", "ftp://mesh.example", "https://", "::", "http://me:secret@mesh.example"] {
            assert!(url(text).is_err(), "{text}");
        }
    }
}
