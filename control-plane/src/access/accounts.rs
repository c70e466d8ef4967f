//! The accounts of the users file: users with passwords, and tokens for scripts, each with a role and namespaces.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use crate::access::password::PasswordHash;
use crate::model::principal::{Namespaces, Principal, Role, SignInEnd};

pub mod file;

/// Users, and tokens, that a file may have. A mounted Secret has at most 1 MiB.
const ACCOUNTS_MAX: usize = 1000;

/// Bytes of a name: as the audit log shows it.
const NAME_BYTES_MAX: usize = 64;

/// Namespaces of one account.
const NAMESPACES_MAX: usize = 200;

/// The SHA-256 of a secret that is long and random, or of something that is itself a hash.
pub type Fingerprint = [u8; 32];

/// The fingerprint of a secret.
pub fn fingerprint(secret: &str) -> Fingerprint {
    Sha256::digest(secret.as_bytes()).into()
}

/// All accounts, by what a client presents.
#[derive(Debug, Default)]
pub struct Accounts {
    users: HashMap<String, User>,
    tokens: HashMap<Fingerprint, Arc<Account>>,
}

/// A user.
#[derive(Debug, Clone)]
pub struct User {
    /// The account.
    pub account: Arc<Account>,
    /// The hash of the password.
    pub password: PasswordHash,
}

/// What a user or a token may do.
#[derive(Debug)]
pub struct Account {
    name: Arc<str>,
    role: Role,
    namespaces: Namespaces,
    /// Of the password's hash, or of the token: a change ends the sign-ins.
    pub credential: Fingerprint,
    /// Cancelled when the account is removed or changed.
    ends: CancellationToken,
}

impl Account {
    /// The principal of a sign-in with this account. Its address is not known here.
    pub fn principal(&self) -> Principal {
        Principal {
            name: Arc::clone(&self.name),
            role: self.role,
            namespaces: self.namespaces.clone(),
            address: None,
            sign_in: SignInEnd::of_account(self.ends.clone()),
        }
    }

    fn is_like(&self, other: &Self) -> bool {
        (&self.name, self.role, &self.namespaces, self.credential)
            == (&other.name, other.role, &other.namespaces, other.credential)
    }
}

impl Accounts {
    /// The accounts of a users file, or what is wrong with it.
    pub fn from_yaml(text: &str) -> Result<Self, String> {
        let file: AccountsYaml = serde_norway::from_str(text).map_err(|error| error.to_string())?;
        if file.users.len() > ACCOUNTS_MAX || file.tokens.len() > ACCOUNTS_MAX {
            return Err(format!("it has more than {ACCOUNTS_MAX} users or tokens"));
        }
        let mut accounts = Self::default();
        let mut names = BTreeSet::new();
        for UserYaml { name, password, role, namespaces } in file.users {
            let name = first_use(name, &mut names)?;
            let account = Account::new(&name, role, namespaces, fingerprint(password.as_str()));
            accounts.users.insert(name, User { account, password });
        }
        for TokenYaml { name, sha256: TokenDigest(digest), role, namespaces } in file.tokens {
            let name = first_use(name, &mut names)?;
            let account = Account::new(&name, role, namespaces, digest);
            if accounts.tokens.insert(digest, account).is_some() {
                return Err(format!("the token {name} has the same sha256 as another one: give each its own"));
            }
        }
        Ok(accounts)
    }

    /// The user of this name.
    pub fn user(&self, name: &str) -> Option<&User> {
        self.users.get(name)
    }

    /// The account of a token.
    pub fn token(&self, shown: &str) -> Option<&Arc<Account>> {
        self.tokens.get(&fingerprint(shown))
    }

    /// Whether there is a user who can sign in.
    pub fn has_users(&self) -> bool {
        !self.users.is_empty()
    }

    /// Number of users, and of tokens.
    pub fn counts(&self) -> (usize, usize) {
        (self.users.len(), self.tokens.len())
    }

