//! The findings of `sitio check`: what is wrong, how severe it is, and what to do.

use api::client::failure::Failure;
use serde::Serialize;

use crate::color::ColorMode;
use crate::hints;
use crate::sanitize::plain;

/// All findings, in the order of the checks.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(super) struct Findings(Vec<Finding>);

/// The result of one check.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    level: Severity,
    /// What the check found.
    what: String,
    /// What to do about it; `None` if nothing is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// The severity of a finding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Severity {
    /// Nothing is wrong.
    #[default]
    Fine,
    /// Something needs attention but works.
    Warning,
    /// Something does not work.
    Error,
}

impl Findings {
    /// Adds a finding that nothing is wrong.
    pub(super) fn fine(&mut self, what: impl Into<String>) {
        self.0.push(Finding { level: Severity::Fine, what: what.into(), next: None });
    }

    /// Something needs attention but works.
    pub(super) fn warning(&mut self, what: impl Into<String>, next: impl Into<String>) {
        self.0.push(Finding { level: Severity::Warning, what: what.into(), next: Some(next.into()) });
    }

    /// Something does not work.
    pub(super) fn error(&mut self, what: impl Into<String>, next: impl Into<String>) {
        self.0.push(Finding { level: Severity::Error, what: what.into(), next: Some(next.into()) });
    }

    /// Adds an error for a request to the control plane that failed.
    pub(super) fn failed(&mut self, failure: &Failure) {
        let next = hints::on(failure).unwrap_or_else(|| "look at the control plane's log".to_owned());
        self.error(failure.to_string(), next);
    }

    /// The highest severity of all findings.
    pub(super) fn worst(&self) -> Severity {
        self.0.iter().map(|finding| finding.level).max().unwrap_or_default()
    }

    /// The findings as text, with the number of errors and warnings at the end.
    pub(super) fn words(&self, paint: ColorMode) -> String {
        let mut lines = Vec::new();
        for finding in &self.0 {
            let what = plain(&finding.what);
            lines.push(match finding.level {
                Severity::Fine => format!("{} {what}", paint.good("ok     ")),
                Severity::Warning => format!("{} {what}", paint.bad("warning")),
                Severity::Error => format!("{} {what}", paint.worst("error  ")),
            });
            lines.extend(finding.next.as_ref().map(|next| format!("        → {}", plain(next))));
        }
        let count = |level: Severity| self.0.iter().filter(|finding| finding.level == level).count();
        let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
        lines.push(match (errors, warnings) {
            (0, 0) => "\nnothing is wrong".to_owned(),
            _ => format!("\nerrors: {errors}, warnings: {warnings}"),
        });
        format!("{}\n", lines.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_finding_says_what_to_do_and_the_end_says_how_many() {
        let mut findings = Findings::default();
        findings.fine("the control plane answers");
        assert_eq!(findings.words(ColorMode::Plain), "ok      the control plane answers\n\nnothing is wrong\n");
        findings.warning("the clocks differ", "set them");
        assert_eq!(findings.worst(), Severity::Warning);
        findings.error("a pod is silent", "look at it");
        let words = "ok      the control plane answers\nwarning the clocks differ\n        → set them\n\
                     error   a pod is silent\n        → look at it\n\nerrors: 1, warnings: 1\n";
        assert_eq!((findings.words(ColorMode::Plain).as_str(), findings.worst()), (words, Severity::Error));
    }
}
