//! Reads samples of `/metrics`, for the control plane's own metrics that no other API returns.

/// One sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The metric's name.
    pub name: String,
    /// Its labels in the text format.
    pub labels: String,
    /// Its value.
    pub value: f64,
}

impl Sample {
    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        let pairs = self.labels.split(',');
        pairs.filter_map(|pair| pair.split_once('=')).find(|(label, _)| *label == name).map(|(_, value)| value.trim_matches('"'))
    }
}

/// Parses a page in the Prometheus text format.
pub(super) fn samples(page: &str) -> impl Iterator<Item = Sample> {
    page.lines().filter_map(sample)
}

/// Parses a line of the Prometheus text format; `None` for a comment.
fn sample(line: &str) -> Option<Sample> {
    if line.starts_with('#') {
        return None;
    }
    let (series, value) = line.rsplit_once(' ')?;
    let (name, labels) = series.split_once('{').map_or((series, ""), |(name, labels)| (name, labels.trim_end_matches('}')));
    Some(Sample { name: name.to_owned(), labels: labels.to_owned(), value: value.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_read_and_a_comment_is_none() {
        let read = sample("sitio_discarded_total{what=\"frame_refused\",x=\"1\"} 12").unwrap();
        assert_eq!((read.name.as_str(), read.value), ("sitio_discarded_total", 12.0));
        assert_eq!((read.label("what"), read.label("x"), read.label("y")), (Some("frame_refused"), Some("1"), None));
        assert_eq!(sample("sitio_endpoints 3").unwrap().labels, "");
        assert_eq!(sample("# HELP sitio_endpoints Endpoints."), None);
    }
}
