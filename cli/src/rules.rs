//! `sitio rules`: lists the rules in force, or one rule with the receipt of each pod.

use std::process::ExitCode;

use api::rule_results::Circuits;
use api::rules::{Receipt, ReceiptState, Rule, RuleState, Rules};
use decorators::selection::Mode;
use format::label::service_label;
use format::number;

use crate::color::ColorMode;
use crate::interrupt::Interrupts;
use crate::sanitize::{plain, short};
use crate::show::ShowOptions;
use crate::table::column::{Cell, Column, Tone, kept, light, wide};
use crate::table::{TableWidth, table};
use crate::{complete, csv, moment};

/// Show the rules in force, or one rule with what each pod has said to it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sitio rules
  sitio rules r7          one rule, pod by pod
  sitio rules -o wide

ACTED: on how many requests the pods that run now have acted; in brackets, on how many a shadow would have.")]
pub(crate) struct RulesOptions {
    /// Only this rule, by its id; one that has ended not too long ago, too.
    #[arg(value_name = "RULE", add = complete::rules())]
    rule: Option<String>,
    /// Only of this namespace.
    #[arg(short, long)]
    namespace: Option<String>,
    #[command(flatten)]
    look: ShowOptions,
}

/// Prints the rules, or one rule.
pub(crate) async fn run(options: RulesOptions, paint: ColorMode, interrupts: Interrupts) -> anyhow::Result<ExitCode> {
    if let Some(refused) = options.look.refuse_time(options.rule.as_deref()) {
        return Ok(refused);
    }
    let client = options.look.connection.client()?;
    let page = async || {
        if let Some(id) = &options.rule {
            let rule = client.rule(id).await?;
            return options.look.format(&rule, |room| one(&rule, room, paint), || csv::rules::receipts(&rule));
        }
        let mut answer: Rules = client.rules().await?;
        answer.rules.retain(|rule| options.namespace.as_ref().is_none_or(|namespace| *namespace == rule.namespace));
        let none = "no rule is in force: every endpoint is on";
        options.look.format(
            &answer,
            |room| table(&RULES, &answer.rules, none, moment::now_ms(), room, paint),
            || csv::rules::file(&answer.rules),
        )
    };
    options.look.show(interrupts, page).await
}

const RULES: [Column<Rule>; 13] = [
    kept(Column::words("RULE", |rule, _| Cell::new(&rule.id))),
    kept(Column::words("SERVICE", |rule, _| Cell::new(service_label(&rule.namespace, &rule.service)))),
    light(Column::words("METHOD", |rule, _| Cell::new(&rule.method))),
    kept(Column::words("ROUTE", |rule, _| Cell::new(&rule.route))),
    Column::numbers("STATUS", |rule, _| status(rule)),
    kept(Column::words("STATE", |rule, _| state(rule))),
    light(Column::numbers("ACTED", |rule, _| Cell::new(acted(rule)))),
    Column::numbers("PODS", |rule, _| Cell::new(applied(rule))),
    Column::numbers("LEFT", |rule, now_ms| Cell::new(moment::left(rule.expires_at.as_deref(), now_ms))),
    wide(Column::numbers("AGE", |rule, now_ms| Cell::new(moment::lasting(Some(&rule.created_at), now_ms)))),
    light(Column::words("BY", |rule, _| Cell::new(&rule.by))),
    wide(Column::numbers("REVISION", |rule, _| Cell::new(rule.revision.to_string()))),
    Column::words("REASON", |rule, _| Cell::new(&rule.reason)),
];

const RECEIPTS: [Column<Receipt>; 5] = [
    Column::words("POD", |receipt, _| Cell::new(&receipt.pod)),
    Column::words("STATE", |receipt, _| said(receipt)),
    Column::numbers("TOOK", |receipt, _| {
        Cell::new(receipt.took_ms.map_or_else(|| number::MISSING.to_owned(), |ms| format!("{} ms", number::count(ms))))
    }),
    Column::numbers("HEARD", |receipt, now_ms| Cell::new(moment::ago(receipt.heard_at.as_deref(), now_ms))),
    Column::words("WHY", |receipt, _| Cell::new(receipt.why.as_deref().unwrap_or_default())),
];

