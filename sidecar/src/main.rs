//! The sidecar's program: reads its configuration, sets up its log, and runs until a signal starts a drain.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use platform::log::Log;
use sidecar::Ambassador;
use sidecar::config::SidecarOptions;
use sidecar::config::environment::ConfigError;
use sidecar::decorator::not_found_page::NotFoundPage;
use sidecar::redirect::{self, RedirectOptions};
use tracing_subscriber::EnvFilter;

/// The exit code for an invalid configuration.
const MISCONFIGURED: u8 = 2;

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|word| word == redirect::COMMAND) {
        return redirect_ports();
    }
    let mut options = match SidecarOptions::from_process() {
        Ok(options) => options,
        Err(ConfigError::Usage(usage)) => usage.exit(),
        Err(why) => return exit_with(&why.into(), MISCONFIGURED),
    };
    if let Some(source) = &options.not_found_page {
        match NotFoundPage::from_source(source) {
            Ok(page) => options.proxy.decorators.push(Arc::new(page)),
            Err(why) => return exit_with(&why, MISCONFIGURED),
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime");
    match runtime.and_then(|runtime| runtime.block_on(start(options))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => exit_with(&why, 1),
    }
}

/// Redirects ports to the sidecar, as the init container of a pod does, and ends.
fn redirect_ports() -> ExitCode {
    let options = match RedirectOptions::from_arguments(std::env::args_os().skip(1)) {
        Ok(options) => options,
        Err(usage) => usage.exit(),
    };
    match options.apply() {
        Ok(done) => {
            let _ = writeln!(std::io::stdout(), "{done}");
            ExitCode::SUCCESS
        }
        Err(why) => exit_with(&anyhow::Error::new(why).context("redirect ports to the sidecar"), 1),
    }
}

async fn start(options: SidecarOptions) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&options.log).context("set up the log")?;
    let is_terminal = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(is_terminal).with_writer(|| Log(std::io::stderr())).init();
    raise_descriptor_limit();
    Ambassador::from_options(options).run().await
}

/// Raises the descriptor limit to its maximum. A connection needs two descriptors, and the usual limit of
/// 1,024 is meant for programs that use select(2).
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let shown = |limit: Option<u64>| limit.map_or_else(|| "no limit".to_owned(), |limit| limit.to_string());
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) if current == maximum => {}
        Ok(()) => tracing::info!("raised the descriptor limit from {} to {}", shown(current), shown(maximum)),
        Err(why) => tracing::warn!("cannot raise the descriptor limit from {}: {why}", shown(current)),
    }
}

fn exit_with(why: &anyhow::Error, code: u8) -> ExitCode {
    eprintln!("sitio-sidecar: {why:#}");
    ExitCode::from(code)
}
