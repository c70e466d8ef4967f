//! A measured figure with its goal, and all figures as a table or JSON.

use std::fmt::Write;

use serde_json::{Value, json};

/// A measured figure.
#[derive(Debug, Clone)]
pub struct Measurement {
    /// Its name, with the unit.
    pub name: String,
    /// The goal: the maximum, if there is one.
    pub goal: Option<f64>,
    /// The measured value.
    pub measured: f64,
    /// How it was measured.
    pub note: String,
}

impl Measurement {
    /// A figure that should not exceed a goal.
    pub fn at_most(name: impl Into<String>, goal: f64, measured: f64, note: impl Into<String>) -> Self {
        Self { name: name.into(), goal: Some(goal), measured, note: note.into() }
    }

    /// A figure without a goal.
    pub fn without_goal(name: impl Into<String>, measured: f64, note: impl Into<String>) -> Self {
        Self { name: name.into(), goal: None, measured, note: note.into() }
    }

    /// Whether its goal is met; `None` if there is none.
    pub fn goal_met(&self) -> Option<bool> {
        self.goal.map(|goal| self.measured <= goal)
    }

    fn json(&self) -> Value {
        json!({"figure": self.name, "goal": self.goal, "measured": self.measured, "met": self.goal_met(), "note": self.note})
    }
}

/// All figures as a table.
pub fn table(figures: &[Measurement]) -> String {
    let mut table = "| figure | goal | measured | | how |\n|---|--:|--:|---|---|\n".to_owned();
    for figure in figures {
        let goal = figure.goal.map_or_else(|| "–".to_owned(), |goal| format!("≤ {}", number(goal)));
        let verdict = match figure.goal_met() {
            None => "",
            Some(true) => "met",
            Some(false) => "**missed**",
        };
        let measured = number(figure.measured);
        let _ = writeln!(table, "| {} | {goal} | {measured} | {verdict} | {} |", figure.name, figure.note);
    }
    table
}

/// All figures as data.
pub fn json(figures: &[Measurement]) -> Value {
    json!({"figures": figures.iter().map(Measurement::json).collect::<Vec<_>>()})
}

fn number(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}
