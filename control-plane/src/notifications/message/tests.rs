//! Tests of the texts for people.

use super::*;
use crate::model::notice::{NoticePod, NoticeSubject};

fn notice(service: &str, path: &str) -> Notice {
    Notice {
        id: "n1".into(),
        subject: NoticeSubject { condition: NoticeCondition::Refusing, namespace: "shop".into(), service: service.into() },
        since_ms: 1_763_647_200_000,
        resolved_ms: None,
        detail: "No program accepts connections on the service's port, on 2 of 3 pods".into(),
        times: 1,
        pods: vec![NoticePod { name: "legacy-0".into(), since_ms: 1, until_ms: 1 }],
        pods_total: 2,
        exchanges: vec![NoticeExchange {
            at_ms: 1_763_647_205_000,
            pod: "legacy-0".into(),
            method: "GET".into(),
            path: path.into(),
            status: 502,
            outcome: "upstream-connect".into(),
            took_us: 1200,
            trace: None,
        }],
    }
}

fn message(notice: Notice, event: NoticeEvent) -> Message {
    let content = MessageContent::Notice { event, notice: Box::new(notice) };
    let stored = StoredMessage { number: 7, channel: "ops".into(), made_ms: 1_763_647_210_000, not_before_ms: 0, content };
    Message::from_stored(&stored, Some("https://mesh.example/notices".into()))
}

#[test]
fn a_person_reads_what_where_since_when_and_the_last_failures() {
    let first = message(notice("legacy", "/orders"), NoticeEvent::Firing);
    assert_eq!((first.id.as_str(), first.subject.as_str()), ("n1-1763647210000-7", "[firing] shop/legacy refuses connections"));
    let text = "No program accepts connections on the service's port, on 2 of 3 pods.\nSince 20 Nov 14:00 UTC.\n\
        Pods: legacy-0, and 1 more\nLast failed exchanges:\n  \
        14:00:05 GET /orders -> 502 upstream-connect, 1.2 ms, legacy-0\n\nAll notices: https://mesh.example/notices\n";
    assert_eq!(first.text, text);
    let ended = Notice { resolved_ms: Some(1_763_647_380_000), times: 3, ..notice("legacy", "/") };
    let last = message(ended, NoticeEvent::Resolved);
    assert_eq!(last.subject, "[resolved] shop/legacy refuses connections");
    assert!(last.text.contains("Resolved 20 Nov 14:03 UTC, after 3 min.\nIt has come and gone 3 times.\n"), "{}", last.text);
    assert_eq!(last.json.notification.unwrap().state, NotificationState::Resolved);
}

#[test]
fn hostile_names_stay_on_their_lines() {
    let hostile = message(notice("x\r\nBcc: victim@example.com", "/a\r\n.\r\nQUIT\u{202e}"), NoticeEvent::Firing);
    assert_eq!(hostile.subject, "[firing] shop/x\\u{d}\\u{a}Bcc: victim@example.com refuses connections");
    assert!(hostile.text.contains("GET /a\\u{d}\\u{a}.\\u{d}\\u{a}QUIT\\u{202e} -> 502"), "{}", hostile.text);
}
