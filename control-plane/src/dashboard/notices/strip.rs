//! The firing notices above the tables of other pages, the most urgent first.

use crate::dashboard::attention_cells::AttentionCells;
use crate::dashboard::notices::PAGE;
use crate::dashboard::root::Root;
use crate::model::notice::Notice;
use crate::query::snapshot::Snapshot;
use format::label::service_label;
use format::time;

/// Notices in the strip. The last place names how many there are besides, if there are more.
pub const SHOWN_MAX: usize = 3;

/// A place of the strip: what is wrong with which service, since when.
pub type NoticeStrip = [AttentionCells; SHOWN_MAX];

/// The notices of all services that the reader sees, for a page that reaches the dashboard's root by `root`.
pub fn of_all(snapshot: &Snapshot, root: Root) -> NoticeStrip {
    places(snapshot.notices.iter().collect(), root)
}

/// The notices of one service.
pub fn of_service(snapshot: &Snapshot, (namespace, service): (&str, &str), root: Root) -> NoticeStrip {
    let is_about = |notice: &&Notice| notice.subject.namespace == namespace && notice.subject.service == service;
    places(snapshot.notices.iter().filter(is_about).collect(), root)
}

fn places(mut notices: Vec<&Notice>, root: Root) -> NoticeStrip {
    notices.sort_by_key(|notice| (notice.subject.condition, notice.since_ms));
    let more = notices.len().saturating_sub(SHOWN_MAX);
    let place = |at: usize| match notices.get(at) {
        Some(_) if more > 0 && at + 1 == SHOWN_MAX => others(more + 1, root),
        Some(notice) => place(notice, root),
        None => AttentionCells::default(),
    };
    std::array::from_fn(place)
}

fn place(notice: &Notice, root: Root) -> AttentionCells {
    let subject = &notice.subject;
    let mut strong = subject.condition.words().to_owned();
    strong[..1].make_ascii_uppercase();
    AttentionCells {
        kind: "bad",
        href: format!("{root}{PAGE}#n{}", notice.id),
        title: service_label(&subject.namespace, &subject.service),
        strong,
        rest: format!(": {}, since ", notice.detail),
        since_ms: notice.since_ms.to_string(),
        since: format!("{} UTC", time::minute(notice.since_ms)),
        ..AttentionCells::default()
    }
}

fn others(count: usize, root: Root) -> AttentionCells {
    AttentionCells {
        kind: "bad",
        href: format!("{root}{PAGE}"),
        title: format!("{count} more notices"),
        rest: "Show all".into(),
        ..AttentionCells::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::sample;
    use crate::model::notice::NoticeCondition;

    #[test]
    fn the_most_urgent_come_first_and_the_rest_is_counted() {
        let mut snapshot = sample::snapshot();
        snapshot.notices = NoticeCondition::EACH.iter().rev().map(|condition| sample::notice(*condition)).collect();
        let strip = of_all(&snapshot, Root::ABOVE);
        assert_eq!(strip.each_ref().map(|place| place.title.as_str()), ["legacy", "legacy", "4 more notices"]);
        assert_eq!((strip[0].strong.as_str(), strip[2].href.as_str()), ("Refuses connections", "../notices"));
        assert_eq!(of_service(&snapshot, ("default", "shop"), Root::BESIDE), NoticeStrip::default());
        snapshot.notices.truncate(1);
        let strip = of_service(&snapshot, ("default", "legacy"), Root::BESIDE);
        assert_eq!(strip.each_ref().map(|place| place.kind), ["bad", "", ""]);
    }
}
