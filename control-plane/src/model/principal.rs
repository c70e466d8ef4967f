//! The sender of a request: its name, its role, and the namespaces that the role applies to.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

/// The name of the user of a control plane without sign-in.
pub const LOCAL_OPERATOR: &str = "operator";

/// Namespaces that an error lists.
const NAMED_MAX: usize = 8;

/// Who sends a request. The access check decides it, once for each request.
#[derive(Debug, Clone)]
pub struct Principal {
    /// The name of the user or of the token, as the audit log records it.
    pub name: Arc<str>,
    /// What it may do.
    pub role: Role,
    /// What it may see, and act on.
    pub namespaces: Namespaces,
    /// The address that the request comes from; `None` if it is not known, or is this machine.
    pub address: Option<IpAddr>,
    /// Cancelled when the sign-in ends: then its open streams end, too.
    pub sign_in: SignInEnd,
}

/// What a principal may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads.
    Viewer,
    /// Reads, and commands.
    Operator,
}

/// The namespaces that a principal sees.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum Namespaces {
    /// All of them, and everything that belongs to none.
    #[default]
    All,
    /// These.
    Only(Arc<BTreeSet<String>>),
}

/// The end of a sign-in: of its session, of its user or its token. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct SignInEnd {
    session: Option<Arc<CancellationToken>>,
    account: Option<CancellationToken>,
}

/// The author of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// The name.
    pub name: String,
    /// The address that the command came from.
    pub address: Option<IpAddr>,
    /// The namespaces whose services a message for the author may name.
    pub sees: Namespaces,
}

/// Why a principal may not do something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// A viewer commands.
    #[error("{0} has the role viewer, and commands need the role operator: ask an administrator of Sitio for it")]
    Role(Arc<str>),
    /// The namespace is not among those of the principal.
    #[error("{name} is operator of {} only, and the command is about namespace {namespace}", .allowed)]
    Namespace {
        /// The principal.
        name: Arc<str>,
        /// The namespace of the command.
        namespace: String,
        /// The namespaces of the principal.
        allowed: Namespaces,
    },
    /// What was asked for covers all namespaces.
    #[error("{name} sees {} only, and this needs all namespaces", .allowed)]
    AllNamespaces {
        /// The principal.
        name: Arc<str>,
        /// The namespaces of the principal.
        allowed: Namespaces,
    },
}

impl Principal {
    /// The user of a control plane without sign-in, which only this machine reaches.
    pub fn local_operator() -> Self {
        Self {
            name: LOCAL_OPERATOR.into(),
            role: Role::Operator,
            namespaces: Namespaces::All,
            address: None,
            sign_in: SignInEnd::default(),
        }
    }

    /// The author of this principal's commands.
    pub fn author(&self) -> Author {
        Author { name: self.name.as_ref().to_owned(), address: self.address, sees: self.namespaces.clone() }
    }

    /// Allows commands in a namespace, or returns why not.
    pub fn check_command(&self, namespace: &str) -> Result<(), Forbidden> {
        self.check_role()?;
        if self.namespaces.contain(namespace) {
            return Ok(());
        }
        let (name, allowed) = (Arc::clone(&self.name), self.namespaces.clone());
        Err(Forbidden::Namespace { name, namespace: namespace.to_owned(), allowed })
    }

    /// Allows commands at all, or returns why not.
    pub fn check_role(&self) -> Result<(), Forbidden> {
        if self.role >= Role::Operator { Ok(()) } else { Err(Forbidden::Role(Arc::clone(&self.name))) }
    }

    /// Allows what covers all namespaces, or returns why not.
    pub fn check_all_namespaces(&self) -> Result<(), Forbidden> {
        match &self.namespaces {
            Namespaces::All => Ok(()),
            allowed @ Namespaces::Only(_) => {
                Err(Forbidden::AllNamespaces { name: Arc::clone(&self.name), allowed: allowed.clone() })
            }
        }
    }
}

impl Namespaces {
    /// Only these.
    pub fn from_names(names: impl IntoIterator<Item = String>) -> Self {
        Self::Only(Arc::new(names.into_iter().collect()))
    }

    /// Whether a namespace is among them.
    pub fn contain(&self, namespace: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(namespace),
        }
    }
}

impl fmt::Display for Namespaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Only(names) = self else { return f.write_str("all namespaces") };
        let first: Vec<&str> = names.iter().take(NAMED_MAX).map(String::as_str).collect();
        let noun = if names.len() == 1 { "namespace" } else { "namespaces" };
        write!(f, "{noun} {}", first.join(", "))?;
        if names.len() > NAMED_MAX { write!(f, " and {} more", names.len() - NAMED_MAX) } else { Ok(()) }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
        })
    }
}

impl SignInEnd {
    /// The end of a user or a token.
    pub fn of_account(account: CancellationToken) -> Self {
        Self { session: None, account: Some(account) }
    }

    /// The same, and the end of this session.
    #[must_use]
    pub fn with_session(self, session: Arc<CancellationToken>) -> Self {
        Self { session: Some(session), ..self }
    }

    /// Whether it is the sign-in of a session, which a user can end.
    pub fn has_session(&self) -> bool {
        self.session.is_some()
    }

    /// Returns when the sign-in has ended; a sign-in that cannot end never does.
    pub async fn ended(&self) {
        match (self.session.as_deref(), &self.account) {
            (Some(session), Some(account)) => {
                tokio::select! {
                    () = session.cancelled() => {}
                    () = account.cancelled() => {}
                }
            }
            (Some(end), None) | (None, Some(end)) => end.cancelled().await,
            (None, None) => std::future::pending().await,
        }
    }
}

impl From<&str> for Author {
    fn from(name: &str) -> Self {
        Self { name: name.to_owned(), address: None, sees: Namespaces::All }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn principal(role: Role, namespaces: &[&str]) -> Principal {
        let namespaces = Namespaces::from_names(namespaces.iter().map(|name| (*name).to_owned()));
        Principal { name: "anna".into(), role, namespaces, ..Principal::local_operator() }
    }

    #[test]
    fn a_role_and_its_namespaces_decide_what_is_allowed() {
        let operator = principal(Role::Operator, &["shop", "pay"]);
        assert_eq!(operator.check_command("shop"), Ok(()));
        let elsewhere = operator.check_command("bank").unwrap_err().to_string();
        assert_eq!(elsewhere, "anna is operator of namespaces pay, shop only, and the command is about namespace bank");
        let viewer = principal(Role::Viewer, &["shop"]).check_command("shop").unwrap_err().to_string();
        assert!(viewer.contains("need the role operator"), "{viewer}");
        let mesh = principal(Role::Operator, &["shop"]).check_all_namespaces().unwrap_err().to_string();
        assert_eq!(mesh, "anna sees namespace shop only, and this needs all namespaces");
        assert_eq!(Principal::local_operator().check_command("any"), Ok(()));
        assert_eq!(Principal::local_operator().check_all_namespaces(), Ok(()));
    }

    #[test]
    fn no_namespace_is_nothing_and_not_everything() {
        let nothing = principal(Role::Operator, &[]);
        assert!(!nothing.namespaces.contain("") && !nothing.namespaces.contain("shop"));
        assert!(nothing.check_all_namespaces().is_err());
    }
}
