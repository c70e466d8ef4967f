//! Where the control plane is, and how to be let in: what all commands that ask it have in common.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, anyhow};
use client::client::{Client, Token};
use reqwest::Url;

/// Where to ask.
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
}

impl Connection {
    /// A client of that control plane.
    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        Ok(Client::new(self.url.clone(), self.token()?)?)
    }

    /// Where the dashboard is.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    fn token(&self) -> anyhow::Result<Option<Token>> {
        let Some(file) = &self.token_file else {
            // A flag would show the token to whoever lists processes, so there is only the variable.
            return Ok(env::var("SITIO_TOKEN").ok().as_deref().and_then(Token::new));
        };
        let read = std::fs::read_to_string(file).with_context(|| format!("read the token in {}", file.display()))?;
        let token = Token::new(&read).ok_or_else(|| anyhow!("read the token in {}: the file is empty", file.display()))?;
        Ok(Some(token))
    }
}

/// A URL, or a host and a port.
fn url(text: &str) -> Result<Url, String> {
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = Url::parse(&with_scheme).ok().filter(Url::has_host);
    match url {
        Some(url) if url.scheme() == "http" => Ok(url),
        Some(url) if url.scheme() == "https" => {
            Err("https is not spoken; in a cluster, use `kubectl port-forward` and the URL that it names".to_owned())
        }
        _ => Err("expected a URL such as http://127.0.0.1:8090".to_owned()),
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
        ] {
            assert_eq!(url(text).unwrap().as_str(), read);
        }
        for text in ["", "http://", "ftp://mesh.example", "https://mesh.example", "::"] {
            assert!(url(text).is_err(), "{text}");
        }
    }
}
