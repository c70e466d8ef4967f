//! Tests: requests go to the right URL, and the token stays secret.

use crate::client::*;
use crate::history::HistoryQuery;

#[test]
fn a_request_goes_below_the_url_and_is_escaped() {
    let client = Client::new(Url::parse("http://127.0.0.1:8090/mesh/").unwrap(), Token::new("s3cret\n"), None).unwrap();
    let query = HistoryQuery { status: Some("a&b".into()), ..HistoryQuery::default() };
    let request = client.request(&ApiRequest::get("show a rule", &["api", "v1", "rules", "r1/../x?"]));
    let request = request.query(&query).build().unwrap();
    assert_eq!(request.url().as_str(), "http://127.0.0.1:8090/mesh/api/v1/rules/r1%2F..%2Fx%3F?status=a%26b");
    assert_eq!(request.headers()["authorization"], "Bearer s3cret");
    assert!(!format!("{client:?}").contains("s3cret"), "the token is not in logs");
}

#[test]
fn a_token_is_in_plain_text_on_plain_http_to_another_machine() {
    for (url, token, expected) in [
        ("http://127.0.0.1:1/", Some("s3cret"), false),
        ("http://mesh.example/", Some("s3cret"), true),
        ("http://mesh.example/", None, false),
        ("http://192.0.2.1/", Some("s3cret"), true),
        ("http://0.0.0.0:1/", Some("s3cret"), true),
    ] {
        let client = Client::new(Url::parse(url).unwrap(), token.and_then(Token::new), None).unwrap();
        assert_eq!(client.sends_token_in_plain_text(), expected, "{url}");
    }
}
