//! Notifications with real parts: a service that crashes, webhooks that are verified, and a real mail server.
#![allow(clippy::unwrap_used, reason = "a test may end by it")]

use std::time::Duration;

use anyhow::ensure;
use rustix::process::Signal;
use scenario::browser::{Browser, Scheme};
use scenario::control_plane::ControlPlane;
use scenario::eventually::{SOON, eventually};
use scenario::python_file_server::PythonFileServer;
use scenario::sidecar::Sidecar;
use serde_json::Value;

use crate::file::NotificationsFile;
use crate::receiver::WebhookReceiver;

mod file;
mod mail;
mod receiver;

/// A condition is over some seconds after it was last seen.
const CALM: Duration = Duration::from_secs(40);

/// The sidecars of three pods in front of one service.
fn three_sidecars(control_plane: &ControlPlane, service_port: u16, namespace: &str, service: &str) -> Vec<Sidecar> {
    let names = ["legacy-0", "legacy-1", "legacy-2"];
    let sidecar = |pod: &&str| {
        let sidecar = Sidecar::builder(service_port).reports_to(control_plane.grpc_port).named(service, pod);
        sidecar.with("POD_NAMESPACE", namespace).start()
    };
    let sidecars = names.iter().map(sidecar).collect();
    control_plane.api().expect_pods(&names);
    // A sidecar knows that a service has crashed only if it has seen it listen.
    eventually(SOON, || {
        let pods = control_plane.api().pods()?;
        ensure!(pods.iter().all(|pod| pod["service_listens"] == "listening"), "{pods:?}");
        Ok(())
    });
    sidecars
}

/// Waits until exactly these events have arrived, and returns the messages.
#[track_caller]
fn expect_events(receiver: &WebhookReceiver, expected: &[(&str, &str)]) -> Vec<Value> {
    eventually(CALM, || {
        let messages = receiver.messages();
        let word = |message: &Value, at: &str| message.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
        let events: Vec<_> =
            messages.iter().map(|message| (word(message, "/event"), word(message, "/notification/condition"))).collect();
        let wanted: Vec<_> = expected.iter().map(|(event, condition)| ((*event).to_owned(), (*condition).to_owned())).collect();
        assert!(events.len() <= wanted.len(), "more than {expected:?}: {events:?}");
        ensure!(events == wanted, "{events:?}, not {expected:?}");
        Ok(messages)
    })
}

#[test]
fn a_crash_is_reported_once_for_three_pods_and_once_when_it_is_over_across_restarts() {
    let mut service = PythonFileServer::start();
    let mut receiver = WebhookReceiver::start();
    let file = NotificationsFile::quick(&receiver.channel("ops", "json"));
    let mut control_plane = ControlPlane::with(&[("SITIO_NOTIFICATIONS_FILE", file.path())]);
    let sidecars = three_sidecars(&control_plane, service.port(), "shop", "legacy");
    for sidecar in &sidecars {
        assert_eq!(sidecar.get("/?card=4111").status(), 200);
    }

    service.crash();
    for sidecar in &sidecars {
        assert_eq!(sidecar.get("/orders/7?card=4111").status(), 502);
    }

    let messages = expect_events(&receiver, &[("firing", "refusing")]);
    let notice = &messages[0]["notification"];
    assert_eq!((&notice["namespace"], &notice["service"], &notice["pods_total"]), (&"shop".into(), &"legacy".into(), &3.into()));
    let exchanges = notice["exchanges"].as_array().unwrap();
    assert_eq!(exchanges.len(), 3, "{notice}");
    for exchange in exchanges {
        assert_eq!((&exchange["path"], &exchange["outcome"]), (&"/orders/7".into(), &"upstream-connect".into()), "{exchange}");
    }

    // The control plane crashes, and the receiver is down when the service is back.
    control_plane.process.kill();
    control_plane.restart();
    control_plane.api().expect_pods(&["legacy-0", "legacy-1", "legacy-2"]);
    receiver.stop();
    service.restart();
    eventually(CALM, || {
        let all = control_plane.api().json("/api/v1/notifications")?;
        ensure!(all["firing"].as_array().is_some_and(Vec::is_empty), "{all}");
        ensure!(all["channels"][0]["failed"].as_u64() >= Some(1) && all["channels"][0]["queued"] == 1, "{all}");
        Ok(())
    });
    control_plane.process.signal(Signal::TERM);
    control_plane.process.ended(SOON);
    control_plane.restart();
    receiver.resume();

    let messages = expect_events(&receiver, &[("firing", "refusing"), ("resolved", "refusing")]);
    assert_eq!(messages[0]["notification"]["id"], messages[1]["notification"]["id"]);
    let all = control_plane.api().json("/api/v1/notifications").unwrap();
    assert_eq!((&all["resolved"][0]["id"], all["resolved"].as_array().unwrap().len()), (&messages[0]["notification"]["id"], 1));
    // It is counted when the receiver's answer has come back.
    eventually(SOON, || {
        let metrics = control_plane.api().page("/metrics")?;
        ensure!(metrics.contains("sitio_notifications_total{channel=\"ops\",result=\"delivered\"} 1"), "{metrics}");
        Ok(())
    });
}

