//! Resolves an endpoint reference: an id, or any words of service, method and route that match only one endpoint.

use api::endpoints::Endpoint;
use format::label::service_label;

use crate::sanitize::short;

/// The number of candidates that an error lists.
const NAMED_MAX: usize = 10;

/// Why a reference does not resolve to one endpoint.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotFound {
    /// The control plane knows no endpoint yet.
    #[error("there is no endpoint yet: the first request to a pod makes one")]
    Nothing,
    /// No endpoint matches.
    #[error("no endpoint is called {words:?}; {}", .like.as_deref().map_or("`sitio stat` lists those there are".to_owned(), |like| format!("did you mean one of these?\n{like}")))]
    None {
        /// The reference as given.
        words: String,
        /// Similar endpoints, one on each line.
        like: Option<String>,
    },
    /// Several endpoints match.
    #[error("{words:?} could be any of {count} endpoints; name one by its id, or by service, method and route:\n{names}")]
    Several {
        /// The reference as given.
        words: String,
        /// The number of matches.
        count: usize,
        /// The first matches, one on each line.
        names: String,
    },
}

/// Parses a non-empty word. An unset variable of a script is empty, and must not match any endpoint.
pub(crate) fn word(argument: &str) -> Result<String, String> {
    if argument.trim_matches([' ', '\t', '\n', ':']).is_empty() { Err("it is empty".to_owned()) } else { Ok(argument.to_owned()) }
}

/// Splits a reference into words: `legacy GET /x`, `legacy:GET:/x` and `'legacy GET /x'` are equivalent.
pub(crate) fn words(arguments: &[String]) -> Vec<String> {
    let [one] = arguments else { return arguments.to_vec() };
    let split: Vec<_> = if one.contains(char::is_whitespace) {
        one.split_whitespace().map(str::to_owned).collect()
    } else if one.starts_with('/') {
        vec![one.clone()]
    } else {
        // A route may contain colons.
        one.splitn(3, ':').map(str::to_owned).collect()
    };
    split.into_iter().filter(|word| !word.is_empty()).collect()
}

/// Resolves a reference to one endpoint.
pub(crate) fn one<'a>(endpoints: &'a [Endpoint], words: &[String]) -> Result<&'a Endpoint, NotFound> {
    if endpoints.is_empty() {
        return Err(NotFound::Nothing);
    }
    let found: Vec<_> = endpoints.iter().filter(|endpoint| words.iter().all(|word| is_called(endpoint, word))).collect();
    match found.as_slice() {
        [one] => Ok(one),
        [] => {
            let like: Vec<_> = endpoints.iter().filter(|endpoint| words.iter().any(|word| is_like(endpoint, word))).collect();
            Err(NotFound::None { words: words.join(" "), like: (!like.is_empty()).then(|| names(&like)) })
        }
        several => Err(NotFound::Several { words: words.join(" "), count: several.len(), names: names(several) }),
    }
}

/// Whether a word is the endpoint's id, service, method or route.
fn is_called(endpoint: &Endpoint, word: &str) -> bool {
    endpoint.id == word
        || endpoint.route == word
        || endpoint.service == word
        || service_label(&endpoint.namespace, &endpoint.service) == word
        || endpoint.method.eq_ignore_ascii_case(word)
}

/// Whether an endpoint is similar enough to suggest after a typing error.
fn is_like(endpoint: &Endpoint, word: &str) -> bool {
    let word = word.to_lowercase();
    word.len() > 1 && (endpoint.route.to_lowercase().contains(&word) || endpoint.service.to_lowercase().contains(&word))
}

fn names(endpoints: &[&Endpoint]) -> String {
    let mut lines: Vec<_> = endpoints
        .iter()
        .take(NAMED_MAX)
        .map(|endpoint| {
            let service = service_label(&endpoint.namespace, &endpoint.service);
            format!("  {}  {} {} {}", endpoint.id, short(&service), short(&endpoint.method), short(&endpoint.route))
        })
        .collect();
    if endpoints.len() > NAMED_MAX {
        lines.push(format!("  and {} more", endpoints.len() - NAMED_MAX));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::endpoint;

    fn found(arguments: &[&str]) -> Result<String, NotFound> {
        let endpoints = [
            endpoint("legacy", "GET", "/legacy/export"),
            endpoint("legacy", "POST", "/legacy/export"),
            endpoint("search", "GET", "/search"),
            endpoint("search", "GET", "/a:b"),
        ];
        let arguments: Vec<_> = arguments.iter().map(|word| (*word).to_owned()).collect();
        one(&endpoints, &words(&arguments)).map(|endpoint| format!("{} {}", endpoint.method, endpoint.route))
    }

    #[test]
    fn an_endpoint_is_found_by_as_few_words_as_name_no_other() {
        for words in [
            &["legacy", "GET", "/legacy/export"][..],
            &["legacy:GET:/legacy/export"],
            &["get /legacy/export"],
            &["legacy", "get"],
            &["legacy:GET"],
            &["elegacyGET/legacy/export"],
        ] {
            assert_eq!(found(words).unwrap(), "GET /legacy/export", "{words:?}");
        }
        assert_eq!(found(&["/search"]).unwrap(), "GET /search");
        assert_eq!(found(&["search:GET:/a:b"]).unwrap(), "GET /a:b");
        assert_eq!(found(&["/a:b"]).unwrap(), "GET /a:b");
    }

    #[test]
    fn an_ambiguous_endpoint_lists_its_candidates() {
        let several = found(&["legacy"]).unwrap_err().to_string();
        assert!(several.contains("any of 2 endpoints") && several.contains("legacy POST /legacy/export"), "{several}");
        let none = found(&["/export"]).unwrap_err().to_string();
        assert!(none.contains("did you mean") && none.contains("legacy GET /legacy/export"), "{none}");
        let none = found(&["/nowhere"]).unwrap_err().to_string();
        assert_eq!(none, "no endpoint is called \"/nowhere\"; `sitio stat` lists those there are");
        assert!(matches!(one(&[], &[]), Err(NotFound::Nothing)));
    }
}
