//! How people and scripts sign in, besides the shared token.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use crate::access::accounts::file::UsersFile;
use crate::access::caller::TrustedProxies;
use crate::access::policy::{Access, AccessOptions};
use crate::access::sessions::Sessions;
use crate::clock;
use crate::public_url::PublicUrl;
use crate::token::SecretToken;

/// The settings of the sign-in.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct SignInSettings {
    /// A file with users and tokens for scripts, each with a role and namespaces; it is read again when it changes. With it, the token is for sidecars only [default: none].
    #[arg(long, env = "SITIO_USERS_FILE", value_name = "FILE")]
    users_file: Option<PathBuf>,
}

impl SignInSettings {
    /// Users of this file, read again when it changes.
    pub fn with_users(users_file: PathBuf) -> Self {
        Self { users_file: Some(users_file) }
    }

    /// Whether people sign in by other ways than the shared token.
    pub fn is_given(&self) -> bool {
        self.users_file.is_some()
    }

    /// The access check, with the sessions of the data folder.
    pub async fn open(
        self,
        data_dir: &Path,
        token: Option<SecretToken>,
        public_url: Option<PublicUrl>,
        proxies: TrustedProxies,
    ) -> anyhow::Result<Arc<Access>> {
        let data_dir = data_dir.to_owned();
        let opening = tokio::task::spawn_blocking(move || {
            let users = self.users_file.map(UsersFile::open).transpose().map_err(anyhow::Error::msg)?;
            anyhow::Ok((users, Sessions::in_folder(&data_dir, clock::now_ms() / 1000)))
        });
        let (users, sessions) = opening.await.context("read the users file")??;
        Ok(Access::new(AccessOptions { token, users, public_url, proxies }, sessions))
    }
}
