//! Tests that a sign-in at one replica holds at all others, and when the leader changes.

use anyhow::ensure;
use reqwest::blocking::Client;
use reqwest::header::{COOKIE, SET_COOKIE};
use scenario::api::http_client;
use scenario::eventually::{SOON, eventually};
use scenario::nats::NatsCluster;
use scenario::replicas::Replicas;

const TOKEN: &str = "a-token-of-a-decent-length-for-this-test";

fn client() -> Client {
    http_client().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

/// Signs in with the token, and returns the cookie of the session.
fn sign_in(port: u16) -> String {
    let form = client().post(format!("http://127.0.0.1:{port}/sign-in")).body(format!("token={TOKEN}"));
    let response = form.header("content-type", "application/x-www-form-urlencoded").send().unwrap();
    let cookie = response.headers().get(SET_COOKIE).unwrap_or_else(|| panic!("{}", response.status()));
    cookie.to_str().unwrap().split(';').next().unwrap().to_owned()
}

fn expect_signed_in(port: u16, cookie: &str) {
    eventually(2 * SOON, || {
        let response = client().get(format!("http://127.0.0.1:{port}/api/v1/pods")).header(COOKIE, cookie).send()?;
        ensure!(response.status() == 200, "{}", response.status());
        Ok(())
    });
}

#[test]
fn a_sign_in_holds_on_every_replica_and_after_a_change_of_the_leader() {
    let nats = NatsCluster::start(1);
    let mut replicas = Replicas::with(3, &nats, &[("SITIO_TOKEN", TOKEN)]);
    replicas.expect_ready();
    let cookie = sign_in(replicas.all[0].http_port);
    for replica in &replicas.all {
        expect_signed_in(replica.http_port, &cookie);
    }

    // The leader is one of them: whichever is left has the session.
    for at in 0..2 {
        replicas.all[at].process.kill();
        expect_signed_in(replicas.all[2].http_port, &cookie);
        let without = client().get(format!("http://127.0.0.1:{}/api/v1/pods", replicas.all[2].http_port)).send().unwrap();
        assert_eq!(without.status(), 401);
    }
}
