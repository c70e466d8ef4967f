//! Tests that the JSON has the shape of the original articles and the right numbers.

use std::sync::Arc;

use mesh::endpoint::Endpoint;
use mesh::report::EndpointReport;
use serde_json::{Value, json};

use crate::export::legacy_stats::{json, milliseconds};
use crate::ledger::Ledger;
use crate::ledger::tests::counted;
use crate::resources::cpu::{Cpu, CpuTimes};
use crate::resources::{Machine, Measured};

fn stats(reports: Vec<EndpointReport>) -> Value {
    let mut ledger = Ledger::default();
    let times = CpuTimes { user: 1, nice: 2, sys: 3, idle: 4 };
    let cpus = vec![Cpu { model: "Intel Xeon".into(), speed: 5300, times }];
    let machine = Machine { free_memory: 31_891_456, total_memory: 8_589_934_592, cpus };
    ledger.measured(Measured { resources: mesh::report::Resources::default(), machine: Arc::new(machine) });
    ledger.absorb(reports);
    serde_json::from_str(&json(&ledger, "j-slow-9-5rt8f")).unwrap()
}

#[test]
fn the_shape_is_that_of_the_seeds_and_the_average_is_right() {
    let stats = stats(vec![counted("/", 0, &[5000, 3000, 1000])]);
    let entry = &stats["/"];
    assert_eq!(entry["history"].as_array().unwrap().len(), 3);
    assert_eq!(
        entry["history"][0],
        json!({
            "request": {"endpoint": "/", "method": "GET"},
            "response": {"status": "200", "state": "OK"},
            "time": "5ms",
            "started": 1_544_042_305_989_u64,
            "resource": {
                "free_memory": 31_891_456,
                "total_memory": 8_589_934_592_u64,
                "cpus": [{"model": "Intel Xeon", "speed": 5300, "times": {"user": 1, "nice": 2, "sys": 3, "idle": 4}}],
            },
        })
    );
    let fields: Vec<&String> = entry.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["hit", "avg", "total", "file", "pod", "history"]);
    let values = [&entry["hit"], &entry["avg"], &entry["total"], &entry["file"], &entry["pod"]];
    assert_eq!(values, [&json!(3), &json!("3ms"), &json!(9), &json!(false), &json!("j-slow-9-5rt8f")]);
}

#[test]
fn methods_of_one_route_share_an_entry() {
    let mut posted = counted("/a", 0, &[1000]);
    posted.endpoint = Endpoint::named("POST", "/a").unwrap();
    let stats = stats(vec![counted("/a", 0, &[2000, 3000]), posted]);
    assert_eq!((&stats["/a"]["hit"], &stats["/a"]["total"]), (&json!(3), &json!(6)));
    let methods: Vec<&Value> = stats["/a"]["history"].as_array().unwrap().iter().map(|item| &item["request"]["method"]).collect();
    assert_eq!(methods.iter().filter(|method| **method == "POST").count(), 1);
    assert_eq!(methods.len(), 3);
}

#[test]
fn a_rules_answers_are_hits_but_do_not_make_the_service_faster() {
    let mut report = counted("/a", 0, &[4000]);
    report.golden.hits += 3;
    report.golden.by_rule += 3;
    let stats = stats(vec![report]);
    assert_eq!((&stats["/a"]["hit"], &stats["/a"]["avg"]), (&json!(4), &json!("4ms")));
}

#[test]
fn milliseconds_have_two_decimals_at_most() {
    let texts = [0.0, 420.0, 1000.0, 3333.3, 9_999_999.0].map(|us| milliseconds(us).1);
    assert_eq!(texts, ["0ms", "0.42ms", "1ms", "3.33ms", "10000ms"]);
}

#[test]
fn nothing_counted_is_an_empty_object() {
    assert_eq!(stats(vec![]), json!({}));
}
