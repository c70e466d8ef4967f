//! Tests that `jwt` lets genuine tokens of a real provider pass and no others, while keys change and the provider is away.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::Command;
use std::thread;

use anyhow::ensure;
use scenario::client::{Client, Response};
use scenario::eventually::{SOON, eventually};
use scenario::python_file_server::PythonFileServer;
use scenario::sidecar::Sidecar;
use scenario::token_provider::TokenProvider;
use tempfile::NamedTempFile;

/// A sidecar that requires tokens of the provider, with more fields of the configuration. The file must outlive it.
fn guarded(provider: &TokenProvider, service: u16, more: &str) -> (Sidecar, NamedTempFile) {
    let file = NamedTempFile::new().unwrap();
    let jwt = format!("{{issuer: \"{}\", audience: [orders]{more}}}", provider.issuer());
    std::fs::write(file.path(), format!("decorators:\n- action:\n    jwt: {jwt}\n")).unwrap();
    let sidecar = Sidecar::builder(service).with("SITIO_DECORATORS", &file.path().to_string_lossy()).start();
    (sidecar, file)
}

/// A GET with these lines of the head.
fn ask(sidecar: &Sidecar, lines: &str) -> Response {
    let mut client = sidecar.connect();
    client.send(format!("GET /orders HTTP/1.1\r\nHost: shop\r\n{lines}\r\n"));
    client.response("GET")
}

fn ask_with(sidecar: &Sidecar, token: &str) -> Response {
    ask(sidecar, &format!("Authorization: Bearer {token}\r\n"))
}

fn challenge(response: &Response) -> String {
    response.header("www-authenticate").unwrap_or_default().to_owned()
}

/// Waits until the keys have arrived: until then, requests are answered with 503.
fn await_keys(sidecar: &Sidecar, token: &str) {
    eventually(SOON, || {
        let response = ask_with(sidecar, token);
        ensure!(response.status() == 200, "{response:?}");
        Ok(())
    });
}

/// A service that answers with the head of the request.
pub(crate) fn mirror() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut head = String::new();
            while reader.read_line(&mut head).is_ok_and(|read| read > 0) && !head.ends_with("\r\n\r\n") {}
            let answer = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{head}", head.len());
            let _ = (&stream).write_all(answer.as_bytes());
        }
    });
    port
}

#[test]
fn a_genuine_token_passes_and_no_forged_one_does() {
    let (provider, service) = (TokenProvider::start(), PythonFileServer::start());
    service.put("orders", b"three orders");
    let (sidecar, _file) = guarded(&provider, service.port(), "");
    let forged = provider.forge();
    await_keys(&sidecar, &forged.genuine);
    let genuine = ask_with(&sidecar, &provider.token("reader"));
    assert_eq!((genuine.status(), genuine.text().as_str()), (200, "three orders"));
    assert!(forged.refused.len() > 20);
    for (name, token) in &forged.refused {
        let refused = ask_with(&sidecar, token);
        assert_eq!(refused.status(), 401, "{name}: {refused:?}");
        assert!(challenge(&refused).contains("error=\"invalid_token\""), "{name}: {}", challenge(&refused));
        assert_eq!(refused.header("x-sitio-decorator"), Some("jwt"), "{name}");
        assert!(!refused.text().contains("three orders"), "{name}");
    }
    let expired = challenge(&ask_with(&sidecar, &forged.refused["expired"]));
    assert!(expired.contains(&format!("Bearer realm=\"{}\"", provider.issuer())) && expired.contains("has expired"), "{expired}");
    await_keys(&sidecar, &forged.genuine);
}

#[test]
fn the_token_comes_in_one_field_of_the_head_and_in_no_other_way() {
    let (provider, service) = (TokenProvider::start(), PythonFileServer::start());
    service.put("orders", b"three orders");
    let (sidecar, _file) = guarded(&provider, service.port(), "");
    let token = provider.token("reader");
    await_keys(&sidecar, &token);
    let bare = ask(&sidecar, "");
    assert_eq!(bare.status(), 401);
    assert_eq!(challenge(&bare), format!("Bearer realm=\"{}\"", provider.issuer()), "no error without a token");
    for lines in
        [format!("Cookie: access_token={token}\r\n"), "Authorization: Basic YTpi\r\n".to_owned(), format!("X-Token: {token}\r\n")]
    {
        assert_eq!(ask(&sidecar, &lines).status(), 401, "{lines}");
    }
    let mut client = sidecar.connect();
    assert_eq!(client.get(&format!("/orders?access_token={token}")).status(), 401);
    for lines in [
        format!("Authorization: Bearer {token}\r\nAuthorization: Bearer {token}\r\n"),
        format!("Authorization: Bearer {token}\r\nauthorization: Basic YTpi\r\n"),
    ] {
        let twice = ask(&sidecar, &lines);
        assert_eq!(twice.status(), 400, "{lines}");
        assert!(challenge(&twice).contains("invalid_request"));
    }
    let huge = ask(&sidecar, &format!("Authorization: Bearer {}\r\n", "a".repeat(1 << 20)));
    assert_eq!(huge.status(), 431, "a head of a megabyte is refused before it is complete");
    // Bytes that are no request must not pass a guard, either.
    let mut foreign = Client::connect(sidecar.port);
    foreign.send(b"\x00\x01\x02 GET /orders HTTP/1.0\r\n\r\n");
    assert!(!String::from_utf8_lossy(&foreign.rest()).contains("three orders"));
}

