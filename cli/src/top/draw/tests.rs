//! Tests of the screen, drawn into memory.

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use crate::sample::{answer, endpoint};
use crate::stat::Sort;
use crate::top::choice::TimeLimit;
use crate::top::draw::*;
use crate::top::model::TurnOffDialog;

fn screen(model: &Model, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| all(frame, model, ColorMode::Plain)).unwrap();
    let buffer = terminal.backend().buffer().clone();
    let line = |y: u16| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
    (0..height).map(line).collect()
}

fn model(endpoints: usize) -> Model {
    let mut model = Model::new("http://127.0.0.1:8090/".into(), Sort::Name);
    model.take(answer((0..endpoints).map(|number| endpoint("legacy", "GET", &format!("/export/{number:04}"))).collect()));
    model
}

#[test]
fn a_wide_screen_shows_all_columns_and_a_narrow_one_what_matters() {
    let wide = screen(&model(1), 140, 6);
    assert!(wide[0].starts_with("Sitio 1 endpoint · 1.67 req/s · 1.0 % failing · last 1m · by name · http:"), "{wide:?}");
    assert!(["HITS", "SUCCESS", "P50", "4XX", "STATE"].iter().all(|title| wide[2].contains(title)), "{wide:?}");
    assert!(wide[3].contains("/export/0000") && wide[3].contains("99.00 %") && wide[3].ends_with("on"), "{wide:?}");
    assert!(wide[5].contains("q quit"));
    let narrow = screen(&model(1), 40, 6);
    assert!(narrow[2].contains("RPS") && !narrow[2].contains("P99"), "{narrow:?}");
}

#[test]
fn the_selected_line_is_always_on_the_screen() {
    let mut model = model(1000);
    model.move_by(700);
    let lines = screen(&model, 100, 10);
    assert!(lines.iter().any(|line| line.contains("/export/0700")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("/export/0701") || line.contains("/export/0001")), "{lines:?}");
}

#[test]
fn trouble_is_said_in_words() {
    let mut model = model(1);
    model.pause_or_go_on();
    assert!(screen(&model, 100, 6)[1].starts_with("PAUSED, 0 updates held"));
    model.lose("nothing answers".into());
    let line = &screen(&model, 100, 6)[1];
    assert!(line.starts_with("CONNECTION LOST for 0 s, numbers of 14:07:41 UTC: nothing answers"), "{line}");
}

#[test]
fn a_question_says_what_would_happen() {
    let mut model = model(2);
    let id = model.selected().unwrap().id.clone();
    model.mode = Mode::TurnOff(TurnOffDialog { id, reason: "too slow".into(), limit: TimeLimit::None });
    let lines = screen(&model, 90, 14).join("\n");
    assert!(lines.contains("Turn GET /export/0000 off on 2 pods, until it is turned on by hand?"), "{lines}");
    assert!(lines.contains("Reason: too slow"), "{lines}");
}

#[test]
fn the_help_names_every_window() {
    let mut model = model(1);
    model.mode = Mode::Help;
    let lines = screen(&model, 100, 20).join("\n");
    assert!(lines.contains("1 to 9     the last 1, 5 or 15 min, 1, 6 or 24 h, 7, 30 or 90 days"), "{lines}");
}

#[test]
fn any_size_can_be_drawn() {
    let mut model = model(3);
    for (width, height) in [(1, 1), (2, 3), (20, 4), (300, 100)] {
        for mode in [Mode::List, Mode::Find, Mode::Help, Mode::TurnOn("r1".into())] {
            model.mode = mode;
            screen(&model, width, height);
        }
    }
}
