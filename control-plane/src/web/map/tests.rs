//! The map as it is drawn: for a small shop, for hostile names, for nothing at all.

use ::mesh::callers::Calls;

use super::*;
use crate::callers::Who;
use crate::fleet::called::Heard;
use crate::web::judge::Level;
use crate::web::map::mesh::{Caller, Edge, Service};
use crate::web::sample;

fn name(service: &str) -> mesh::Name {
    ("default".into(), service.into())
}

fn edge(from: &str, to: &str, rps: f64, level: Level) -> Edge {
    let from = if from.is_empty() { Caller::Outside } else { Caller::Service(name(from)) };
    Edge { from, to: name(to), rps, failures_per_s: rps / 10.0, level, off: 0 }
}

fn shop() -> Mesh {
    let edges = vec![
        edge("", "storefront", 100.0, Level::Calm),
        edge("storefront", "payments", 10.0, Level::Red),
        edge("storefront", "search", 20.0, Level::Calm),
        Edge { off: 1, ..edge("payments", "legacy", 1.0, Level::Calm) },
    ];
    let service = |rps| Service { rps, endpoints: 2, off: 1, ..Service::default() };
    let services = ["storefront", "payments", "search", "legacy"].map(|one| (name(one), service(1.0)));
    Mesh { services: services.into(), edges }
}

#[test]
fn callers_stand_left_of_whom_they_call() {
    let picture = Picture::of(&shop());
    let x = |wanted: &str| -> f64 {
        let node = picture.nodes.iter().find(|node| node.cells.name == wanted).unwrap();
        node.cells.place["translate(".len()..].split(' ').next().unwrap().parse().unwrap()
    };
    assert!(x("Outside") < x("storefront") && x("storefront") < x("payments") && x("payments") < x("legacy"));
    assert_eq!((picture.width, picture.height), (1284.0, 158.0));
}

#[test]
fn a_connection_tells_its_traffic_and_what_is_wrong() {
    let picture = Picture::of(&shop());
    let told: Vec<_> =
        picture.edges.iter().map(|edge| (edge.cells.label.as_str(), edge.cells.level, edge.cells.broken)).collect();
    assert_eq!(
        told,
        [("100/s", "", "no"), ("10.0/s · 1.00 5xx/s", "bad", "no"), ("20.0/s", "", "no"), ("1.00/s · 1 off", "", "yes")]
    );
    assert!(picture.edges.iter().all(|edge| edge.cells.path.starts_with('M')));
}

#[test]
fn the_words_of_curves_that_cross_stand_apart_and_not_on_the_crossing() {
    // Two callers and two services, and everybody calls each: in the middle between them two curves cross.
    let mut mesh = Mesh::default();
    for (from, to) in [("a", "c"), ("a", "d"), ("b", "c"), ("b", "d")] {
        mesh.edges.push(edge(from, to, 16.0, Level::Calm));
    }
    mesh.services = ["a", "b", "c", "d"].map(|one| (name(one), Service::default())).into();
    let picture = Picture::of(&mesh);
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
    let before = Picture::of(&mesh).shape();
    mesh.edges[0].rps = 7.0;
    assert_eq!(Picture::of(&mesh).shape(), before);
    mesh.edges.push(edge("search", "legacy", 1.0, Level::Calm));
    assert_ne!(Picture::of(&mesh).shape(), before);
}

#[test]
fn of_too_many_services_the_busiest_are_drawn() {
    let mut mesh = Mesh::default();
    for number in 0..100 {
        let service = Service { rps: f64::from(number), ..Service::default() };
        mesh.services.insert(name(&format!("s{number}")), service);
        mesh.edges.push(edge("", &format!("s{number}"), f64::from(number), Level::Calm));
    }
    let picture = Picture::of(&mesh);
    assert_eq!((picture.nodes.len(), picture.edges.len()), (61, 100));
    assert!(picture.nodes.iter().any(|node| node.cells.name == "s99") && picture.edges[0].cells.path.is_empty());
}

#[test]
fn a_hostile_name_stays_text() {
    let html = MapPage::of(&sample::snapshot(), &HashMap::new(), Span::default(), String::new()).render().unwrap();
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
        MapPage::of(&snapshot, &HashMap::new(), Span::default(), String::new())
            .render()
            .unwrap()
            .contains("data-state=\"no-pods\"")
    );
}

fn heard(hits: u64, lately: f64, failed_lately: f64, ago_ms: u64) -> Heard {
    Heard { calls: Calls { hits, failures: 0, last_ms: sample::NOW_MS - ago_ms }, lately, failed_lately }
}

/// One endpoint of `payments`, asked 41.6 times a second, of which 3.29 fail.
fn called_by(callers: Vec<(Who, Heard)>) -> HashMap<String, CalledBy> {
    let mut sum = Heard::default();
    for (_, heard) in &callers {
        sum.add(*heard);
    }
    let callers = callers.into_iter().map(|(who, heard)| crate::callers::Caller { who, heard, pods: vec![] }).collect();
    HashMap::from([("e000000000001".to_owned(), CalledBy { callers, sum, unknown_hits: 0 })])
}

fn told(called_by: &HashMap<String, CalledBy>) -> Vec<(String, String)> {
    let mut snapshot = sample::snapshot();
    snapshot.endpoints.retain(|row| row.service == "payments");
    let picture = Picture::of(&Mesh::of(&snapshot, called_by));
    picture.edges.iter().map(|edge| (edge.cells.from.clone(), edge.cells.label.clone())).collect()
}

#[test]
fn each_caller_has_the_part_of_the_traffic_that_it_asked_lately_and_the_failures_that_it_got() {
    let service = |service: &str| Who::Service { namespace: "default".into(), service: service.into() };
    let all = called_by(vec![
        (service("storefront"), heard(10, 75.0, 6.0, 500)),
        (service("search"), heard(90, 15.0, 0.0, 500)),
        (Who::Address([192, 0, 2, 7].into()), heard(5, 5.0, 0.0, 500)),
        (Who::Address([192, 0, 2, 8].into()), heard(5, 5.0, 0.0, 500)),
        (service("gone"), heard(900, 0.0, 0.0, 3_600_000)),
    ]);
    let expected = [("Outside", "4.16/s"), ("search", "6.24/s"), ("storefront", "31.2/s · 3.29 5xx/s")];
    assert_eq!(told(&all), expected.map(|(from, label)| (from.to_owned(), label.to_owned())));
}

#[test]
fn traffic_of_which_nobody_tells_whose_it_is_is_not_from_outside() {
    let label = "41.6/s · 3.29 5xx/s".to_owned();
    assert_eq!(told(&HashMap::new()), [("Others".to_owned(), label.clone())]);
    assert_eq!(told(&called_by(vec![(Who::Others, heard(9, 9.0, 1.0, 0))])), [("Others".to_owned(), label)]);
}
