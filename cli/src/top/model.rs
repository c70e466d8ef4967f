//! The state of `top`: data and user choices. It neither draws nor sends requests.

use std::time::Instant;

use api::endpoints::{Endpoint, Endpoints};
use api::history::History;
use format::label::service_label;

use crate::moment;
use crate::stat::Sort;
use crate::table::column::Tone;
use crate::top::choice::{TimeLimit, WindowKey};

/// Everything that the screen shows.
#[derive(Debug)]
pub(super) struct Model {
    /// The URL of the control plane.
    pub(super) url: String,
    /// The last response; `None` before the first one.
    answer: Option<Endpoints>,
    /// Set while requests fail.
    pub(super) lost: Option<Unreachable>,
    /// The responses since the user paused.
    pub(super) paused: Option<PausedUpdates>,
    /// The sort column.
    pub(super) sort: Sort,
    /// Whether the order is reversed.
    pub(super) is_reversed: bool,
    /// The time window.
    pub(super) window: WindowKey,
    /// The search text; only endpoints that contain it are shown.
    pub(super) find: String,
    /// The id of the selected endpoint.
    selected: Option<String>,
    /// What the user is doing.
    pub(super) mode: Mode,
    /// The last message.
    pub(super) note: Option<(String, Tone)>,
}

/// A lost connection to the control plane.
#[derive(Debug)]
pub(super) struct Unreachable {
    /// The time of the first failure.
    pub(super) since: Instant,
    /// The last error.
    pub(super) why: String,
}

/// What arrived during a pause.
#[derive(Debug, Default)]
pub(super) struct PausedUpdates {
    /// The number of responses.
    pub(super) answers: u32,
    /// The last response.
    newest: Option<Endpoints>,
}

/// What the user is doing.
#[derive(Debug)]
pub(super) enum Mode {
    /// Viewing the list.
    List,
    /// Typing a search text.
    Find,
    /// Viewing one endpoint.
    Detail(EndpointDetail),
    /// In the dialog to turn an endpoint off.
    TurnOff(TurnOffDialog),
    /// In the dialog to end the rule with this id.
    TurnOn(String),
    /// Viewing the list of keys.
    Help,
}

/// One endpoint with the history from its pods.
#[derive(Debug)]
pub(super) struct EndpointDetail {
    /// The endpoint's id.
    pub(super) id: String,
    /// The history or the error; `None` before the first response.
    pub(super) history: Option<Result<History, String>>,
}

/// The dialog to turn an endpoint off.
#[derive(Debug)]
pub(super) struct TurnOffDialog {
    /// The endpoint's id.
    pub(super) id: String,
    /// The reason typed so far.
    pub(super) reason: String,
    /// How long the endpoint stays off.
    pub(super) limit: TimeLimit,
}

impl Model {
    /// A model without data.
    pub(super) fn new(url: String, sort: Sort) -> Self {
        Self {
            url,
            answer: None,
            lost: None,
            paused: None,
            sort,
            is_reversed: false,
            window: WindowKey::default(),
            find: String::new(),
            selected: None,
            mode: Mode::List,
            note: None,
        }
    }

    /// Stores a response; holds it back during a pause.
    pub(super) fn take(&mut self, answer: Endpoints) {
        self.lost = None;
        match &mut self.paused {
            Some(held) => *held = PausedUpdates { answers: held.answers.saturating_add(1), newest: Some(answer) },
            None => self.answer = Some(answer),
        }
    }

    /// Records a failed request; keeps the time of the first failure.
    pub(super) fn lose(&mut self, why: String) {
        let since = self.lost.as_ref().map_or_else(Instant::now, |lost| lost.since);
        self.lost = Some(Unreachable { since, why });
    }

    /// Pauses, or resumes with the last response.
    pub(super) fn pause_or_go_on(&mut self) {
        match self.paused {
            Some(_) => self.go_on(),
            None => self.paused = Some(PausedUpdates::default()),
        }
    }

    /// Ends a pause and shows the last held response.
    pub(super) fn go_on(&mut self) {
        if let Some(held) = self.paused.take() {
            self.answer = held.newest.or(self.answer.take());
        }
    }

    /// Whether any response has arrived.
    pub(super) fn has_begun(&self) -> bool {
        self.answer.is_some()
    }