#[test]
fn roles_and_scopes_are_required_over_both_protocols() {
    let (provider, service) = (TokenProvider::start(), PythonFileServer::start());
    service.put("orders", b"three orders");
    let more = ", roles: [orders-read], client_roles: {shop: [buy]}, scopes: [\"orders:read\"], algorithms: [RS256]";
    let (sidecar, _file) = guarded(&provider, service.port(), more);
    let (reader, stranger) = (provider.token("reader"), provider.token("stranger"));
    await_keys(&sidecar, &reader);
    for _ in 0..2 {
        let refused = ask_with(&sidecar, &stranger);
        assert_eq!(refused.status(), 403);
        assert!(challenge(&refused).contains("error=\"insufficient_scope\", scope=\"orders:read\""), "{}", challenge(&refused));
    }
    let over_http2 = |token: &str| {
        let mut curl = Command::new("curl");
        curl.args(["-s", "--http2-prior-knowledge", "-w", " %{http_code}", "-H", &format!("Authorization: Bearer {token}")]);
        let output = curl.arg(format!("http://127.0.0.1:{}/orders", sidecar.port)).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(over_http2(&reader), "three orders 200");
    assert!(over_http2(&stranger).ends_with(" 403"));
    assert!(over_http2("a.b.c").ends_with(" 401"));
    let (pinned, _file) = guarded(&provider, service.port(), ", algorithms: [ES256]");
    let refused = eventually(SOON, || {
        let refused = ask_with(&pinned, &reader);
        ensure!(refused.status() != 503, "{refused:?}");
        Ok(refused)
    });
    assert!(refused.status() == 401 && challenge(&refused).contains("a way that its key does not allow"), "{refused:?}");
}

#[test]
fn claims_become_fields_that_no_client_can_forge() {
    let provider = TokenProvider::start();
    let more = ", forward: {X-User: sub, X-Roles: realm_access.roles, X-None: nothing}, token: remove";
    let (sidecar, _file) = guarded(&provider, mirror(), more);
    let token = provider.token("reader");
    await_keys(&sidecar, &token);
    let forgery = "X-User: root\r\nx_user: root\r\nX-ROLES: admin\r\nX_None: 1\r\nX-None: 1\r\nX-Other: kept\r\n";
    let head = ask(&sidecar, &format!("{forgery}Authorization: Bearer {token}\r\n")).text();
    assert!(head.contains("X-User: reader\r\n") && head.contains("X-Roles: orders-read,staff%2C all\r\n"), "{head}");
    let lower = head.to_lowercase();
    assert!(!lower.contains("root") && !lower.contains("admin") && !lower.contains("none"), "{head}");
    assert!(head.contains("X-Other: kept") && !lower.contains("authorization"), "{head}");
    let broken = ask_with(&sidecar, &provider.forge().breaks_lines).text();
    assert!(broken.contains("X-User: x%0D%0AX-Admin: 1\r\n"), "{broken}");
}

#[test]
fn it_is_closed_until_there_are_keys_and_follows_their_rotation() {
    let mut provider = TokenProvider::away();
    provider.restart();
    let token = provider.token("reader");
    provider.stop();
    let (mut sidecar, _file) = guarded(&provider, mirror(), ", forward: {X-User: sub}");
    let closed = ask_with(&sidecar, &token);
    assert_eq!(closed.status(), 503, "{closed:?}");
    assert_eq!(closed.header("retry-after"), Some("10"));
    sidecar.process.line("why", |line| (line.contains("are unknown, so no token of it passes")).then_some(()));
    provider.restart();
    await_keys(&sidecar, &token);

    provider.rotate();
    let rotated = provider.token("reader");
    assert_ne!(rotated, token);
    // The first that passes was held until the new key was there.
    let passed = eventually(SOON, || {
        let response = ask_with(&sidecar, &rotated);
        ensure!(response.status() == 200, "{response:?}");
        Ok(response)
    });
    assert!(passed.text().contains("X-User: reader\r\n"), "{}", passed.text());
    let withdrawn = ask_with(&sidecar, &token);
    assert_eq!(withdrawn.status(), 401, "the key of before is published no longer: {withdrawn:?}");

    let unseen = provider.forge().genuine;
    provider.stop();
    for token in [&rotated, &unseen] {
        assert_eq!(ask_with(&sidecar, token).status(), 200, "keys stay usable while their provider is away");
    }
}
