//! Tests of the route table and of the recognition of files.

use proptest::prelude::*;

use crate::endpoint::{Endpoint, ROUTE_BYTES_MAX};
use crate::routes::tests::table::TABLE;
use crate::routes::{is_file, write_route};

mod table;

fn route(path: &str) -> String {
    let mut route = String::new();
    write_route(path, &mut route);
    route
}

#[test]
fn paths_become_routes() {
    for (path, expected) in TABLE {
        assert_eq!(route(path), *expected, "{path}");
    }
}

#[test]
fn a_file_is_what_a_reader_would_call_one() {
    for path in ["/img.png?v=3", "/a/report.PDF", "/index.html", "/app.min.js", "/dl/a.tar.gz", "/x/%20.csv", "/b.js#L1"] {
        assert!(is_file(path), "{path}");
    }
    for path in ["/users/jane.doe", "/api/1.0", "/v1.2", "/", "/.png", "/a.b/c", "/q?f=a.png", "/node.js/", "/jane@x.com", ""] {
        assert!(!is_file(path), "{path}");
    }
}

#[test]
fn a_deep_path_is_cut() {
    assert!(route(&"/a".repeat(500)).ends_with("/…"));
}

proptest! {
    #[test]
    fn every_route_names_an_endpoint(path in "/[ -~é]{0,600}") {
        let route = route(&path);
        prop_assert!(route.len() <= ROUTE_BYTES_MAX);
        prop_assert!(Endpoint::named("GET", &route).is_ok(), "{route}");
    }

    #[test]
    fn a_route_is_its_own_route(path in "(/[a-z0-9.%]{0,12}){1,6}") {
        let once = route(&path);
        prop_assert_eq!(route(&once), once);
    }
}
