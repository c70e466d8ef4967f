//! Measures the memory that a control plane keeps per byte that a hostile sidecar sends, for each attack.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use bench::amplification::Attack;
use bench::control_plane::ControlPlaneProcess;
use clap::Parser;

/// The core of the control plane.
const CORE: usize = 1;

/// The most memory to keep per byte sent.
const FACTOR_MAX: f64 = 10.0;

/// Freed memory returns to the system at once. Otherwise the allocator keeps some of it for later, which nothing that a
/// sidecar sends can make grow: up to three times as much for remembered pods, less for the others.
const FREED_IS_RETURNED: (&str, &str) = ("MIMALLOC_PURGE_DELAY", "0");

/// How long to wait for stable memory, and the interval of the checks.
const SETTLES_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(500);

#[derive(Parser)]
#[command(about = "Measures the memory that a control plane keeps for each byte that a hostile sidecar sends")]
struct AmplificationConfig {
    /// Only attacks whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
}

fn main() -> anyhow::Result<ExitCode> {
    let config = AmplificationConfig::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut is_met = true;
    println!("{:<26} {:>12} {:>12} {:>8}", "attack", "bytes sent", "bytes kept", "factor");
    for attack in Attack::EACH.into_iter().filter(|attack| attack.name().contains(&config.only)) {
        let (sent, kept) = runtime.block_on(measure(attack)).with_context(|| attack.name())?;
        let factor = kept as f64 / sent as f64;
        is_met &= factor <= FACTOR_MAX;
        println!("{:<26} {sent:>12} {kept:>12} {factor:>8.1}", attack.name());
    }
    Ok(if is_met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Returns the bytes sent, and the growth of the control plane's resident memory in bytes.
async fn measure(attack: Attack) -> anyhow::Result<(usize, u64)> {
    let folder = tempfile::tempdir().context("a folder for the control plane")?;
    let control_plane = ControlPlaneProcess::start_with(folder.path(), CORE, &[FREED_IS_RETURNED])?;
    attack.warm_up(control_plane.stream).await?;
    let before_kib = settled(&control_plane).await;
    let sent = attack.run(control_plane.stream).await?;
    let after_kib = settled(&control_plane).await;
    Ok((sent, after_kib.saturating_sub(before_kib) * 1024))
}

/// Resident memory in KiB once it is stable.
async fn settled(control_plane: &ControlPlaneProcess) -> u64 {
    let mut known = control_plane.process().resident_kib();
    let looks = SETTLES_WITHIN.as_millis() / LOOK_EVERY.as_millis();
    for _ in 0..looks {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = control_plane.process().resident_kib();
        if now == known {
            break;
        }
        known = now;
    }
    known
}
