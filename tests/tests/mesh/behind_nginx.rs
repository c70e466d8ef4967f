//! Tests the dashboard behind nginx: at the root and below a path, with a port nginx does not forward, with TLS.

use std::path::Path;
use std::process::Command;

use anyhow::ensure;
use rcgen::{CertificateParams, KeyPair};
use reqwest::Url;
use scenario::accounts::{UsersFile, user};
use scenario::browser::Browser;
use scenario::control_plane::{bare, ports};
use scenario::eventually::{SOON, eventually};
use scenario::nginx::{Nginx, NginxConfig};
use scenario::process::Process;

const TOKEN: &str = "a-token-of-a-decent-length-for-this-test";
const NAME: &str = "mesh.example";
const HTML: &str = "Accept: text/html";

/// A dashboard behind a proxy.
struct Reached {
    base: Url,
    ca: Option<String>,
    control_plane: Process,
    _data: tempfile::TempDir,
    _nginx: Nginx,
}

/// The protocol between browsers and nginx.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Speaks {
    Http,
    Https,
}

impl Reached {
    /// A dashboard below `path`. `location` is nginx's location block, in which `{to}` is the control plane's URL.
    fn behind(speaks: Speaks, path: &str, location: &str) -> Self {
        Self::signed_in_by(|command| _ = command.env("SITIO_TOKEN", TOKEN), speaks, path, location)
    }

    /// The same, where `by` sets how people sign in.
    fn signed_in_by(by: impl FnOnce(&mut Command), speaks: Speaks, path: &str, location: &str) -> Self {
        let place = NginxConfig::free();
        let scheme = if speaks == Speaks::Https { "https" } else { "http" };
        let base: Url = format!("{scheme}://{NAME}:{}{path}/", place.port()).parse().unwrap();
        let data = tempfile::tempdir().unwrap();
        let mut command = bare();
        command.env("SITIO_DATA_DIR", data.path()).env("SITIO_PUBLIC_URL", base.as_str());
        by(&mut command);
        let mut control_plane = Process::start(command);
        let (http, _) = ports(&mut control_plane);
        let location = location.replace("{to}", &format!("http://127.0.0.1:{http}"));
        let (tls, block, ca) = match speaks {
            Speaks::Http => ("", location, None),
            Speaks::Https => {
                let ca = certificate(place.folder());
                let files = "ssl_certificate certificate.pem; ssl_certificate_key key.pem;";
                (" ssl", format!("{files} {location}"), Some(ca))
            }
        };
        Self { base, ca, control_plane, _data: data, _nginx: place.start(tls, &block) }
    }

    fn curl(&self, url: &Url, arguments: &[&str]) -> Command {
        let mut command = Command::new("curl");
        let port = self.base.port().unwrap();
        command.args(["-s", "-i", "-N", "--noproxy", "*", "--max-time", "30"]);
        command.args(["--resolve", &format!("{NAME}:{port}:127.0.0.1")]).args(arguments).arg(url.as_str());
        if let Some(ca) = &self.ca {
            command.args(["--cacert", ca]);
        }
        command
    }

    fn ask(&self, address: &str, arguments: &[&str]) -> Answer {
        let url = self.base.join(address).unwrap();
        let output = self.curl(&url, arguments).output().expect("curl is missing: run tests/install");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{url}: {output:?}"));
        Answer { url, head: head.to_lowercase(), body: body.to_owned() }
    }

    fn origin(&self) -> String {
        format!("Origin: {}", self.base.origin().ascii_serialization())
    }
}

struct Answer {
    url: Url,
    head: String,
    body: String,
}

