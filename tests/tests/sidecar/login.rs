//! Tests the sign-in in front of a service that knows nothing of it: a real provider, a real browser, forged returns and cookies.

use std::process::Command;

use anyhow::ensure;
use reqwest::blocking::{Client, Response};
use reqwest::header::{LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use scenario::api::http_client;
use scenario::browser::Browser;
use scenario::eventually::{SOON, eventually};
use scenario::process::{Process, file};
use scenario::python_file_server::PythonFileServer;
use scenario::reserved_port::ReservedPort;
use scenario::sidecar::Sidecar;

use crate::jwt::mirror;

/// A service behind a sign-in.
struct Shop {
    base: String,
    sidecar: Option<Sidecar>,
    _provider: Process,
    ports: [ReservedPort; 2],
    service: u16,
    files: tempfile::TempDir,
}

impl Shop {
    /// Its sidecar requires the role `staff`, and has more fields of the configuration.
    fn open(service: u16, more: &str) -> Self {
        let ports = [ReservedPort::reserve(), ReservedPort::reserve()];
        let base = format!("http://127.0.0.1:{}", ports[0].port);
        let mut command = Command::new("node");
        command.arg(file("services/openid-provider.mjs")).arg(ports[1].port.to_string());
        command.args([format!("{base}/.sitio/login/callback"), format!("{base}/.sitio/login/signed-out")]);
        let mut provider = Process::start(command);
        provider
            .line("that it listens (without it, run `npm ci --prefix tests`)", |line| line.contains("listening").then_some(()));
        let files = tempfile::tempdir().unwrap();
        std::fs::write(files.path().join("secret"), "a-secret-of-the-client\n").unwrap();
        std::fs::write(files.path().join("key"), "a secret of the pods of this shop, which has 32 bytes\n").unwrap();
        let mut shop = Self { base, sidecar: None, _provider: provider, ports, service, files };
        shop.restart(more);
        shop
    }

    /// Starts its sidecar, or starts it again.
    fn restart(&mut self, more: &str) {
        self.sidecar = None;
        let at = |name: &str| self.files.path().join(name).display().to_string();
        let more = more.replace("KEY", &at("key"));
        let login = format!(
            "{{issuer: \"http://127.0.0.1:{}\", client_id: sitio, client_secret_file: \"{}\", public_url: \"{}\", \
             roles: [staff], forward: {{X-User: preferred_username}}{more}}}",
            self.ports[1].port,
            at("secret"),
            self.base
        );
        std::fs::write(at("decorators.yaml"), format!("decorators:\n- action:\n    login: {login}\n")).unwrap();
        let builder = Sidecar::builder(self.service).with("SITIO_DECORATORS", &at("decorators.yaml"));
        self.sidecar = Some(builder.with("PORT", &self.ports[0].port.to_string()).start());
    }

    fn client() -> Client {
        http_client().redirect(Policy::none()).build().unwrap()
    }

    fn get(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        let request = Self::client().get(format!("{}{path}", self.base));
        fields.iter().fold(request, |request, (name, value)| request.header(*name, *value)).send().unwrap()
    }

    /// Begins a sign-in: the cookie that binds it to the browser, and the state.
    fn begin(&self) -> (String, String) {
        let sent = eventually(SOON, || {
            let sent = self.get("/orders?page=2", &[("accept", "text/html")]);
            ensure!(sent.status() == 302, "{sent:?}");
            Ok(sent)
        });
        let cookie = sent.headers()[SET_COOKIE].to_str().unwrap();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && cookie.contains("Max-Age=600"), "{cookie}");
        let there: reqwest::Url = sent.headers()[LOCATION].to_str().unwrap().parse().unwrap();
        let part = |name: &str| there.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
        assert_eq!((part("code_challenge_method").as_str(), part("response_type").as_str()), ("S256", "code"));
        assert_eq!(there.port(), Some(self.ports[1].port));
        (cookie.split(';').next().unwrap().to_owned(), part("state"))
    }
}

fn sign_in_there(browser: &Browser, name: &str) {
    eventually(SOON, || browser.type_into("[name=login]", name));
    browser.type_into("[name=password]", "any will do").unwrap();
    browser.click("button[type=submit]").unwrap();
    eventually(SOON, || {
        ensure!(browser.script("return document.querySelector('[name=login]') === null")? == true, "still the sign-in");
        browser.click("button[type=submit]")
    });
}

fn expect_text(browser: &Browser, expected: &str) -> String {
    eventually(SOON, || {
        let text = browser.text("body")?;
        ensure!(text.contains(expected), "{text}");
        Ok(text)
    })
}

/// The status of a request by a script of the page.
fn fetched(browser: &Browser, path: &str) -> i64 {
    let script = format!("return fetch('{path}').then(answer => answer.status)");
    browser.script(&script).unwrap().as_i64().unwrap()
}

