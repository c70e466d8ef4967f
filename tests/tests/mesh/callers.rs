//! Tests caller attribution end to end: pods by service name, other clients by address, and no request lost.

use std::net::Ipv4Addr;

use anyhow::ensure;
use scenario::api::Api;
use scenario::client::Client;
use scenario::control_plane::ControlPlane;
use scenario::eventually::{SOON, eventually};
use scenario::origin::Origin;
use scenario::sidecar::Sidecar;
use serde_json::{Value, json};

const WEB: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 21);
const CART: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 22);
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 99);

/// A control plane, and the sidecars of a calling and a called pod.
struct World {
    cart: Sidecar,
    web: Option<Sidecar>,
    control_plane: ControlPlane,
    _origin: Origin,
}

impl World {
    fn start() -> Self {
        let (control_plane, origin) = (ControlPlane::start(), Origin::start());
        let pod = |service: &str, pod: &str, address: Ipv4Addr| {
            let plan = Sidecar::builder(origin.port()).named(service, pod).reports_to(control_plane.grpc_port);
            plan.with("POD_IP", &address.to_string()).with("SITIO_WORKERS", "2").start()
        };
        let (cart, web) = (pod("cart", "cart-0", CART), Some(pod("web", "web-0", WEB)));
        control_plane.api().expect_pods(&["cart-0", "web-0"]);
        Self { cart, web, control_plane, _origin: origin }
    }

    /// Sends `times` requests to the cart, each on a new connection, so that both workers receive some.
    fn call(&self, from: Ipv4Addr, times: usize) {
        for _ in 0..times {
            assert_eq!(Client::connect_from(from, self.cart.port).get("/bytes/1").status(), 200);
        }
    }
}

fn callers(api: &Api) -> anyhow::Result<Value> {
    let rows = api.endpoints()?;
    let row = rows.iter().find(|row| row["service"] == "cart" && row["hits"] != 0);
    let Some(row) = row else { anyhow::bail!("no call has been counted: {rows:?}") };
    api.json(&format!("/api/v1/endpoints/{}/callers", row["id"].as_str().unwrap()))
}

/// Waits until the callers are as expected: kind, name, hits, and the calling pods.
#[track_caller]
fn expect_callers(world: &World, expected: &Value) {
    eventually(SOON, || {
        let output = callers(&world.control_plane.api())?;
        let row = |row: &Value| {
            let name = row["service"].as_str().or(row["address"].as_str());
            let pods: Vec<_> = row["pods"].as_array().unwrap().iter().map(|pod| pod["pod"].clone()).collect();
            json!([row["kind"], name, row["hits"], pods])
        };
        let rows: Value = output["callers"].as_array().unwrap().iter().map(row).collect();
        ensure!(rows == *expected && output["unknown_hits"] == 0, "{output}");
        Ok(())
    });
}

#[test]
fn a_calling_pod_is_named_by_its_service_and_a_stranger_by_its_address() {
    let mut world = World::start();
    world.call(WEB, 12);
    world.call(STRANGER, 5);
    let all = json!([["service", "web", 12, ["web-0"]], ["address", STRANGER.to_string(), 5, []]]);
    expect_callers(&world, &all);

    // A caller that has left keeps its name. After a restart, the control plane receives all counts again.
    drop(world.web.take());
    expect_callers(&world, &all);
    world.control_plane.process.kill();
    world.control_plane.restart();
    expect_callers(&world, &json!([["address", WEB.to_string(), 12, []], ["address", STRANGER.to_string(), 5, []]]));
}

#[test]
fn callers_over_the_limit_are_the_others_and_no_request_is_lost() {
    let world = World::start();
    world.call(WEB, 3);
    expect_callers(&world, &json!([["service", "web", 3, ["web-0"]]]));
    for last in 100..160 {
        world.call(Ipv4Addr::new(127, 0, 7, last), 1);
    }
    world.call(WEB, 4);
    eventually(SOON, || {
        let output = callers(&world.control_plane.api())?;
        ensure!(output["hits"] == 67 && output["unknown_hits"] == 0, "{output}");
        let rows = output["callers"].as_array().unwrap();
        let addresses = rows.iter().filter(|row| row["kind"] == "address").count();
        ensure!(addresses + 1 == 32, "{addresses} addresses and a service: {output}");
        ensure!(rows.last().unwrap()["kind"] == "other", "{output}");
        let web = rows.iter().find(|row| row["service"] == "web").unwrap();
        ensure!(web["hits"] == 7, "the first caller keeps its name, whichever worker serves it: {output}");
        Ok(())
    });
}
