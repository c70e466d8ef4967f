//! Tests users with roles and namespaces: what each sees, what each may command, and when a sign-in ends.

use std::io::Read;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::blocking::{Client, RequestBuilder, Response};
use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::redirect::Policy;
use scenario::accounts::{UsersFile, hash, token, user};
use scenario::api::http_client;
use scenario::control_plane::{bare, ports};
use scenario::eventually::{SOON, eventually};
use scenario::origin::Origin;
use scenario::process::Process;
use scenario::sidecar::Sidecar;
use serde_json::{Value, json};

const PASSWORD: &str = "correct horse battery";

/// A control plane with two namespaces, in each a service `web` with one endpoint that was called, and with users.
struct Mesh {
    process: Process,
    port: u16,
    users: UsersFile,
    _pods: [Sidecar; 2],
    _origin: Origin,
    _data: tempfile::TempDir,
}

/// What a client presents.
#[derive(Clone)]
enum As {
    Token(&'static str),
    Session(String),
}

impl Mesh {
    fn start(lines: &[String]) -> Self {
        let (data, users) = (tempfile::tempdir().unwrap(), UsersFile::with(lines));
        let mut command: Command = bare();
        command.env("SITIO_DATA_DIR", data.path());
        users.set(&mut command);
        let mut process = Process::start(command);
        let (port, grpc) = ports(&mut process);
        let origin = Origin::start();
        let pods = ["shop", "bank"].map(|namespace| {
            let pod = Sidecar::builder(origin.port()).named("web", &format!("{namespace}-pod")).reports_to(grpc);
            let pod = pod.with("POD_NAMESPACE", namespace).start();
            assert_eq!(pod.get("/bytes/1").status(), 200);
            pod
        });
        Self { process, port, users, _pods: pods, _origin: origin, _data: data }
    }

    fn get(&self, who: &As, path: &str) -> (u16, String) {
        let response = request(who, client().get(format!("http://127.0.0.1:{}{path}", self.port)));
        (response.status().as_u16(), response.text().unwrap())
    }

    fn post(&self, who: &As, path: &str, body: &Value) -> (u16, Value) {
        let response = request(who, client().post(format!("http://127.0.0.1:{}{path}", self.port)).json(body));
        (response.status().as_u16(), response.json().unwrap())
    }

    fn json(&self, who: &As, path: &str) -> Result<Value> {
        let (status, text) = self.get(who, path);
        ensure!(status == 200, "{path}: {status}: {text}");
        Ok(serde_json::from_str(&text)?)
    }

    /// Posts the form of the sign-in page; `None` if it opens no session.
    fn sign_in(&self, name: &str, password: &str) -> (u16, Option<As>) {
        let form = format!("user={name}&password={}", password.replace(' ', "+"));
        let form_request = client().post(format!("http://127.0.0.1:{}/sign-in", self.port));
        let response = form_request.header("content-type", "application/x-www-form-urlencoded").body(form).send().unwrap();
        let cookie = response.headers().get(SET_COOKIE).and_then(|cookie| cookie.to_str().ok());
        let cookie = cookie.and_then(|cookie| cookie.split(';').next()).map(|cookie| As::Session(cookie.to_owned()));
        (response.status().as_u16(), cookie)
    }

    fn signed_in(&self, name: &str) -> As {
        let (status, session) = self.sign_in(name, PASSWORD);
        session.unwrap_or_else(|| panic!("{name}: {status}: {:?}", self.process.stderr()))
    }

    /// Waits until the counts of both namespaces have arrived.
    fn expect_both(&self, who: &As) {
        for namespace in ["shop", "bank"] {
            self.endpoint_of(who, namespace);
        }
    }

