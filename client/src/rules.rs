//! `/api/v1/rules`: turns endpoints off and on, and tells what each pod has said to it.

use serde::{Deserialize, Serialize};

use crate::client::{Client, Question};
use crate::failure::Failure;

/// The list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// The newest revision.
    pub revision: u64,
    /// Those in force, the newest first.
    pub rules: Vec<Rule>,
}

/// A rule with its receipts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Its name.
    pub id: String,
    /// The revision that brought it.
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
    /// Whether it turns off paths that pods protect, too.
    #[serde(default)]
    pub override_protected: bool,
    /// Why.
    pub reason: String,
    /// Who asked for it.
    pub by: String,
    /// How it is doing.
    pub state: State,
    /// When it was made, RFC 3339.
    pub created_at: String,
    /// When it lapses, RFC 3339; `None` if only a person ends it.
    pub expires_at: Option<String>,
    /// How it ended, if it has.
    pub ended: Option<Ended>,
    /// What each pod has said.
    pub pods: Vec<Receipt>,
    /// What a person should know of it, a sentence each.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// How much of a service a rule covers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The endpoint of its method and route.
    #[default]
    Endpoint,
    /// Every endpoint whose route begins with the rule's route up to its final star.
    Prefix,
    /// A word that this client does not know yet.
    #[serde(untagged)]
    Other(String),
}

impl Scope {
    fn is_endpoint(&self) -> bool {
        *self == Self::Endpoint
    }

    /// What is covered, for people: `GET /export`, `every endpoint under /legacy/`.
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
    /// Answers in the service's place.
    Disable(Disable),
    /// Names paths by a pattern.
    Pin {},
}

/// What callers get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disable {
    /// The status.
    pub status: u16,
}

/// How a rule is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Some pod has not answered, or none is there that could.
    Pending,
    /// Every pod that is there has confirmed it; there is at least one.
    Applied,
    /// Some pod has refused it.
    Refused,
    /// A person has ended it.
    Withdrawn,
    /// Its time was over.
    Lapsed,
    /// A word that this client does not know yet.
    #[serde(untagged)]
    Other(String),
}

/// How a rule ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// When, RFC 3339.
    pub at: String,
    /// Who ended it; `None` if its time was over.
    pub by: Option<String>,
}

/// What a pod has said to a rule, or to its end once it has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The pod's name.
    pub pod: String,
    /// What it has said.
    pub state: ReceiptState,
    /// From the command to the confirmation.
    pub took_ms: Option<u64>,
    /// Why it has refused.
    pub why: Option<String>,
    /// When it was last heard, RFC 3339.
    pub heard_at: Option<String>,
}

/// What a pod has said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiptState {
    /// Nothing yet.
    Pending,
    /// That it is so.
    Applied,
    /// That it cannot.
    Refused,
    /// The pod is gone.
    Gone,
    /// A word that this client does not know yet.
    #[serde(untagged)]
    Other(String),
}

/// Turn this endpoint off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The namespace, `default` if none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The service.
    pub service: String,
    /// The method.
    pub method: String,
    /// The route, as it is counted; of a prefix, `/legacy/*`.
    pub route: String,
    /// How much of the service it covers.
    #[serde(default, skip_serializing_if = "Scope::is_endpoint")]
    pub scope: Scope,
    /// What callers get.
    pub action: Action,
    /// The pods by name; empty for all of them, those that join later too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pods: Vec<String>,
    /// For how long, such as `1h`; `None` until a person ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<String>,
    /// Why.
    pub reason: String,
    /// Whether no request for it may have been counted yet.
    #[serde(default, skip_serializing_if = "is_not")]
    pub allow_unseen: bool,
    /// Whether it turns off paths that pods protect, too.
    #[serde(default, skip_serializing_if = "is_not")]
    pub override_protected: bool,
}

/// What older control planes do not know is left out unless it is meant.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_not(flag: &bool) -> bool {
    !flag
}

impl Client {
    /// The rules in force.
    pub async fn rules(&self) -> Result<Rules, Failure> {
        self.get(&Question { what: "list the rules", path: &["api", "v1", "rules"], query: &[] }).await
    }

    /// One rule, in force or ended not too long ago.
    pub async fn rule(&self, id: &str) -> Result<Rule, Failure> {
        let what = format!("show rule {id}");
        self.get(&Question { what: &what, path: &["api", "v1", "rules", id], query: &[] }).await
    }

    /// Turns an endpoint off. The rule is on disk when this returns.
    pub async fn turn_off(&self, order: &Order) -> Result<Rule, Failure> {
        let what = format!("turn {} of {} off", order.scope.subject(&order.method, &order.route), order.service);
        self.post(&Question { what: &what, path: &["api", "v1", "rules"], query: &[] }, order).await
    }

    /// What turning an endpoint off would do, or why it would be refused. Nothing is changed; a control plane that is too
    /// old to know the difference refuses it.
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
