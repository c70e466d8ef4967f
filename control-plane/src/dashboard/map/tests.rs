//! Rendering of the map: a small shop, hostile names, and an empty mesh.

use ::mesh::callers::Calls;

use crate::counts::fleet::endpoint_callers::CallerCounts;
use crate::dashboard::map::mesh::{MapCaller, MapEdge, MapService};
use crate::dashboard::map::*;
use crate::dashboard::sample;
use crate::query::callers::Who;
use format::health::HealthLevel;

fn name(service: &str) -> mesh::Name {
    ("default".into(), service.into())
}

fn edge(from: &str, to: &str, rps: f64, level: HealthLevel) -> MapEdge {
    let from = if from.is_empty() { MapCaller::Outside } else { MapCaller::Service(name(from)) };
    MapEdge { from, to: name(to), rps, failures_per_s: rps / 10.0, level, off: 0 }
}

fn picture(mesh: &ServiceMap) -> Picture {
    Picture::of(mesh, &MapView::default())
}

fn shop() -> ServiceMap {
    let edges = vec![
        edge("", "storefront", 100.0, HealthLevel::Calm),
        edge("storefront", "payments", 10.0, HealthLevel::Red),
        edge("storefront", "search", 20.0, HealthLevel::Calm),
        MapEdge { off: 1, ..edge("payments", "legacy", 1.0, HealthLevel::Calm) },
    ];
    let service = |rps| MapService { rps, endpoints: 2, off: 1, ..MapService::default() };
    let services = ["storefront", "payments", "search", "legacy"].map(|one| (name(one), service(1.0)));
    ServiceMap { services: services.into(), edges }
}

#[test]
fn callers_stand_left_of_the_services_that_they_call() {
    let picture = picture(&shop());
    let x = |wanted: &str| -> f64 {
        let node = picture.nodes.iter().find(|node| node.cells.name == wanted).unwrap();
        node.cells.place["translate(".len()..].split(' ').next().unwrap().parse().unwrap()
    };
    assert!(x("Outside") < x("storefront") && x("storefront") < x("payments") && x("payments") < x("legacy"));
    assert_eq!((picture.width, picture.height), (1284.0, 158.0));
}

#[test]
fn an_edge_shows_its_traffic_and_what_is_wrong() {
    let picture = picture(&shop());
    let reported: Vec<_> =
        picture.edges.iter().map(|edge| (edge.cells.label.as_str(), edge.cells.level, edge.cells.broken)).collect();
    assert_eq!(
        reported,
        [("100/s", "", "no"), ("10.0/s · 1.00 5xx/s", "bad", "no"), ("20.0/s", "", "no"), ("1.00/s · 1 off", "", "yes")]
    );
    assert!(picture.edges.iter().all(|edge| edge.cells.path.starts_with('M')));
}

#[test]
fn the_words_of_curves_that_cross_stand_apart_and_not_on_the_crossing() {
    // Two callers each call both services: two curves cross in the middle.
    let mut mesh = ServiceMap::default();
    for (from, to) in [("a", "c"), ("a", "d"), ("b", "c"), ("b", "d")] {
        mesh.edges.push(edge(from, to, 16.0, HealthLevel::Calm));
    }
    mesh.services = ["a", "b", "c", "d"].map(|one| (name(one), MapService::default())).into();
    let picture = picture(&mesh);
    let places: Vec<(f64, f64)> =
        picture.edges.iter().map(|edge| (edge.cells.x.parse().unwrap(), edge.cells.y.parse().unwrap())).collect();
    let crossing = (picture.width / 2.0, picture.height / 2.0);
    for (at, place) in places.iter().enumerate() {
        for other in places[at + 1..].iter().chain([&crossing]) {
            let (across, down) = ((place.0 - other.0).abs(), (place.1 - other.1).abs());
            assert!(across > 24.0 || down > 10.0, "{place:?} and {other:?} of {places:?}");
        }
    }
}

#[test]
fn the_shape_changes_only_when_something_stands_elsewhere() {
    let mut mesh = shop();
    let before = picture(&mesh).shape();
    mesh.edges[0].rps = 7.0;
    assert_eq!(picture(&mesh).shape(), before);
    mesh.edges.push(edge("search", "legacy", 1.0, HealthLevel::Calm));
    assert_ne!(picture(&mesh).shape(), before);
}

#[test]
fn of_too_many_services_the_busiest_are_drawn() {
    let mut mesh = ServiceMap::default();
    for number in 0..100 {
        let service = MapService { rps: f64::from(number), ..MapService::default() };
        mesh.services.insert(name(&format!("s{number}")), service);
        mesh.edges.push(edge("", &format!("s{number}"), f64::from(number), HealthLevel::Calm));
    }
    let picture = picture(&mesh);
    assert_eq!((picture.nodes.len(), picture.edges.len()), (25, 100));
    assert!(picture.nodes.iter().any(|node| node.cells.name == "s99") && picture.edges[0].cells.path.is_empty());
}

/// Sixty services in three namespaces, all called from outside.
fn sixty() -> Snapshot {
    let mut snapshot = sample::snapshot();
    let like = snapshot.endpoints[0].clone();
    let row = |number: usize| {
        let mut row = like.clone();
        (row.namespace, row.service) = (["shop", "bank", "lab"][number % 3].into(), format!("service-{number:02}"));
        row
    };
    snapshot.endpoints = (0..60).map(row).collect();
    snapshot.pods.clear();
    snapshot
}