    /// The id of the endpoint that was called. At first only the shared one is there, with a request in flight.
    fn endpoint_of(&self, who: &As, namespace: &str) -> String {
        eventually(SOON, || {
            let endpoints = self.json(who, "/api/v1/endpoints")?;
            let is_wanted = |row: &&Value| row["namespace"] == namespace && row["route"] != "(other)";
            let row = endpoints["endpoints"].as_array().and_then(|rows| rows.iter().find(is_wanted));
            let id = row.and_then(|row| row["id"].as_str());
            Ok(id.with_context(|| format!("no endpoint of {namespace}: {endpoints}"))?.to_owned())
        })
    }
}

fn client() -> Client {
    http_client().redirect(Policy::none()).timeout(Duration::from_secs(20)).build().unwrap()
}

fn request(who: &As, request: RequestBuilder) -> Response {
    let presented = match who {
        As::Token(token) => request.bearer_auth(token),
        As::Session(cookie) => request.header(COOKIE, cookie),
    };
    presented.send().unwrap()
}

fn off(namespace: &str) -> Value {
    json!({
        "namespace": namespace, "service": "web", "method": "GET", "route": "/bytes/{id}", "scope": "endpoint",
        "allow_unseen": true, "action": { "disable": { "status": 503 } }, "ttl": "1h", "reason": format!("a reason for {namespace}"),
    })
}

fn scoped_tokens() -> [String; 3] {
    [
        token("all", "token-of-all", "role: operator"),
        token("shop-ci", "token-of-shop", "role: operator, namespaces: [shop]"),
        token("bank-reader", "token-of-bank", "role: viewer, namespaces: [bank]"),
    ]
}

#[test]
fn a_user_commands_only_in_the_namespaces_of_the_account() {
    let mesh = Mesh::start(&scoped_tokens());
    let [all, shop, bank] = ["token-of-all", "token-of-shop", "token-of-bank"].map(As::Token);
    mesh.expect_both(&all);

    let (status, problem) = mesh.post(&shop, "/api/v1/rules", &off("bank"));
    assert_eq!((status, &problem["type"]), (403, &json!("urn:sitio:problem:role")), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("operator of namespace shop only"), "{problem}");
    let (status, problem) = mesh.post(&bank, "/api/v1/rules", &off("bank"));
    assert!(status == 403 && problem["detail"].as_str().unwrap().contains("the role operator"), "{problem}");
    let (status, of_bank) = mesh.post(&all, "/api/v1/rules", &off("bank"));
    assert_eq!(status, 201, "{of_bank}");
    let (status, of_shop) = mesh.post(&shop, "/api/v1/rules", &off("shop"));
    assert_eq!((status, &of_shop["by"]), (201, &json!("shop-ci")), "{of_shop}");
    let of_bank = format!("/api/v1/rules/{}", of_bank["id"].as_str().unwrap());
    let (status, unknown) = mesh.post(
        &shop,
        "/api/v1/rules",
        &json!({ "namespace": "shop", "service": "wep", "method": "GET",
        "route": "/", "action": { "disable": { "status": 503 } }, "reason": "x" }),
    );
    assert!(status == 404 && !unknown.to_string().contains("bank"), "{unknown}");
    for (who, expected) in [(&shop, 404), (&bank, 403)] {
        let url = format!("http://127.0.0.1:{}{of_bank}", mesh.port);
        assert_eq!(request(who, client().delete(&url)).status().as_u16(), expected);
        assert_eq!(request(who, client().post(format!("{url}/resend"))).status().as_u16(), expected);
    }
}

#[test]
fn a_user_reads_only_the_namespaces_of_the_account() {
    let mesh = Mesh::start(&scoped_tokens());
    let [all, shop] = ["token-of-all", "token-of-shop"].map(As::Token);
    mesh.expect_both(&all);
    let foreign = mesh.endpoint_of(&all, "bank");
    let of_bank = mesh.post(&all, "/api/v1/rules", &off("bank")).1;
    assert_eq!(mesh.post(&shop, "/api/v1/rules", &off("shop")).0, 201);
    let of_bank = format!("/api/v1/rules/{}", of_bank["id"].as_str().unwrap());
    for path in [
        "/api/v1/endpoints",
        "/api/v1/pods",
        "/api/v1/rules",
        "/api/v1/routes",
        "/api/v1/audit",
        "/endpoints.csv",
        "/pods.csv",
        "/map.csv",
        "/audit.csv",
        "/",
        "/pods",
        "/map",
        "/audit",
        "/tap",
    ] {
        let (status, text) = mesh.get(&shop, path);
        let leaks =
            text.contains("bank-pod") || text.contains("\"bank\"") || text.contains("for bank") || text.contains(&foreign);
        assert!(status == 200 && !leaks, "{path}: {status}: {text}");
        let (_, text) = mesh.get(&all, path);
        let says = ["bank", &foreign].iter().any(|word| text.contains(word));
        assert!(
            says || path.starts_with("/api/v1/routes") || path == "/tap" || path == "/map.csv",
            "{path} shows it to others: {text}"
        );
    }
    for path in [
        format!("/endpoints/{foreign}"),
        format!("/endpoints/{foreign}/impact"),
        format!("/endpoints/{foreign}/requests"),
        format!("/endpoints/{foreign}/csv/steps.csv"),
        format!("/endpoints/{foreign}/pin"),
        format!("/api/v1/endpoints/{foreign}/callers"),
        format!("/api/v1/endpoints/{foreign}/history"),
        format!("/api/v1/timeline?endpoint={foreign}"),
        of_bank.clone(),
        format!("/rules/{}/progress", of_bank.rsplit('/').next().unwrap()),
    ] {
        assert_eq!(mesh.get(&shop, &path).0, 404, "{path}");
        assert_eq!(mesh.get(&all, &path).0, 200, "{path}");
    }
    let timeline = mesh.json(&shop, "/api/v1/timeline").unwrap();
    assert_eq!(timeline["endpoints"], 1, "{timeline}, of {}", mesh.get(&shop, "/api/v1/endpoints").1);
    let (status, metrics) = mesh.get(&shop, "/metrics");
    assert!(status == 403 && metrics.contains("needs all namespaces"), "{metrics}");
    assert_eq!(mesh.get(&all, "/metrics").0, 200);
    let audit = mesh.json(&shop, "/api/v1/audit").unwrap();
    assert!(
        audit["audit"].as_array().unwrap().iter().all(|entry| entry["namespace"] == "shop" && entry["by"] == "shop-ci"),
        "{audit}"
    );
    assert_eq!(audit["audit"][0]["address"], "127.0.0.1", "{audit}");
}

#[test]
fn live_streams_are_not_shared_across_namespaces() {
    let mesh = Mesh::start(&[
        token("all", "token-of-all", "role: operator"),
        token("shop-ci", "token-of-shop", "role: viewer, namespaces: [shop]"),
    ]);
    let [all, shop] = ["token-of-all", "token-of-shop"].map(As::Token);
    mesh.expect_both(&all);
    let first = |who: &As, page: &str| {
        let url = format!("http://127.0.0.1:{}/events?page={page}&window=1m", mesh.port);
        let mut response = request(who, client().get(url));
        let mut text = Vec::new();
        while !text.ends_with(b"\n\n") {
            let mut byte = [0];
            response.read_exact(&mut byte).unwrap();
            text.push(byte[0]);
        }
        String::from_utf8(text).unwrap()
    };
    let foreign = mesh.endpoint_of(&all, "bank");
    // The frame of one second is shared: each asks right after the other.
    for page in ["overview", "pods", "map"] {
        let whole = first(&all, page);
        let scoped = first(&shop, page);
        assert!(whole.contains("bank"), "{page}: {whole}");
        assert!(!scoped.contains("bank") && !scoped.contains(&foreign), "{page}: {scoped}");
    }
}

#[test]
fn a_viewers_page_has_no_switch_and_says_why_and_a_form_is_refused() {
    let mesh = Mesh::start(&[user("vera", PASSWORD, "role: viewer"), user("olga", PASSWORD, "role: operator")]);
    let [vera, olga] = ["vera", "olga"].map(|name| mesh.signed_in(name));
    mesh.expect_both(&olga);
    let endpoint = mesh.endpoint_of(&olga, "shop");

    let (_, page) = mesh.get(&vera, &format!("/endpoints/{endpoint}"));
    assert!(page.contains("vera has the role viewer, and commands need the role operator"), "{page}");
    assert!(
        !page.contains("Turn off on all pods") && !page.contains("Pin route") && page.contains("<button class=\"sw\" disabled"),
        "{page}"
    );
    let (_, page) = mesh.get(&olga, &format!("/endpoints/{endpoint}"));
    assert!(
        page.contains("Turn off on all pods") && page.contains("Pin route") && !page.contains("<button class=\"sw\" disabled")
    );

    let form = "status=503&ttl=1h&reason=x";
    let url = format!("http://127.0.0.1:{}/endpoints/{endpoint}/off", mesh.port);
    let form_request = client().post(url).header("content-type", "application/x-www-form-urlencoded").body(form);
    let refused = request(&vera, form_request);
    let (status, page) = (refused.status().as_u16(), refused.text().unwrap());
    assert!(status == 403 && page.contains("commands need the role operator"), "{status} {page}");
    assert_eq!(mesh.json(&olga, "/api/v1/rules").unwrap()["rules"], json!([]));
}

#[test]
fn a_sign_in_ends_by_sign_out_a_new_password_or_a_removed_user_and_streams_end_with_it() {
    let mesh = Mesh::start(&[user("anna", PASSWORD, "role: operator"), user("ben", PASSWORD, "role: operator")]);
    let works = |who: &As| mesh.get(who, "/api/v1/about").0 == 200;
    let open_stream = |who: &As| {
        let mut stream = request(who, client().get(format!("http://127.0.0.1:{}/events", mesh.port)));
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        stream
    };
    let sign_out = |who: &As, sessions: &str| {
        let url = format!("http://127.0.0.1:{}/sign-out", mesh.port);
        let form = format!("sessions={sessions}");
        let form_request = client().post(url).header("content-type", "application/x-www-form-urlencoded").body(form);
        let response = request(who, form_request);
        assert_eq!(response.status(), 200);
        assert!(response.headers()[SET_COOKIE].to_str().unwrap().contains("Max-Age=0"));
    };

    let (one, two) = (mesh.signed_in("anna"), mesh.signed_in("anna"));
    let mut stream = open_stream(&one);
    sign_out(&one, "this");
    assert!(!works(&one) && works(&two));
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();

    let three = mesh.signed_in("anna");
    sign_out(&two, "all");
    assert!(!works(&two) && !works(&three));

    let (four, ben) = (mesh.signed_in("anna"), mesh.signed_in("ben"));
    let mut stream = open_stream(&four);
    mesh.users.write(&[user("anna", "another long password", "role: operator")]);
    stream.read_to_end(&mut rest).unwrap();
    eventually(SOON, || {
        ensure!(!works(&four) && !works(&ben), "the change has not been noticed");
        Ok(())
    });
    assert_eq!(mesh.sign_in("anna", PASSWORD).0, 403);
    assert!(mesh.sign_in("anna", "another long password").1.is_some());
}

#[test]
fn attempts_are_limited_and_no_secret_is_logged() {
    let mut mesh = Mesh::start(&[user("anna", PASSWORD, "role: operator"), token("ci", "a-token-of-a-script", "role: viewer")]);
    assert_eq!(mesh.sign_in("anna", "wrong password").0, 403);
    assert_eq!(mesh.sign_in("nora", PASSWORD).0, 403, "an unknown user");
    assert!(mesh.sign_in("anna", PASSWORD).1.is_some());
    assert_eq!(mesh.get(&As::Token("a-token-of-a-script"), "/api/v1/about").0, 200);
    assert_eq!(mesh.get(&As::Token("a-token-that-is-wrong"), "/api/v1/about").0, 401);
    let statuses: Vec<u16> = (0..12).map(|at| mesh.sign_in("anna", &format!("guess number {at}")).0).collect();
    assert!(statuses.starts_with(&[403, 403]) && statuses.ends_with(&[429, 429]), "{statuses:?}");
    assert_eq!(mesh.sign_in("anna", PASSWORD).0, 429, "what is not looked at reveals nothing");

    mesh.users.write(&["users nonsense".to_owned()]);
    mesh.process.line("the refused file", |line| line.contains("the users file cannot be used").then_some(()));
    let log = mesh.process.stderr().join("\n");
    for secret in
        [PASSWORD, "wrong password", "guess number", "a-token-of-a-script", "a-token-that-is-wrong", &hash(PASSWORD), "argon2id$"]
    {
        assert!(!log.contains(secret), "{secret} is in the log: {log}");
    }
    assert!(log.contains("wrong user or password") && log.contains("127.0.0.1"), "{log}");
}
