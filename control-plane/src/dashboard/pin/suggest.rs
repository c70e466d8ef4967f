//! Suggests patterns to pin for a route: it replaces the segment in which sibling routes differ.

use std::cmp::Reverse;

/// Patterns that are suggested.
const OFFERED_MAX: usize = 3;

/// Patterns for a route, the likeliest first. `siblings` are the other routes of the service.
pub(super) fn patterns(route: &str, siblings: &[&str]) -> Vec<String> {
    let segments: Vec<&str> = route.split('/').collect();
    let is_word = |at: &usize| !segments[*at].is_empty() && !segments[*at].starts_with('{');
    let mut places: Vec<(usize, usize)> =
        (1..segments.len()).filter(is_word).map(|at| (alike_but_for(&segments, at, siblings), at)).collect();
    // A segment is likelier the more siblings differ in it; on a tie, the last segment comes first.
    places.sort_by_key(|place| Reverse(*place));
    places.into_iter().take(OFFERED_MAX).map(|(_, at)| with_name(&segments, at)).collect()
}

/// How many siblings differ in this segment only.
fn alike_but_for(segments: &[&str], at: usize, siblings: &[&str]) -> usize {
    let is_alike = |sibling: &&&str| {
        let mut others = sibling.split('/');
        let same = segments.iter().enumerate().all(|(place, segment)| {
            others.next().is_some_and(|other| if place == at { other != *segment } else { other == *segment })
        });
        same && others.next().is_none()
    };
    siblings.iter().filter(is_alike).count()
}

/// The pattern with a unique parameter name in place of this segment.
fn with_name(segments: &[&str], at: usize) -> String {
    let is_taken = |name: &String| segments.iter().any(|segment| *segment == format!("{{{name}}}"));
    let names = std::iter::once("id".to_owned()).chain((2..).map(|number| format!("id{number}")));
    let name = names.into_iter().find(|name| !is_taken(name)).expect("numbers do not end");
    let part = |(place, segment): (usize, &&str)| if place == at { format!("{{{name}}}") } else { (*segment).to_owned() };
    segments.iter().enumerate().map(part).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_segment_that_differs_is_offered_first() {
        let siblings = ["/users/b", "/users/c", "/users/a/cart", "/about"];
        assert_eq!(patterns("/users/a", &siblings), ["/users/{id}", "/{id}/a"]);
        assert_eq!(patterns("/de/shop/x", &["/en/shop/x", "/fr/shop/x"])[0], "/{id}/shop/x");
    }

    #[test]
    fn without_siblings_it_is_the_last_word() {
        assert_eq!(patterns("/api/reports/q1", &[]), ["/api/reports/{id}", "/api/{id}/q1", "/{id}/reports/q1"]);
        assert_eq!(patterns("/users/{id}/x", &[])[0], "/users/{id}/{id2}");
        assert_eq!(patterns("/", &[]), Vec::<String>::new());
        assert_eq!(patterns("(other)", &[]), Vec::<String>::new());
    }
}