#[test]
fn a_person_signs_in_returns_to_the_page_and_signs_out() {
    let mut shop = Shop::open(mirror(), ", key_file: \"KEY\"");
    let browser = Browser::start();
    browser.open(&format!("{}/orders?page=2", shop.base));
    sign_in_there(&browser, "vera");
    let head = expect_text(&browser, "X-User: vera");
    assert!(head.starts_with("GET /orders?page=2 HTTP/1.1"), "back at the page that was asked for: {head}");
    assert!(!head.contains("sitio_session") && !head.contains("sitio_login"), "{head}");
    browser.script("document.cookie = 'theme=dark'").unwrap();
    browser.open(&format!("{}/orders", shop.base));
    let head = expect_text(&browser, "theme=dark\n");
    assert!(!head.contains("sitio_"), "only the cookies of the service: {head}");
    assert_eq!(browser.script("return document.cookie").unwrap(), "theme=dark", "scripts do not see the session");

    shop.restart(", key_file: \"KEY\"");
    assert_eq!(fetched(&browser, "/orders"), 200, "a session outlives a restart, and is good at all pods with the key");
    shop.restart(", key_file: \"KEY\", session: 7h");
    assert_eq!(fetched(&browser, "/orders"), 401, "a change of the configuration ends it");
    browser.open(&format!("{}/orders", shop.base));
    expect_text(&browser, "X-User: vera");
    shop.restart("");
    assert_eq!(fetched(&browser, "/orders"), 401, "without a key file, a restart ends it");
    browser.open(&format!("{}/orders", shop.base));
    expect_text(&browser, "X-User: vera");

    browser.open(&format!("{}/.sitio/login/sign-out", shop.base));
    eventually(SOON, || browser.click("button[name=logout]"));
    expect_text(&browser, "Signed out");
    browser.open(&format!("{}/orders", shop.base));
    eventually(SOON, || browser.type_into("[name=login]", "vera"));
}

#[test]
fn a_person_without_the_role_and_one_who_cancels_get_a_page() {
    let service = PythonFileServer::start();
    service.put("orders", b"three orders");
    let shop = Shop::open(service.port(), "");
    let browser = Browser::start();
    browser.open(&format!("{}/orders", shop.base));
    eventually(SOON, || browser.click("a[href$='/abort']"));
    expect_text(&browser, "cancelled or refused");
    browser.open(&format!("{}/orders", shop.base));
    sign_in_there(&browser, "nora");
    expect_text(&browser, "has not all roles");
    assert_eq!(browser.axe_violations(), Vec::<String>::new());
    browser.open(&format!("{}/orders", shop.base));
    expect_text(&browser, "has not all roles");
}

#[test]
fn a_forged_return_and_a_forged_cookie_open_no_session() {
    let shop = Shop::open(mirror(), "");
    let (cookie, state) = shop.begin();
    let (other_cookie, other_state) = shop.begin();
    let callback = |query: &str, cookie: &str| {
        let answer = shop.get(&format!("/.sitio/login/callback{query}"), &[("cookie", cookie)]);
        let set = answer.headers().get_all(SET_COOKIE);
        assert!(!set.iter().any(|set| set.to_str().unwrap().starts_with("sitio_session=")), "{query}");
        (answer.status().as_u16(), answer.text().unwrap())
    };
    let as_session = cookie.replace("sitio_login=", "sitio_session=");
    for (query, cookie) in [
        (format!("?code=c&state={state}"), "a=b"),
        (format!("?code=c&state={other_state}"), cookie.as_str()),
        (format!("?code=c&state={state}"), other_cookie.as_str()),
        (format!("?code=c&state={state}&state={state}"), cookie.as_str()),
        ("?code=c&state=".to_owned(), cookie.as_str()),
        ("?code=c".to_owned(), "sitio_login=AAAA"),
        (String::new(), cookie.as_str()),
    ] {
        let (status, page) = callback(&query, cookie);
        assert!(status == 403 && page.contains("not begun in this browser"), "{query}: {status} {page}");
    }
    let (status, page) = callback(&format!("?error=access_denied&state={state}"), &cookie);
    assert!(status == 403 && page.contains("cancelled or refused"), "{status} {page}");
    let (status, _) = callback(&format!("?code=made-up&state={state}"), &cookie);
    assert_eq!(status, 503, "the provider knows no such code");
    for cookie in [as_session.as_str(), "sitio_session=", "sitio_session=AAAA", "sitio_session=e30"] {
        let refused = shop.get("/orders", &[("cookie", cookie), ("X-User", "root")]);
        assert_eq!(refused.status(), 401, "{cookie}");
    }
}

#[test]
fn only_a_page_is_led_to_the_provider() {
    let shop = Shop::open(mirror(), "");
    shop.begin();
    let status = |fields: &[(&str, &str)]| shop.get("/orders", fields).status().as_u16();
    assert_eq!(status(&[("accept", "text/html"), ("sec-fetch-mode", "navigate")]), 302);
    for fields in [
        &[("accept", "application/json")][..],
        &[("accept", "text/html"), ("sec-fetch-mode", "cors")],
        &[("accept", "text/html"), ("x-requested-with", "XMLHttpRequest")],
        &[("accept", "text/html"), ("connection", "upgrade"), ("upgrade", "websocket")],
    ] {
        assert_eq!(status(fields), 401, "{fields:?}");
    }
    let posted = Shop::client().post(format!("{}/orders", shop.base)).header("accept", "text/html").send().unwrap();
    assert_eq!(posted.status(), 401);
    for path in ["/.sitio/login/", "/.sitio/login/other", "/.sitio/login/callback/x"] {
        assert_eq!(shop.get(path, &[]).status(), 404, "{path}");
    }
    assert_eq!(shop.get("/.sitio/login/sign-out", &[("sec-fetch-site", "cross-site")]).status(), 404);
    let away = shop.get("/.sitio/login/start?next=https://evil.example", &[]);
    assert!(away.headers()[LOCATION].to_str().unwrap().starts_with("http://127.0.0.1:"));
}
