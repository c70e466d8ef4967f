//! Users files for a control plane, with hashes that `sitio hash-password` makes.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use crate::cli::bare;

/// A users file that a test fills and changes.
#[derive(Debug)]
pub struct UsersFile {
    folder: tempfile::TempDir,
}

/// The hashes that were made already: each takes a while.
static HASHES: Mutex<BTreeMap<String, String>> = Mutex::new(BTreeMap::new());

impl UsersFile {
    /// A file with these lines.
    #[track_caller]
    pub fn with(lines: &[String]) -> Self {
        let file = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        file.write(lines);
        file
    }

    /// Replaces the lines, as one step.
    #[track_caller]
    pub fn write(&self, lines: &[String]) {
        let draft = self.folder.path().join("draft");
        let text = |kind: &str| {
            let own = lines.iter().filter_map(|line| line.strip_prefix(kind));
            own.fold(format!("{}:\n", kind.trim()), |text, line| text + "  - " + line + "\n")
        };
        let (users, tokens) = (text("users "), text("tokens "));
        let parts = [users, tokens].into_iter().filter(|part| part.contains("- ")).collect::<String>();
        std::fs::write(&draft, parts).expect("write a users file");
        std::fs::rename(&draft, self.path()).expect("replace a users file");
    }

    /// Its path.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("users.yaml")
    }

    /// Sets it for a control plane.
    pub fn set(&self, command: &mut Command) {
        command.env("SITIO_USERS_FILE", Path::new(&self.path()));
    }
}

/// A user with a password; `rest` is the role, and perhaps namespaces.
#[track_caller]
pub fn user(name: &str, password: &str, rest: &str) -> String {
    format!("users {{ name: {name}, password: \"{}\", {rest} }}", hash(password))
}

/// A token for scripts.
#[track_caller]
pub fn token(name: &str, token: &str, rest: &str) -> String {
    let mut sum = Command::new("sha256sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("sha256sum is missing");
    sum.stdin.take().expect("it is piped").write_all(token.as_bytes()).expect("write a token");
    let output = sum.wait_with_output().expect("sha256sum ends");
    let digest = String::from_utf8_lossy(&output.stdout).split(' ').next().unwrap_or_default().to_owned();
    format!("tokens {{ name: {name}, sha256: {digest}, {rest} }}")
}

/// The hash of a password, as `sitio hash-password` prints it.
#[track_caller]
pub fn hash(password: &str) -> String {
    let mut hashes = HASHES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(hash) = hashes.get(password) {
        return hash.clone();
    }
    let mut command = bare();
    command.arg("hash-password").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut making = command.spawn().expect("sitio starts");
    making.stdin.take().expect("it is piped").write_all(format!("{password}\n").as_bytes()).expect("write a password");
    let output = making.wait_with_output().expect("sitio ends");
    assert!(output.status.success(), "{output:?}");
    let hash = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    hashes.insert(password.to_owned(), hash.clone());
    hash
}
