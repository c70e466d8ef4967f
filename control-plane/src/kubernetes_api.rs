//! A small client of the Kubernetes API, with the credentials that Kubernetes mounts into a pod.
//!
//! ```text
//! let api = KubernetesApi::in_cluster(&host, port);          // or with_account(url, folder), for tests
//! api.namespace()?;                                          // the pod's own namespace
//! api.find("/openid/v1/jwks").await?;                        // GET; None if it does not exist
//! api.apply("/api/v1/namespaces/a/configmaps/sitio-ca", &object).await?;  // server-side apply: creates or changes
//! ```
//!
//! Token and certificate are read for each request, because Kubernetes renews them in place. Requests are rare: a few an
//! hour. A client generated from the whole API would add minutes to a first build.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use reqwest::{Client, Method, StatusCode};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;

/// Where Kubernetes mounts a pod's credentials: the files `token`, `ca.crt` and `namespace`.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// How long a whole request may take. The API server itself gives up on most after a minute, and the next attempt is soon.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest response that is read, in bytes. Kubernetes stores objects of up to 1.5 MiB.
const RESPONSE_BYTES_MAX: usize = 3 << 20;

/// The name under which changes by server-side apply are recorded.
const FIELD_MANAGER: &str = "sitio";

/// Where the Kubernetes API is. Kubernetes sets the variables in each pod.
#[derive(Debug, Clone, Args)]
pub struct KubernetesSettings {
    /// The host of the Kubernetes API.
    #[arg(long = "kubernetes-host", env = "KUBERNETES_SERVICE_HOST", value_name = "HOST", hide = true)]
    host: Option<String>,
    /// Its port.
    #[arg(long = "kubernetes-port", env = "KUBERNETES_SERVICE_PORT", value_name = "PORT", hide = true, default_value_t = 443)]
    port: u16,
}

impl KubernetesSettings {
    /// The API, with the credentials of this pod, for what `setting` asks for.
    pub fn api(&self, setting: &'static str) -> Result<KubernetesApi, NoCluster> {
        let host = self.host.as_deref().ok_or(NoCluster(setting))?;
        Ok(KubernetesApi::in_cluster(host, self.port))
    }
}

