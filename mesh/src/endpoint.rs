//! An endpoint: a method and the route that matched, the unit that Sitio measures and switches.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::{Arc, LazyLock};

use foldhash::quality::RandomState;

/// Bytes of a method. The longest registered one, UPDATEREDIRECTREF, has 17 (IANA HTTP Method Registry).
pub const METHOD_BYTES_MAX: usize = 24;

/// Bytes of a route. Longer paths are cut here, so that a client's path cannot fill a frame.
pub const ROUTE_BYTES_MAX: usize = 256;

/// The route that counts everything that arrives after an endpoint table is full.
pub const OTHER: &str = "(other)";

/// A method and a route, `GET /users/{id}`.
///
/// Built by [`crate::routes`] from a path, or by [`Endpoint::named`] from a name that was built
/// that way elsewhere. Clones are cheap: they share one name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint(Arc<Name>);

/// In one allocation besides its own: a control plane holds a name for each endpoint of each service.
#[derive(Debug, PartialEq, Eq)]
struct Name {
    /// The method, and the route after it.
    text: Box<str>,
    method_bytes: u8,
    /// Computed once: the control plane looks up an endpoint for every row of every frame.
    hash: u64,
}

/// Random in each process, so that an attacker cannot choose routes that collide.
static HASHING: LazyLock<RandomState> = LazyLock::new(RandomState::default);

impl Name {
    fn new(method: &str, route: &str) -> Self {
        let hash = HASHING.hash_one((method, route));
        Self { text: [method, route].concat().into(), method_bytes: method.len() as u8, hash }
    }

    fn method(&self) -> &str {
        &self.text[..self.method_bytes.into()]
    }

    fn route(&self) -> &str {
        &self.text[self.method_bytes.into()..]
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.method(), self.route()).cmp(&(other.method(), other.route()))
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Why a method and a route are not a valid endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadEndpoint {
    /// The method is empty, too long or not a token (RFC 9110, section 5.6.2).
    #[error("the method must be 1 to {METHOD_BYTES_MAX} letters or digits, such as GET")]
    Method,
    /// The route does not begin with a slash.
    #[error("the route must begin with /, such as /users/{{id}}")]
    Route,
    /// The route is too long.
    #[error("the route has {0} bytes, and {ROUTE_BYTES_MAX} are the most")]
    RouteTooLong(usize),
    /// The route contains a control character.
    #[error("the route holds a control character, which must be written as %XX")]
    RouteControl,
}

impl Endpoint {
    /// Parses the name of an endpoint that another part of the mesh has written.
    pub fn named(method: &str, route: &str) -> Result<Self, BadEndpoint> {
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if method != OTHER && (method.is_empty() || method.len() > METHOD_BYTES_MAX || !method.bytes().all(token)) {
            return Err(BadEndpoint::Method);
        }
        let spelled = route.starts_with('/') || route == "*" || route == OTHER;
        if !spelled {
            return Err(BadEndpoint::Route);
        }
        if route.len() > ROUTE_BYTES_MAX {
            return Err(BadEndpoint::RouteTooLong(route.len()));
        }
        if route.chars().any(char::is_control) {
            return Err(BadEndpoint::RouteControl);
        }
        Ok(Self(Arc::new(Name::new(method, route))))
    }

    /// The endpoint that counts everything over the limit.
    pub fn other() -> Self {
        Self(Arc::new(Name::new(OTHER, OTHER)))
    }

    /// The method as it was sent; methods are case-sensitive (RFC 9110, section 9.1).
    pub fn method(&self) -> &str {
        self.0.method()
    }

    /// The route, with `{id}` where paths vary.
    pub fn route(&self) -> &str {
        self.0.route()
    }

    /// Whether this is the shared endpoint that counts everything over the limit.
    pub fn is_other(&self) -> bool {
        self.route() == OTHER
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_other() { f.write_str(OTHER) } else { write!(f, "{} {}", self.method(), self.route()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_distinguished_from_junk() {
        assert_eq!(Endpoint::named("GET", "/a").unwrap().to_string(), "GET /a");
        assert_eq!(Endpoint::named("", "/a"), Err(BadEndpoint::Method));
        assert_eq!(Endpoint::named("G T", "/a"), Err(BadEndpoint::Method));
        assert_eq!(Endpoint::named("GET", "a"), Err(BadEndpoint::Route));
        assert_eq!(Endpoint::named("GET", "/a\n"), Err(BadEndpoint::RouteControl));
        assert_eq!(
            Endpoint::named("GET", &format!("/{}", "a".repeat(ROUTE_BYTES_MAX))),
            Err(BadEndpoint::RouteTooLong(ROUTE_BYTES_MAX + 1))
        );
    }

    #[test]
    fn the_shared_endpoint_survives_its_own_name() {
        let other = Endpoint::other();
        assert_eq!(Endpoint::named(other.method(), other.route()), Ok(other));
    }
}
