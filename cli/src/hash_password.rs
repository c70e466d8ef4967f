//! `sitio hash-password`: makes the hash of a password for the users file of a control plane.

use std::io::{self, BufRead, IsTerminal};

use anyhow::{Context, bail};
use control_plane::access::password::{PASSWORD_BYTES_MAX, PasswordHash};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::interrupt::Interrupts;
use crate::stdout::{beside, say};

/// The shortest password that is accepted without a question (NIST SP 800-63B-4, section 3.1.1.2, asks for 8 to 15).
const PASSWORD_LETTERS_MIN: usize = 10;

/// Make the hash of a password for SITIO_USERS_FILE.
///
/// The password is read from the terminal, without showing it, or as the first line of standard input. Only the hash is
/// printed.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sitio hash-password
  openssl rand -base64 18 | tee password.txt | sitio hash-password")]
pub(crate) struct HashPasswordOptions {}

/// Reads the password and prints its hash.
pub(crate) async fn run(_: HashPasswordOptions, mut interrupts: Interrupts) -> anyhow::Result<()> {
    let reading = async {
        let password = read("Password: ").await?;
        if io::stdin().is_terminal() && read("Again: ").await? != password {
            bail!("the two passwords differ: begin again");
        }
        anyhow::Ok(password)
    };
    let password = tokio::select! {
        password = reading => password?,
        _ = interrupts.first() => bail!("interrupted: no hash was made"),
    };
    if password.chars().count() < PASSWORD_LETTERS_MIN {
        bail!("a password needs at least {PASSWORD_LETTERS_MIN} characters: take a longer one");
    }
    if password.len() > PASSWORD_BYTES_MAX {
        bail!("a password may have at most {PASSWORD_BYTES_MAX} bytes: take a shorter one");
    }
    let hash = PasswordHash::from_password(&password).map_err(anyhow::Error::msg)?;
    say(&format!("{}\n", hash.as_str()))
}

/// A line of standard input. A terminal does not show it.
async fn read(prompt: &str) -> anyhow::Result<String> {
    let hidden = io::stdin().is_terminal().then(Hidden::begin).transpose().context("hide what is typed")?;
    if hidden.is_some() {
        beside_without_line_end(prompt);
    }
    // On an interrupt, the thread that reads is left behind, and dropping `hidden` shows again what is typed.
    let line = tokio::task::spawn_blocking(|| io::stdin().lock().lines().next()).await.context("read the password")?;
    if hidden.is_some() {
        beside("");
    }
    let line = line.context("read the password: standard input is empty")?.context("read the password from standard input")?;
    Ok(line)
}

fn beside_without_line_end(words: &str) {
    use std::io::Write;
    let _ = io::stderr().lock().write_all(words.as_bytes());
}

/// A terminal that does not show what is typed, until this is dropped. `rpassword` would leave it so after an interrupt.
struct Hidden(Termios);

impl Hidden {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(io::stdin(), OptionalActions::Flush, &hidden)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}
