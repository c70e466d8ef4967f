//! Waits for the receipts of all pods that a rule applies to, and shows each as it arrives.

mod progress;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use api::client::Client;
use api::rules::{Receipt, ReceiptState, Rule};
use format::label::service_label;
use format::number;
use tokio::time::Instant;

use crate::color::ColorMode;
use crate::interrupt::Interrupts;
use crate::moment;
use crate::outcome::OutcomeFormat;
use crate::receipts::progress::ReceiptProgress;
use crate::sanitize::short;
use crate::stdout::{beside, say};

/// The poll interval. A pod on a local network confirms within a few milliseconds.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long `--wait` waits if nothing else is said.
const TIMEOUT_DEFAULT: &str = "30s";

/// The number of pods that an error names.
const NAMED_MAX: usize = 8;

/// The options `--wait` and `--timeout`.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(crate) struct WaitPolicy {
    /// Wait until every pod has confirmed it, and fail if one has not.
    #[arg(long)]
    pub(crate) wait: bool,
    /// How long to wait.
    #[arg(long, value_name = "TIME", default_value = TIMEOUT_DEFAULT, value_parser = humantime::parse_duration)]
    timeout: Duration,
}

/// The change that the pods must confirm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PendingChange {
    /// The endpoint is off.
    TurnOff,
    /// The endpoint is on again.
    TurnOn,
    /// A decorator acts.
    Decorate,
    /// It does not act any more.
    Undecorate,
}

impl PendingChange {
    /// Whether a rule begins.
    fn is_begin(self) -> bool {
        matches!(self, Self::TurnOff | Self::Decorate)
    }
}

/// The overall state of the receipts.
#[derive(Debug, PartialEq, Eq)]
enum Stand {
    /// All pods have confirmed.
    Everywhere,
    /// Some pods have not answered.
    Waiting,
    /// All pods have answered, some with a refusal; or there is no pod.
    Nowhere,
    /// The rule has ended in the meantime, and the receipts are now about its end.
    Over,
}

impl WaitPolicy {
    /// Waits as long as is usual.
    pub(crate) fn always() -> Self {
        Self { wait: true, timeout: humantime::parse_duration(TIMEOUT_DEFAULT).expect("the default is a duration") }
    }

