//! Of any pod: an injection is idempotent, can be taken back, and touches nothing but what it says.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{injected, uninjected};

fn port() -> impl Strategy<Value = Value> {
    let name = option::of(prop_oneof![Just("http"), Just("web"), Just("metrics")]);
    let protocol = option::of(prop_oneof![Just("TCP"), Just("UDP")]);
    let number = prop_oneof![Just(80u32), Just(8080), Just(8087), Just(9191), 0u32..70_000];
    (number, name, protocol).prop_map(|(number, name, protocol)| {
        let mut port = Map::from_iter([("containerPort".to_owned(), json!(number))]);
        port.extend(name.map(|name| ("name".to_owned(), json!(name))));
        port.extend(protocol.map(|protocol| ("protocol".to_owned(), json!(protocol))));
        port.into()
    })
}

fn probe() -> impl Strategy<Value = Value> {
    let port = prop_oneof![Just(json!("http")), Just(json!("web")), Just(json!(80)), Just(json!(8080)), Just(json!(null))];
    (port, prop_oneof![Just("httpGet"), Just("tcpSocket"), Just("exec")])
        .prop_map(|(port, action)| json!({action: {"port": port}}))
}

fn container() -> impl Strategy<Value = Value> {
    let fields = (option::of(vec(port(), 1..4)), option::of(probe()), option::of(probe()), option::of(Just("Always")));
    fields.prop_map(|(ports, readiness, pre_stop, restart)| {
        let mut container = Map::new();
        container.extend(ports.map(|ports| ("ports".to_owned(), json!(ports))));
        container.extend(readiness.map(|probe| ("readinessProbe".to_owned(), probe)));
        container.extend(pre_stop.map(|probe| ("lifecycle".to_owned(), json!({"preStop": probe}))));
        container.extend(restart.map(|policy| ("restartPolicy".to_owned(), json!(policy))));
        container.into()
    })
}

fn named(containers: Vec<Value>, prefix: &str) -> Vec<Value> {
    let named = |(at, mut container): (usize, Value)| {
        container["name"] = json!(format!("{prefix}{at}"));
        container
    };
    containers.into_iter().enumerate().map(named).collect()
}

pub(super) fn pod() -> impl Strategy<Value = Value> {
    let annotation = option::of(prop_oneof![Just("80"), Just("8000"), Just("http"), Just("x")]);
    let init = option::of(vec(container(), 1..3));
    let transparent = option::of(prop_oneof![Just("true"), Just("false")]);
    let parts = (vec(container(), 1..4), init, annotation, any::<bool>(), transparent);
    parts.prop_map(|(containers, init, port, labelled, transparent)| {
        let mut metadata = Map::new();
        if labelled {
            metadata.insert("labels".to_owned(), json!({"app": "web"}));
        }
        metadata.extend(port.map(|port| {
            let mut annotations = json!({"sitio.dev/port": port, "other": "x"});
            if let Some(answer) = transparent {
                annotations["sitio.dev/transparent"] = json!(answer);
            }
            ("annotations".to_owned(), annotations)
        }));
        let mut pod =
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": named(containers, "app")}});
        if let Some(init) = init {
            pod["spec"]["initContainers"] = named(init, "init").into();
        }
        pod
    })
}

pub(super) fn service() -> impl Strategy<Value = Value> {
    let target = prop_oneof![Just(json!(80)), Just(json!(8080)), Just(json!(8000)), Just(json!("http")), Just(Value::Null)];
    vec((prop_oneof![Just(80u32), Just(8080), 1u32..66_000], target), 0..3).prop_map(|ports| {
        let port = |(at, (port, target)): (usize, (u32, Value))| {
            // The ports of a Service are unique.
            let mut one = json!({"port": port + at as u32 * 100_000});
            if !target.is_null() {
                one["targetPort"] = target;
            }
            one
        };
        let ports: Vec<Value> = ports.into_iter().enumerate().map(port).collect();
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": ports}})
    })
}

/// Without what stands for nothing: empty metadata, which an injection may have to fill and empty again.
pub(super) fn lean(mut documents: Vec<Value>) -> Vec<Value> {
    for document in &mut documents {
        if document["metadata"].as_object().is_some_and(Map::is_empty) {
            document.as_object_mut().unwrap().shift_remove("metadata");
        }
    }
    documents
}

proptest! {
    #[test]
    fn an_injection_is_idempotent_and_can_be_taken_back(pod in pod(), service in service()) {
        let before = vec![pod, service];
        let (once, _) = injected(&before);
        let (twice, _) = injected(&once);
        prop_assert_eq!(&once, &twice);
        prop_assert_eq!(lean(uninjected(&once)), lean(before));
    }

    #[test]
    fn the_application_keeps_listening_where_it_did(pod in pod()) {
        let (after, _) = injected(std::slice::from_ref(&pod));
        let before = pod["spec"]["containers"].as_array().unwrap();
        for (before, after) in before.iter().zip(after[0]["spec"]["containers"].as_array().unwrap()) {
            let (mut before, mut after) = (before.clone(), after.clone());
            for container in [&mut before, &mut after] {
                for field in ["ports", "readinessProbe", "lifecycle"] {
                    container.as_object_mut().unwrap().shift_remove(field);
                }
            }
            prop_assert_eq!(before, after);
        }
    }
}
