//! Shows receipts as they arrive: a progress bar on a terminal, otherwise one line each.

use std::collections::BTreeSet;
use std::io::{IsTerminal, stderr};

use api::rules::{ReceiptState, Rule};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::sanitize::short;
use crate::stdout::beside;

/// Shows which pods have answered. Writes to standard error, so that standard output has only the result.
pub(super) struct ReceiptProgress {
    bar: Option<ProgressBar>,
    output: BTreeSet<String>,
}

impl ReceiptProgress {
    /// Starts without any receipt.
    pub(super) fn start(rule: &Rule) -> Self {
        let bar = stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("  {bar:24} {pos} of {len} pods confirmed{msg}");
            let style = style.expect("the template is right").progress_chars("█▉▊▋▌▍▎▏ ");
            ProgressBar::with_draw_target(Some(rule.pods.len() as u64), ProgressDrawTarget::stderr()).with_style(style)
        });
        Self { bar, output: BTreeSet::new() }
    }

    /// Shows receipts that are new since the last call.
    pub(super) fn show(&mut self, rule: &Rule) {
        let there = rule.pods.iter().filter(|receipt| receipt.state != ReceiptState::Gone);
        let (applied, all) =
            there.fold((0, 0), |(applied, all), receipt| (applied + u64::from(receipt.state == ReceiptState::Applied), all + 1));
        if let Some(bar) = &self.bar {
            bar.set_length(all);
            bar.set_position(applied);
            let waits = rule.pods.iter().find(|receipt| receipt.state == ReceiptState::Pending);
            bar.set_message(waits.map_or_else(String::new, |receipt| format!(", waiting for {}", short(&receipt.pod))));
            return;
        }
        for receipt in &rule.pods {
            let words = match receipt.state {
                ReceiptState::Applied => format!("confirmed in {} ms", receipt.took_ms.unwrap_or(0)),
                ReceiptState::Refused => "refused".to_owned(),
                _ => continue,
            };
            if self.output.insert(receipt.pod.clone()) {
                beside(&format!("  {}: {words}", short(&receipt.pod)));
            }
        }
    }

    /// Leaves the bar as it is.
    pub(super) fn end(self) {
        if let Some(bar) = self.bar {
            bar.abandon();
        }
    }
}
