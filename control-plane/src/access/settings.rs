//! How people and scripts sign in, besides the shared token.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;

use crate::access::accounts::file::UsersFile;
use crate::access::caller::TrustedProxies;
use crate::access::openid::OpenId;
use crate::access::openid::settings::OpenIdSettings;
use crate::access::policy::{Access, AccessOptions};
use crate::access::sessions::Sessions;
use crate::access::sessions::file::SessionPlace;
use crate::clock;
use crate::public_url::PublicUrl;
use crate::token::SecretToken;

/// The settings of the sign-in.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct SignInSettings {
    /// A file with users and tokens for scripts, each with a role and namespaces; it is read again when it changes. With it, the token is for sidecars only [default: none].
    #[arg(long, env = "SITIO_USERS_FILE", value_name = "FILE")]
    users_file: Option<PathBuf>,
    /// The OpenID provider.
    #[command(flatten)]
    openid: OpenIdSettings,
}

impl SignInSettings {
    /// Whether people sign in by other ways than the shared token.
    pub fn is_given(&self) -> bool {
        self.users_file.is_some() || self.openid.issuer.is_some()
    }

    /// Checks what can be checked without the provider.
    pub fn check(&self, public_url: Option<&PublicUrl>) -> Result<(), String> {
        OpenId::from_settings(&self.openid, public_url).map(drop)
    }

    /// The access check, with the sessions of a place.
    pub async fn open(
        self,
        sessions: SessionPlace,
        token: Option<SecretToken>,
        public_url: Option<PublicUrl>,
        proxies: TrustedProxies,
    ) -> anyhow::Result<Arc<Access>> {
        let opening = tokio::task::spawn_blocking(move || {
            let users = self.users_file.map(UsersFile::open).transpose().map_err(anyhow::Error::msg)?;
            let openid = OpenId::from_settings(&self.openid, public_url.as_ref()).map_err(anyhow::Error::msg)?;
            let sessions = Sessions::restore(sessions, clock::now_ms() / 1000);
            Ok(Access::new(AccessOptions { token, users, openid, public_url, proxies }, sessions))
        });
        opening.await.context("read the settings of the sign-in")?
    }
}
