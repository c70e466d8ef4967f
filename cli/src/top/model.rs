//! What `top` knows and what a person has chosen; it draws nothing and asks nobody.

use std::time::Instant;

use client::endpoints::{Endpoint, Endpoints};
use client::history::History;
use control_plane::web::row::service_label;

use crate::moment;
use crate::stat::Sort;
use crate::table::Tone;
use crate::top::choice::{Span, TimeLimit};

/// Everything that is on the screen, and how it came there.
#[derive(Debug)]
pub(super) struct Model {
    /// Whom it is about.
    pub(super) url: String,
    /// All endpoints as last told; `None` before the first answer.
    answer: Option<Endpoints>,
    /// Since when there is no answer, and why.
    pub(super) lost: Option<Lost>,
    /// The answers that have come since a person paused.
    pub(super) paused: Option<Held>,
    /// What comes first.
    pub(super) sort: Sort,
    /// Whether the first is the last.
    pub(super) is_reversed: bool,
    /// The stretch of time.
    pub(super) window: Span,
    /// Only what contains this is shown.
    pub(super) find: String,
    /// The endpoint that is selected.
    selected: Option<String>,
    /// What a person is doing.
    pub(super) mode: Mode,
    /// The last thing to be said.
    pub(super) note: Option<(String, Tone)>,
}

/// No answer.
#[derive(Debug)]
pub(super) struct Lost {
    /// Since then.
    pub(super) since: Instant,
    /// Why.
    pub(super) why: String,
}

/// What has come while it was paused.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// How many answers.
    pub(super) answers: u32,
    /// The last of them.
    newest: Option<Endpoints>,
}

/// What a person is doing.
#[derive(Debug)]
pub(super) enum Mode {
    /// Looking at the list.
    List,
    /// Typing what to find.
    Find,
    /// Looking at one endpoint.
    Detail(Detail),
    /// About to turn one off.
    TurnOff(TurnOff),
    /// About to turn one on.
    TurnOn(String),
    /// Reading what the keys do.
    Help,
}

/// One endpoint, and what its pods remember.
#[derive(Debug)]
pub(super) struct Detail {
    /// Its id.
    pub(super) id: String,
    /// What they remember, or why they cannot be asked; `None` before the first answer.
    pub(super) history: Option<Result<History, String>>,
}

/// The question before an endpoint is turned off.
#[derive(Debug)]
pub(super) struct TurnOff {
    /// Its id.
    pub(super) id: String,
    /// What was typed so far.
    pub(super) reason: String,
    /// For how long.
    pub(super) limit: TimeLimit,
}

impl Model {
    /// Nothing is known yet.
    pub(super) fn new(url: String, sort: Sort) -> Self {
        Self {
            url,
            answer: None,
            lost: None,
            paused: None,
            sort,
            is_reversed: false,
            window: Span::default(),
            find: String::new(),
            selected: None,
            mode: Mode::List,
            note: None,
        }
    }

    /// Takes an answer, now or once it goes on.
    pub(super) fn take(&mut self, answer: Endpoints) {
        self.lost = None;
        match &mut self.paused {
            Some(held) => *held = Held { answers: held.answers.saturating_add(1), newest: Some(answer) },
            None => self.answer = Some(answer),
        }
    }

    /// There was no answer.
    pub(super) fn lose(&mut self, why: String) {
        let since = self.lost.as_ref().map_or_else(Instant::now, |lost| lost.since);
        self.lost = Some(Lost { since, why });
    }

    /// Holds what comes, or goes on with the last of it.
    pub(super) fn pause_or_go_on(&mut self) {
        match self.paused {
            Some(_) => self.go_on(),
            None => self.paused = Some(Held::default()),
        }
    }

    /// Shows what was held, and what comes.
    pub(super) fn go_on(&mut self) {
        if let Some(held) = self.paused.take() {
            self.answer = held.newest.or(self.answer.take());
        }
    }

    /// Whether there was any answer.
    pub(super) fn has_begun(&self) -> bool {
        self.answer.is_some()
    }

    /// The instant of the numbers, milliseconds since the Unix epoch.
    pub(super) fn taken_ms(&self) -> u64 {
        let taken = self.answer.as_ref().and_then(|answer| moment::unix_ms(&answer.taken_at));
        taken.unwrap_or_else(moment::now_ms)
    }

    /// All endpoints.
    pub(super) fn all(&self) -> &[Endpoint] {
        self.answer.as_ref().map_or(&[], |answer| &answer.endpoints)
    }

    /// Those that are shown, in their order.
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

    /// The endpoint of that id.
    pub(super) fn endpoint(&self, id: &str) -> Option<&Endpoint> {
        self.all().iter().find(|endpoint| endpoint.id == id)
    }

    /// The line that is selected: it stays with its endpoint, wherever that goes.
    pub(super) fn selected_line(&self) -> Option<usize> {
        let shown = self.shown();
        let line = shown.iter().position(|endpoint| Some(&endpoint.id) == self.selected.as_ref());
        line.or((!shown.is_empty()).then_some(0))
    }

    /// The endpoint that is selected.
    pub(super) fn selected(&self) -> Option<&Endpoint> {
        self.shown().get(self.selected_line()?).copied()
    }

    /// Selects the line so many below, or above.
    pub(super) fn move_by(&mut self, lines: isize) {
        let (Some(line), last) = (self.selected_line(), self.shown().len().saturating_sub(1)) else { return };
        let line = line.saturating_add_signed(lines).min(last);
        self.selected = self.shown().get(line).map(|endpoint| endpoint.id.clone());
    }

    /// Says something until something else is to be said.
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
