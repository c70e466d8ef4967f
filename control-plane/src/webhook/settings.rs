//! The settings of the webhook, which is off by default.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use inject::settings::{
    AuthoritySource, Credentials, DEFAULT_IMAGE, DEFAULT_TOKEN, InjectionSettings, Interception, TokenSource, control_plane_url,
};

use crate::grpc::admission::PlaintextPolicy;
use crate::kubernetes_api::{KubernetesApi, KubernetesApiError, KubernetesSettings, NoCluster};
use crate::tls::TlsSettings;

/// What is set about the webhook.
#[derive(Debug, Clone, Args)]
pub struct WebhookSettings {
    /// The address of the admission webhook, which adds the sidecar to new pods, such as 0.0.0.0:8443. Off by default [default: none].
    #[arg(long = "webhook-addr", env = "SITIO_WEBHOOK_ADDR", value_name = "ADDRESS:PORT")]
    pub address: Option<SocketAddr>,
    /// The MutatingWebhookConfiguration whose CA bundle is kept current.
    #[arg(long = "webhook-name", env = "SITIO_WEBHOOK_NAME", value_name = "NAME", default_value = "sitio")]
    configuration: String,
    /// The Service by which the Kubernetes API server reaches the webhook, in the control plane's namespace.
    #[arg(long = "webhook-service", env = "SITIO_WEBHOOK_SERVICE", value_name = "NAME", default_value = "sitio-webhook")]
    service: String,
    /// The image of the sidecars that the webhook adds.
    #[arg(long = "sidecar-image", env = "SITIO_SIDECAR_IMAGE", value_name = "IMAGE", default_value = DEFAULT_IMAGE)]
    image: String,
    /// The control plane's address for these sidecars [default: the Service sitio-grpc in the control plane's namespace].
    #[arg(long = "sidecar-control-plane", env = "SITIO_SIDECAR_CONTROL_PLANE", value_name = "URL", value_parser = control_plane_url)]
    control_plane: Option<String>,
    /// What these sidecars authenticate with: secret/NAME with a key token, or service-account, both in each pod's namespace.
    #[arg(long = "sidecar-token", env = "SITIO_SIDECAR_TOKEN", value_name = "SOURCE", default_value = DEFAULT_TOKEN)]
    token_source: TokenSource,
    /// What they verify the control plane by: configmap/NAME with a key ca.crt, in each pod's namespace, or public [default: the control plane's own CA, which is written into the pods].
    #[arg(long = "sidecar-ca", env = "SITIO_SIDECAR_CA", value_name = "SOURCE")]
    authority: Option<AuthoritySource>,
}

/// What a webhook needs to run.
#[derive(Debug, Clone)]
pub struct WebhookOptions {
    /// The folder with the key of the control plane's own CA.
    pub data_dir: PathBuf,
    /// The host names by which the API server reaches the webhook: those of its Service.
    pub names: Vec<String>,
    /// The name of the MutatingWebhookConfiguration whose CA bundle is kept current.
    pub configuration: String,
    /// What it injects.
    pub injection: InjectionSettings,
    /// Which authority the sidecars trust.
    pub trust: SidecarTrust,
    /// The Kubernetes API.
    pub api: KubernetesApi,
}

/// The authority by which injected sidecars verify the control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SidecarTrust {
    /// The control plane's own CA, which has signed the webhook's certificate, too.
    OwnCa,
    /// That of the injection's settings.
    AsSet,
}

/// Why the webhook cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum WebhookSetupError {
    /// The program does not run in a cluster.
    #[error(transparent)]
    NoCluster(#[from] NoCluster),
    /// The sidecars are to speak plaintext, and the control plane does not accept it.
    #[error(
        "SITIO_SIDECAR_CONTROL_PLANE begins with http://, which sidecars get only with SITIO_ALLOW_PLAINTEXT=true: use https://"
    )]
    Plaintext,
    /// The pod's namespace cannot be read.
    #[error(transparent)]
    Account(#[from] KubernetesApiError),
}

impl WebhookSettings {
    /// What a webhook needs to run in this pod.
    pub fn options(
        &self,
        data_dir: PathBuf,
        tls: &TlsSettings,
        plaintext: PlaintextPolicy,
        kubernetes: &KubernetesSettings,
    ) -> Result<WebhookOptions, WebhookSetupError> {
        let is_plaintext = self.control_plane.as_ref().is_some_and(|url| url.starts_with("http://"));
        if is_plaintext && plaintext != PlaintextPolicy::Anywhere {
            return Err(WebhookSetupError::Plaintext);
        }
        let api = kubernetes.api("SITIO_WEBHOOK_ADDR")?;
        let namespace = api.namespace()?;
        let in_namespace = || format!("https://sitio-grpc.{namespace}.svc:8091");
        let control_plane = self.control_plane.clone().unwrap_or_else(in_namespace);
        let (authority, trust) = match &self.authority {
            Some(authority) => (authority.clone(), SidecarTrust::AsSet),
            None if tls.names_a_certificate() => (AuthoritySource::System, SidecarTrust::AsSet),
            None => (AuthoritySource::System, SidecarTrust::OwnCa),
        };
        let credentials = Credentials { token: self.token_source.clone(), authority };
        Ok(WebhookOptions {
            data_dir,
            names: ["svc", "svc.cluster.local"].map(|domain| format!("{}.{namespace}.{domain}", self.service)).to_vec(),
            configuration: self.configuration.clone(),
            injection: InjectionSettings {
                image: self.image.clone(),
                control_plane,
                credentials,
                interception: Interception::Ports,
            },
            trust,
            api,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        webhook: WebhookSettings,
        #[command(flatten)]
        tls: TlsSettings,
        #[command(flatten)]
        kubernetes: KubernetesSettings,
    }

    fn refused(flags: &[&str], host: Option<&str>) -> String {
        let host = host.map_or(vec![], |host| vec!["--kubernetes-host", host]);
        let Line { webhook, tls, kubernetes } = Line::parse_from([&["sitio-control-plane"], flags, &host].concat());
        webhook.options(PathBuf::from("."), &tls, PlaintextPolicy::Loopback, &kubernetes).unwrap_err().to_string()
    }

    #[test]
    fn outside_of_a_cluster_the_webhook_says_what_is_missing() {
        assert!(refused(&[], None).contains("KUBERNETES_SERVICE_HOST is not"));
        let plaintext = ["--sidecar-control-plane", "http://sitio-grpc:8091"];
        assert!(refused(&plaintext, Some("::1")).contains("SITIO_ALLOW_PLAINTEXT=true"));
        assert!(refused(&[], Some("::1")).contains("the pod needs a service account's credentials"));
    }

    #[test]
    fn sources_that_make_no_sense_are_refused_with_what_is_expected() {
        let refused = |flags: [&str; 3]| Line::try_parse_from(flags).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(refused(["x", "--sidecar-token", "sitio-token"]).contains("expected secret/NAME or service-account"));
        assert!(refused(["x", "--sidecar-control-plane", "sitio"]).contains("expected a URL"));
        assert!(refused(["x", "--sidecar-ca", "secret/a"]).contains("expected configmap/NAME or public"));
    }
}
