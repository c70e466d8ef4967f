//! The table of paths and routes that specifies the naming of endpoints.

use proptest::prelude::*;

use crate::endpoint::{Endpoint, ROUTE_BYTES_MAX};
use crate::routes::{is_file, write_route};

fn route(path: &str) -> String {
    let mut route = String::new();
    write_route(path, &mut route);
    route
}

#[test]
fn paths_become_routes() {
    for (path, expected) in [
        ("/", "/"),
        ("/users/42", "/users/{id}"),
        ("/users/42/orders/7", "/users/{id}/orders/{id}"),
        ("/users/jane.doe", "/users/jane.doe"),
        ("/api/1.0/items", "/api/1.0/items"),
        ("/v1/items", "/v1/items"),
        ("/search?q=42", "/search"),
        ("/a#b", "/a"),
        ("/o/550e8400-e29b-41d4-a716-446655440000", "/o/{id}"),
        ("/o/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/o/{id}"),
        ("/commit/9fceb02", "/commit/9fceb02"),
        ("/commit/9fceb02d0ae598e95dc970b74767f19372d61af8", "/commit/{id}"),
        ("/commit/9fceb02d", "/commit/{id}"),
        ("/word/deadbeef", "/word/deadbeef"),
        ("/t/just-a-long-slug-of-words", "/t/just-a-long-slug-of-words"),
        ("/t/dGhpcyBpcyBhIHRva2VuMTIz", "/t/{id}"),
        ("/t/Zx8Kq2LmPa9RtYv0", "/t/{id}"),
        ("/shop.v1.Orders/StreamEverythingV2", "/shop.v1.Orders/StreamEverythingV2"),
        ("/api/GetCustomerProfile2", "/api/GetCustomerProfile2"),
        ("/assets/app.css", "/assets/app.css"),
        ("/x//y", "/x/y"),
        ("/x/./y/../z", "/x/z"),
        ("/../../etc/passwd", "/etc/passwd"),
        ("/legacy/%65xport", "/legacy/export"),
        ("/a%2fb", "/a%2Fb"),
        ("/100%", "/100%25"),
        ("/x/", "/x/"),
        ("/x/..", "/"),
        ("*", "*"),
        ("", "/"),
    ] {
        assert_eq!(route(path), expected, "{path}");
    }
}

#[test]
fn a_file_is_what_a_reader_would_call_one() {
    for path in ["/img.png?v=3", "/a/report.PDF", "/index.html", "/app.min.js"] {
        assert!(is_file(path), "{path}");
    }
    for path in ["/users/jane.doe", "/api/1.0", "/v1.2", "/", "/.png", "/a.b/c"] {
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
