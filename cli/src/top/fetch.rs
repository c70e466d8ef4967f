//! The background requests of `top`: at most one of each kind at a time, and the screen does not wait for them.

use std::time::Duration;

use api::client::Client;
use api::client::failure::Failure;
use api::endpoints::{Endpoints, EndpointsQuery};
use api::history::{History, HistoryQuery};
use api::rules::{Rule, RuleCommand};
use tokio::task::{AbortHandle, JoinError, JoinSet};

use format::number;

use crate::hints;
use crate::sanitize::plain;
use crate::table::column::Tone;
use crate::top::choice::WindowKey;
use crate::top::keys::KeyAction;
use crate::top::model::{Mode, Model};

/// The number of exchanges in a history: more than a screen has lines.
const EXCHANGES: u32 = 100;

/// The requests in flight.
pub(super) struct Asks {
    client: Client,
    service: Option<String>,
    namespace: Option<String>,
    interval: Duration,
    under_way: JoinSet<Fetched>,
    list: Option<AbortHandle>,
    /// With the id of the endpoint.
    history: Option<(String, AbortHandle)>,
}

/// A response.
pub(super) enum Fetched {
    List(Result<Endpoints, Failure>),
    History(String, Box<Result<History, Failure>>),
    TurnedOff(Box<Result<Rule, Failure>>),
    TurnedOn(Box<Result<Rule, Failure>>),
}

impl Asks {
    pub(super) fn new(client: Client, service: Option<String>, namespace: Option<String>, interval: Duration) -> Self {
        Self { client, service, namespace, interval, under_way: JoinSet::new(), list: None, history: None }
    }

    /// Requests the endpoints after a delay.
    pub(super) fn list(&mut self, window: WindowKey, after: Duration) {
        let client = self.client.clone();
        let wanted = EndpointsQuery {
            window: Some(window.name().to_owned()),
            namespace: self.namespace.clone(),
            service: self.service.clone(),
            ..EndpointsQuery::default()
        };
        let asked = self.under_way.spawn(async move {
            tokio::time::sleep(after).await;
            Fetched::List(client.endpoints(&wanted).await)
        });
        // The response to the previous request is obsolete.
        if let Some(before) = self.list.replace(asked) {
            before.abort();
        }
    }

    /// Requests the history of an endpoint, unless that request is in flight: a pod that does not answer delays it by a
    /// second.
    pub(super) fn history(&mut self, id: String) {
        if let Some((asked, before)) = &self.history {
            if *asked == id && !before.is_finished() {
                return;
            }
            before.abort();
        }
        let client = self.client.clone();
        let wanted = HistoryQuery { limit: Some(EXCHANGES.to_string()), ..HistoryQuery::default() };
        let of = id.clone();
        let asked = self.under_way.spawn(async move {
            let history = client.history(&of, &wanted).await;
            Fetched::History(of, Box::new(history))
        });
        self.history = Some((id, asked));
    }

    /// Requests to turn an endpoint off.
    pub(super) fn turn_off(&mut self, command: RuleCommand) {
        let client = self.client.clone();
        self.under_way.spawn(async move { Fetched::TurnedOff(Box::new(client.create_rule(&command).await)) });
    }

    /// Requests the end of a rule.
    pub(super) fn turn_on(&mut self, rule: String) {
        let client = self.client.clone();
        self.under_way.spawn(async move { Fetched::TurnedOn(Box::new(client.withdraw(&rule).await)) });
    }

    /// Waits for the next response. A cancelled request has none.
    pub(super) async fn next_fetched(&mut self) -> Result<Fetched, JoinError> {
        loop {
            match self.under_way.join_next().await {
                Some(Err(error)) if error.is_cancelled() => {}
                Some(output) => return output,
                None => std::future::pending().await,
            }
        }
    }

    /// Applies a response to the model, and schedules the next request.
    pub(super) fn take(&mut self, output: Fetched, model: &mut Model) -> KeyAction {
        match output {
            Fetched::List(answer) => {
                match answer {
                    Ok(answer) => model.take(answer),
                    Err(failure) => model.lose(words(&failure)),
                }
                self.list(model.window, self.interval);
                if let (Mode::Detail(detail), None) = (&model.mode, &model.paused) {
                    return KeyAction::History(detail.id.clone());
                }
            }
            Fetched::History(id, answer) => match &mut model.mode {
                Mode::Detail(detail) if detail.id == id => {
                    detail.history = Some(answer.map_err(|failure| words(&failure)));
                }
                _ => {}
            },
            Fetched::TurnedOff(answer) => match *answer {
                Ok(rule) => {
                    let pods = number::plural(rule.pods.len(), "pod", "pods");
                    model.say(format!("rule {} is on its way to {pods}", rule.id), Tone::Calm);
                    return KeyAction::List;
                }
                Err(failure) => model.say(words(&failure), Tone::Red),
            },
            Fetched::TurnedOn(answer) => match *answer {
                Ok(rule) => {
                    model.say(format!("rule {} has ended", rule.id), Tone::Calm);
                    return KeyAction::List;
                }
                Err(failure) => model.say(words(&failure), Tone::Red),
            },
        }
        KeyAction::Nothing
    }
}

fn words(failure: &Failure) -> String {
    let advice = hints::on(failure).map(|advice| format!("; {advice}")).unwrap_or_default();
    format!("{}{advice}", plain(&failure.to_string()))
}
