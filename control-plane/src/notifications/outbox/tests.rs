//! Tests of the queues, with the time as an argument.

use super::*;
use crate::model::notice::{NoticeCondition, NoticeSubject};
use crate::notifications::settings::NotificationSettings;

const NOW_MS: u64 = 1_763_647_200_000;

fn settings(per_hour_max: u32) -> NotificationSettings {
    let text = format!("channels: [{{ name: ops, per_hour_max: {per_hour_max}, webhook: {{ url: 'http://127.0.0.1:1/' }} }}]");
    NotificationSettings::from_yaml(&text).unwrap()
}

fn notice(service: &str) -> Notice {
    Notice {
        id: service.to_owned(),
        subject: NoticeSubject { condition: NoticeCondition::Refusing, namespace: "shop".into(), service: service.into() },
        since_ms: NOW_MS,
        resolved_ms: None,
        detail: String::new(),
        times: 1,
        pods: Vec::new(),
        pods_total: 0,
        exchanges: Vec::new(),
    }
}

/// Delivers everything that is due, and returns what was delivered: names of services, or the size of a summary.
fn delivered(outbox: &mut Outbox, now_ms: u64) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let due = outbox.take_due(now_ms);
        if due.is_empty() {
            return all;
        }
        for message in due {
            all.push(match &message.content {
                MessageContent::Notice { notice, .. } => notice.subject.service.clone(),
                MessageContent::Summary { messages, .. } => format!("summary of {messages}"),
            });
            outbox.settle(&message, Ok(()), now_ms);
        }
    }
}

#[test]
fn over_the_limit_of_an_hour_there_is_one_summary_at_its_end() {
    let (mut outbox, settings) = (Outbox::default(), settings(2));
    for (at, service) in ["a", "b", "c", "d"].into_iter().enumerate() {
        outbox.push(&settings.channels[0], FIRING, &notice(service), NOW_MS + at as u64);
    }
    assert_eq!(delivered(&mut outbox, NOW_MS + 10), ["a", "b"]);
    assert_eq!(delivered(&mut outbox, NOW_MS + HOUR_MS - 1), Vec::<String>::new());
    outbox.push(&settings.channels[0], FIRING, &notice("e"), NOW_MS + HOUR_MS - 1);
    assert_eq!(outbox.counts("ops").suppressed, 3);
    assert_eq!(delivered(&mut outbox, NOW_MS + HOUR_MS), ["summary of 3"]);
    outbox.push(&settings.channels[0], FIRING, &notice("f"), NOW_MS + HOUR_MS + 5);
    assert_eq!(delivered(&mut outbox, NOW_MS + HOUR_MS + 5), ["f"]);
}

const FIRING: NoticeEvent = NoticeEvent::Firing;

#[test]
fn a_receiver_that_is_down_for_a_while_gets_everything_in_order() {
    let (mut outbox, settings) = (Outbox::default(), settings(1000));
    for at in 0..QUEUE_MAX + 50 {
        outbox.push(&settings.channels[0], FIRING, &notice(&format!("s{at}")), NOW_MS);
    }
    let mut now_ms = NOW_MS;
    let mut attempts = 0;
    while now_ms < NOW_MS + HOUR_MS {
        for message in outbox.take_due(now_ms) {
            attempts += 1;
            outbox.settle(&message, Err(DeliveryError::Unavailable("connection refused".into())), now_ms);
        }
        now_ms += 1000;
    }
    assert!((10..40).contains(&attempts), "ever less often: {attempts}");
    assert_eq!(outbox.counts("ops").last_failure.unwrap().1, "connection refused");
    let all = delivered(&mut outbox, now_ms + 2 * BACKOFF_MAX.as_millis() as u64);
    assert_eq!((all.len(), &*all[0], &*all[QUEUE_MAX]), (QUEUE_MAX + 1, "s0", "summary of 50"));
}

#[test]
fn what_the_receiver_refuses_does_not_hold_up_the_rest() {
    let (mut outbox, settings) = (Outbox::default(), settings(10));
    outbox.push(&settings.channels[0], FIRING, &notice("poison"), NOW_MS);
    outbox.push(&settings.channels[0], FIRING, &notice("next"), NOW_MS);
    for attempt in 0..u64::from(REFUSED_MAX) {
        let message = outbox.take_due(NOW_MS + attempt * HOUR_MS).remove(0);
        assert_eq!(outbox.take_due(NOW_MS + attempt * HOUR_MS), [], "one at a time");
        outbox.settle(&message, Err(DeliveryError::Refused("400".into())), NOW_MS + attempt * HOUR_MS);
    }
    assert_eq!((outbox.counts("ops").given_up, outbox.counts("ops").failed), (1, u64::from(REFUSED_MAX)));
    assert_eq!(delivered(&mut outbox, NOW_MS + 10 * HOUR_MS), ["next"]);
}

#[test]
fn after_a_day_a_message_is_given_up() {
    let (mut outbox, settings) = (Outbox::default(), settings(10));
    outbox.push(&settings.channels[0], FIRING, &notice("a"), NOW_MS);
    let message = outbox.take_due(NOW_MS).remove(0);
    outbox.settle(&message, Err(DeliveryError::Unavailable("away".into())), NOW_MS + GIVE_UP_AFTER_MS);
    assert_eq!((outbox.counts("ops").given_up, outbox.counts("ops").queued), (1, 0));
}

#[test]
fn another_process_continues_with_the_same_numbers() {
    let (mut outbox, settings) = (Outbox::default(), settings(10));
    let stored = outbox.push(&settings.channels[0], FIRING, &notice("a"), NOW_MS);
    let message = stored.messages.into_values().next().flatten().unwrap();
    let mut restored = Outbox::restore(vec![message.clone()]);
    let next = restored.push(&settings.channels[0], FIRING, &notice("b"), NOW_MS);
    assert_eq!(next.messages.keys().copied().collect::<Vec<_>>(), [message.number + 1]);
    assert_eq!(delivered(&mut restored, NOW_MS), ["a", "b"]);
    let gone = restored.keep_channels(|_| false);
    assert_eq!((gone.messages.len(), restored.counts("ops").queued), (0, 0));
}
