//! `sitio inject` and `sitio uninject` on files, as in a pipe to `kubectl`.

use std::fs;
use std::path::Path;

use scenario::cli::{CommandOutput, bare, run};

const APP: &str = "# The shop.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web   # the page
spec:
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
        - name: web
          image: 'web:1'
          ports:
            - containerPort: 8000
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports:
    - port: 80
      targetPort: 8000   # the application's
";

const AGENT: &str =
    "apiVersion: v1\nkind: Pod\nmetadata: {name: \"agent\\e[2J\"}\nspec: {hostNetwork: true, containers: [{name: agent}]}\n";

fn sitio(arguments: &[&str], files: &[&Path]) -> CommandOutput {
    let mut command = bare();
    command.args(arguments);
    for file in files {
        command.arg("-f").arg(file);
    }
    run(command)
}

#[test]
fn a_manifest_is_injected_and_taken_back_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let (app, injected) = (folder.path().join("app.yaml"), folder.path().join("injected.yaml"));
    fs::write(&app, APP).unwrap();

    let output = sitio(&["inject", "--control-plane", "https://sitio-grpc.mesh:8091"], &[&app]);

    assert!(output.err.contains("Deployment web: added the sidecar on port 18080; it forwards to port 8000"), "{output:?}");
    assert!(output.err.contains("Service web: its port 80 now leads to the sidecar"), "{output:?}");
    let text = output.success();
    assert!(
        text.contains("  name: web   # the page\n") && text.contains("      targetPort: 18080   # the application's\n"),
        "{text}"
    );
    assert!(text.contains("              value: https://sitio-grpc.mesh:8091\n"), "{text}");
    fs::write(&injected, text).unwrap();
    assert_eq!(sitio(&["uninject"], &[&injected]).success(), APP);
}

#[test]
fn a_transparent_injection_changes_no_port_says_what_it_needs_and_is_taken_back() {
    let folder = tempfile::tempdir().unwrap();
    let (app, injected) = (folder.path().join("app.yaml"), folder.path().join("injected.yaml"));
    fs::write(&app, APP).unwrap();

    let output = sitio(&["inject", "--transparent"], &[&app]);

    assert!(
        output.err.contains("Deployment web: the kernel redirects port 8000 to it; sitio-redirect needs NET_ADMIN"),
        "{output:?}"
    );
    assert!(!output.err.contains("Service"), "{output:?}");
    let text = output.success();
    assert!(text.contains("      targetPort: 8000   # the application's\n") && text.contains("- NET_ADMIN\n"), "{text}");
    fs::write(&injected, text).unwrap();
    assert_eq!(sitio(&["uninject"], &[&injected]).success(), APP);
}

#[test]
fn a_check_says_why_a_pod_cannot_be_injected_and_hides_what_a_terminal_obeys() {
    let folder = tempfile::tempdir().unwrap();
    let (app, agent) = (folder.path().join("app.yaml"), folder.path().join("agent.yaml"));
    fs::write(&app, APP).unwrap();
    fs::write(&agent, AGENT).unwrap();

    assert_eq!(sitio(&["inject", "--check"], &[&app]).code, Some(0));
    let output = sitio(&["inject", "--check"], &[&app, &agent]);

    assert_eq!((output.code, output.err.as_str()), (Some(1), ""));
    assert!(output.out.contains("cannot be injected: it uses the node's network (hostNetwork)"), "{output:?}");
    assert!(!output.out.contains('\u{1b}'), "{output:?}");
    let both = sitio(&["inject"], &[&app, &agent]);
    assert_eq!(both.code, Some(1));
    assert!(both.out.ends_with(&format!("---\n{AGENT}")), "what cannot be injected is printed as it is: {both:?}");
}

#[test]
fn a_file_that_cannot_be_read_prints_nothing_but_why() {
    let folder = tempfile::tempdir().unwrap();
    let (broken, missing) = (folder.path().join("broken.yaml"), folder.path().join("missing.yaml"));
    fs::write(&broken, "a: b\n---\nc: [d\n").unwrap();

    let err = sitio(&["inject"], &[&broken]).failed(2);
    assert!(err.starts_with(&format!("sitio: read {}: line ", broken.display())) && err.lines().count() == 1, "{err}");
    assert!(sitio(&["inject"], &[&missing]).failed(2).contains("missing.yaml: No such file"));
    assert!(sitio(&["uninject"], &[folder.path()]).failed(2).contains("Is a directory"));
    assert!(sitio(&["inject"], &[]).failed(2).contains("--filename <FILE>"));
    assert!(sitio(&["inject", "--control-plane", "http://x:1"], &[&broken]).failed(2).contains("--allow-plaintext"));
    assert!(sitio(&["inject", "--control-plane", "ftp://x"], &[&broken]).failed(2).contains("begins with https:// or http://"));
}
