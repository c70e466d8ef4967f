//! The three formats of a metrics page, and the choice between them by the `Accept` header.

/// A format of Prometheus ("Exposition formats"). Only the binary one contains native histograms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The classic text, version 0.0.4.
    Text,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
    /// Messages of `io.prometheus.client`, each preceded by its length.
    Protobuf,
}

impl Format {
    /// Returns the format that this `Accept` header prefers; the classic text if it accepts none of
    /// the formats.
    ///
    /// With equal weights, the format with more information wins.
    pub fn preferred(accept: &str) -> Self {
        let mut best = (Self::Text, 0_u16);
        for entry in accept.split(',') {
            let mut parts = entry.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default();
            let parameters: Vec<_> = parts.filter_map(|part| part.split_once('=')).collect();
            let reported =
                |name: &str| parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| *value);
            let Some(format) = Self::of(kind, reported) else { continue };
            // A weight has at most three decimals. An invalid weight counts as 0, so that it cannot
            // win.
            let weight = reported("q").map_or(1.0, |q| q.parse().unwrap_or(0.0_f32)).clamp(0.0, 1.0);
            let thousandths = (weight * 1e3) as u16;
            if thousandths > 0 && (thousandths, format.rank()) > (best.1, best.0.rank()) {
                best = (format, thousandths);
            }
        }
        best.0
    }

    /// The matching `Content-Type`.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Protobuf => "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
        }
    }

    fn of<'a>(kind: &str, reported: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        let is = |name, value| reported(name).is_none_or(|reported| reported.trim_matches('"') == value);
        match kind.to_ascii_lowercase().as_str() {
            "application/vnd.google.protobuf" => {
                (reported("proto").is_some() && is("proto", "io.prometheus.client.MetricFamily") && is("encoding", "delimited"))
                    .then_some(Self::Protobuf)
            }
            "application/openmetrics-text" => is("version", "1.0.0").then_some(Self::OpenMetrics),
            "text/plain" => is("version", "0.0.4").then_some(Self::Text),
            _ => None,
        }
    }

    const fn rank(self) -> u8 {
        match self {
            Self::Text => 0,
            Self::OpenMetrics => 1,
            Self::Protobuf => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_the_one_that_the_client_prefers() {
        let protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
        let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                          text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        for (accept, format) in [
            ("", Format::Text),
            ("*/*", Format::Text),
            ("text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", Format::Text),
            (prometheus, Format::OpenMetrics),
            (&format!("{protobuf},{prometheus}"), Format::Protobuf),
            (&format!("{protobuf};q=0.4,text/plain;q=0.5"), Format::Text),
            (&format!("{protobuf};q=0"), Format::Text),
            (&format!("{protobuf};q=soon"), Format::Text),
            ("application/vnd.google.protobuf", Format::Text),
            ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text", Format::Text),
            ("application/openmetrics-text; version=0.0.1", Format::Text),
            ("Application/OpenMetrics-Text; Version=\"1.0.0\"; Q=1", Format::OpenMetrics),
            (";;;=,=;q=,", Format::Text),
        ] {
            assert_eq!(Format::preferred(accept), format, "{accept}");
        }
    }
}
