//! The text of a manifest after an injection: what was not changed is byte for byte the same.

use inject::manifest::{inject, uninject};
use inject::settings::{AuthoritySource, Credentials, InjectionSettings, TokenSource};
use inject::yaml::{PatchedStream, YamlStream};
use proptest::prelude::*;
use serde_json::Value;

use super::properties::{pod, service};

fn injected(text: &str) -> PatchedStream {
    let stream = YamlStream::parse(text).unwrap();
    let credentials = Credentials { token: TokenSource::ServiceAccount, authority: AuthoritySource::System };
    let settings = InjectionSettings { credentials, ..InjectionSettings::default() };
    stream.patched(&inject(stream.documents(), &settings).patches).unwrap()
}

fn uninjected(text: &str) -> PatchedStream {
    let stream = YamlStream::parse(text).unwrap();
    stream.patched(&uninject(stream.documents()).patches).unwrap()
}

/// The lines that an injection added; all others are the same, in the same order.
#[track_caller]
fn added<'a>(before: &str, after: &'a str) -> Vec<&'a str> {
    let (mut added, mut rest) = (Vec::new(), before.lines().peekable());
    for line in after.lines() {
        if rest.peek() == Some(&line) {
            rest.next();
        } else {
            added.push(line);
        }
    }
    assert_eq!(rest.next(), None, "a line was lost:\n{after}");
    added
}

const COMMENTED: &str = "# Größe: the shop's page.
apiVersion: v1
kind: 'Service'   # quoted
metadata:
  name: web
