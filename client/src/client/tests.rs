//! Tests: requests go to the right URL, and the token stays secret.

use crate::client::*;

#[test]
fn a_question_is_asked_below_the_url_and_escaped() {
    let client = Client::new(Url::parse("http://127.0.0.1:8090/mesh/").unwrap(), Token::new("s3cret\n"), None).unwrap();
    let question = Question {
        what: "show a rule",
        path: &["api", "v1", "rules", "r1/../x?"],
        query: &[("service", Some("a&b".into())), ("pod", None)],
    };
    let request = client.request(Method::GET, &question).build().unwrap();
    assert_eq!(request.url().as_str(), "http://127.0.0.1:8090/mesh/api/v1/rules/r1%2F..%2Fx%3F?service=a%26b");
    assert_eq!(request.headers()["authorization"], "Bearer s3cret");
    assert!(!format!("{client:?}").contains("s3cret"), "no log tells the token");
}

#[test]
fn a_token_is_overheard_on_plain_http_to_another_machine() {
    for (url, token, expected) in [
        ("http://127.0.0.1:1/", Some("s3cret"), false),
        ("http://mesh.example/", Some("s3cret"), true),
        ("http://mesh.example/", None, false),
        ("http://192.0.2.1/", Some("s3cret"), true),
        ("http://0.0.0.0:1/", Some("s3cret"), true),
    ] {
        let client = Client::new(Url::parse(url).unwrap(), token.and_then(Token::new), None).unwrap();
        assert_eq!(client.is_overheard(), expected, "{url}");
    }
}
