//! Tests of the notifications file.

use super::*;

const WHOLE: &str = r#"
resolve_after: 1m
repeat: 12h
conditions:
  failing: { share: "10%", requests: 50, after: 1m }
  restarted: { lasts: 10m }
ignore:
- namespaces: [playground]
channels:
- name: ops
  per_hour_max: 5
  webhook: { url: "https://hooks.example/x", secret_file: /etc/sitio/secret, timeout: 5s }
- name: chat
  webhook: { url_file: /etc/sitio/slack, format: slack }
- name: mail
  mail: { host: smtp.example, user: sitio, password_file: /p, from: "Sitio <sitio@shop.example>", to: [ops@shop.example] }
routes:
- channels: [ops]
- namespaces: [shop]
  services: ["legacy-*", pay]
  conditions: [refusing, oom_killed]
  channels: [chat, mail]
"#;

fn subject(condition: NoticeCondition, namespace: &str, service: &str) -> NoticeSubject {
    NoticeSubject { condition, namespace: namespace.into(), service: service.into() }
}

#[test]
fn routes_choose_the_channels() {
    let settings = NotificationSettings::from_yaml(WHOLE).unwrap();
    let channels = |condition, namespace, service| {
        let subject = subject(condition, namespace, service);
        settings.channels_for(&subject).into_iter().map(|name| name.as_str().to_owned()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(channels(NoticeCondition::Refusing, "shop", "legacy-java"), "ops chat mail");
    assert_eq!(channels(NoticeCondition::Failing, "shop", "legacy-java"), "ops");
    assert_eq!(channels(NoticeCondition::Refusing, "shop", "payments"), "ops");
    assert_eq!(channels(NoticeCondition::Refusing, "other", "pay"), "ops");
    assert!(settings.ignores(&subject(NoticeCondition::Refusing, "playground", "x")));
    assert_eq!((settings.failing.share, settings.failing.requests_min), (0.1, 50));
    assert_eq!(settings.timing.lasts_ms(NoticeCondition::Restarted), 600_000);
    assert_eq!(settings.timing.after_ms(NoticeCondition::Refusing), NoticeTiming::default().after_ms(NoticeCondition::Refusing));
}

#[test]
fn without_routes_every_channel_gets_everything() {
    let settings = NotificationSettings::from_yaml("channels: [{ name: a, webhook: { url: http://127.0.0.1/ } }]").unwrap();
    assert_eq!(settings.channels_for(&subject(NoticeCondition::Failing, "n", "s")).len(), 1);
    assert!(NotificationSettings::from_yaml("").unwrap().channels.is_empty(), "an empty file");
}

#[test]
fn an_error_says_what_is_wrong_and_where() {
    let mut wrong = Vec::new();
    let webhook = |rest: &str| format!("channels:\n- name: ops\n  webhook: {{ url: \"http://127.0.0.1/\"{rest} }}\n");
    let mail = |fields: &str| format!("channels:\n- name: mail\n  mail: {{ from: a@b.example, {fields} }}\n");
    for (text, expected) in [
        ("channels: [".to_owned(), "line 2 column 1"),
        ("chanels: []".to_owned(), "unknown field `chanels`"),
        (webhook(", secert_file: x"), "unknown field `secert_file`, expected"),
        (webhook(", timeout: soon"), "\"soon\" is no time from 1s to 7d"),
        (
            webhook("") + "  mail: { host: localhost, from: a@b.example, to: [a@b.example] }\n",
            "the channel ops: it needs one of webhook and mail",
        ),
        ("channels: [{ name: ops }]".to_owned(), "it needs one of webhook and mail"),
        ("channels: [{ name: 'o\nps', webhook: { url: http://127.0.0.1 } }]".to_owned(), "is no name of a channel"),
        (
            "channels:\n- { name: a, webhook: { url: 'ftp://x.example' } }".to_owned(),
            "must begin with https:// or http:// at line 2",
        ),
        ("channels: [{ name: a, webhook: { url: 'https://me:secret@x.example' } }]".to_owned(), "use token_file"),
        ("channels: [{ name: a, webhook: {} }]".to_owned(), "it needs one of url and url_file"),
        ("channels: [{ name: a, per_hour_max: 0, webhook: { url: http://x } }]".to_owned(), "nonzero"),
        (mail("host: smtp.example, to: [], tls: starttls"), "to must have 1 to 50 addresses"),
        (mail("host: smtp.example, to: [a@b.example], tls: none"), "tls: none is for a server on this machine"),
        (mail("host: smtp.example, to: [a@b.example], user: me"), "user and password_file belong together"),
        (mail("host: smtp.example, to: [\"a@b\\nBcc: x@y\"]"), "is no mail address"),
        ("routes: [{ channels: [nowhere] }]".to_owned(), "names the channel nowhere"),
        ("routes: [{ services: [\"a*b\"], channels: [] }]".to_owned(), "a star only at the end"),
        ("conditions: { crashed: {} }".to_owned(), "unknown variant `crashed`"),
        ("conditions: { refusing: { lasts: 1m } }".to_owned(), "lasts as long as it is seen"),
        ("conditions: { refusing: { share: 5% } }".to_owned(), "belong to the condition failing"),
        ("conditions: { failing: { share: 5 } }".to_owned(), "\"5\" is no share"),
        ("conditions: { failing: { share: 0% } }".to_owned(), "write a percentage over 0 such as 5%"),
    ] {
        let why = NotificationSettings::from_yaml(&text).unwrap_err();
        wrong.extend((!why.contains(expected) || why.contains("secret@")).then(|| format!("{text}: {why}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let why = NotificationSettings::from_yaml("channels:\n- name: ops\n  webhok: {}\n").unwrap_err();
    assert!(why.contains("line 3 column 3"), "{why}");
}
