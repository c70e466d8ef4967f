//! What is injected: the sidecar's image, the control plane's address, and what the sidecar authenticates with.

/// The image of the sidecar of this version, as `make images` names it.
pub const DEFAULT_IMAGE: &str = concat!("localhost/sitio-sidecar:", env!("CARGO_PKG_VERSION"));

/// The control plane in the pod's own namespace, as the manifests in `deploy/` name it.
pub const DEFAULT_CONTROL_PLANE: &str = "http://sitio-grpc:8091";

/// The settings of an injection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InjectionSettings {
    /// The image of the sidecar.
    pub image: String,
    /// The URL of the control plane's stream: the sidecar's `SITIO_CONTROL_PLANE`.
    pub control_plane: String,
    /// What the sidecar authenticates with.
    pub credentials: Credentials,
}

impl Default for InjectionSettings {
    fn default() -> Self {
        Self {
            image: DEFAULT_IMAGE.to_owned(),
            control_plane: DEFAULT_CONTROL_PLANE.to_owned(),
            credentials: Credentials::default(),
        }
    }
}

/// How sidecar and control plane authenticate each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The token that the sidecar presents.
    pub token: TokenSource,
    /// The ConfigMap whose key `ca.crt` is the authority of the control plane's certificate. It is in the pod's namespace.
    pub authority: Option<String>,
}

impl Default for Credentials {
    fn default() -> Self {
        Self { token: TokenSource::Secret("sitio-token".to_owned()), authority: None }
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
