//! `sitio decorate` and `sitio undecorate`: put a decorator in front of an endpoint on all its pods, and take it away.

use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use api::rules::{ReceiptState, Rule};
use decorators::action::{ACTION_BYTES_MAX, Action};
use format::label::service_label;
use format::number;

use crate::color::ColorMode;
use crate::connection::Connection;
use crate::interrupt::Interrupts;
use crate::outcome::OutcomeFormat;
use crate::receipts::{PendingChange, WaitPolicy};
use crate::rule_target::{RuleTarget, Ttl, ttl};
use crate::sanitize::{plain, short};
use crate::stdout::{beside, say};
use crate::{complete, find};

/// How long a decorator lasts if nothing else is said.
const TTL_DEFAULT: Duration = Duration::from_secs(3600);

/// Put a decorator in front of an endpoint, or of a path, on all its pods.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sitio decorate legacy '/legacy/*' --with 'rate-limit: {requests: 10, per: 1s, by: caller}' --reason 'a crawler'
  sitio decorate legacy GET /legacy/export --with 'fault: {delay: 2s}' --percent 10 --reason 'do callers cope?'
  sitio decorate shop '/*' --file page.yaml --shadow --reason 'how often would it be shown?'

docs/decorators.md describes each decorator. Exit code: 0 once the rule is on disk, and with --wait only when every pod
meant has applied it, at least one; else 1.")]
pub(crate) struct DecorateOptions {
    #[command(flatten)]
    target: RuleTarget,
    /// What it does, in YAML or JSON.
    #[arg(long, value_name = "YAML", value_parser = action, required_unless_present = "file")]
    with: Option<Action>,
    /// A file that says what it does; - is standard input.
    #[arg(short, long, value_name = "FILE", conflicts_with = "with")]
    file: Option<PathBuf>,
    /// For how long, 1s to 30days; none is until it is removed by hand [default: 1h; none for a guard such as jwt].
    #[arg(long, value_name = "TIME", value_parser = ttl)]
    ttl: Option<Ttl>,
    #[command(flatten)]
    patience: WaitPolicy,
    /// How to print the rule in the end.
    #[arg(short, long, value_enum, default_value_t = OutcomeFormat::Table, value_name = "FORMAT")]
    output: OutcomeFormat,
    #[command(flatten)]
    connection: Connection,
}

/// Take a decorator away, by its rule; `sitio rules` lists them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sitio undecorate r7 --wait

Exit code: 0 once the rule's end is on disk, and with --wait only when every pod has let go of it; else 1.")]
pub(crate) struct UndecorateOptions {
    /// The rule's id.
    #[arg(value_parser = find::word, add = complete::rules_and_endpoints())]
    rule: String,
    #[command(flatten)]
    patience: WaitPolicy,
    /// How to print the rule in the end.
    #[arg(short, long, value_enum, default_value_t = OutcomeFormat::Table, value_name = "FORMAT")]
    output: OutcomeFormat,
    #[command(flatten)]
    connection: Connection,
}

fn action(text: &str) -> Result<Action, String> {
    serde_norway::from_str(text).map_err(|why| format!("{why}; an example: 'rate-limit: {{requests: 10, per: 1s}}'"))
}

/// Creates the rule.
pub(crate) async fn run(options: DecorateOptions, paint: ColorMode, interrupts: Interrupts) -> anyhow::Result<ExitCode> {
    let client = options.connection.client()?;
    let action = options.action()?;
    // A guard that ends by itself would leave the service open.
    let ttl_default = if action.is_guard() { Ttl::Open } else { Ttl::For(TTL_DEFAULT) };
    let command = options.target.command(&client, action, options.ttl.unwrap_or(ttl_default)).await?;
    let rule = client.create_rule(&command).await?;
    for warning in &rule.warnings {
        beside(&format!("sitio: warning: {}", plain(warning)));
    }
    if options.output == OutcomeFormat::Table && !options.patience.wait {
        say(&on_its_way(&rule))?;
    }
    options.patience.see(&client, rule, PendingChange::Decorate, options.output, paint, interrupts).await
}

/// Ends the rule.
pub(crate) async fn end(options: UndecorateOptions, paint: ColorMode, interrupts: Interrupts) -> anyhow::Result<ExitCode> {
    let client = options.connection.client()?;
    let rule = client.withdraw(&options.rule).await?;
    if options.output == OutcomeFormat::Table && !options.patience.wait {
        say(&format!("rule {id} has ended\n`sitio rules {id}` shows which pods have confirmed it\n", id = rule.id))?;
    }
    options.patience.see(&client, rule, PendingChange::Undecorate, options.output, paint, interrupts).await
}

impl DecorateOptions {
    fn action(&self) -> anyhow::Result<Action> {
        if let Some(action) = &self.with {
            return Ok(action.clone());
        }
        let path = self.file.as_deref().context("give --with or --file")?;
        let mut text = String::new();
        let bytes_max = ACTION_BYTES_MAX as u64 + 1;
        let read = if path.as_os_str() == "-" {
            std::io::stdin().take(bytes_max).read_to_string(&mut text)
        } else {
            std::fs::File::open(path).and_then(|file| file.take(bytes_max).read_to_string(&mut text))
        };
        read.with_context(|| format!("read {}", path.display()))?;
        action(&text).map_err(anyhow::Error::msg).with_context(|| path.display().to_string())
    }
}

fn on_its_way(rule: &Rule) -> String {
    let there = rule.pods.iter().filter(|receipt| receipt.state != ReceiptState::Gone).count();
    let how = match there {
        0 => "waits: no pod is connected, and it acts on the first that connects".to_owned(),
        _ => format!("is on its way to {}", number::plural(there, "pod", "pods")),
    };
    format!(
        "rule {id}: {} in front of {} of {} {how}\n\
         `sitio rules {id}` shows what it has done and which pods have confirmed it, `sitio undecorate {id}` takes it back\n",
        rule.action.name(),
        short(&rule.scope.subject(&rule.method, &rule.route)),
        short(&service_label(&rule.namespace, &rule.service)),
        id = rule.id,
    )
}