/// A setting needs the Kubernetes API, and this program does not run in a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is set, and KUBERNETES_SERVICE_HOST is not: this works only in a pod of a cluster")]
pub struct NoCluster(pub &'static str);

/// A client of the Kubernetes API.
#[derive(Debug, Clone)]
pub struct KubernetesApi {
    url: String,
    account: PathBuf,
}

/// Why a request to the Kubernetes API failed.
#[derive(Debug, thiserror::Error)]
pub enum KubernetesApiError {
    /// A file of the service account cannot be read.
    #[error("read {file}: the pod needs a service account's credentials (automountServiceAccountToken: true)")]
    Account {
        /// The file.
        file: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The file with the authority holds none.
    #[error("{file} holds no certificate that can be used")]
    Authority {
        /// The file.
        file: PathBuf,
    },
    /// There was no response.
    #[error("{request}: no response from the Kubernetes API")]
    Unreachable {
        /// The method and path.
        request: String,
        /// Why not.
        #[source]
        source: reqwest::Error,
    },
    /// The API refused the request.
    #[error("{request}: the Kubernetes API answered {status}: {message}")]
    Refused {
        /// The method and path.
        request: String,
        /// The status.
        status: StatusCode,
        /// The API's own message, which names the right that is missing.
        message: String,
    },
    /// The response is longer than [`RESPONSE_BYTES_MAX`], or is not JSON.
    #[error("{request}: the response of the Kubernetes API {what}")]
    Response {
        /// The method and path.
        request: String,
        /// What is wrong with it.
        what: String,
    },
}

impl KubernetesApi {
    /// The API at the address that Kubernetes puts into each pod's environment: `KUBERNETES_SERVICE_HOST` and
    /// `KUBERNETES_SERVICE_PORT`.
    pub fn in_cluster(host: &str, port: u16) -> Self {
        // An address of IP version 6 is in brackets in a URL.
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        Self::with_account(format!("https://{host}:{port}"), Path::new(ACCOUNT))
    }

    /// The API at a URL, with the credentials in a folder.
    pub fn with_account(url: String, folder: &Path) -> Self {
        Self { url, account: folder.to_owned() }
    }

    /// The pod's own namespace.
    pub fn namespace(&self) -> Result<String, KubernetesApiError> {
        Ok(self.read("namespace")?.trim().to_owned())
    }

    /// Reads an object, or any other JSON document; `None` if it does not exist.
    pub async fn find(&self, path: &str) -> Result<Option<Value>, KubernetesApiError> {
        match self.send(Method::GET, path, None).await {
            Err(KubernetesApiError::Refused { status: StatusCode::NOT_FOUND, .. }) => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// Creates an object, or sets exactly the given fields of an existing one (server-side apply); returns the object.
    ///
    /// The right for it is `patch`, and `create` where the object does not exist yet.
    pub async fn apply(&self, path: &str, object: &Value) -> Result<Value, KubernetesApiError> {
        self.send(Method::PATCH, &format!("{path}?fieldManager={FIELD_MANAGER}&force=true"), Some(object)).await
    }

    /// Creates an object, and returns it. The right for it is `create`.
    pub async fn create(&self, path: &str, object: &Value) -> Result<Value, KubernetesApiError> {
        self.send(Method::POST, path, Some(object)).await
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, KubernetesApiError> {
        // JSON is YAML, and there is no JSON type for server-side apply that all supported versions know.
        let media_type = if method == Method::PATCH { "application/apply-patch+yaml" } else { "application/json" };
        let request = format!("{method} {path}");
        let unreachable = |source| KubernetesApiError::Unreachable { request: request.clone(), source };
        let client = Client::builder().tls_backend_preconfigured(self.tls()?).timeout(REQUEST_TIMEOUT).no_proxy();
        let mut builder = client.build().map_err(unreachable)?.request(method, format!("{}{path}", self.url));
        builder = builder.bearer_auth(self.read("token")?.trim());
        if let Some(body) = body {
            builder = builder.header("content-type", media_type).body(body.to_string());
        }
        let mut response = builder.send().await.map_err(unreachable)?;
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if bytes.len() + chunk.len() > RESPONSE_BYTES_MAX {
                let what = format!("is longer than {RESPONSE_BYTES_MAX} bytes");
                return Err(KubernetesApiError::Response { request, what });
            }
            bytes.extend_from_slice(&chunk);
        }
        let status = response.status();
        let answer: Result<Value, _> = serde_json::from_slice(&bytes);
        if !status.is_success() {
            let message = answer.ok().and_then(|answer| answer["message"].as_str().map(str::to_owned)).unwrap_or_default();
            return Err(KubernetesApiError::Refused { request, status, message });
        }
        answer.map_err(|error| KubernetesApiError::Response { request, what: format!("is not JSON: {error}") })
    }

    fn read(&self, name: &str) -> Result<String, KubernetesApiError> {
        let file = self.account.join(name);
        std::fs::read_to_string(&file).map_err(|source| KubernetesApiError::Account { file, source })
    }

    /// Trusts the cluster's authority, and no other.
    fn tls(&self) -> Result<ClientConfig, KubernetesApiError> {
        let pem = self.read("ca.crt")?;
        let unusable = || KubernetesApiError::Authority { file: self.account.join("ca.crt") };
        let mut roots = RootCertStore::empty();
        let certificates =
            CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>().map_err(|_| unusable())?;
        if roots.add_parsable_certificates(certificates).0 == 0 {
            return Err(unusable());
        }
        let versions = ClientConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions();
        Ok(versions.map_err(|_| unusable())?.with_root_certificates(roots).with_no_client_auth())
    }
}

#[cfg(test)]
mod tests;
