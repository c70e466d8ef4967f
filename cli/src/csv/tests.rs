//! Tests that CSV output escapes spreadsheet formulas and terminal control characters.

use crate::csv::endpoints;
use crate::sample::{answer, endpoint};

#[test]
fn an_endpoint_is_a_line_of_plain_values_under_the_dashboard_s_names() {
    let file = endpoints::file(&answer(vec![endpoint("legacy", "GET", "/export")]));
    let lines: Vec<_> = file.split("\r\n").collect();
    assert!(lines[0].starts_with("namespace,service,method,route,rps,hits,avg_ms,p50_ms,"), "{file}");
    assert!(
        lines[1].starts_with("default,legacy,GET,/export,1.667,100,12.500,9.100,212.000,1240.000,1,0.010000,0.020000,"),
        "{file}"
    );
    assert_eq!((lines.len(), lines[2]), (3, ""), "each line is ended, and nothing follows: {file}");
    assert_eq!(endpoints::file(&answer(vec![])).lines().count(), 1, "a list of none has its names all the same");
}

#[test]
fn what_a_stranger_has_named_is_neither_calculated_nor_obeyed() {
    let strange = endpoint("=cmd|' /C calc'!A0", "GET", "/a\x1b[2J\r\nb,\"c\"");
    let file = endpoints::file(&answer(vec![strange]));
    assert!(file.contains("default,'=cmd|' /C calc'!A0,GET,\"/a\\u{1b}[2J\\u{d}\\u{a}b,\"\"c\"\"\","), "{file}");
    assert_eq!(file.lines().count(), 2, "{file}");
}