#[test]
fn a_service_that_comes_and_goes_is_one_notice_and_an_hour_has_a_limit() {
    let mut service = PythonFileServer::start();
    let receiver = WebhookReceiver::start();
    let file = NotificationsFile::quick(&receiver.limited_channel("ops", 2));
    let control_plane = ControlPlane::with(&[("SITIO_NOTIFICATIONS_FILE", file.path())]);
    let _sidecars = three_sidecars(&control_plane, service.port(), "shop", "legacy");
    let notices = || control_plane.api().json("/api/v1/notifications");

    for round in 1..=3 {
        service.crash();
        eventually(SOON, || {
            let all = notices()?;
            ensure!(all["firing"][0]["condition"] == "refusing" && all["firing"][0]["times"] == round, "{all}");
            Ok(())
        });
        service.restart();
        // It listens again for long enough that its absence is seen, and too short for the end.
        eventually(SOON, || {
            let pods = control_plane.api().pods()?;
            ensure!(pods.iter().all(|pod| pod["service_listens"] == "listening"), "{pods:?}");
            Ok(())
        });
        let until = std::time::Instant::now() + Duration::from_millis(4200);
        eventually(SOON, || {
            ensure!(std::time::Instant::now() > until, "it listens for a few seconds");
            Ok(())
        });
    }
    expect_events(&receiver, &[("firing", "refusing"), ("resolved", "refusing")]);
    // The third and the fourth message are over the limit.
    service.crash();
    let all = eventually(CALM, || {
        let all = notices()?;
        ensure!(all["channels"][0]["suppressed"] == 1, "{all}");
        Ok(all)
    });
    assert_eq!((&all["channels"][0]["queued"], &all["channels"][0]["delivered"]), (&1.into(), &2.into()), "{all}");
    assert_eq!(receiver.messages().len(), 2);
}

#[test]
fn failures_over_the_limit_are_reported_with_numbers_and_without_a_limit_of_requests_not_at_all() {
    let service = PythonFileServer::start();
    let receiver = WebhookReceiver::start();
    let file = NotificationsFile::quick(&receiver.channel("ops", "json"));
    let control_plane = ControlPlane::with(&[("SITIO_NOTIFICATIONS_FILE", file.path())]);
    let sidecars = three_sidecars(&control_plane, service.port(), "shop", "legacy");
    // Python's server answers 501 to methods that it does not know.
    let post = |sidecar: &Sidecar| {
        let mut client = sidecar.connect();
        client.send("POST /orders HTTP/1.1\r\nHost: shop\r\nContent-Length: 0\r\n\r\n");
        client.response("POST").status()
    };

    for _ in 0..19 {
        assert_eq!(post(&sidecars[0]), 501);
    }
    control_plane.api().expect_hits("legacy", 19);
    let quiet = control_plane.api().json("/api/v1/notifications").unwrap();
    assert_eq!(quiet["firing"].as_array().map(Vec::len), Some(0), "19 requests are too few: {quiet}");
    for _ in 0..11 {
        assert_eq!(post(&sidecars[1]), 501);
    }

    let messages = expect_events(&receiver, &[("firing", "failing")]);
    let notice = &messages[0]["notification"];
    assert_eq!(notice["detail"], "30 of 30 requests failed in the last minute (100 %)", "{notice}");
    assert_eq!((&notice["exchanges"][0]["status"], &notice["exchanges"][0]["path"]), (&501.into(), &"/orders".into()));
}

