//! What is injected: the sidecar's image, the control plane's address, and what the sidecar authenticates with.

use std::str::FromStr;

/// The image of the sidecar of this version, as `make images` names it.
pub const DEFAULT_IMAGE: &str = concat!("localhost/sitio-sidecar:", env!("CARGO_PKG_VERSION"));

/// The control plane in the pod's own namespace, as the manifests in `deploy/` name it.
pub const DEFAULT_CONTROL_PLANE: &str = "https://sitio-grpc:8091";

/// The Secret that the manifests in `deploy/` make, as [`TokenSource`].
pub const DEFAULT_TOKEN: &str = "service-account";

/// The ConfigMap with the control plane's own CA, as [`AuthoritySource`].
pub const DEFAULT_AUTHORITY: &str = "configmap/sitio-ca";

/// The settings of an injection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InjectionSettings {
    /// The image of the sidecar.
    pub image: String,
    /// The URL of the control plane's stream: the sidecar's `SITIO_CONTROL_PLANE`. With `http://` the sidecar is allowed to
    /// speak plaintext, so ask the user for consent first.
    pub control_plane: String,
    /// What the sidecar authenticates with.
    pub credentials: Credentials,
    /// How traffic gets to the sidecar of a pod whose annotation does not say so.
    pub interception: Interception,
}

/// How inbound traffic gets to the sidecar.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Interception {
    /// The sidecar has a port of its own, to which Services lead.
    #[default]
    Ports,
    /// The kernel redirects the application's port, and Services stay. An init container with NET_ADMIN sets this up.
    Transparent,
}

impl Default for InjectionSettings {
    fn default() -> Self {
        Self {
            image: DEFAULT_IMAGE.to_owned(),
            control_plane: DEFAULT_CONTROL_PLANE.to_owned(),
            credentials: Credentials::default(),
            interception: Interception::default(),
        }
    }
}

/// How sidecar and control plane authenticate each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The token that the sidecar presents.
    pub token: TokenSource,
    /// The authority by which it verifies the control plane.
    pub authority: AuthoritySource,
}

impl Default for Credentials {
    fn default() -> Self {
        let (token, authority) = (DEFAULT_TOKEN.parse(), DEFAULT_AUTHORITY.parse());
        Self { token: token.expect("the default is valid"), authority: authority.expect("the default is valid") }
    }
}

/// Where the sidecar's token comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenSource {
    /// The key `token` of this Secret in the pod's namespace.
    Secret(String),
    /// The pod's service account: a token for the audience `sitio`, which the kubelet renews.
    ServiceAccount,
}

/// Where the authority of the control plane's certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthoritySource {
    /// The key `ca.crt` of this ConfigMap in the pod's namespace.
    ConfigMap(String),
    /// This text, in PEM.
    Text(String),
    /// The public authorities of the sidecar's image.
    System,
}

impl FromStr for TokenSource {
    type Err = &'static str;

    /// `secret/NAME`, as `kubectl` writes an object, or `service-account`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match (text, text.strip_prefix("secret/")) {
            ("service-account", _) => Ok(Self::ServiceAccount),
            (_, Some(name)) if is_object_name(name) => Ok(Self::Secret(name.to_owned())),
            _ => Err("expected secret/NAME or service-account"),
        }
    }
}

impl FromStr for AuthoritySource {
    type Err = &'static str;

    /// `configmap/NAME`, as `kubectl` writes an object, or `public`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match (text, text.strip_prefix("configmap/")) {
            ("public", _) => Ok(Self::System),
            (_, Some(name)) if is_object_name(name) => Ok(Self::ConfigMap(name.to_owned())),
            _ => Err("expected configmap/NAME or public"),
        }
    }
}

/// The URL of a control plane, if it begins with `https://` or `http://` and a host.
pub fn control_plane_url(text: &str) -> Result<String, &'static str> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_url =
        |rest: &str| !rest.starts_with(['/', ':']) && !rest.is_empty() && rest.chars().all(|letter| letter.is_ascii_graphic());
    if rest.is_some_and(is_url) {
        return Ok(text.to_owned());
    }
    Err("expected a URL that begins with https:// or http://, such as https://sitio-grpc.mesh:8091")
}

/// Whether Kubernetes allows the name of a Secret or ConfigMap: a DNS subdomain (RFC 1123) of at most 253 bytes.
fn is_object_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
    let ends = |end: Option<char>| end.is_some_and(|letter| letter.is_ascii_alphanumeric());
    name.len() <= 253 && name.bytes().all(is_allowed) && ends(name.chars().next()) && ends(name.chars().last())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_a_scheme_and_a_host() {
        assert!(control_plane_url("https://sitio-grpc.mesh:8091").is_ok() && control_plane_url("http://[::1]:1/").is_ok());
        for wrong in ["", "sitio-grpc:8091", "https://", "https:///x", "http://:80", "https://a b", "ftp://a", "https://a\n"] {
            assert!(control_plane_url(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn sources_are_written_as_kubectl_writes_objects() {
        assert_eq!("secret/sitio-token".parse(), Ok(TokenSource::Secret("sitio-token".to_owned())));
        assert_eq!("service-account".parse(), Ok(TokenSource::ServiceAccount));
        assert_eq!("configmap/ca.v1".parse(), Ok(AuthoritySource::ConfigMap("ca.v1".to_owned())));
        assert_eq!("public".parse(), Ok(AuthoritySource::System));
        for wrong in ["", "secret", "secret/", "secret/A", "secret/-a", "secret/a/b", "configmap/a\n", "configmap/", "Public"] {
            assert!(wrong.parse::<TokenSource>().is_err() && wrong.parse::<AuthoritySource>().is_err(), "{wrong:?}");
        }
    }
}
