//! `/api/v1/rules`: turns endpoints off and on, and shows the receipts of the pods.

use serde::{Deserialize, Serialize};

use crate::client::{Client, Question};
use crate::failure::Failure;

/// The response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// The newest revision.
    pub revision: u64,
    /// The rules in force, newest first.
    pub rules: Vec<Rule>,
}

/// A rule with the receipts of its pods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Its id.
    pub id: String,
    /// The revision that created it.
    pub revision: u64,
    /// The service's namespace.
    pub namespace: String,
    /// The service.
    pub service: String,
    /// The endpoint's method.
    pub method: String,
    /// The endpoint's route.
    pub route: String,
    /// How much of the service it covers.
    #[serde(default)]
    pub scope: Scope,
    /// What it does.
    pub action: Action,
    /// Whether it also disables paths that pods protect.
    #[serde(default)]
    pub override_protected: bool,
    /// The reason that the person gave.
    pub reason: String,
    /// The person who asked for it.
    pub by: String,
    /// Whether the pods apply it.
    pub state: State,
    /// When it was created, RFC 3339.
    pub created_at: String,
    /// When it expires, RFC 3339; `None` if only a person ends it.
    pub expires_at: Option<String>,
    /// How it ended; `None` while it is in force.
    pub ended: Option<Ended>,
    /// The receipt of each pod.
    pub pods: Vec<Receipt>,
    /// Warnings for people, a sentence each.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// How much of a service a rule covers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The endpoint with its method and route.
    #[default]
    Endpoint,
    /// Every endpoint whose route begins with the rule's route up to its final star.
    Prefix,
    /// A scope that this client does not know yet.
    #[serde(untagged)]
    Other(String),
}

impl Scope {
    fn is_endpoint(&self) -> bool {
        *self == Self::Endpoint
    }

    /// A description of what is covered, for people: `GET /export`, `every endpoint under /legacy/`.
    pub fn subject(&self, method: &str, route: &str) -> String {
        let Self::Prefix = self else { return format!("{method} {route}") };
        let of_method = if method == "*" { String::new() } else { format!("{method} ") };
        match route.trim_end_matches('*') {
            "/" => format!("every {of_method}endpoint"),
            prefix => format!("every {of_method}endpoint under {prefix}"),
        }
    }
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Answers instead of the service.
    Disable(Disable),
    /// Uses a pattern as the route of paths.
    Pin {},
}

/// What callers get from a disabled endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disable {
    /// The status.
    pub status: u16,
}

/// Whether the pods apply a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Some pod has not replied, or there is no pod.
    Pending,
    /// Every connected pod has confirmed it; there is at least one.
    Applied,
    /// Some pod has refused it.
    Refused,
    /// A person has ended it.
    Withdrawn,
    /// It has expired.
    Lapsed,
    /// A state that this client does not know yet.
    #[serde(untagged)]
    Other(String),
}

/// How a rule ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// When it ended, RFC 3339.
    pub at: String,
    /// The person who ended it; `None` if it expired.
    pub by: Option<String>,
}

/// A pod's reply to a rule, or to the end of the rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The pod's name.
    pub pod: String,
    /// Its reply.
    pub state: ReceiptState,
    /// Time from the command to the confirmation.
    pub took_ms: Option<u64>,
    /// Why it refused the rule.
    pub why: Option<String>,
    /// When its last message arrived, RFC 3339.
    pub heard_at: Option<String>,
}

/// A pod's reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptState {
    /// No reply yet.
    Pending,
    /// It has applied the change.
    Applied,
    /// It has refused the change.
    Refused,
    /// The pod is gone.
    Gone,
    /// A state that this client does not know yet.
    #[serde(untagged)]
    Other(String),
}

/// A command that turns an endpoint off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The namespace; `None` means `default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The service.
    pub service: String,
    /// The method.
    pub method: String,
    /// The route as it is counted; for a prefix, `/legacy/*`.
    pub route: String,
    /// How much of the service it covers.
    #[serde(default, skip_serializing_if = "Scope::is_endpoint")]
    pub scope: Scope,
    /// The status that callers get.
    pub action: Action,
    /// The pods by name; empty for all pods, including those that join later.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pods: Vec<String>,
    /// The lifetime, such as `1h`; `None` if only a person ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<String>,
    /// The reason.
    pub reason: String,
    /// Whether to accept an endpoint without any counted request.
    #[serde(default, skip_serializing_if = "is_not")]
    pub allow_unseen: bool,
    /// Whether it also disables paths that pods protect.
    #[serde(default, skip_serializing_if = "is_not")]
    pub override_protected: bool,
}

/// Leaves out a field that is false, because older control planes do not know it.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_not(flag: &bool) -> bool {
    !flag
}

impl Client {
    /// Returns the rules in force.
    pub async fn rules(&self) -> Result<Rules, Failure> {
        self.get(&Question { what: "list the rules", path: &["api", "v1", "rules"], query: &[] }).await
    }

    /// Returns one rule, in force or ended recently.
    pub async fn rule(&self, id: &str) -> Result<Rule, Failure> {
        let what = format!("show rule {id}");
        self.get(&Question { what: &what, path: &["api", "v1", "rules", id], query: &[] }).await
    }

    /// Turns an endpoint off. The rule is durable when this returns.
    pub async fn turn_off(&self, order: &Order) -> Result<Rule, Failure> {
        let what = format!("turn {} of {} off", order.scope.subject(&order.method, &order.route), order.service);
        self.post(&Question { what: &what, path: &["api", "v1", "rules"], query: &[] }, order).await
    }

    /// Returns the rule that [`Self::turn_off`] would create, or its error. Nothing is changed. A
    /// control plane that is too old for dry runs refuses the request.
    pub async fn preview(&self, order: &Order) -> Result<Rule, Failure> {
        #[derive(Serialize)]
        struct DryRun<'a> {
            #[serde(flatten)]
            order: &'a Order,
            dry_run: bool,
        }
        let what = format!("turn {} {} of {} off", order.method, order.route, order.service);
        let question = Question { what: &what, path: &["api", "v1", "rules"], query: &[] };
        self.post(&question, &DryRun { order, dry_run: true }).await
    }

    /// Ends a rule.
    pub async fn withdraw(&self, id: &str) -> Result<Rule, Failure> {
        let what = format!("end rule {id}");
        self.delete(&Question { what: &what, path: &["api", "v1", "rules", id], query: &[] }).await
    }

    /// Sends the rules again to the pods that have not confirmed them.
    pub async fn resend(&self, id: &str) -> Result<Rule, Failure> {
        let what = format!("send rule {id} again");
        self.post(&Question { what: &what, path: &["api", "v1", "rules", id, "resend"], query: &[] }, &()).await
    }
}
