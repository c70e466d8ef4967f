//! Converts OpenMetrics to the classic text: counters are declared with `_total`, and units are omitted.

/// Returns the same page in version 0.0.4.
pub(super) fn from_open_metrics(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut lines = open_metrics.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with("# UNIT ") || line == "# EOF" {
            continue;
        }
        let announced =
            line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE ")).and_then(|rest| rest.split_once(' '));
        match announced {
            Some((name, rest)) if is_counter(line, lines.peek()) => {
                let word = &line[..7];
                text.extend([word, name, "_total ", rest]);
            }
            _ => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

/// Returns whether this line, or the next one, declares a counter: the help comes before the type.
fn is_counter(line: &str, next: Option<&&str>) -> bool {
    let announces = |line: &str| line.starts_with("# TYPE ") && line.ends_with(" counter");
    announces(line) || (line.starts_with("# HELP ") && next.is_some_and(|next| announces(next)))
}
