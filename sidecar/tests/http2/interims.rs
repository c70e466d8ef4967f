//! Tests of interim responses: they pass in order before the final one, and a service cannot send them without end.

use crate::client::{Client, Innocent, head};
use crate::service::{Connection, Plan, Script, Seen, Service};
use crate::support::sidecar;
use crate::wire::value;

/// The most interim responses that are forwarded.
const INTERIM_MAX: usize = 32;

/// `/interim/5` is answered with 100, four times 103, and the final response.
fn asked(connection: &mut Connection, seen: &Seen) -> Option<Plan> {
    let interims: usize = seen.path().strip_prefix("/interim/")?.parse().ok()?;
    for number in 0..interims {
        let status = if number == 0 { "100" } else { "103" };
        connection.wire.head(seen.stream, &[(":status", status), ("number", &number.to_string())], false);
    }
    Some(Plan::Echo)
}

#[tokio::test]
async fn interim_responses_pass_in_order_before_the_final_one_up_to_a_limit() {
    let service = Service::start(Script { asked: Box::new(asked), ..Script::default() });
    let (_workers, address) = sidecar(service.address).await;
    let innocent = Innocent::begin(address);
    let mut client = Client::connect(address);
    for interims in [1, 2, INTERIM_MAX] {
        let answer = client.ask(&format!("/interim/{interims}"));
        assert_eq!((answer.status(), answer.text()), (200, format!("GET /interim/{interims} 0")), "{answer:?}");
        let statuses: Vec<&str> = answer.interims.iter().map(|interim| interim[0].1.as_str()).collect();
        assert_eq!((statuses[0], statuses.len()), ("100", interims));
        assert!(statuses[1..].iter().all(|status| *status == "103"), "{statuses:?}");
        let numbers: Vec<&str> = answer.interims.iter().map(|interim| interim[1].1.as_str()).collect();
        assert!(numbers.iter().enumerate().all(|(number, text)| number.to_string() == *text), "{numbers:?}");
    }
    let answer = client.ask(&format!("/interim/{}", INTERIM_MAX + 1));
    assert_eq!((answer.status(), answer.field("x-sitio-error")), (502, "upstream-protocol"), "{answer:?}");
    assert!(answer.interims.len() <= INTERIM_MAX && answer.is_whole);
    innocent.finish();
}

#[tokio::test]
async fn an_interim_response_that_ends_its_stream_is_no_response() {
    let asked = |connection: &mut Connection, seen: &Seen| {
        let is_bad = seen.path() == "/bad";
        is_bad.then(|| {
            connection.wire.head(seen.stream, &[(":status", "103")], true);
            Plan::Scripted
        })
    };
    let service = Service::start(Script { asked: Box::new(asked), ..Script::default() });
    let (_workers, address) = sidecar(service.address).await;
    let innocent = Innocent::begin(address);
    let answer = Client::connect(address).ask("/bad");
    assert_eq!((answer.status(), answer.field("x-sitio-error")), (502, "upstream-protocol"), "{answer:?}");
    innocent.finish();
}

#[tokio::test]
async fn a_client_that_waits_for_100_before_its_body_gets_it_from_the_service() {
    let asked = |connection: &mut Connection, seen: &Seen| {
        if value(&seen.fields, "expect").is_some() {
            connection.wire.head(seen.stream, &[(":status", "100")], false);
        }
        None
    };
    let service = Service::start(Script { asked: Box::new(asked), ..Script::default() });
    let (_workers, address) = sidecar(service.address).await;
    let mut client = Client::connect(address);
    let mut fields = head("POST", "/upload").to_vec();
    fields.push(("expect", "100-continue"));
    let stream = client.request(&fields, false);
    client.read_until(|client| !client.answers[&stream].interims.is_empty());
    assert_eq!(client.answers[&stream].interims[0][0].1, "100");
    client.wire.body(stream, "body", true);
    assert_eq!(client.answer(stream).text(), "POST /upload 4");
}
