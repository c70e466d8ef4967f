//! `sitio enable`: ends the rules that have turned an endpoint off, and with `--wait` waits for the receipts.

use std::process::ExitCode;

use anyhow::{bail, ensure};
use api::client::Client;
use api::rules::Rule;
use format::label::service_label;

use crate::color::ColorMode;
use crate::connection::Connection;
use crate::endpoint_ref::EndpointRef;
use crate::interrupt::Interrupts;
use crate::outcome::OutcomeFormat;
use crate::receipts::{PendingChange, WaitPolicy};
use crate::sanitize::short;
use crate::stdout::say;
use crate::{complete, find};

/// Turn an endpoint on again, by its rule or by its name.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sitio enable r7 --wait
  sitio enable legacy GET /legacy/export      ends all rules that have turned it off
  sitio enable legacy '/legacy/*'             ends the rule for everything under that path

Exit code: 0 once the rule's end is on disk, and with --wait only when every pod has let go of it; else 1.")]
pub(crate) struct EnableOptions {
    /// A rule's id, or the endpoint: SERVICE METHOD ROUTE, its id, or as few of these words as name no other.
    #[arg(value_name = "RULE|ENDPOINT", required = true, num_args = 1..=3, value_parser = find::word, add = complete::rules_and_endpoints())]
    named: Vec<String>,
    /// The service's namespace.
    #[arg(short, long)]
    namespace: Option<String>,
    #[command(flatten)]
    patience: WaitPolicy,
    /// How to print the rule in the end.
    #[arg(short, long, value_enum, default_value_t = OutcomeFormat::Table, value_name = "FORMAT")]
    output: OutcomeFormat,
    #[command(flatten)]
    connection: Connection,
}

/// Ends the rules.
pub(crate) async fn run(options: EnableOptions, paint: ColorMode, interrupts: Interrupts) -> anyhow::Result<ExitCode> {
    let client = options.connection.client()?;
    let ids = options.rules(&client).await?;
    // All rules are ended before the wait begins: a pod that does not answer must not keep another rule in force.
    let mut ended = Vec::new();
    for id in ids {
        ended.push(client.withdraw(&id).await?);
    }
    let mut code = ExitCode::SUCCESS;
    for rule in ended {
        if options.output == OutcomeFormat::Table && !options.patience.wait {
            say(&on_its_way(&rule))?;
        }
        let seen = options.patience.see(&client, rule, PendingChange::TurnOn, options.output, paint, interrupts.clone()).await?;
        code = if seen == ExitCode::SUCCESS { code } else { seen };
    }
    Ok(code)
}

impl EnableOptions {
    /// The ids of the rules that the arguments select.
    async fn rules(&self, client: &Client) -> anyhow::Result<Vec<String>> {
        let words = find::words(&self.named);
        if let [id] = words.as_slice()
            && is_rule(id)
        {
            let rule = client.rule(id).await?;
            ensure!(
                rule.action.disable_status().is_some(),
                "turn {id} on: it is a {} and turns nothing off; `sitio undecorate {id}` takes it away",
                rule.action.name()
            );
            return Ok(vec![id.clone()]);
        }
        let rules = client.rules().await?.rules;
        let named = EndpointRef::find(client, self.namespace.as_deref(), &words).await?;
        // A decorator of the same endpoint stays: it may guard it.
        let is_meant = |rule: &&Rule| {
            rule.action.disable_status().is_some()
                && rule.namespace == named.namespace
                && rule.service == named.service
                && rule.scope == named.scope
                && rule.method == named.method
                && rule.route == named.route
        };
        let ids: Vec<_> = rules.iter().filter(is_meant).map(|rule| rule.id.clone()).collect();
        if ids.is_empty() {
            let EndpointRef { scope, namespace, service, method, route } = named;
            bail!(
                "turn {} of {} on: no rule has turned it off; `sitio rules` lists those in force",
                scope.subject(&method, &route),
                service_label(&namespace, &service)
            );
        }
        Ok(ids)
    }
}

/// Whether a word is a rule id: `r` and digits.
fn is_rule(word: &str) -> bool {
    word.strip_prefix('r').is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn on_its_way(rule: &Rule) -> String {
    format!(
        "rule {id} has ended: {} of {} is being turned on\n`sitio rules {id}` shows which pods have confirmed it\n",
        short(&rule.scope.subject(&rule.method, &rule.route)),
        short(&service_label(&rule.namespace, &rule.service)),
        id = rule.id,
    )
}
