//! Tests the sign-in at a real OpenID provider by a real browser, and what a forged or repeated return gets.

use std::process::Command;
use std::time::Duration;

use anyhow::ensure;
use reqwest::blocking::{Client, Response};
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use scenario::api::http_client;
use scenario::browser::Browser;
use scenario::control_plane::{bare, ports};
use scenario::eventually::{SOON, eventually};
use scenario::process::{Process, file};
use scenario::reserved_port::ReservedPort;

/// A control plane, and the provider that its people sign in at.
struct Realm {
    base: String,
    control_plane: Process,
    provider: Option<Process>,
    _ports: [ReservedPort; 2],
    _data: tempfile::TempDir,
}

/// Whether the provider runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ProviderIs {
    There,
    Away,
}

impl Realm {
    fn start(provider_is: ProviderIs) -> Self {
        let (http, at) = (ReservedPort::reserve(), ReservedPort::reserve());
        let base = format!("http://127.0.0.1:{}", http.port);
        let provider = (provider_is == ProviderIs::There).then(|| {
            let mut command = Command::new("node");
            command.arg(file("services/openid-provider.mjs")).arg(at.port.to_string());
            command.args([format!("{base}/sign-in/openid/callback"), format!("{base}/sign-in")]);
            let mut provider = Process::start(command);
            provider.line("the provider's port (without it, run `npm ci --prefix tests`)", |line| {
                line.contains("listening").then_some(())
            });
            provider
        });
        let data = tempfile::tempdir().unwrap();
        let secret = data.path().join("client-secret");
        std::fs::write(&secret, "a-secret-of-the-client\n").unwrap();
        let mut command = bare();
        command.env("SITIO_HTTP_ADDR", format!("127.0.0.1:{}", http.port)).env("SITIO_DATA_DIR", data.path());
        command.env("SITIO_PUBLIC_URL", &base).env("SITIO_OIDC_ISSUER", format!("http://127.0.0.1:{}", at.port));
        command.env("SITIO_OIDC_CLIENT_ID", "sitio").env("SITIO_OIDC_CLIENT_SECRET_FILE", &secret);
        command.env("SITIO_OIDC_ROLES_CLAIM", "realm_access.roles");
        command.env("SITIO_OIDC_ROLES", "sitio-admins=operator,staff=viewer:shop");
        let mut control_plane = Process::start(command);
        ports(&mut control_plane);
        Self { base, control_plane, provider, _ports: [http, at], _data: data }
    }

    fn client() -> Client {
        http_client().redirect(Policy::none()).timeout(Duration::from_secs(20)).build().unwrap()
    }

    fn get(&self, path: &str, cookie: &str) -> Response {
        Self::client().get(format!("{}{path}", self.base)).header("accept", "text/html").header(COOKIE, cookie).send().unwrap()
    }

    /// Begins a sign-in: the cookie that binds it to the browser, and the state.
    fn begin(&self) -> (String, String) {
        let sent = self.get("/sign-in/openid?next=/pods", "a=b");
        assert_eq!(sent.status(), 303);
        let cookie = sent.headers()[SET_COOKIE].to_str().unwrap();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && cookie.contains("Max-Age=600"), "{cookie}");
        let there: reqwest::Url = sent.headers()[LOCATION].to_str().unwrap().parse().unwrap();
        let part = |name: &str| there.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
        assert_eq!((part("code_challenge_method").as_str(), part("response_type").as_str()), ("S256", "code"));
        assert!(part("nonce").len() >= 32 && !cookie.contains(&part("code_challenge")));
        (cookie.split(';').next().unwrap().to_owned(), part("state"))
    }
}

/// Signs in at the provider's own pages, and agrees.
fn sign_in_there(browser: &Browser, name: &str) {
    eventually(SOON, || browser.type_into("[name=login]", name));
    browser.type_into("[name=password]", "any will do").unwrap();
    browser.click("button[type=submit]").unwrap();
    eventually(SOON, || {
        ensure!(browser.script("return document.querySelector('[name=login]') === null")? == true, "still the sign-in");
        browser.click("button[type=submit]")
    });
}

fn expect_text(browser: &Browser, selector: &str, expected: &str) {
    eventually(SOON, || {
        let text = browser.text(selector)?;
        ensure!(text.contains(expected), "{text}");
        Ok(())
    });
}