spec:
  selector: {app: web}
  ports:
    # The page.
    - port: 80
      targetPort: http
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: \"web\"
spec:
  template:
    metadata:
      labels: {app: web}   # in brackets
    spec:
      # What serves.
      containers:
      - name: web # flush
        image: web:1
        command: [\"sh\", '-c', \"sleep 1\"]

        ports:
        - containerPort: 8000
          protocol: TCP
      # The end.
# Below.
";

#[test]
fn comments_order_and_quoting_stay() {
    let after = injected(COMMENTED);

    assert!(after.rewritten.is_empty());
    let added = added(COMMENTED, &after.text);
    assert!(added.contains(&"      initContainers:") && added.contains(&"      - name: sitio-sidecar"), "{}", after.text);
    assert!(
        after.text.contains("        - containerPort: 8000\n          protocol: TCP\n      initContainers:\n"),
        "{}",
        after.text
    );
    assert!(after.text.contains("          protocol: TCP\n"), "{}", after.text);
    let back = uninjected(&after.text);
    assert!(back.rewritten.is_empty());
    assert_eq!(back.text, COMMENTED);
}

#[test]
fn lists_that_exist_keep_their_comments_and_get_one_element_more() {
    let text = "apiVersion: v1
kind: Pod
metadata:
  name: web
  annotations:
    # The owner.
    owner: shop
spec:
  initContainers:
    # Runs first.
    - name: proxy
      restartPolicy: Always
  containers:
    - ports:
        - {name: http, containerPort: 8000}
      name: web
      livenessProbe: {httpGet: {port: http}}
  volumes:
    - name: pages
      emptyDir: {}
";
    let after = injected(text);

    assert!(after.rewritten.is_empty());
    assert!(after.text.contains("  initContainers:\n    - name: sitio-sidecar\n"), "{}", after.text);
    assert!(after.text.contains("    # Runs first.\n    - name: proxy\n"), "{}", after.text);
    assert!(after.text.contains("- {name: http, containerPort: 18080}") && after.text.contains("{port: 8000}"), "{}", after.text);
    assert!(after.text.contains("      emptyDir: {}\n    - name: sitio-credentials\n"), "{}", after.text);
    assert_eq!(uninjected(&after.text).text, text);
}

#[test]
fn line_ends_and_a_missing_last_one_stay() {
    let text = "apiVersion: v1\r\nkind: Pod\r\nmetadata:\r\n  name: web\r\nspec:\r\n  containers:\r\n  - name: web\r\n    ports:\r\n    - containerPort: 8000";

    let after = injected(text);

    assert!(after.rewritten.is_empty());
    assert!(!after.text.replace("\r\n", "").contains('\n'), "{:?}", after.text);
    assert_eq!(uninjected(&after.text).text, text);
}

#[test]
fn json_stays_json() {
    let text = "{\n  \"apiVersion\": \"v1\",\n  \"kind\": \"List\",\n  \"items\": [\n    {\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {\"name\": \"a\"},\n     \"spec\": {\"containers\": [{\"name\": \"a\", \"ports\": [{\"name\": \"http\", \"containerPort\": 80}], \"livenessProbe\": {\"httpGet\": {\"port\": \"http\"}}}]}}\n  ]\n}\n";

    let after = injected(text);

    assert!(after.rewritten.is_empty());
    let value: Value = serde_json::from_str(&after.text).unwrap();
    assert_eq!(value["items"][0]["spec"]["initContainers"][0]["name"], "sitio-sidecar");
    let back = uninjected(&after.text);
    let restored: Value = serde_json::from_str(&back.text).unwrap();
    assert_eq!(restored, serde_json::from_str::<Value>(text).unwrap());
    assert!(back.rewritten.is_empty());
}

#[test]
fn a_pod_behind_an_alias_is_written_anew_and_the_user_learns_it() {
    let text = "# Lost.\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nx: &pod\n  containers:\n  - {name: a, ports: [{containerPort: 80}]}\nspec: *pod\n---\n# Kept.\na: b\n";

    let after = injected(text);

    assert_eq!(after.rewritten.iter().copied().collect::<Vec<_>>(), [0]);
    let stream = YamlStream::parse(&after.text).unwrap();
    assert_eq!(stream.documents()[0]["spec"]["initContainers"][0]["name"], "sitio-sidecar");
    assert!(stream.documents()[0]["x"]["initContainers"].is_null());
    assert!(after.text.ends_with("---\n# Kept.\na: b\n"), "{}", after.text);
}

#[test]
fn documents_without_workloads_and_empty_ones_stay_byte_for_byte() {
    for text in [
        "",
        "\n",
        "# nothing\n",
        "---\n---\n",
        "---\n# a\n---\na: |+\n  b\n\n\n---\n- x\n...\n",
        "\u{feff}a: b\n",
        "a: \"\\u00e4\"",
        "%YAML 1.2\n---\na: b\n",
    ] {
        let after = injected(text);
        assert_eq!((after.text.as_str(), after.rewritten.len()), (text, 0), "{text:?}");
    }
}

#[test]
fn what_is_not_yaml_is_refused_with_its_line() {
    for (text, line) in [("a: b\n---\na: [1\n", 3), ("a: b\na: c\n", 1), ("a: b\n  c: d\n", 2), ("\tx: y\n", 1), ("a: *b\n", 1)] {
        let error = YamlStream::parse(text).unwrap_err().to_string();
        let said: usize = error.split(['e', ':']).find_map(|word| word.trim().parse().ok()).unwrap();
        assert!(said.abs_diff(line) <= 1, "{text:?}: {error}");
    }
    let deep = "[".repeat(100_000);
    assert!(YamlStream::parse(&deep).is_err());
    let bomb = (1..30).fold("a0: &a0 [x]\n".to_owned(), |bomb, at| {
        let before = format!("*a{}", at - 1);
        bomb + &format!("a{at}: &a{at} [{}]\n", vec![before; 10].join(", "))
    });
    assert!(YamlStream::parse(&bomb).is_err(), "aliases that multiply");
    assert!(YamlStream::parse(&" ".repeat(17 << 20)).unwrap_err().to_string().contains("larger than 16 MiB"));
}

proptest! {
    #[test]
    fn any_manifest_is_changed_in_place_and_back(pod in pod(), service in service()) {
        for text in [
            format!("{}---\n{}", serde_norway::to_string(&pod).unwrap(), serde_norway::to_string(&service).unwrap()),
            format!("{}\n---\n{}", serde_json::to_string_pretty(&service).unwrap(), serde_json::to_string(&pod).unwrap()),
        ] {
            let after = injected(&text);
            prop_assert!(after.rewritten.is_empty(), "{}", text);
            let back = uninjected(&after.text);
            prop_assert!(back.rewritten.is_empty(), "{}", after.text);
            let (before, back) = (YamlStream::parse(&text).unwrap(), YamlStream::parse(&back.text).unwrap());
            prop_assert_eq!(super::properties::lean(before.documents().to_vec()), super::properties::lean(back.documents().to_vec()));
        }
    }

    #[test]
    fn a_damaged_manifest_is_refused_or_changed_as_it_reads(at in 0..600usize, length in 0..30usize, text in "[ -~\\n]{0,30}") {
        let at = COMMENTED.floor_char_boundary(at);
        let end = COMMENTED.floor_char_boundary(at + length);
        let damaged = format!("{}{text}{}", &COMMENTED[..at], &COMMENTED[end..]);
        if let Ok(stream) = YamlStream::parse(&damaged) {
            let patches = inject(stream.documents(), &InjectionSettings::default()).patches;
            let after = YamlStream::parse(&stream.patched(&patches).unwrap().text).unwrap();
            let mut wanted = stream.documents().to_vec();
            for (document, patch) in wanted.iter_mut().zip(&patches) {
                json_patch::patch(document, patch).unwrap();
            }
            prop_assert_eq!(after.documents(), wanted);
        }
    }
}

/// A List of so many Deployments with a Service each, as blocks or as JSON.
fn list(length: usize) -> (String, String) {
    let mut block = "apiVersion: v1\nitems:\n".to_owned();
    let mut items = Vec::new();
    for at in 0..length {
        let item = format!(
            "# the deployment {at}\n- apiVersion: apps/v1\n  kind: Deployment\n  metadata: {{name: web{at}}}\n  spec:\n    template:\n      \
             metadata: {{labels: {{app: web{at}}}}}\n      spec:\n        containers:\n        - name: web   # the page\n          \
             ports:\n          - containerPort: 8000\n            name: http\n\
             - {{apiVersion: v1, kind: Service, metadata: {{name: web{at}}}, spec: {{selector: {{app: web{at}}}, ports: [{{port: 80, targetPort: 8000}}]}}}}\n"
        );
        block.push_str(&item);
        items.push(item);
    }
    block.push_str("kind: List   # the end\n");
    let value: Value = serde_norway::from_str(&block).unwrap();
    (block, serde_json::to_string_pretty(&value).unwrap())
}

#[test]
fn a_list_is_changed_item_by_item_and_back() {
    let (block, json) = list(3);
    for text in [block.replace('\n', "\r\n"), block, json] {
        let stream = YamlStream::parse(&text).unwrap();
        let outcome = inject(stream.documents(), &InjectionSettings::default());
        let injected = stream.patched(&outcome.patches).unwrap();
        assert!(injected.rewritten.is_empty(), "{}", injected.text);
        assert_eq!(injected.text.matches("sitio-sidecar:").count(), 3, "{}", injected.text);
        assert_eq!(injected.text.matches("# the page").count(), text.matches("# the page").count());

        let stream = YamlStream::parse(&injected.text).unwrap();
        let back = stream.patched(&uninject(stream.documents()).patches).unwrap();
        assert_eq!(back.text, text);
    }
}

#[test]
fn the_time_for_a_big_list_grows_with_its_length() {
    let time = |length: usize| {
        let (block, _) = list(length);
        let begin = std::time::Instant::now();
        let stream = YamlStream::parse(&block).unwrap();
        let outcome = inject(stream.documents(), &InjectionSettings::default());
        let injected = stream.patched(&outcome.patches).unwrap();
        assert!(injected.rewritten.is_empty() && injected.text.matches("sitio-sidecar:").count() == length);
        begin.elapsed()
    };
    time(10);

    let (short, long) = (time(100), time(1_000));

    // Ten times the length took a hundred times as long when each operation parsed and copied the whole List.
    assert!(long < 40 * short, "{short:?} for 100 workloads, and {long:?} for 1,000");
}
