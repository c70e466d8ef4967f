//! Maps key presses to changes of the model, and to requests, by mode.

use api::endpoints::{Endpoint, EndpointState};
use api::rules::{RuleCommand, RuleScope};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use decorators::action::Action;
use decorators::disable::Disable;

use crate::table::column::Tone;
use crate::top::choice::{TimeLimit, WindowKey, next_column};
use crate::top::model::{EndpointDetail, Mode, Model, TurnOffDialog};

/// The number of lines that PgUp and PgDn move.
const PAGE: isize = 10;

/// The longest reason in bytes, as in the API.
const REASON_BYTES_MAX: usize = 1024;

/// The longest search text in bytes.
const FIND_BYTES_MAX: usize = 200;

/// The status that callers of a turned-off endpoint get.
const STATUS: u16 = 503;

/// An action besides drawing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum KeyAction {
    /// No action.
    Nothing,
    /// Quit `top`.
    Quit,
    /// Suspend the process until the shell resumes it.
    Stop,
    /// Request the endpoints now.
    List,
    /// Request the history of the endpoint with this id.
    History(String),
    /// Turn an endpoint off.
    TurnOff(Box<RuleCommand>),
    /// End the rule with this id.
    TurnOn(String),
}

/// Applies an event to the model, and returns the action that remains.
pub(super) fn on_key(model: &mut Model, event: &Event) -> KeyAction {
    // A resize takes effect at the next draw.
    let Event::Key(key) = event else { return KeyAction::Nothing };
    if key.kind == KeyEventKind::Release {
        return KeyAction::Nothing;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
        return KeyAction::Quit;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('z') {
        return KeyAction::Stop;
    }
    if !matches!(model.mode, Mode::TurnOff(_)) {
        model.note = None;
    }
    match &mut model.mode {
        Mode::List => in_list(model, key.code),
        Mode::Find => in_find(model, key),
        Mode::Detail(_) => in_detail(model, key.code),
        Mode::TurnOff(_) => in_turn_off(model, key),
        Mode::TurnOn(_) => in_turn_on(model, key.code),
        Mode::Help => {
            model.mode = Mode::List;
            KeyAction::Nothing
        }
    }
}

fn in_list(model: &mut Model, key: KeyCode) -> KeyAction {
    match key {
        KeyCode::Char('q') => return KeyAction::Quit,
        KeyCode::Down | KeyCode::Char('j') => model.move_by(1),
        KeyCode::Up | KeyCode::Char('k') => model.move_by(-1),
        KeyCode::PageDown => model.move_by(PAGE),
        KeyCode::PageUp => model.move_by(-PAGE),
        KeyCode::Home | KeyCode::Char('g') => model.move_by(isize::MIN),
        KeyCode::End | KeyCode::Char('G') => model.move_by(isize::MAX),
        KeyCode::Char('/') => model.mode = Mode::Find,
        KeyCode::Esc => model.find.clear(),
        KeyCode::Char('s') => model.sort = next_column(model.sort, 1),
        KeyCode::Char('S') => model.sort = next_column(model.sort, -1),
        KeyCode::Char('r') => model.is_reversed = !model.is_reversed,
        KeyCode::Char('p') => model.pause_or_go_on(),
        KeyCode::Char('?') => model.mode = Mode::Help,
        KeyCode::Enter => return look_into(model),
        KeyCode::Char('x') => switch(model),
        KeyCode::Char(key) => return select_window(model, key),
        _ => {}
    }
    KeyAction::Nothing
}

fn select_window(model: &mut Model, key: char) -> KeyAction {
    let Some(span) = WindowKey::of_key(key) else { return KeyAction::Nothing };
    model.window = span;
    // Held answers are of the previous window, and must not be shown as this one.
    model.go_on();
    KeyAction::List
}

fn look_into(model: &mut Model) -> KeyAction {
    let Some(id) = model.selected().map(|endpoint| endpoint.id.clone()) else { return KeyAction::Nothing };
    model.mode = Mode::Detail(EndpointDetail { id: id.clone(), history: None });
    KeyAction::History(id)
}

/// Opens the dialog that fits the endpoint's state.
fn switch(model: &mut Model) {
    let id = match &model.mode {
        Mode::Detail(detail) => Some(detail.id.clone()),
        _ => model.selected().map(|endpoint| endpoint.id.clone()),
    };
    let Some(endpoint) = id.as_ref().and_then(|id| model.endpoint(id)) else { return };
    match (&endpoint.state, &endpoint.rule) {
        (_, Some(rule)) => model.mode = Mode::TurnOn(rule.clone()),
        (EndpointState::Protected, None) => model.say("a health path: no rule may turn it off", Tone::Amber),
        (EndpointState::Unavailable, None) => {
            model.say("(other) stands for many endpoints and cannot be turned off", Tone::Amber);
        }
        _ => {
            let (id, limit) = (endpoint.id.clone(), TimeLimit::default());
            model.mode = Mode::TurnOff(TurnOffDialog { id, reason: String::new(), limit });
        }
    }
}

fn in_find(model: &mut Model, key: &KeyEvent) -> KeyAction {
    match key.code {
        KeyCode::Enter => model.mode = Mode::List,
        KeyCode::Esc => {
            model.find.clear();
            model.mode = Mode::List;
        }
        _ => typed(&mut model.find, key, FIND_BYTES_MAX),
    }
    KeyAction::Nothing
}

fn in_detail(model: &mut Model, key: KeyCode) -> KeyAction {
    match key {
        KeyCode::Char('q') => return KeyAction::Quit,
        KeyCode::Esc | KeyCode::Backspace | KeyCode::Left => model.mode = Mode::List,
        KeyCode::Char('x') => switch(model),
        KeyCode::Char('p') => model.pause_or_go_on(),
        KeyCode::Char(key) => return select_window(model, key),
        _ => {}
    }
    KeyAction::Nothing
}

fn in_turn_off(model: &mut Model, key: &KeyEvent) -> KeyAction {
    let Mode::TurnOff(question) = &mut model.mode else { return KeyAction::Nothing };
    match key.code {
        KeyCode::Esc => model.mode = Mode::List,
        KeyCode::Tab => question.limit = question.limit.next(),
        KeyCode::Enter if question.reason.trim().is_empty() => {
            model.say("a reason is needed: those who find the endpoint off will look for it", Tone::Amber);
        }
        KeyCode::Enter => {
            let (id, reason, ttl) = (question.id.clone(), question.reason.trim().to_owned(), question.limit.ttl());
            model.mode = Mode::List;
            if let Some(endpoint) = model.endpoint(&id) {
                return KeyAction::TurnOff(Box::new(command(endpoint, reason, ttl)));
            }
        }
        _ => typed(&mut question.reason, key, REASON_BYTES_MAX),
    }
    KeyAction::Nothing
}

fn command(endpoint: &Endpoint, reason: String, ttl: Option<String>) -> RuleCommand {
    RuleCommand {
        namespace: Some(endpoint.namespace.clone()),
        service: endpoint.service.clone(),
        method: endpoint.method.clone(),
        route: endpoint.route.clone(),
        scope: RuleScope::Endpoint,
        // The endpoint is on the screen, so it is valid even if it was not called yet.
        allow_unseen: endpoint.last_seen.is_none(),
        override_protected: false,
        action: Action::Disable(Disable { status: STATUS }),
        percent: 100,
        callers: Vec::new(),
        mode: decorators::selection::Mode::Enforce,
        pods: None,
        ttl,
        reason,
        dry_run: false,
    }
}

fn in_turn_on(model: &mut Model, key: KeyCode) -> KeyAction {
    let is_meant = matches!(key, KeyCode::Enter | KeyCode::Char('y'));
    match std::mem::replace(&mut model.mode, Mode::List) {
        Mode::TurnOn(rule) if is_meant => KeyAction::TurnOn(rule),
        _ => KeyAction::Nothing,
    }
}

/// Applies a key to a line of text.
fn typed(text: &mut String, key: &KeyEvent, bytes_max: usize) {
    match key.code {
        KeyCode::Backspace => drop(text.pop()),
        KeyCode::Char('u') if key.modifiers.contains(KeyModifiers::CONTROL) => text.clear(),
        KeyCode::Char(_) if key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) => {}
        KeyCode::Char(letter) if text.len() + letter.len_utf8() <= bytes_max => text.push(letter),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{answer, endpoint};
    use crate::stat::Sort;

    fn model() -> Model {
        let mut off = endpoint("off", "GET", "/off");
        (off.state, off.rule) = (EndpointState::Off, Some("r3".into()));
        let mut health = endpoint("zhealth", "GET", "/healthz");
        health.state = EndpointState::Protected;
        let mut model = Model::new(String::new(), Sort::Name);
        model.take(answer(vec![endpoint("legacy", "GET", "/export"), off, health]));
        model
    }

    fn press(model: &mut Model, keys: &[KeyCode]) -> KeyAction {
        keys.iter().map(|key| on_key(model, &Event::Key((*key).into()))).last().unwrap()
    }

    fn letters(text: &str) -> Vec<KeyCode> {
        text.chars().map(KeyCode::Char).collect()
    }

    #[test]
    fn an_endpoint_is_turned_off_only_with_a_reason_and_after_enter() {
        let mut model = model();
        assert_eq!(press(&mut model, &[KeyCode::Char('x'), KeyCode::Enter]), KeyAction::Nothing);
        assert!(model.note.as_ref().unwrap().0.contains("reason"));
        press(&mut model, &letters("jaxk q"));
        let KeyAction::TurnOff(command) = press(&mut model, &[KeyCode::Tab, KeyCode::Enter]) else {
            panic!("nothing is turned off")
        };
        assert_eq!((command.service.as_str(), command.reason.as_str(), command.ttl.as_deref()), ("legacy", "jaxk q", Some("4h")));
        assert!(matches!(model.mode, Mode::List));
        press(&mut model, &[KeyCode::Char('x'), KeyCode::Char('y'), KeyCode::Esc]);
        assert!(matches!(model.mode, Mode::List));
    }

    #[test]
    fn what_is_off_is_turned_on_and_what_is_protected_is_left_alone() {
        let mut model = model();
        assert_eq!(press(&mut model, &[KeyCode::Char('j'), KeyCode::Char('x'), KeyCode::Enter]), KeyAction::TurnOn("r3".into()));
        assert_eq!(press(&mut model, &[KeyCode::Char('x'), KeyCode::Char('n')]), KeyAction::Nothing);
        assert_eq!(press(&mut model, &[KeyCode::End, KeyCode::Char('x')]), KeyAction::Nothing);
        assert!(matches!(model.mode, Mode::List) && model.note.as_ref().unwrap().0.contains("health"));
    }

    #[test]
    fn typing_what_to_find_is_no_command() {
        let mut model = model();
        press(&mut model, &letters("/qx"));
        assert_eq!((model.find.as_str(), model.shown().len()), ("qx", 0));
        press(&mut model, &[KeyCode::Backspace, KeyCode::Backspace, KeyCode::Char('e'), KeyCode::Char('x'), KeyCode::Enter]);
        assert_eq!(model.shown().len(), 1);
        press(&mut model, &[KeyCode::Esc]);
        assert_eq!(model.shown().len(), 3);
    }

    #[test]
    fn keys_sort_and_choose_and_look_and_leave() {
        let mut model = model();
        press(&mut model, &letters("sr"));
        assert_eq!((model.sort, model.is_reversed), (Sort::Rps, true));
        assert_eq!(press(&mut model, &letters("3")), KeyAction::List);
        assert_eq!(model.window, WindowKey::FifteenMinutes);
        press(&mut model, &letters("p"));
        assert!(model.paused.is_some());
        press(&mut model, &letters("2"));
        assert!(model.paused.is_none(), "numbers of another window are held under its name");
        assert_eq!(
            press(&mut model, &[KeyCode::Char('g'), KeyCode::Enter]),
            KeyAction::History(model.selected().unwrap().id.clone())
        );
        press(&mut model, &[KeyCode::Esc, KeyCode::Char('?'), KeyCode::Char('q')]);
        assert_eq!(press(&mut model, &letters("q")), KeyAction::Quit);
        let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        press(&mut model, &letters("/"));
        assert_eq!(on_key(&mut model, &Event::Key(control_c)), KeyAction::Quit);
        let control_z = KeyEvent::new(KeyCode::Char('z'), KeyModifiers::CONTROL);
        assert_eq!(on_key(&mut model, &Event::Key(control_z)), KeyAction::Stop);
    }
}
