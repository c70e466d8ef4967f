//! Tests of the rendered overview: the sample mesh, hostile names, and an empty mesh.

use crate::dashboard::onboarding::TokenRequirement;
use crate::dashboard::overview::*;
use crate::dashboard::sample;
use crate::dashboard::sample::NOW_MS;
use format::time;

fn page(snapshot: &Snapshot, query: &str) -> String {
    let query = Query::<ViewQuery>::try_from_uri(&format!("/?{query}").parse().unwrap()).unwrap();
    let view = OverviewQuery::from(query.0);
    let overview = Overview::of(snapshot, view.window);
    let range = RangeForm::of(view.window, snapshot, &Zone::default());
    OverviewPage::new(
        OnboardingTexts::at("http://127.0.0.1:8091", TokenRequirement::Open),
        snapshot,
        overview,
        view,
        String::new(),
        range,
        sample::operator(),
    )
    .render()
    .unwrap()
}

/// The opening tag of the element with this id.
#[track_caller]
fn tag<'a>(html: &'a str, id: &str) -> &'a str {
    let at = html.find(&format!("id=\"{id}\"")).unwrap_or_else(|| panic!("there is no {id}"));
    let from = html[..at].rfind('<').unwrap();
    &html[from..from + html[from..].find('>').unwrap()]
}

#[test]
fn the_page_has_a_row_for_each_endpoint_and_one_to_clone() {
    let html = page(&sample::snapshot(), "");
    assert_eq!(html.matches("<tr role=\"row\" id=").count(), 7);
    assert_eq!(html.matches("<tr role=\"row\" id=\"\"").count(), 1);
    assert!(html.contains("6 endpoints in 5 services, telemetry from 1 of 2 pods"));
    assert!(tag(&html, "e000000000001").contains("data-level=\"bad\""));
    assert!(tag(&html, "e000000000004").contains("data-off=\"yes\""));
}

#[test]
fn on_a_large_mesh_only_the_rows_on_the_screen_are_sent() {
    let mut snapshot = sample::snapshot();
    let moment = |snapshot: &Snapshot, find: &str| {
        let view = OverviewQuery { find: find.into(), ..OverviewQuery::default() };
        Overview::of(snapshot, view.window).live_frame(&view)
    };
    assert_eq!(moment(&snapshot, "/nothing").rows.len(), 6, "of a few endpoints, the script has all");
    for number in 100..100 + ALL_ROWS_MAX as u64 {
        snapshot.endpoints.push(sample::row(number, "GET", &format!("/many/{number}"), "web", sample::golden(1, 0, 1)));
    }
    let first = moment(&snapshot, "");
    assert_eq!(first.rows.len(), FILTERED_ROWS_MAX);
    assert!(first.cells.elements().len() < FILTERED_ROWS_MAX + 20);
    assert_eq!(first.cells.elements()["page"].get("foot"), Some("Showing 200 of 1,006 endpoints: filter to see the others"));
    assert_eq!(moment(&snapshot, "/many/777").rows.len(), 1);
    let html = page(&snapshot, "");
    assert!(tag(&html, "view").contains("data-choosing") && tag(&html, "view").contains("data-shape=\"chosen\""));
    assert!(!tag(&page(&sample::snapshot(), ""), "view").contains("data-choosing"));
}

#[test]
fn hostile_names_stay_text() {
    let html = page(&sample::snapshot(), "find=%3Cscript%3E&service=%22%3E%3Cb%3E");
    assert!(!html.contains("<script>alert") && !html.contains("<b>'evil'"));
    assert!(!html.contains("\"><b>") && !html.contains("“<script>"));
    assert_eq!(html.matches("<script").count(), 1, "the page's own script is the only one");
    assert!(!html.contains(" style=") && !html.contains(" onclick="));
}

#[test]
fn without_script_the_filter_chooses_rows() {
    let html = page(&sample::snapshot(), "show=failing");
    assert!(tag(&html, "e000000000001").contains("data-level=\"bad\""));
    assert!(!html.contains("id=\"e000000000002\""));
    assert!(tag(&html, "table").contains("data-filtered=\"some\""));
    assert!(tag(&page(&sample::snapshot(), "find=chekout"), "table").contains("data-filtered=\"all\""));
}

#[test]
fn what_a_rule_answers_is_a_part_of_what_came() {
    let overview = Overview::of(&sample::snapshot(), DisplayWindow::default());
    let off = overview.rows.iter().find(|row| row.cells.off == "yes").unwrap();
    assert_eq!((off.cells.rps.as_str(), off.cells.blocked.as_str()), ("12.1", "12.1 blocked/s"));
    assert!(off.keys.rps > 12.0, "it is sorted by what is shown");
}

#[test]
fn of_many_rows_the_first_come_with_the_page() {
    let mut snapshot = sample::snapshot();
    snapshot.endpoints =
        (0..1000).map(|at| sample::row(at, "GET", &format!("/a{at}"), "shop", sample::golden(1, 0, 3))).collect();
    let html = page(&snapshot, "");
    assert_eq!(html.matches("<tr role=\"row\" id=\"e").count(), ROWS_MAX);
    assert!(html.contains("<b>Showing <span id=\"shown\">40</span> of <span id=\"passing\">1000</span>: filter"));
    assert!(page(&sample::snapshot(), "").contains("<b hidden>Showing"));
}

#[test]
fn an_endpoint_is_shown_in_the_same_window() {
    let html = page(&sample::snapshot(), "window=1h");
    assert!(html.contains("href=\"endpoints/e000000000003?window=1h\"") && html.contains("href=\"./map?window=1h\""), "{html}");
    assert!(page(&sample::snapshot(), "").contains("href=\"endpoints/e000000000003\""), "the usual window needs no word");
}

#[test]
fn a_sorted_column_says_so() {
    let html = page(&sample::snapshot(), "sort=p95:down");
    assert_eq!(html.matches("aria-sort=\"descending\"").count(), 1);
    assert!(html.contains("value=\"p95:up\""));
}

#[test]
fn an_empty_mesh_shows_the_first_steps() {
    let mut snapshot = sample::snapshot();
    snapshot.endpoints.clear();
    assert!(tag(&page(&snapshot, ""), "table").contains("data-state=\"no-requests\""));
    snapshot.pods.clear();
    let html = page(&snapshot, "");
    assert!(tag(&html, "table").contains("data-state=\"no-pods\""));
    assert!(html.contains("sitio run --control-plane http://127.0.0.1:8091"));
}

#[test]
fn the_switch_shows_what_pods_have_confirmed() {
    let html = page(&sample::snapshot(), "");
    let row = &html[html.find("id=\"e000000000003\"").unwrap()..];
    let switch = &row[row.find("<button class=\"sw\"").unwrap()..];
    let switch = &switch[..switch.find("</button>").unwrap()];
    assert!(switch.contains("aria-checked=\"true\"") && switch.contains("aria-busy=\"true\""));
    assert!(switch.contains("Turning off") && switch.contains("1 of 2 pods"));
    assert!(page(&sample::snapshot(), "").contains(&time::clock(NOW_MS)));
}