#[test]
fn a_page_of_notices_that_is_open_shows_a_new_one() {
    let mut service = PythonFileServer::start();
    let receiver = WebhookReceiver::start();
    let file = NotificationsFile::quick(&receiver.channel("ops", "json"));
    let control_plane = ControlPlane::with(&[("SITIO_NOTIFICATIONS_FILE", file.path())]);
    let _sidecars = three_sidecars(&control_plane, service.port(), "shop", "legacy");
    let browser = Browser::start();
    browser.look_as(1440, 900, Scheme::Light);
    browser.open(&format!("http://127.0.0.1:{}/notices", control_plane.http_port));
    eventually(SOON, || {
        let pulse = browser.text("#pulse .word")?;
        ensure!(pulse == "Live", "{pulse}");
        Ok(())
    });
    assert_eq!(browser.text("#table .empty h3").unwrap(), "No notice yet");

    service.crash();

    eventually(CALM, || {
        let rows = browser.text("#rows")?;
        ensure!(rows.contains("legacy") && rows.contains("on 3 of 3 pods"), "{rows}");
        ensure!(browser.text("#table .foot")?.contains("1 firing"), "the count is the old one");
        Ok(())
    });
    assert_eq!(browser.console_messages(), Vec::<String>::new(), "the browser has nothing to complain of");
}

#[test]
fn a_service_with_a_hostile_name_changes_no_message() {
    let service = PythonFileServer::start();
    let receiver = WebhookReceiver::start();
    let file = NotificationsFile::quick(&receiver.channel("chat", "slack"));
    let control_plane = ControlPlane::with(&[("SITIO_NOTIFICATIONS_FILE", file.path())]);
    let hostile = "<!channel>`*x*`<https://evil.example|here>";
    let sidecars = three_sidecars(&control_plane, service.port(), "shop", hostile);
    let mut service = service;
    service.crash();
    assert_eq!(sidecars[0].get("/<script>alert(1)</script>").status(), 502);
    let text = eventually(CALM, || {
        let text = receiver.messages().first().and_then(|message| message["text"].as_str()).map(str::to_owned);
        text.ok_or_else(|| anyhow::anyhow!("nothing has arrived"))
    });
    assert!(!text.contains('<') && !text.contains('>') && text.contains("&lt;!channel&gt;'*x*'"), "{text}");
    let page = control_plane.api().page("/notices").unwrap();
    assert!(!page.contains("<script>alert") && !page.contains("<!channel>") && page.contains("!channel"), "{page}");
}

#[test]
fn a_pod_that_is_killed_has_vanished_and_one_that_signs_off_has_not() {
    let service = PythonFileServer::start();
    let receiver = WebhookReceiver::start();
    let file = NotificationsFile::quick(&receiver.channel("ops", "json"));
    let control_plane = ControlPlane::with(&[("SITIO_NOTIFICATIONS_FILE", file.path())]);
    let mut sidecars = three_sidecars(&control_plane, service.port(), "shop", "legacy");

    sidecars[0].process.kill();
    sidecars[1].process.signal(Signal::TERM);

    // A pod has vanished when it was silent for a minute.
    let message = eventually(CALM * 3, || {
        let message = receiver.messages().into_iter().next();
        message.ok_or_else(|| anyhow::anyhow!("nothing has arrived"))
    });
    let notice = &message["notification"];
    assert_eq!((&message["event"], &notice["condition"]), (&"firing".into(), &"vanished".into()), "{message}");
    assert_eq!((&notice["pods_total"], &notice["pods"][0]["pod"]), (&1.into(), &"legacy-0".into()), "{message}");
}
