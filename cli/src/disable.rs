//! `sitio disable`: turns an endpoint off on its pods, and with `--wait` waits for their receipts.

mod preview;

use std::process::ExitCode;

use api::rules::{ReceiptState, Rule};
use decorators::action::Action;
use decorators::disable::Disable;
use format::label::service_label;
use format::number;

use crate::color::ColorMode;
use crate::connection::Connection;
use crate::disable::preview::Expected;
use crate::interrupt::Interrupts;
use crate::outcome::OutcomeFormat;
use crate::receipts::{PendingChange, WaitPolicy};
use crate::rule_target::{RuleTarget, Ttl, ttl};
use crate::sanitize::{plain, short};
use crate::stdout::{beside, say};

/// Turn an endpoint, or everything under a path, off on all its pods for some time.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sitio disable legacy GET /legacy/export --reason 'export job is filling the disk' --wait
  sitio disable legacy GET /legacy/export --ttl none --status 410 --reason 'gone for good'
  sitio disable /legacy/export --pods legacy-0 --reason 'one bad pod' --dry-run
  sitio disable legacy '/legacy/*' --reason 'all of it'      everything under a path; '/*' is the whole service

Exit code: 0 once the rule is on disk, and with --wait only when every pod meant has applied it, at least one; else 1.
With --dry-run: 0 if the control plane would accept it, 1 if it would refuse it.
Without --wait, `sitio rules` shows which pods have.")]
pub(crate) struct DisableOptions {
    #[command(flatten)]
    target: RuleTarget,
    /// For how long, 1s to 30days; none is until it is turned on by hand.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = ttl)]
    ttl: Ttl,
    /// What callers get.
    #[arg(long, default_value = "503", value_parser = ["503", "429", "404", "410"])]
    status: String,
    /// Turn off health paths that pods protect, too: their probes fail.
    #[arg(long)]
    override_protected: bool,
    /// Show which pods and what traffic it would concern, and change nothing.
    #[arg(long, conflicts_with = "wait")]
    dry_run: bool,
    #[command(flatten)]
    patience: WaitPolicy,
    /// How to print the rule in the end.
    #[arg(short, long, value_enum, default_value_t = OutcomeFormat::Table, value_name = "FORMAT")]
    output: OutcomeFormat,
    #[command(flatten)]
    connection: Connection,
}

/// Creates the rule, or prints the preview with `--dry-run`.
pub(crate) async fn run(options: DisableOptions, paint: ColorMode, interrupts: Interrupts) -> anyhow::Result<ExitCode> {
    let client = options.connection.client()?;
    let action = Action::Disable(Disable { status: options.status.parse()? });
    let mut command = options.target.command(&client, action, options.ttl).await?;
    command.override_protected = options.override_protected;
    if options.dry_run {
        let preview = preview::of(&client, &command, paint).await?;
        say(&preview.words)?;
        return Ok(match preview.answer {
            Expected::Accepted => ExitCode::SUCCESS,
            Expected::Refused => ExitCode::FAILURE,
        });
    }
    let rule = client.create_rule(&command).await?;
    for warning in &rule.warnings {
        beside(&format!("sitio: warning: {}", plain(warning)));
    }
    if options.output == OutcomeFormat::Table && !options.patience.wait {
        say(&on_its_way(&rule))?;
    }
    // A rule for some requests leaves the endpoint on.
    let is_off = options.target.selection().is_unconditional();
    let change = if is_off { PendingChange::TurnOff } else { PendingChange::Decorate };
    options.patience.see(&client, rule, change, options.output, paint, interrupts).await
}

fn on_its_way(rule: &Rule) -> String {
    let service = service_label(&rule.namespace, &rule.service);
    let there = rule.pods.iter().filter(|receipt| receipt.state != ReceiptState::Gone).count();
    let how = match there {
        0 => "waits: no pod is connected, and it is turned off on the first that connects".to_owned(),
        _ => format!("is being turned off on {}", number::plural(there, "pod", "pods")),
    };
    format!(
        "rule {id}: {} of {} {how}\n\
         `sitio rules {id}` shows which have confirmed it, `sitio enable {id}` takes it back\n",
        short(&rule.scope.subject(&rule.method, &rule.route)),
        short(&service),
        id = rule.id,
    )
}