fn sixty_as(query: &str) -> String {
    let query: ViewQuery = asked(query);
    MapPage::of(&sixty(), &HashMap::new(), query, sample::operator()).render().unwrap()
}

fn asked(query: &str) -> ViewQuery {
    let address = format!("/map?{query}").parse().unwrap();
    Query::try_from_uri(&address).map(|Query(query)| query).unwrap()
}

#[test]
fn among_sixty_services_one_can_be_found_zoomed_to_and_folded_away() {
    let boxes = |html: &str| html.matches("class=\"node\"").count();
    let whole = sixty_as("");
    assert_eq!(boxes(&whole), 25, "the busiest, and who calls them");
    assert!(whole.contains("36 quieter services are only in the table"));
    assert_eq!(whole.matches("<option value=\"shop/").count(), 20, "each may be zoomed to");

    let found = sixty_as("find=SERVICE-07");
    assert!(boxes(&found) == 2 && found.contains(">bank/service-07<") && found.contains("value=\"SERVICE-07\""));
    let near = sixty_as("focus=lab/service-02&window=1h");
    assert!(boxes(&near) == 2 && near.contains("href=\"map?focus=lab%2Fservice-02&#38;window=1h\""), "{near}");
    let folded = sixty_as("group=namespace");
    assert!(boxes(&folded) == 4 && folded.contains("href=\"map?namespace=shop\""), "{folded}");
    assert_eq!(boxes(&sixty_as("namespace=shop")), 21);

    let none = sixty_as("find=nothing");
    assert!(none.contains("data-filtered=\"all\"") && none.contains("No service matches this filter"));
}

#[test]
fn a_long_name_is_cut_in_its_middle_and_whole_on_hover() {
    let mut mesh = ServiceMap::default();
    let long = format!("{}-primary", "service".repeat(8));
    mesh.services.insert(name(&long), MapService::default());
    let picture = picture(&mesh);
    let cells = &picture.nodes[0].cells;
    assert_eq!((&*cells.name, cells.title.starts_with(&long)), ("services…-primary", true));
}

#[test]
fn a_hostile_name_stays_text() {
    let html = MapPage::of(&sample::snapshot(), &HashMap::new(), ViewQuery::default(), sample::operator()).render().unwrap();
    assert!(!html.contains("<b>'evil'") && html.contains("&#60;b&#62;") && !html.contains(" style="));
    assert!(html.contains("href=\"./?service=%3Cb%3E%27evil%27\""));
    assert!(html.contains("payments") && html.contains("data-level=\"bad\""));
}

#[test]
fn an_empty_mesh_has_no_picture() {
    let mut snapshot = sample::snapshot();
    snapshot.endpoints.clear();
    snapshot.pods.clear();
    assert!(
        MapPage::of(&snapshot, &HashMap::new(), ViewQuery::default(), sample::operator())
            .render()
            .unwrap()
            .contains("data-state=\"no-pods\"")
    );
}

fn received(hits: u64, lately: f64, failed_lately: f64, ago_ms: u64) -> CallerCounts {
    CallerCounts { calls: Calls { hits, failures: 0, last_ms: sample::NOW_MS - ago_ms }, recent: lately, failed_lately }
}

/// The callers of one endpoint of `payments` with 41.6 requests per second, of which 3.29 fail.
fn called_by(callers: Vec<(Who, CallerCounts)>) -> HashMap<String, CalledBy> {
    let mut sum = CallerCounts::default();
    for (_, received) in &callers {
        sum.add(*received);
    }
    let callers = callers
        .into_iter()
        .map(|(who, received)| crate::query::callers::ResolvedCaller { who, received, pods: vec![] })
        .collect();
    HashMap::from([("e000000000001".to_owned(), CalledBy { callers, sum, unknown_hits: 0 })])
}

fn describe(called_by: &HashMap<String, CalledBy>) -> Vec<(String, String)> {
    let mut snapshot = sample::snapshot();
    snapshot.endpoints.retain(|row| row.service == "payments");
    let picture = picture(&ServiceMap::of(&snapshot, called_by));
    picture.edges.iter().map(|edge| (edge.cells.from.clone(), edge.cells.label.clone())).collect()
}

#[test]
fn each_caller_has_the_part_of_the_traffic_that_it_asked_lately_and_the_failures_that_it_got() {
    let service = |service: &str| Who::Service { namespace: "default".into(), service: service.into() };
    let all = called_by(vec![
        (service("storefront"), received(10, 75.0, 6.0, 500)),
        (service("search"), received(90, 15.0, 0.0, 500)),
        (Who::Address([192, 0, 2, 7].into()), received(5, 5.0, 0.0, 500)),
        (Who::Address([192, 0, 2, 8].into()), received(5, 5.0, 0.0, 500)),
        (service("gone"), received(900, 0.0, 0.0, 3_600_000)),
    ]);
    let expected = [("Outside", "4.16/s"), ("search", "6.24/s"), ("storefront", "31.2/s · 3.29 5xx/s")];
    assert_eq!(describe(&all), expected.map(|(from, label)| (from.to_owned(), label.to_owned())));
}

#[test]
fn traffic_of_unknown_callers_is_not_from_outside() {
    let label = "41.6/s · 3.29 5xx/s".to_owned();
    assert_eq!(describe(&HashMap::new()), [("Others".to_owned(), label.clone())]);
    assert_eq!(describe(&called_by(vec![(Who::Others, received(9, 9.0, 1.0, 0))])), [("Others".to_owned(), label)]);
}