fn one(rule: &Rule, room: TableWidth, paint: ColorMode) -> String {
    let now_ms = moment::now_ms();
    let head = table(&RULES, std::slice::from_ref(rule), "", now_ms, room, paint);
    let ended = rule.ended.as_ref().map(|ended| {
        let by = ended.by.as_deref().map_or("its time was over".to_owned(), |by| format!("by {}", short(by)));
        format!("\nended {} UTC, {by}\n", moment::date_and_time(&ended.at))
    });
    let warnings: Vec<String> = rule.warnings.iter().map(|warning| format!("\nnote: {}\n", plain(warning))).collect();
    let warnings = warnings.concat();
    let results = results(rule);
    let receipts = table(&RECEIPTS, &rule.pods, "no pod is there that it is meant for", now_ms, room, paint);
    format!("{head}{}{warnings}{results}\n{receipts}", ended.unwrap_or_default())
}

/// What it has done, if it has: the counts, the circuits of a circuit breaker, and both sides of a split.
pub(crate) fn results(rule: &Rule) -> String {
    let counts = [("acted on", rule.acted), ("would have acted on", rule.shadowed), ("failed on", rule.failed)];
    let counts = counts.into_iter().filter(|(_, count)| *count > 0);
    let mut lines: Vec<String> =
        counts.map(|(what, count)| format!("{what} {}", number::plural(count as usize, "request", "requests"))).collect();
    if let Some(Circuits { closed, half_open, open }) = rule.circuits {
        lines.push(format!("circuits of the pods: {closed} closed, {half_open} half-open, {open} open"));
    }
    for (side, counted) in rule.split.iter().flat_map(|split| [("service itself", &split.own), ("other address", &split.other)]) {
        let latency = |ms: Option<f64>| number::latency(ms.map(|ms| ms * 1000.0)).words();
        lines.push(format!(
            "{side}: {} requests, {} failed, p50 {}, p99 {}",
            number::count(counted.requests),
            number::count(counted.failed),
            latency(counted.p50_ms),
            latency(counted.p99_ms)
        ));
    }
    lines.extend(
        rule.split.iter().flat_map(|split| [&split.errors, &split.latency]).map(|found| plain(&found.summary).to_string()),
    );
    match lines.as_slice() {
        [] => String::new(),
        lines => format!("\n{}\n", lines.join("\n")),
    }
}

fn status(rule: &Rule) -> Cell {
    let name = rule.action.disable_status().map_or_else(|| rule.action.name().to_owned(), |status| status.to_string());
    let share = if rule.percent < 100 { format!(" {} %", rule.percent) } else { String::new() };
    let shadow = if rule.mode == Mode::Shadow { " shadow" } else { "" };
    Cell::new(format!("{name}{share}{shadow}"))
}

/// On how many requests it has acted; in brackets, on how many a shadow would have.
fn acted(rule: &Rule) -> String {
    match rule.mode {
        Mode::Shadow => format!("({})", number::count(rule.shadowed)),
        Mode::Enforce => number::count(rule.acted),
    }
}

fn state(rule: &Rule) -> Cell {
    match &rule.state {
        RuleState::Pending => Cell::new("pending").toned(Tone::Amber),
        RuleState::Applied => Cell::new("applied"),
        RuleState::Refused => Cell::new("refused").toned(Tone::Red),
        RuleState::Withdrawn => Cell::new("withdrawn").toned(Tone::Muted),
        RuleState::Lapsed => Cell::new("lapsed").toned(Tone::Muted),
        RuleState::Unknown(word) => Cell::new(word),
    }
}

fn said(receipt: &Receipt) -> Cell {
    match &receipt.state {
        ReceiptState::Pending => Cell::new("pending").toned(Tone::Amber),
        ReceiptState::Applied => Cell::new("applied"),
        ReceiptState::Refused => Cell::new("refused").toned(Tone::Red),
        ReceiptState::Gone => Cell::new("gone").toned(Tone::Muted),
        ReceiptState::Unknown(word) => Cell::new(word),
    }
}

/// The number of pods that have confirmed, and of all that exist: `3/4`.
fn applied(rule: &Rule) -> String {
    let there = rule.pods.iter().filter(|receipt| receipt.state != ReceiptState::Gone);
    let applied = there.clone().filter(|receipt| receipt.state == ReceiptState::Applied).count();
    format!("{applied}/{}", there.count())
}