    /// Waits if requested, and prints the rule.
    pub(crate) async fn see(
        &self,
        client: &Client,
        rule: Rule,
        change: PendingChange,
        output: OutcomeFormat,
        paint: ColorMode,
        mut interrupts: Interrupts,
    ) -> anyhow::Result<ExitCode> {
        if !self.wait {
            print(&rule, output)?;
            return Ok(ExitCode::SUCCESS);
        }
        let id = rule.id.clone();
        let waited = tokio::select! {
            waited = self.wait(client, rule, change) => waited?,
            interrupt = interrupts.first() => {
                beside(&format!("sitio: not waited for any longer, and nothing is taken back; `sitio rules {id}` shows how it is doing"));
                return Ok(ExitCode::from(interrupt.code()));
            }
        };
        print(&waited, output)?;
        match stand(&waited, change) {
            Stand::Everywhere => {}
            Stand::Over => bail!("{}", over(&waited)),
            Stand::Waiting | Stand::Nowhere => bail!("{}", shortfall(&waited, change, self.timeout)),
        }
        if output == OutcomeFormat::Table {
            say(&format!("{}\n", paint.good(done(&waited, change))))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Polls the rule until all pods have answered or the timeout is over; returns its last state.
    async fn wait(&self, client: &Client, mut rule: Rule, change: PendingChange) -> anyhow::Result<Rule> {
        let until = Instant::now() + self.timeout;
        let mut progress = ReceiptProgress::start(&rule);
        loop {
            progress.show(&rule);
            if stand(&rule, change) != Stand::Waiting || Instant::now() >= until {
                progress.end();
                return Ok(rule);
            }
            tokio::time::sleep(LOOK_EVERY).await;
            match client.rule(&rule.id).await {
                Ok(newer) => rule = newer,
                // The control plane may be restarting; the rule is on its disk.
                Err(failure) if Instant::now() < until => tracing::debug!(%failure, "no answer yet"),
                Err(failure) => return Err(failure.into()),
            }
        }
    }
}

fn print(rule: &Rule, output: OutcomeFormat) -> anyhow::Result<()> {
    say(&output.format(rule, String::new)?)
}

fn stand(rule: &Rule, change: PendingChange) -> Stand {
    if change.is_begin() && rule.ended.is_some() {
        return Stand::Over;
    }
    let any = |wanted: ReceiptState| rule.pods.iter().any(|receipt| receipt.state == wanted);
    if any(ReceiptState::Pending) {
        Stand::Waiting
    } else if any(ReceiptState::Applied) && !any(ReceiptState::Refused) {
        Stand::Everywhere
    } else {
        Stand::Nowhere
    }
}

/// The text for success.
fn done(rule: &Rule, change: PendingChange) -> String {
    let applied = applied(rule);
    let name = name(rule);
    match change {
        PendingChange::TurnOn => format!("{name} is on again on {}", number::plural(applied, "pod", "pods")),
        PendingChange::Undecorate => {
            format!("{} no longer acts on {name} on {}", rule.action.name(), number::plural(applied, "pod", "pods"))
        }
        PendingChange::Decorate => {
            let until = match &rule.expires_at {
                Some(at) => format!("for {}", moment::left(Some(at), moment::now_ms())),
                None => format!("until `sitio undecorate {}`", rule.id),
            };
            let pods = number::plural(applied, "pod", "pods");
            format!("{} acts on {name} on {pods} (rule {}, {until})", rule.action.name(), rule.id)
        }
        PendingChange::TurnOff => {
            let until = match &rule.expires_at {
                Some(at) => format!("back on in {}", moment::left(Some(at), moment::now_ms())),
                None => format!("until `sitio enable {}`", rule.id),
            };
            format!("{name} is off on {} (rule {}, {until})", number::plural(applied, "pod", "pods"), rule.id)
        }
    }
}

/// The text for a rule that ended during the wait.
fn over(rule: &Rule) -> String {
    let (name, id) = (name(rule), &rule.id);
    let why = match rule.ended.as_ref().and_then(|ended| ended.by.as_deref()) {
        Some(by) => format!("{} has taken rule {id} back", short(by)),
        None => format!("the time of rule {id} was over"),
    };
    if rule.action.disable_status().is_none() {
        return format!(
            "no decorator acts on {name}: {why} before every pod had confirmed it; `sitio audit` shows what happened"
        );
    }
    format!(
        "{name} is on: {why} before every pod had confirmed it; `sitio audit` shows what happened, `sitio disable` turns it off again"
    )
}

/// The text for a partial result: which pods are missing, and what to do.
fn shortfall(rule: &Rule, change: PendingChange, timeout: Duration) -> String {
    let state = |wanted: ReceiptState| rule.pods.iter().filter(move |receipt| receipt.state == wanted);
    let all = rule.pods.iter().filter(|receipt| receipt.state != ReceiptState::Gone).count();
    let done = match change {
        PendingChange::TurnOff => "off",
        PendingChange::TurnOn => "on again",
        PendingChange::Decorate => "decorated",
        PendingChange::Undecorate => "without the decorator",
    };
    let mut words = vec![format!("{} is {done} on {} of {}", name(rule), applied(rule), number::plural(all, "pod", "pods"))];
    if state(ReceiptState::Pending).next().is_some() {
        let pods = names(state(ReceiptState::Pending));
        words.push(format!("no answer within {} from {pods}", humantime::format_duration(timeout)));
    }
    for refused in state(ReceiptState::Refused).take(NAMED_MAX) {
        let why = refused.why.as_deref().unwrap_or("without a reason");
        words.push(format!("refused by {}: {}", short(&refused.pod), short(why)));
    }
    if all == 0 {
        let gone = names(state(ReceiptState::Gone));
        words.push(if gone.is_empty() { "no pod is connected".to_owned() } else { format!("gone is {gone}") });
    }
    let id = &rule.id;
    words.push(match change {
        PendingChange::TurnOff => {
            format!("it stays in force for pods that come back, `sitio rules {id}` shows it, `sitio enable {id}` takes it back")
        }
        PendingChange::Decorate => {
            format!(
                "it stays in force for pods that come back, `sitio rules {id}` shows it, `sitio undecorate {id}` takes it back"
            )
        }
        PendingChange::TurnOn | PendingChange::Undecorate => {
            format!("pods get it first when they report again, `sitio rules {id}` shows it")
        }
    });
    words.join("; ")
}

fn names<'a>(receipts: impl Iterator<Item = &'a Receipt> + Clone) -> String {
    let count = receipts.clone().count();
    let mut names: Vec<_> = receipts.take(NAMED_MAX).map(|receipt| short(&receipt.pod).into_owned()).collect();
    if count > NAMED_MAX {
        names.push(format!("{} more", count - NAMED_MAX));
    }
    names.join(", ")
}

fn applied(rule: &Rule) -> usize {
    rule.pods.iter().filter(|receipt| receipt.state == ReceiptState::Applied).count()
}

fn name(rule: &Rule) -> String {
    let service = service_label(&rule.namespace, &rule.service);
    format!("{} of {}", short(&rule.scope.subject(&rule.method, &rule.route)), short(&service))
}
