//! Whose session it is: the holder of the token, a user of the users file, or one of the OpenID provider.

use serde::{Deserialize, Serialize};

use crate::access::accounts::Fingerprint;
use crate::model::principal::Role;

/// Whose session it is, and what it was opened with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionOwner {
    /// The holder of the shared token.
    Token {
        /// Of the token.
        credential: Fingerprint,
    },
    /// A user of the users file, which says what they may do now.
    User {
        /// The name.
        name: String,
        /// Of the password's hash.
        credential: Fingerprint,
    },
    /// A user of the OpenID provider, with what the provider said at the sign-in.
    OpenId {
        /// The provider's identifier of the user.
        subject: String,
        /// The name.
        name: String,
        /// The role.
        role: Role,
        /// The namespaces; `None` for all.
        namespaces: Option<Vec<String>>,
        /// Of the settings that gave them: others may give another role, or none. An older version did not store it.
        #[serde(default)]
        grants: Fingerprint,
        /// The id token, which the provider wants back at the sign-out.
        id_token: String,
    },
}

impl SessionOwner {
    /// Whether two sessions are of the same user.
    pub(super) fn is_same_user(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Token { .. }, Self::Token { .. }) => true,
            (Self::User { name, .. }, Self::User { name: other, .. }) => name == other,
            (Self::OpenId { subject, .. }, Self::OpenId { subject: other, .. }) => subject == other,
            _ => false,
        }
    }
}
