//! Renders the overlays of `deploy/` with the real kubectl, from a copy that has a token, and validates what comes out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use super::document::{Document, parse};

/// The overlays, each with the components that an operator may add to it.
pub(crate) const OVERLAYS: [&str; 4] = ["kubernetes", "openshift", "demo", "classic-sidecar"];

/// The oldest and the newest Kubernetes that the manifests are validated for.
const VERSIONS: [&str; 2] = ["1.33", "1.36"];

/// Kinds of OpenShift and of the Prometheus Operator, for which there are no schemas.
pub(crate) const KINDS_WITHOUT_SCHEMA: [&str; 4] = ["Route", "ServiceMonitor", "PodMonitor", "PrometheusRule"];

/// A copy of `deploy/`.
pub(crate) struct Deploy {
    folder: TempDir,
}

impl Deploy {
    /// A copy as git has it: without a token.
    pub(crate) fn without_token() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        copy(&source(), folder.path());
        Self { folder }
    }

    /// A copy with a token, as `make token` makes it.
    pub(crate) fn with_token() -> Self {
        let deploy = Self::without_token();
        deploy.put("components/token/made-by-make-token.env", "token=0123456789abcdef0123456789abcdef\n");
        deploy
    }

    /// Writes a file, such as a kustomization of an operator.
    pub(crate) fn put(&self, path: &str, content: &str) {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("the copy can be written to");
        fs::write(path, content).expect("the copy can be written to");
    }

    /// What `kubectl kustomize` prints for a folder.
    #[track_caller]
    pub(crate) fn kustomize(&self, folder: &str) -> String {
        let output = self.try_kustomize(folder);
        assert!(output.status.success(), "kubectl kustomize {folder}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("kubectl prints UTF-8")
    }

    /// The same, also if it fails.
    pub(crate) fn try_kustomize(&self, folder: &str) -> Output {
        run(tool("kubectl").arg("kustomize").arg(self.folder.path().join(folder)))
    }

    /// What an overlay of the test's own makes.
    #[track_caller]
    fn own_overlay(&self, name: &str, kustomization: &str) -> String {
        self.put(&format!("overlays/{name}/kustomization.yaml"), kustomization);
        self.kustomize(&format!("overlays/{name}"))
    }

    /// The documents of an overlay.
    #[track_caller]
    pub(crate) fn overlay(&self, name: &str) -> Vec<Document> {
        parse(name, &self.kustomize(&format!("overlays/{name}")))
    }
}

/// The documents of all overlays, and of the control plane with all of its components.
pub(crate) fn documents() -> Vec<Document> {
    let deploy = Deploy::with_token();
    let overlays = OVERLAYS.iter().flat_map(|overlay| deploy.overlay(overlay));
    let own = parse("kubernetes with all components", &with_all_components(&deploy));
    overlays.chain(own).chain(parse("kubernetes with replicas", &with_replicas(&deploy))).collect()
}

/// Several control planes on Kubernetes, with users of a file.
pub(crate) fn with_replicas(deploy: &Deploy) -> String {
    deploy.own_overlay("replicas", REPLICAS_OVERLAY)
}

const REPLICAS_OVERLAY: &str = "
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../kubernetes]
components:
  - ../../components/webhook
  - ../../components/replicas
";

/// The control plane on Kubernetes with all of its components, as an operator's own overlay adds them.
///
/// The Secrets and the ConfigMap that the components expect of their users are made there, too.
pub(crate) fn with_all_components(deploy: &Deploy) -> String {
    deploy.own_overlay("own", OWN_OVERLAY)
}

const OWN_OVERLAY: &str = "
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../kubernetes]
components:
  - ../../components/ingress
  - ../../components/monitoring
  - ../../components/grafana
  - ../../components/webhook
  - ../../components/users
  - ../../components/openid
  - ../../components/openid-ca
  - ../../components/notifications
generatorOptions:
  disableNameSuffixHash: true
  labels: {app.kubernetes.io/name: sitio, app.kubernetes.io/component: own, app.kubernetes.io/part-of: own}
secretGenerator:
  - {name: sitio-users, literals: [\"users.yaml=users: []\"]}
  - {name: sitio-metrics-token, literals: [token=0123456789abcdef0123456789abcdef]}
  - {name: sitio-notifications, literals: [\"notifications.yaml=channels: []\"]}
  - {name: sitio-openid, literals: [client-secret=0123456789abcdef]}
configMapGenerator:
  - {name: sitio-openid-ca, literals: [ca.crt=-----BEGIN CERTIFICATE-----]}
";

/// What `kubernetes-validate --strict` finds wrong with a manifest, for all versions.
pub(crate) fn schema_faults(name: &str, manifest: &str) -> Vec<String> {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    fs::write(file.path(), manifest).expect("the file can be written to");
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", tools().join("python")).args(["-m", "kubernetes_validate", "--strict"]);
    command.args(VERSIONS.iter().flat_map(|version| ["-k", version])).arg(file.path());
    let output = run(&mut command);
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).replace(&*file.path().to_string_lossy(), name);
    let passed = |line: &str| {
        let checked = VERSIONS.iter().any(|version| line.ends_with(&format!("against version {version}")));
        let known_gap = KINDS_WITHOUT_SCHEMA.iter().any(|kind| line.contains(&format!("schema for kind {kind} ")));
        line.starts_with("INFO ") && checked || line.starts_with("WARN ") && known_gap
    };
    let faults: Vec<String> = said.lines().filter(|line| !passed(line)).map(str::to_owned).collect();
    let documents = parse(name, manifest).len();
    assert!(
        !faults.is_empty() || said.lines().count() == documents * VERSIONS.len(),
        "{name}: {documents} documents, and {said}"
    );
    faults
}

/// The folder `deploy/` of the repository.
pub(crate) fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}

/// A program that `tests/cluster_tools.py` installs.
pub(crate) fn tool(name: &str) -> Command {
    let program = tools().join(name);
    assert!(program.exists(), "{name} is missing: run tests/install, which puts it into tests/tools");
    Command::new(program)
}

/// The output of a command.
pub(crate) fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("start {}: {error}", command.get_program().display()))
}

fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tools")
}

/// Copies a folder, but not the token of the developer.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the copy can be written to");
    for entry in fs::read_dir(from).expect("deploy/ is there") {
        let path = entry.expect("a folder that opened lists its files").path();
        let copied = to.join(path.file_name().expect("an entry has a name"));
        if path.is_dir() {
            copy(&path, &copied);
        } else if path.extension().is_none_or(|extension| extension != "env") {
            fs::copy(&path, &copied).expect("the copy can be written to");
        }
    }
}
