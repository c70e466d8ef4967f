//! The commands of a reader: its role and its namespaces allow them, or they are refused and logged.

use std::sync::Arc;

use mesh::rule::Rule;

use crate::model::principal::Forbidden;
use crate::model::rule_status::RuleStatus;
use crate::notifications::delivery;
use crate::notifications::message::Message;
use crate::notifications::outbox::DeliveryError;
use crate::query::reader::Reader;
use crate::rules::command::{Command, CommandError};

/// Why a channel is not tested.
#[derive(Debug, thiserror::Error)]
pub enum TestRefused {
    /// The reader may not.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// There is no such channel.
    #[error("there is no channel {channel} in the notifications file; it has: {known}")]
    NoSuchChannel {
        /// The channel.
        channel: String,
        /// The names of all channels.
        known: String,
    },
}

impl Reader {
    /// Creates a rule. It is on disk when this returns, and on its way to the pods.
    pub async fn create_rule(&self, command: Command) -> Result<Arc<RuleStatus>, CommandError> {
        self.check_command(command.namespace())?;
        self.mesh().rules.create(command, self.principal.author()).await
    }

    /// The rule that a command would create, or why it would be refused.
    pub fn preview_rule(&self, command: &Command) -> Result<RuleStatus, CommandError> {
        self.check_command(command.namespace())?;
        self.mesh().rules.preview(command, &self.principal.author())
    }

    /// Ends a rule. The end is on disk when this returns, and on its way to the pods.
    pub async fn withdraw_rule(&self, id: &str) -> Result<Arc<RuleStatus>, CommandError> {
        self.check_rule(id)?;
        self.mesh().rules.withdraw(id, self.principal.author()).await
    }

    /// Sends the rules again to the pods that have not confirmed them.
    pub async fn resend_rule(&self, id: &str) -> Result<(), CommandError> {
        self.check_rule(id)?;
        self.mesh().rules.resend(id).await
    }

    /// Warnings for users about a rule that is in force, or could be.
    pub fn warnings(&self, rule: &Rule) -> Vec<String> {
        self.mesh().rules.warnings(rule)
    }

    /// What would happen if a rule overrode protected paths; `None` if it concerns none.
    pub fn warning_of_override(&self, rule: &Rule) -> Option<String> {
        self.mesh().rules.warning_of_override(rule)
    }

    /// Sends a test message over a channel, and returns what the receiver answered.
    pub async fn test_channel(&self, channel: &str, now_ms: u64) -> Result<Result<String, DeliveryError>, TestRefused> {
        let check = self.principal.check_role().and_then(|()| self.principal.check_all_namespaces());
        check.inspect_err(|why| self.log_refused(why))?;
        let notifications = &self.mesh().notifications;
        let settings = notifications.settings();
        let known = settings.channel(channel).ok_or_else(|| {
            let names: Vec<&str> = settings.channels.iter().map(|channel| channel.name.as_str()).collect();
            TestRefused::NoSuchChannel { channel: channel.to_owned(), known: names.join(", ") }
        })?;
        tracing::info!(channel, by = %self.principal.name, "tests a channel of notifications");
        let message = Message::test(known.name.as_str(), &self.principal.name, now_ms, notifications.page_url());
        Ok(delivery::deliver(known, &message).await)
    }

    fn check_command(&self, namespace: &str) -> Result<(), Forbidden> {
        self.principal.check_command(namespace).inspect_err(|why| self.log_refused(why))
    }

    /// A rule of a namespace that is not seen is unknown, so that its id reveals nothing.
    fn check_rule(&self, id: &str) -> Result<(), CommandError> {
        self.principal.check_role().inspect_err(|why| self.log_refused(why))?;
        self.rule(id).map(drop).ok_or_else(|| CommandError::UnknownRule(id.to_owned()))
    }

    /// A refused command is logged, and is no audit entry: a viewer could push the entries of others out.
    fn log_refused(&self, why: &Forbidden) {
        tracing::warn!(address = self.principal.address.map(tracing::field::display), "refused a command: {why}");
    }
}
