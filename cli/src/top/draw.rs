//! Draws the model: a header, the list or one endpoint, and the keys.

mod detail;
mod dialog;
mod list;
pub(super) mod styles;

use format::{health, number, time};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

use crate::color::ColorMode;
use crate::sanitize::short;
use crate::table::column::Tone;
use crate::top::draw::styles::style;
use crate::top::model::{Mode, Model};

/// Draws the whole screen.
pub(super) fn all(frame: &mut Frame<'_>, model: &Model, paint: ColorMode) {
    let [head, status, body, keys] =
        Layout::vertical([Constraint::Length(1), Constraint::Length(1), Constraint::Min(1), Constraint::Length(1)])
            .areas(frame.area());
    frame.render_widget(title(model, paint), head);
    frame.render_widget(news(model, paint), status);
    match &model.mode {
        Mode::Detail(detail) => detail::draw(frame, body, model, detail, paint),
        _ => list::draw(frame, body, model, paint),
    }
    match &model.mode {
        Mode::TurnOff(question) => dialog::turn_off(frame, body, model, question, paint),
        Mode::TurnOn(rule) => dialog::turn_on(frame, body, rule),
        Mode::Help => dialog::help(frame, body),
        Mode::List | Mode::Find | Mode::Detail(_) => {}
    }
    frame.render_widget(hints(model), keys);
}

fn title(model: &Model, paint: ColorMode) -> Line<'static> {
    let shown = model.shown();
    let sum =
        |number: fn(&api::endpoints::Endpoint) -> u64| shown.iter().map(|endpoint| number(endpoint)).fold(0, u64::saturating_add);
    let (failures, served) = (sum(api::endpoints::Endpoint::failures), sum(api::endpoints::Endpoint::served));
    let rps: f64 = shown.iter().map(|endpoint| endpoint.rps).sum();
    let failing = health::ratio(failures, served);
    let tone = match health::failing(failing, served) {
        health::HealthLevel::Calm => Tone::Calm,
        health::HealthLevel::Amber => Tone::Amber,
        health::HealthLevel::Red => Tone::Red,
    };
    let reversed = if model.is_reversed { ", reversed" } else { "" };
    let all = number::plural(model.all().len(), "endpoint", "endpoints");
    let count = if model.find.is_empty() { all } else { format!("{} of {all}", number::count(shown.len() as u64)) };
    let order = format!("{:?}{reversed}", model.sort).to_lowercase();
    Line::from(vec![
        Span::styled("Sitio ", Style::default().add_modifier(Modifier::BOLD)),
        Span::raw(format!("{count} · {} req/s · ", number::rate(rps))),
        Span::styled(format!("{} failing", number::percent(failing).words()), style(tone, paint)),
        Span::raw(format!(" · last {} · by {order} · {}", model.window.name(), model.url)),
    ])
}

/// The status line: a lost connection, pause, the search text, or the last message.
fn news(model: &Model, paint: ColorMode) -> Line<'static> {
    if let Some(lost) = &model.lost {
        let since = time::span(lost.since.elapsed().as_millis() as u64);
        let taken =
            if model.has_begun() { format!("numbers of {} UTC", time::clock(model.taken_ms())) } else { "no numbers".into() };
        let words = format!("CONNECTION LOST for {since}, {taken}: {}", lost.why);
        return Line::styled(words, style(Tone::Red, paint).add_modifier(Modifier::REVERSED));
    }
    if let Mode::Find = model.mode {
        return Line::raw(format!("find: {}▏", short(&model.find)));
    }
    if let Some(held) = &model.paused {
        let words = format!("PAUSED, {} held; p goes on", number::plural(held.answers as usize, "update", "updates"));
        let paused = Span::styled(words, style(Tone::Amber, paint).add_modifier(Modifier::REVERSED));
        // The result of a command is not an update, and is shown during a pause.
        let said = model.note.as_ref().map(|(words, tone)| Span::styled(format!("  {words}"), style(*tone, paint)));
        return [paused].into_iter().chain(said).collect();
    }
    match &model.note {
        Some((words, tone)) => Line::styled(words.clone(), style(*tone, paint)),
        None if !model.find.is_empty() => Line::raw(format!("found by {:?}; Esc shows all", short(&model.find))),
        None => Line::raw(""),
    }
}

fn hints(model: &Model) -> Paragraph<'static> {
    let words = match &model.mode {
        Mode::List => "↑↓ select  Enter look  x off/on  / find  s sort  r reverse  1-9 window  p pause  ? help  q quit",
        Mode::Find => "Enter keep  Esc clear",
        Mode::Detail(_) => "Esc back  x off/on  1-9 window  p pause  q quit",
        Mode::TurnOff(_) => "Enter turn off  Tab time  Esc cancel",
        Mode::TurnOn(_) => "Enter turn on  Esc cancel",
        Mode::Help => "any key goes back",
    };
    Paragraph::new(Line::styled(words, Style::default().add_modifier(Modifier::DIM)))
}

#[cfg(test)]
mod tests;