#[test]
fn a_user_signs_in_at_the_provider_acts_by_the_mapped_role_and_signs_out_there_too() {
    let mut realm = Realm::start(ProviderIs::There);
    let browser = Browser::recording_requests();
    browser.open(&format!("{}/pods", realm.base));
    assert_eq!(browser.axe_violations(), Vec::<String>::new(), "the sign-in page");
    browser.click("#openid").unwrap();
    sign_in_there(&browser, "vera");

    expect_text(&browser, ".who", "vera");
    assert_eq!(browser.script("return location.pathname").unwrap(), "/pods", "back to the page that was asked for");
    expect_text(&browser, ".who", "Viewer");
    browser.click("a.who").unwrap();
    expect_text(&browser, "main", "Your role is viewer, for namespace shop.");
    assert_eq!(browser.axe_violations(), Vec::<String>::new(), "the account page");

    // The code of the return was used: in a fresh sign-in of another browser, the provider refuses it.
    let came = browser.asked_for().into_iter().find(|url| url.contains("/sign-in/openid/callback?")).expect("the return");
    let came: reqwest::Url = came.parse().unwrap();
    let code = came.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let (cookie, state) = realm.begin();
    let replayed = realm.get(&format!("/sign-in/openid/callback?code={code}&state={state}"), &cookie);
    assert_eq!(replayed.status(), 502);
    assert!(!replayed.headers().get_all(SET_COOKIE).iter().any(|cookie| cookie.to_str().unwrap().starts_with("sitio_session")));
    realm.control_plane.line("why it failed", |line| line.contains("invalid_grant").then_some(()));

    browser.click("button[value=this]").unwrap();
    // The provider's own page asks whether to sign out there.
    eventually(SOON, || browser.click("button[name=logout]"));
    expect_text(&browser, "h1", "Sign in to Sitio");
    browser.open(&format!("{}/pods", realm.base));
    expect_text(&browser, "h1", "Sign in to Sitio");
    let log = realm.control_plane.stderr().join("\n");
    assert!(!log.contains("a-secret-of-the-client") && !log.contains(&code), "{log}");
}

#[test]
fn a_user_without_a_role_and_one_who_cancels_get_a_page_that_says_so() {
    let realm = Realm::start(ProviderIs::There);
    let browser = Browser::start();
    browser.open(&format!("{}/sign-in/openid", realm.base));
    eventually(SOON, || browser.click("a[href$='/abort']"));
    expect_text(&browser, "main", "Not signed in");

    browser.open(&format!("{}/sign-in/openid", realm.base));
    sign_in_there(&browser, "nora");
    expect_text(&browser, "main", "you are signed in as nora, and that account has no role for Sitio");
    assert_eq!(browser.axe_violations(), Vec::<String>::new());
    browser.open(&realm.base);
    expect_text(&browser, "h1", "Sign in to Sitio");
}

#[test]
fn a_forged_return_opens_no_session() {
    let realm = Realm::start(ProviderIs::There);
    let (cookie, state) = realm.begin();
    let (other_cookie, other_state) = realm.begin();
    let callback = |query: &str, cookie: &str| {
        let answer = realm.get(&format!("/sign-in/openid/callback{query}"), cookie);
        let has_session =
            answer.headers().get_all(SET_COOKIE).iter().any(|set| set.to_str().unwrap().starts_with("sitio_session"));
        assert!(!has_session, "{query}");
        (answer.status().as_u16(), answer.text().unwrap())
    };
    for (query, cookie) in [
        (format!("?code=c&state={state}"), "a=b"),
        (format!("?code=c&state={other_state}"), cookie.as_str()),
        (format!("?code=c&state={state}"), other_cookie.as_str()),
        ("?code=c&state=".to_owned(), cookie.as_str()),
        ("?code=c".to_owned(), "sitio_openid=0::::"),
        (String::new(), cookie.as_str()),
    ] {
        let (status, page) = callback(&query, cookie);
        assert!(status == 403 && page.contains("begin again"), "{query}: {status} {page}");
    }
    let (status, page) = callback(&format!("?error=access_denied&state={state}"), &cookie);
    assert!(status == 403 && page.contains("cancelled or refused"), "{status} {page}");
    let (status, _) = callback(&format!("?code=made-up&state={state}"), &cookie);
    assert_eq!(status, 502, "the provider knows no such code");
}

#[test]
fn while_the_provider_is_away_the_page_says_so_and_the_log_says_why() {
    let mut realm = Realm::start(ProviderIs::Away);
    assert!(realm.provider.is_none());
    let page = realm.get("/sign-in/openid", "a=b");
    assert_eq!(page.status(), 502);
    let text = page.text().unwrap();
    assert!(text.contains("The sign-in service cannot be used now") && text.contains("127.0.0.1"), "{text}");
    realm.control_plane.line("the reason", |line| (line.contains("OpenID provider") && line.contains("refused")).then_some(()));
}
