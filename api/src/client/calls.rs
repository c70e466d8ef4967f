//! The calls of the client: one method for each operation of the API.

use crate::audit::{Audit, AuditQuery};
use crate::callers::Callers;
use crate::client::failure::Failure;
use crate::client::samples::{Sample, samples};
use crate::client::tap_stream::TapStream;
use crate::client::{ApiRequest, Client};
use crate::endpoints::{Endpoints, EndpointsQuery};
use crate::history::{History, HistoryQuery};
use crate::notifications::{NotificationTest, NotificationTestResult, Notifications};
use crate::pods::Pods;
use crate::rules::{Rule, RuleCommand, Rules};
use crate::status::{About, Status};
use crate::tap::TapQuery;
use decorators::action::Action;

impl Client {
    /// Checks that a control plane answers; this needs no token.
    pub async fn check_alive(&self) -> Result<(), Failure> {
        self.text(&ApiRequest::get("connect to the control plane", &["livez"])).await.map(drop)
    }

    /// Returns version and clock of the control plane.
    pub async fn about(&self) -> Result<About, Failure> {
        self.json(&ApiRequest::get("get the control plane's version and clock", &["api", "v1", "about"])).await
    }

    /// Returns the status of the control plane.
    pub async fn status(&self) -> Result<Status, Failure> {
        self.json(&ApiRequest::get("get the control plane's status", &["api", "v1", "status"])).await
    }

    /// Returns the samples of these metrics of the control plane.
    pub async fn metrics(&self, names: &[&str]) -> Result<Vec<Sample>, Failure> {
        let page = self.text(&ApiRequest::get("read the control plane's metrics", &["metrics"])).await?;
        Ok(samples(&page).filter(|sample| names.contains(&sample.name.as_str())).collect())
    }

    /// Lists the endpoints.
    pub async fn endpoints(&self, query: &EndpointsQuery) -> Result<Endpoints, Failure> {
        self.json_of_query(&ApiRequest::get("list the endpoints", &["api", "v1", "endpoints"]), query).await
    }

    /// Returns the callers of an endpoint.
    pub async fn callers(&self, id: &str) -> Result<Callers, Failure> {
        self.json(&ApiRequest::get("get the callers", &["api", "v1", "endpoints", id, "callers"])).await
    }

    /// Returns the recent exchanges of an endpoint. The control plane asks the pods for them.
    pub async fn history(&self, id: &str, query: &HistoryQuery) -> Result<History, Failure> {
        let path = ["api", "v1", "endpoints", id, "history"];
        self.json_of_query(&ApiRequest::get("get the history from the pods", &path), query).await
    }

    /// Opens a tap.
    pub async fn tap(&self, query: &TapQuery) -> Result<TapStream, Failure> {
        let response = self.stream(&ApiRequest::get("tap", &["api", "v1", "tap"]), query).await?;
        Ok(TapStream::new(self.url.clone(), response))
    }

    /// Lists the pods.
    pub async fn pods(&self) -> Result<Pods, Failure> {
        self.json(&ApiRequest::get("list the pods", &["api", "v1", "pods"])).await
    }

    /// Lists the notices.
    pub async fn notifications(&self) -> Result<Notifications, Failure> {
        self.json(&ApiRequest::get("list the notices", &["api", "v1", "notifications"])).await
    }

    /// Sends a test message over a channel.
    pub async fn test_notifications(&self, channel: &str) -> Result<NotificationTestResult, Failure> {
        let request = ApiRequest::post("test a channel", &["api", "v1", "notifications", "test"]);
        self.json_of_body(&request, &NotificationTest { channel: channel.to_owned() }).await
    }

    /// Returns the newest entries of the audit log.
    pub async fn audit(&self, query: &AuditQuery) -> Result<Audit, Failure> {
        self.json_of_query(&ApiRequest::get("read the audit trail", &["api", "v1", "audit"]), query).await
    }

    /// Returns the rules in force.
    pub async fn rules(&self) -> Result<Rules, Failure> {
        self.json(&ApiRequest::get("list the rules", &["api", "v1", "rules"])).await
    }

    /// Returns one rule, in force or ended recently.
    pub async fn rule(&self, id: &str) -> Result<Rule, Failure> {
        self.json(&ApiRequest::get(&format!("show rule {id}"), &["api", "v1", "rules", id])).await
    }

    /// Turns an endpoint off, or decorates it. The rule is durable when this returns. For a dry run, returns the rule that it would
    /// create; a control plane that is too old for dry runs refuses the request.
    pub async fn create_rule(&self, command: &RuleCommand) -> Result<Rule, Failure> {
        let subject = command.scope.subject(&command.method, &command.route);
        let what = match &command.action {
            Action::Disable(_) => format!("turn {subject} of {} off", command.service),
            action => format!("put {} in front of {subject} of {}", action.name(), command.service),
        };
        self.json_of_body(&ApiRequest::post(&what, &["api", "v1", "rules"]), command).await
    }

    /// Ends a rule.
    pub async fn withdraw(&self, id: &str) -> Result<Rule, Failure> {
        self.json(&ApiRequest::delete(&format!("end rule {id}"), &["api", "v1", "rules", id])).await
    }
}
