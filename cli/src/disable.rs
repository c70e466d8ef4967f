//! `sitio disable`: turns an endpoint off on its pods, and with `--wait` waits for their receipts.

mod preview;

use std::process::ExitCode;
use std::time::Duration;

use api::client::Client;
use api::rules::{ReceiptState, Rule, RuleCommand};
use decorators::action::Action;
use decorators::disable::Disable;
use format::label::service_label;
use format::number;

use crate::color::ColorMode;
use crate::connection::Connection;
use crate::disable::preview::Expected;
use crate::endpoint_ref::EndpointRef;
use crate::interrupt::Interrupts;
use crate::outcome::OutcomeFormat;
use crate::receipts::{PendingChange, WaitPolicy};
use crate::sanitize::{plain, short};
use crate::selection::SelectionOptions;
use crate::stdout::{beside, say};
use crate::{complete, find};

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
    /// The endpoint: SERVICE METHOD ROUTE, or its id, or as few of these words as name no other; or SERVICE '/path/*'.
    #[arg(value_name = "ENDPOINT", required = true, num_args = 1..=3, value_parser = find::word, add = complete::endpoints())]
    endpoint: Vec<String>,
    /// Why; shown to those who find the endpoint off.
    #[arg(long, value_parser = find::word)]
    reason: String,
    /// For how long, 1s to 30days; none is until it is turned on by hand.
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = ttl)]
    ttl: Ttl,
    /// Only on these pods, their names with commas between [default: all, those that join later too].
    #[arg(long, value_name = "POD,…", value_delimiter = ',', value_parser = find::word, add = complete::pods())]
    pods: Vec<String>,
    /// What callers get.
    #[arg(long, default_value = "503", value_parser = ["503", "429", "404", "410"])]
    status: String,
    #[command(flatten)]
    selection: SelectionOptions,
    /// The service's namespace.
    #[arg(short, long)]
    namespace: Option<String>,
    /// Make the rule although no request for it was ever counted.
    #[arg(long)]
    allow_unseen: bool,
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

/// The shortest and the longest time limit that a control plane accepts.
const TTL_MIN: Duration = Duration::from_secs(1);
const TTL_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

/// How long the endpoint stays off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ttl {
    /// For this time.
    For(Duration),
    /// Until an operator ends the rule.
    Open,
}

impl Ttl {
    /// The limit as the API takes it; `None` if there is none.
    pub(crate) fn words(self) -> Option<String> {
        match self {
            Self::For(duration) => Some(humantime::format_duration(duration).to_string()),
            Self::Open => None,
        }
    }
}

/// Reads a time limit.
pub(crate) fn ttl(value: &str) -> Result<Ttl, String> {
    match value {
        "none" => Ok(Ttl::Open),
        _ => match humantime::parse_duration(value) {
            Ok(time) if (TTL_MIN..=TTL_MAX).contains(&time) => Ok(Ttl::For(time)),
            Ok(_) => Err("it must be 1s to 30days, or none".to_owned()),
            Err(why) => Err(format!("{why}; write it like 15m, 1h or 7d, or none")),
        },
    }
}

/// Creates the rule, or prints the preview with `--dry-run`.
pub(crate) async fn run(options: DisableOptions, paint: ColorMode, interrupts: Interrupts) -> anyhow::Result<ExitCode> {
    let client = options.connection.client()?;
    let command = options.command(&client).await?;
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
    options.patience.see(&client, rule, PendingChange::TurnOff, options.output, paint, interrupts).await
}

impl DisableOptions {
    async fn command(&self, client: &Client) -> anyhow::Result<RuleCommand> {
        let words = find::words(&self.endpoint);
        let named = EndpointRef::find(client, self.namespace.as_deref(), &words).await?;
        let EndpointRef { scope, namespace, service, method, route } = named;
        let namespace = Some(namespace);
        let ttl = self.ttl.words();
        let status = self.status.parse()?;
        let action = Action::Disable(Disable { status });
        let pods = Some(self.pods.clone()).filter(|pods| !pods.is_empty());
        let reason = self.reason.clone();
        let (allow_unseen, override_protected) = (self.allow_unseen, self.override_protected);
        Ok(RuleCommand {
            dry_run: false,
            namespace,
            service,
            method,
            route,
            scope,
            action,
            percent: self.selection.percent,
            callers: self.selection.callers.clone(),
            mode: self.selection.mode(),
            pods,
            ttl,
            reason,
            allow_unseen,
            override_protected,
        })
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_limit_is_a_duration_or_none() {
        assert_eq!(ttl("90m"), Ok(Ttl::For(Duration::from_secs(5400))));
        assert_eq!(ttl("none"), Ok(Ttl::Open));
        assert!(ttl("soon").unwrap_err().contains("15m"));
        assert!(["0s", "31d"].iter().all(|time| ttl(time).unwrap_err().contains("1s to 30days")));
    }
}
