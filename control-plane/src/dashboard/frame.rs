//! The frame of every page: counts in the navigation, and a title and an icon that show problems.

use serde::Serialize;

use crate::dashboard::health::Health;
use crate::dashboard::root::Root;
use crate::model::durability::Durability;
use crate::model::notice::NoticeSubject;
use crate::model::pod::PodState;
use crate::query::snapshot::Snapshot;
use format::health::HealthLevel;
use format::number;

/// The live values of the frame.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct FrameCells {
    /// The page's title, preceded by the number of problems, if any.
    pub title: String,
    /// Address of the tab's icon, relative to the page.
    pub icon: String,
    /// Number of endpoints.
    pub endpoints: String,
    /// Number of pods that are not gone.
    pub pods: String,
    /// Number of notices that fire.
    pub notices: String,
    /// Number of audit entries.
    pub audit: String,
    /// The problems as text without numbers: it changes only when a problem comes or goes.
    pub problems: String,
}

/// Maximum number of problems named; the rest are counted.
const NAMED_MAX: usize = 3;

impl FrameCells {
    /// The frame of a page with this title; an empty title is the overview.
    pub fn of(title: &str, snapshot: &Snapshot) -> Self {
        let wrong = wrong(snapshot);
        let worst = wrong.iter().map(|(level, _)| *level).max().unwrap_or_default();
        let name = if title.is_empty() { "Sitio".to_owned() } else { format!("{title} · Sitio") };
        let named: Vec<&str> = wrong.iter().take(NAMED_MAX).map(|(_, words)| &**words).collect();
        let there = snapshot.pods.iter().filter(|pod| pod.state != PodState::Gone).count();
        Self {
            title: if wrong.is_empty() { name } else { format!("({}) {name}", wrong.len()) },
            icon: match worst {
                HealthLevel::Calm => "favicon.svg".into(),
                level => format!("static/mark-{}.svg", level.name()),
            },
            endpoints: number::count(snapshot.endpoints.len() as u64),
            pods: number::count(there as u64),
            notices: number::count(snapshot.notices.len() as u64),
            audit: number::count(snapshot.audit_entries),
            problems: match wrong.len() - named.len() {
                0 => named.join(". "),
                more => format!("{}. And {more} more", named.join(". ")),
            },
        }
    }

    /// The frame of a page that shows no data of the mesh.
    pub fn still(title: &str) -> Self {
        Self { title: format!("{title} · Sitio"), icon: "favicon.svg".into(), ..Self::default() }
    }

    /// The same frame, for a page that reaches the dashboard's root by `root`.
    #[must_use]
    pub fn below(self, root: Root) -> Self {
        Self { icon: format!("{root}{}", self.icon), ..self }
    }
}

/// All problems of the mesh, worst first.
fn wrong(snapshot: &Snapshot) -> Vec<(HealthLevel, String)> {
    let mut wrong: Vec<(HealthLevel, String)> = Vec::new();
    for row in &snapshot.endpoints {
        let verdict = Health::of(row, snapshot.taken_ms);
        match verdict.level() {
            HealthLevel::Calm => {}
            level if verdict.failing > HealthLevel::Calm => wrong.push((level, format!("{} fails", row.endpoint))),
            level => wrong.push((level, format!("{} is slow", row.endpoint))),
        }
    }
    for pod in snapshot.pods.iter().filter(|pod| pod.state == PodState::Silent) {
        wrong.push((HealthLevel::Amber, format!("Pod {} is silent", pod.workload.pod)));
    }
    for NoticeSubject { condition, service, .. } in snapshot.notices.iter().map(|notice| &notice.subject) {
        wrong.push((HealthLevel::Red, format!("{service} {}", condition.words())));
    }
    if snapshot.standing != Durability::Durable {
        wrong.push((HealthLevel::Red, "Counts are not saved to disk".into()));
    }
    if snapshot.store_replaced.is_some() {
        wrong.push((HealthLevel::Red, "The store was lost or replaced".into()));
    }
    wrong.sort_by(|(a, words), (b, others)| b.cmp(a).then_with(|| words.cmp(others)));
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::sample;

    #[test]
    fn the_title_and_the_icon_show_what_is_wrong() {
        let frame = FrameCells::of("Pods", &sample::snapshot());
        assert_eq!((frame.title.as_str(), frame.icon.as_str()), ("(3) Pods · Sitio", "static/mark-bad.svg"));
        assert_eq!(frame.problems, "POST /api/checkout fails. GET /api/search is slow. Pod legacy-2 is silent");
    }

    #[test]
    fn where_nothing_is_wrong_no_banner_is_shown() {
        let mut snapshot = sample::snapshot();
        snapshot.endpoints.clear();
        snapshot.pods.clear();
        let frame = FrameCells::of("", &snapshot);
        assert_eq!((frame.title.as_str(), frame.icon.as_str(), frame.problems.as_str()), ("Sitio", "favicon.svg", ""));
    }
}
