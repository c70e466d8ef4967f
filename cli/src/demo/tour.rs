//! `sitio demo --tour`: puts each decorator in front of the legacy service, sends requests, and shows what it did.

mod client;
mod notices;
mod prompt;
mod provider;
mod steps;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use api::client::Client as ApiClient;
use api::rules::{Rule, RuleCommand, RuleScope};
use decorators::action::Action;
use decorators::selection::Mode;
use reqwest::Url;
use tokio::task::JoinSet;

use crate::color::ColorMode;
use crate::demo::pods::DemoPod;
use crate::demo::shop::{Shop, ShopService};
use crate::demo::tour::client::TourClient;
use crate::demo::tour::notices::Notices;
use crate::demo::tour::prompt::Prompt;
use crate::demo::tour::provider::Provider;
use crate::demo::tour::steps::{TourStep, steps};
use crate::demo::traffic::tally::SentCounts;
use crate::demo::welcome::{sitio, url_flag};
use crate::interrupt::Interrupts;
use crate::outcome::OutcomeFormat;
use crate::ports::listen_anywhere;
use crate::receipts::{PendingChange, WaitPolicy};
use crate::rules::results;
use crate::stdout::say;

/// How long a rule of the tour lasts if the demo is ended in the middle of a step. A reader has time for the page.
const TTL: &str = "15m";

/// How long the pod may take for two reports. It reports every second, on a busy machine later.
const REPORTED_WITHIN: Duration = Duration::from_secs(15);

/// The interval between two polls.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Only the requests of the tour come from this address: the services of the shop call legacy from addresses of their own.
const CALLERS: &str = "127.0.0.1/32";

/// The servers that the tour needs, bound before the control plane starts.
#[derive(Debug)]
pub(crate) struct TourServers {
    notices: Notices,
    provider: Provider,
    /// The second version of the legacy service.
    canary: SocketAddr,
    /// Dropping it ends them.
    _tasks: JoinSet<()>,
}

/// A tour that runs.
#[derive(Debug)]
pub(crate) struct Tour {
    api: ApiClient,
    client: Arc<TourClient>,
    dashboard: SocketAddr,
    /// The pod of the legacy service that the tour calls, and its address for requests.
    pod: &'static str,
    entrance: SocketAddr,
    paint: ColorMode,
    interrupts: Interrupts,
}

impl TourServers {
    /// Starts an OpenID provider, a receiver of notices and a second version of the legacy service.
    pub(crate) fn start(folder: &Path) -> anyhow::Result<Self> {
        let mut tasks = JoinSet::new();
        let notices = Notices::start(folder, &mut tasks)?;
        let provider = Provider::start(&mut tasks)?;
        let (listener, canary) = listen_anywhere()?;
        tasks.spawn(async move {
            if let Err(error) = Shop::default().serve_mended_legacy(listener).await {
                tracing::warn!(%error, "the second version of the legacy service has ended");
            }
        });
        Ok(Self { notices, provider, canary, _tasks: tasks })
    }

    /// The file that makes the control plane send notices here.
    pub(crate) fn notifications_file(&self) -> &Path {
        self.notices.file()
    }
}

impl Tour {
    /// A tour of the shop with these pods.
    pub(crate) fn new(pods: &[DemoPod], dashboard: SocketAddr, paint: ColorMode, interrupts: Interrupts) -> anyhow::Result<Self> {
        let pod = pods.iter().find(|pod| pod.service == ShopService::Legacy).context("find a pod of the legacy service")?;
        let api = ApiClient::new(Url::parse(&format!("http://{dashboard}"))?, None, None)?;
        let client = Arc::new(TourClient::new(pod.entrance)?);
        Ok(Self { api, client, dashboard, pod: pod.name, entrance: pod.entrance, paint, interrupts })
    }

    /// The requests that it has sent, for the comparison at the end.
    pub(crate) fn sent(&self) -> SentCounts {
        self.client.sent()
    }