impl Answer {
    fn status(&self) -> u16 {
        self.head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// The links and sources in the page.
    fn links(&self) -> Vec<Url> {
        let parts = ["href=\"", "src=\""].into_iter().flat_map(|attribute| self.body.split(attribute).skip(1));
        let links = parts.filter_map(|rest| rest.split('"').next()).filter(|link| !link.is_empty() && !link.starts_with('#'));
        links.map(|link| self.url.join(&link.replace("&amp;", "&")).unwrap()).collect()
    }
}

fn certificate(folder: &Path) -> String {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new([NAME.to_owned()]).unwrap().self_signed(&key).unwrap();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    let file = folder.join("certificate.pem");
    std::fs::write(&file, certificate.pem()).unwrap();
    file.to_str().unwrap().to_owned()
}

/// Signs in, follows every link, sends a command and opens the live stream; requests from another site are refused.
fn serves_people(reached: &Reached, speaks: Speaks) {
    let base = reached.base.as_str();
    let sent = reached.ask("pods", &["-H", HTML]);
    assert_eq!(sent.status(), 303, "{}", sent.head);
    let to = sent.url.join(sent.header("location").unwrap()).unwrap();
    assert!(to.as_str().starts_with(&format!("{base}sign-in?next=")), "{to}");
    let page = reached.ask(to.as_str(), &["-H", HTML]);
    assert!(page.status() == 200 && page.body.contains("type=\"password\""), "{}", page.body);
    for file in page.links() {
        assert_eq!(reached.ask(file.as_str(), &[]).status(), 200, "{file}");
    }

    let (own, form) = (reached.origin(), format!("token={TOKEN}&next=/pods"));
    let foreign = reached.ask("sign-in", &["-H", "Origin: http://evil.example", "-H", HTML, "-d", &form]);
    assert!(foreign.status() == 403 && foreign.header("content-type").unwrap().starts_with("text/html"), "{}", foreign.head);
    let signed_in = reached.ask("sign-in", &["-H", &own, "-H", HTML, "-d", &form]);
    assert_eq!(signed_in.status(), 303, "{}\n{}", signed_in.head, signed_in.body);
    assert_eq!(signed_in.url.join(signed_in.header("location").unwrap()).unwrap().as_str(), format!("{base}pods"));
    let cookie = signed_in.header("set-cookie").unwrap();
    assert_eq!(cookie.ends_with("; secure"), speaks == Speaks::Https, "{cookie}");
    // Names of cookies are case-sensitive, and `head` is in lower case.
    let cookie = format!("Cookie: {}", cookie.split(';').next().unwrap().replace("__host-", "__Host-"));

    for page in ["", "pods", "map", "audit", "tap", "endpoints/e0", "nowhere"] {
        let page = reached.ask(page, &["-H", HTML, "-H", &cookie]);
        assert!([200, 404].contains(&page.status()), "{}", page.head);
        let links = page.links();
        assert!(links.len() > 6, "{}", page.body);
        for link in links {
            assert!(link.as_str().starts_with(base), "{} leads to {link}", page.url);
            assert_eq!(reached.ask(link.as_str(), &["-H", &cookie]).status(), 200, "{} leads to {link}", page.url);
        }
    }

    let order = r#"{"service":"x","method":"GET","route":"/x","action":{"disable":{"status":503}},"reason":"a scenario"}"#;
    let json = "Content-Type: application/json";
    let given = reached.ask("api/v1/rules", &["-H", &cookie, "-H", &own, "-H", json, "-d", order]);
    assert!(given.body.contains("unknown-service"), "{}\n{}", given.head, given.body);
    let foreign = reached.ask("api/v1/rules", &["-H", &cookie, "-H", "Origin: http://evil.example", "-H", json, "-d", order]);
    assert_eq!(foreign.status(), 403, "{}", foreign.head);

    let mut watching = Process::start(reached.curl(&reached.base.join("events?window=1m").unwrap(), &["-H", &cookie]));
    watching.line("its first event", |line| line.starts_with("event: snap").then_some(()));
}

#[test]
fn at_the_root_behind_tls_and_a_port_that_nginx_does_not_pass_on() {
    let location = "location / { proxy_pass {to}; proxy_set_header Host $host; }";
    serves_people(&Reached::behind(Speaks::Https, "", location), Speaks::Https);
}

#[test]
fn below_a_path_that_nginx_takes_off() {
    let location = "location /sitio/ { proxy_pass {to}/; proxy_set_header Host $host; }";
    serves_people(&Reached::behind(Speaks::Http, "/sitio", location), Speaks::Http);
}

#[test]
fn below_a_path_that_nginx_leaves_on_with_nothing_else_set() {
    serves_people(&Reached::behind(Speaks::Http, "/sitio", "location /sitio/ { proxy_pass {to}; }"), Speaks::Http);
}

/// A user signs in, sees the account, and signs out.
fn serves_users(path: &str, prefix: &str, location: &str) {
    const PASSWORD: &str = "correct horse battery";
    let users = UsersFile::with(&[user("anna", PASSWORD, "role: viewer")]);
    let reached = Reached::signed_in_by(|command| users.set(command), Speaks::Https, path, location);
    let (own, base) = (reached.origin(), reached.base.as_str());
    let sign_in = |password: &str| {
        let form = format!("user=anna&password={}&next=/pods", password.replace(' ', "+"));
        reached.ask("sign-in", &["-H", &own, "-H", HTML, "-d", &form])
    };
    let wrong = sign_in("wrong");
    assert!(wrong.status() == 403 && wrong.body.contains("Wrong user or password") && wrong.header("set-cookie").is_none());
    let signed_in = sign_in(PASSWORD);
    assert_eq!(signed_in.status(), 303, "{}\n{}", signed_in.head, signed_in.body);
    assert_eq!(signed_in.url.join(signed_in.header("location").unwrap()).unwrap().as_str(), format!("{base}pods"));
    let cookie = signed_in.header("set-cookie").unwrap();
    let attributes = format!("; httponly; samesite=lax; max-age=43200; path={path}/; secure");
    assert!(cookie.starts_with(&prefix.to_lowercase()) && cookie.ends_with(&attributes), "{cookie}");
    // Names of cookies are case-sensitive, and `head` is in lower case.
    let cookie = format!("Cookie: {}{}", prefix, &cookie.split(';').next().unwrap()[prefix.len()..]);

    let page = reached.ask("pods", &["-H", HTML, "-H", &cookie]);
    assert!(page.status() == 200 && page.body.contains("anna") && page.body.contains("Viewer"), "{}", page.body);
    let account = reached.ask("account", &["-H", HTML, "-H", &cookie]);
    assert!(account.body.contains("Your role is <b>viewer</b>, for all namespaces"), "{}", account.body);
    for link in account.links() {
        assert!(link.as_str().starts_with(base), "{link}");
    }
    let foreign = ["-H", "Origin: http://evil.example", "-H", &cookie, "-d", "sessions=all"];
    assert_eq!(reached.ask("sign-out", &foreign).status(), 403, "a page of another site ends no session");
    assert_eq!(reached.ask("sign-out", &["-H", &own, "-H", &cookie, "-d", "sessions=this"]).status(), 200);
    assert_eq!(reached.ask("pods", &["-H", HTML, "-H", &cookie]).status(), 303, "the session is over");
}

#[test]
fn users_sign_in_behind_tls_at_the_root() {
    serves_users("", "__Host-sitio_session", "location / { proxy_pass {to}; proxy_set_header Host $host; }");
}

#[test]
fn users_sign_in_behind_tls_below_a_path() {
    serves_users("/sitio", "__Secure-sitio_session", "location /sitio/ { proxy_pass {to}/; proxy_set_header Host $host; }");
}

#[test]
fn wrong_tokens_are_logged_with_the_address_and_a_proxy_is_believed_only_if_it_is_trusted() {
    let location = "location / { proxy_pass {to}; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }";
    let mut reached = Reached::behind(Speaks::Http, "", location);
    let shown = ["-H", "Authorization: Bearer wrong", "-H", "X-Forwarded-For: 192.0.2.9"];
    assert_eq!(reached.ask("api/v1/pods", &shown).status(), 401);
    let line = reached.control_plane.line("the address", |line| line.contains("wrong token").then(|| line.to_owned()));
    assert!(line.contains("127.0.0.1") && !line.contains("192.0.2.9") && !line.contains("Bearer"), "{line}");
}

#[test]
fn a_browser_signs_in_and_sees_live_numbers_below_a_path_without_any_setting() {
    let data = tempfile::tempdir().unwrap();
    let mut command = bare();
    command.env("SITIO_TOKEN", TOKEN).env("SITIO_DATA_DIR", data.path());
    let mut control_plane = Process::start(command);
    let (http, _) = ports(&mut control_plane);
    let place = NginxConfig::free();
    let address = format!("http://127.0.0.1:{}/sitio/", place.port());
    let _nginx =
        place.start("", &format!("location /sitio/ {{ proxy_pass http://127.0.0.1:{http}/; proxy_set_header Host $host; }}"));

    let browser = Browser::start();
    browser.open(&address);
    browser.type_into("#token", TOKEN).unwrap();
    browser.click("button").unwrap();

    eventually(SOON, || {
        let pulse = browser.text("#pulse .word")?;
        ensure!(pulse == "Live", "{pulse}");
        Ok(())
    });
    let styled = browser.script("return getComputedStyle(document.querySelector('.vh')).position").unwrap();
    assert_eq!(styled, "absolute", "the style sheet was not found");
    assert_eq!(browser.script("return location.href").unwrap(), address);
}
