//! Browser tests of the dashboard, page by page: live updates, switches, and accessibility.

use scenario::asset_size::{self, AssetSize};
use scenario::browser::Browser;
use scenario::small_mesh::SmallMesh;

mod audit;
mod callers;
mod carried;
mod charts;
mod endpoint;
mod first_minute;
mod hostile;
mod keys;
mod layout;
mod map;
mod overview;
mod picks;
mod pods;
mod prefix;
mod restart;
mod waiting;
mod windows;

#[test]
fn axe_notices_what_is_wrong() {
    let browser = Browser::start();
    browser.open("data:text/html,<title>x</title><img src=x><button></button>");

    let faults = browser.axe_violations().join("\n");

    assert!(faults.contains("image-alt") && faults.contains("button-name"), "{faults}");
}

#[test]
fn style_and_script_of_every_page_stay_small() {
    let mesh = SmallMesh::start("shop", 1);
    mesh.pods[0].get("/bytes/1");
    mesh.api().expect_hits("shop", 1);
    let endpoint = mesh.api().endpoints().unwrap()[0]["id"].as_str().unwrap().to_owned();
    let endpoint = format!("/endpoints/{endpoint}");
    for page in ["/", "/pods", "/map", "/audit", "/tap", &endpoint, &format!("{endpoint}/pin"), "/nowhere"] {
        let html = mesh.api().any_page(page).unwrap();
        for AssetSize { kind, bytes, bytes_max } in asset_size::of(&html, &mesh.api()) {
            assert!((1..=bytes_max).contains(&bytes), "{page} loads {bytes} bytes of {kind} with gzip, of at most {bytes_max}");
        }
    }
}