    /// Goes through all steps. On a terminal, each waits for the Enter key.
    pub(crate) async fn run(&self, servers: &TourServers) -> anyhow::Result<()> {
        let mut prompt = Prompt::start();
        let steps = steps(servers.canary, self.entrance, &servers.provider);
        let count = steps.len() + 1;
        show(&format!("\n  A tour of {count} decorators, each in front of {} only for requests of the tour.\n", self.pod))?;
        for (number, step) in steps.iter().enumerate() {
            show(&self.heading(number + 1, count, step))?;
            let rules = self.decorate(step).await?;
            self.client.send(&step.requests, self.paint).await?;
            self.wait_for_reports().await?;
            for rule in &rules {
                self.report(rule).await?;
            }
            prompt.next().await?;
            self.undecorate(&rules).await?;
        }
        show(&format!("\n  {}  The service failed, and the control plane noticed:", self.title(count, count, "notify")))?;
        show(&servers.notices.first().await?)?;
        show(&format!("      {}", self.paint.link(format!("http://{}/notices", self.dashboard))))
    }

    fn title(&self, number: usize, count: usize, name: &str) -> String {
        self.paint.title(format!("{number}/{count} {name}"))
    }

    fn heading(&self, number: usize, count: usize, step: &TourStep) -> String {
        let mut lines = vec![format!("\n  {}  {}", self.title(number, count, step.name), step.about)];
        for action in &step.actions {
            let command = format!(
                "{} decorate legacy '{}' --callers {CALLERS} --with '{action}' --reason tour --ttl {TTL}{}",
                sitio(),
                step.route,
                url_flag(self.dashboard)
            );
            lines.push(format!("      {}", self.paint.typed(command)));
        }
        lines.join("\n")
    }

    /// Makes the rules of a step, and waits until the pods apply them.
    async fn decorate(&self, step: &TourStep) -> anyhow::Result<Vec<Rule>> {
        let mut rules = Vec::new();
        for action in &step.actions {
            let action: Action = serde_norway::from_str(action).with_context(|| format!("read {action}"))?;
            let rule = self.api.create_rule(&Self::command(step, action)?).await?;
            rules.push(rule.clone());
            let change = PendingChange::Decorate;
            let interrupts = self.interrupts.clone();
            WaitPolicy::always().see(&self.api, rule, change, OutcomeFormat::Table, self.paint, interrupts).await?;
        }
        Ok(rules)
    }

    fn command(step: &TourStep, action: Action) -> anyhow::Result<RuleCommand> {
        Ok(RuleCommand {
            namespace: None,
            service: ShopService::Legacy.name().to_owned(),
            method: "*".to_owned(),
            route: step.route.to_owned(),
            scope: RuleScope::Prefix,
            action,
            percent: 100,
            callers: vec![CALLERS.parse().context("read the address of the tour")?],
            mode: Mode::Enforce,
            pods: None,
            ttl: Some(TTL.to_owned()),
            reason: "tour".to_owned(),
            allow_unseen: true,
            override_protected: false,
            dry_run: false,
        })
    }

    /// Ends the rules that are still in force: a reader may have removed one on the dashboard, or read for longer than [`TTL`].
    async fn undecorate(&self, rules: &[Rule]) -> anyhow::Result<()> {
        let in_force = self.api.rules().await?.rules;
        for rule in in_force.iter().filter(|rule| rules.iter().any(|of_step| of_step.id == rule.id)) {
            self.api.withdraw(&rule.id).await?;
        }
        Ok(())
    }

    /// Waits until the pod has reported all that it has answered so far. Its next report may have been made before the
    /// last answer; the one after it was not. If the pod is late, the numbers so far are shown.
    async fn wait_for_reports(&self) -> anyhow::Result<()> {
        let two_reports = async {
            for _ in 0..2 {
                let before = self.last_report().await?;
                while self.last_report().await? == before {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(REPORTED_WITHIN, two_reports).await.unwrap_or(Ok(()))
    }

    /// When the last report of the pod arrived.
    async fn last_report(&self) -> anyhow::Result<Option<String>> {
        let pods = self.api.pods().await?.pods;
        Ok(pods.into_iter().find(|pod| pod.pod == self.pod).map(|pod| pod.heard_at))
    }

    /// Shows what the rule did.
    async fn report(&self, rule: &Rule) -> anyhow::Result<()> {
        let rule = self.api.rule(&rule.id).await?;
        let results = results(&rule);
        let lines = results.lines().filter(|line| !line.is_empty());
        let lines: Vec<_> = lines.map(|line| format!("      {}: {line}", rule.action.name())).collect();
        show(&lines.join("\n"))
    }
}

fn show(words: &str) -> anyhow::Result<()> {
    say(&format!("{words}\n"))
}
