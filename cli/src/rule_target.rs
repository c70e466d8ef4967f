//! The flags of commands that make a rule: for which requests of which endpoint, why and for how long.

use std::time::Duration;

use api::client::Client;
use api::rules::RuleCommand;
use decorators::action::Action;
use decorators::selection::{Mode, Selection};

use crate::endpoint_ref::EndpointRef;
use crate::{complete, find};

/// Which requests a rule applies to, and why.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(crate) struct RuleTarget {
    /// The endpoint: SERVICE METHOD ROUTE, or its id, or as few of these words as name no other; or SERVICE '/path/*'.
    #[arg(value_name = "ENDPOINT", required = true, num_args = 1..=3, value_parser = find::word, add = complete::endpoints())]
    endpoint: Vec<String>,
    /// Why; shown to those who find the rule.
    #[arg(long, value_parser = find::word)]
    reason: String,
    /// Only on these pods, their names with commas between [default: all, those that join later too].
    #[arg(long, value_name = "POD,…", value_delimiter = ',', value_parser = find::word, add = complete::pods())]
    pods: Vec<String>,
    /// Only for so many requests of a hundred, by chance.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u8).range(1..=100))]
    percent: u8,
    /// Only for callers in these networks, with commas between, such as 10.0.0.0/8 [default: all].
    #[arg(long, value_name = "NET,…", value_delimiter = ',')]
    callers: Vec<ipnet::IpNet>,
    /// Let all requests pass, and count those on which it would act.
    #[arg(long)]
    shadow: bool,
    /// The service's namespace.
    #[arg(short, long)]
    namespace: Option<String>,
    /// Make the rule although no request for it was ever counted.
    #[arg(long)]
    allow_unseen: bool,
}

impl RuleTarget {
    /// The command that makes a rule with this action.
    pub(crate) async fn command(&self, client: &Client, action: Action, ttl: Ttl) -> anyhow::Result<RuleCommand> {
        let words = find::words(&self.endpoint);
        let EndpointRef { scope, namespace, service, method, route } =
            EndpointRef::find(client, self.namespace.as_deref(), &words).await?;
        let Selection { percent, callers, mode } = self.selection();
        Ok(RuleCommand {
            namespace: Some(namespace),
            service,
            method,
            route,
            scope,
            action,
            percent,
            callers,
            mode,
            pods: Some(self.pods.clone()).filter(|pods| !pods.is_empty()),
            ttl: ttl.words(),
            reason: self.reason.clone(),
            allow_unseen: self.allow_unseen,
            override_protected: false,
            dry_run: false,
        })
    }

    /// Which requests of the endpoint are selected, and whether the rule acts.
    pub(crate) fn selection(&self) -> Selection {
        let mode = if self.shadow { Mode::Shadow } else { Mode::Enforce };
        Selection { percent: self.percent, callers: self.callers.clone(), mode }
    }
}

/// The shortest and the longest time limit that a control plane accepts.
const TTL_MIN: Duration = Duration::from_secs(1);
const TTL_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

/// How long a rule lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ttl {
    /// For this time.
    For(Duration),
    /// Until an operator ends the rule.
    Open,
}

impl Ttl {
    /// The limit as the API takes it; `None` if there is none.
    fn words(self) -> Option<String> {
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