    /// A hash that costs as much as those of the users: verified for unknown names, so that the time does not show which
    /// names exist.
    pub fn some_hash(&self) -> Option<&PasswordHash> {
        self.users.values().next().map(|user| &user.password)
    }

    /// These accounts in place of older ones: the sign-ins of unchanged accounts go on, those of all others end.
    #[must_use]
    pub fn succeed(mut self, before: &Self) -> Self {
        for user in self.users.values_mut() {
            if let Some(old) = before.users.get(user.account.name.as_ref()).filter(|old| old.account.is_like(&user.account)) {
                user.account = Arc::clone(&old.account);
            }
        }
        for (digest, account) in &mut self.tokens {
            if let Some(old) = before.tokens.get(digest).filter(|old| old.is_like(account)) {
                *account = Arc::clone(old);
            }
        }
        for old in before.all() {
            if !self.all().any(|account| Arc::ptr_eq(account, old)) {
                old.ends.cancel();
            }
        }
        self
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Account>> {
        self.users.values().map(|user| &user.account).chain(self.tokens.values())
    }
}

impl Account {
    fn new(name: &str, role: Role, namespaces: NamespaceList, credential: Fingerprint) -> Arc<Self> {
        let namespaces = namespaces.0.map_or(Namespaces::All, Namespaces::from_names);
        Arc::new(Self { name: name.into(), role, namespaces, credential, ends: CancellationToken::new() })
    }
}

fn first_use(AccountName(name): AccountName, names: &mut BTreeSet<String>) -> Result<String, String> {
    if names.insert(name.clone()) { Ok(name) } else { Err(format!("the name {name} is there twice: give each its own")) }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountsYaml {
    #[serde(default)]
    users: Vec<UserYaml>,
    #[serde(default)]
    tokens: Vec<TokenYaml>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserYaml {
    name: AccountName,
    password: PasswordHash,
    role: Role,
    #[serde(default)]
    namespaces: NamespaceList,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenYaml {
    name: AccountName,
    sha256: TokenDigest,
    role: Role,
    #[serde(default)]
    namespaces: NamespaceList,
}

/// A name without anything that looks like something else in a log or on a page.
struct AccountName(String);

/// All namespaces if it is absent.
#[derive(Default)]
struct NamespaceList(Option<Vec<String>>);

struct TokenDigest(Fingerprint);

/// Whether a name may stand in the audit log.
pub fn is_name(name: &str) -> bool {
    let is_plain = |letter: char| letter.is_alphanumeric() || "-._@+".contains(letter);
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.chars().all(is_plain)
}

impl<'de> Deserialize<'de> for AccountName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let why = || format!("{name:?} is no name: use 1 to {NAME_BYTES_MAX} letters, digits and -._@+");
        if is_name(&name) { Ok(Self(name)) } else { Err(serde::de::Error::custom(why())) }
    }
}

impl<'de> Deserialize<'de> for NamespaceList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        if names.is_empty() || names.len() > NAMESPACES_MAX || names.iter().any(String::is_empty) {
            let why = format!("namespaces must name 1 to {NAMESPACES_MAX}: leave it out for all of them");
            return Err(serde::de::Error::custom(why));
        }
        Ok(Self(Some(names)))
    }
}

impl<'de> Deserialize<'de> for TokenDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let byte = |at: usize| text.get(at..at + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let bytes: Option<Vec<u8>> = (text.len() == 64).then(|| (0..64).step_by(2).map(byte).collect()).flatten();
        let digest = bytes.and_then(|bytes| Fingerprint::try_from(bytes).ok()).map(Self);
        let why = "it must be the SHA-256 of the token as 64 hex digits: printf %s \"$TOKEN\" | sha256sum";
        digest.ok_or_else(|| serde::de::Error::custom(why))
    }
}

impl fmt::Display for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (users, tokens) = self.counts();
        write!(f, "{users} users and {tokens} tokens")
    }
}

#[cfg(test)]
mod tests;