    /// The time of the data in milliseconds since the Unix epoch.
    pub(super) fn taken_ms(&self) -> u64 {
        let taken = self.answer.as_ref().and_then(|answer| moment::unix_ms(&answer.taken_at));
        taken.unwrap_or_else(moment::now_ms)
    }

    /// All endpoints of the last response.
    pub(super) fn all(&self) -> &[Endpoint] {
        self.answer.as_ref().map_or(&[], |answer| &answer.endpoints)
    }

    /// The endpoints that match the search text, sorted.
    pub(super) fn shown(&self) -> Vec<&Endpoint> {
        let find = self.find.to_lowercase();
        let is_found = |endpoint: &&Endpoint| {
            let service = service_label(&endpoint.namespace, &endpoint.service);
            format!("{} {} {service}", endpoint.method, endpoint.route).to_lowercase().contains(&find)
        };
        let mut shown: Vec<_> = self.all().iter().filter(is_found).collect();
        self.sort.sort(&mut shown);
        if self.is_reversed {
            shown.reverse();
        }
        shown
    }

    /// The endpoint with that id.
    pub(super) fn endpoint(&self, id: &str) -> Option<&Endpoint> {
        self.all().iter().find(|endpoint| endpoint.id == id)
    }

    /// The selected line; the selection follows its endpoint when the order changes.
    pub(super) fn selected_line(&self) -> Option<usize> {
        let shown = self.shown();
        let line = shown.iter().position(|endpoint| Some(&endpoint.id) == self.selected.as_ref());
        line.or((!shown.is_empty()).then_some(0))
    }

    /// The selected endpoint.
    pub(super) fn selected(&self) -> Option<&Endpoint> {
        self.shown().get(self.selected_line()?).copied()
    }

    /// Moves the selection down by `lines`, or up if negative.
    pub(super) fn move_by(&mut self, lines: isize) {
        let (Some(line), last) = (self.selected_line(), self.shown().len().saturating_sub(1)) else { return };
        let line = line.saturating_add_signed(lines).min(last);
        self.selected = self.shown().get(line).map(|endpoint| endpoint.id.clone());
    }

    /// Shows a message until the next one.
    pub(super) fn say(&mut self, words: impl Into<String>, tone: Tone) {
        self.note = Some((words.into(), tone));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{answer, endpoint};

    fn model() -> Model {
        let mut busy = endpoint("b", "GET", "/busy");
        busy.rps = 90.0;
        let mut model = Model::new("http://127.0.0.1:8090/".into(), Sort::Rps);
        model.take(answer(vec![endpoint("a", "GET", "/"), endpoint("c", "POST", "/c"), busy]));
        model
    }

    fn services(model: &Model) -> Vec<&str> {
        model.shown().iter().map(|endpoint| endpoint.service.as_str()).collect()
    }

    #[test]
    fn what_is_shown_is_sorted_and_found() {
        let mut model = model();
        assert_eq!(services(&model), ["b", "a", "c"]);
        model.is_reversed = true;
        assert_eq!(services(&model), ["c", "a", "b"]);
        model.find = "post /C".into();
        assert_eq!(services(&model), ["c"]);
    }

    #[test]
    fn the_selection_stays_with_its_endpoint() {
        let mut model = model();
        model.move_by(1);
        assert_eq!((model.selected().unwrap().service.as_str(), model.selected_line()), ("a", Some(1)));
        model.is_reversed = true;
        model.sort = Sort::Name;
        assert_eq!((model.selected().unwrap().service.as_str(), model.selected_line()), ("a", Some(2)));
        model.move_by(-99);
        assert_eq!(model.selected_line(), Some(0));
        model.find = "nothing".into();
        assert!(model.selected().is_none());
    }

    #[test]
    fn what_comes_while_it_is_paused_is_counted_and_shown_later() {
        let mut model = model();
        model.pause_or_go_on();
        model.take(answer(vec![]));
        model.take(answer(vec![endpoint("new", "GET", "/")]));
        assert_eq!((services(&model).len(), model.paused.as_ref().unwrap().answers), (3, 2));
        model.pause_or_go_on();
        assert_eq!(services(&model), ["new"]);
    }

    #[test]
    fn the_connection_is_lost_since_the_first_failure() {
        let mut model = model();
        model.lose("refused".into());
        let since = model.lost.as_ref().unwrap().since;
        model.lose("refused again".into());
        assert_eq!(model.lost.as_ref().unwrap().since, since);
        model.take(answer(vec![]));
        assert!(model.lost.is_none());
    }
}
