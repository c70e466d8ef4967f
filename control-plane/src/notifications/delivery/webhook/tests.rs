//! Tests of what a webhook sends.

use super::*;

#[test]
fn the_signature_is_that_of_standard_webhooks() {
    // The example of the specification.
    let key = key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let signature = signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", "{\"test\": 2432232314}");
    assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

#[test]
fn a_secret_that_is_none_is_refused_without_being_shown() {
    for secret in ["hunter2hunter2hunter2hunter2", "whsec_", "whsec_c2hvcnQ=", "whsec_%%%"] {
        let why = key(secret).unwrap_err().to_string();
        assert!(why.contains("openssl rand") && !why.contains("hunter2") && !why.contains("c2hvcnQ"), "{why}");
    }
}

#[test]
fn nothing_in_a_text_for_slack_is_markup() {
    let hostile = "<!channel> <https://evil.example|click> *bold* ```\n`x` & [a](http://evil.example)";
    let message = Message {
        id: String::new(),
        notice: None,
        subject: hostile.replace('\n', " "),
        text: hostile.to_owned(),
        json: Message::test("a", "b", 0, None).json,
    };
    let text = slack_text(&message);
    assert!(!text.contains('<') && !text.contains('>'), "{text}");
    assert_eq!((text.matches("```").count(), text.matches('`').count()), (2, 8), "only our own code: {text}");
}
