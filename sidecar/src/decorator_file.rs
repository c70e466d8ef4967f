//! The file of decorators: read at the start, and again whenever it changes.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use decorators::action;
use decorators::file::{DecoratorsFile, Entry};
use mesh::endpoint::Endpoint;
use mesh::rule::{Action, Protection, Rule, Scope, Selector, prefix_of};
use platform::config_file;
use tokio_util::sync::CancellationToken;

use crate::decorator::catalog::{Catalog, Origin};
use crate::rulebook::TimedRule;
use crate::worker::{RuleSource, Workers};

/// How often the file is read. The kubelet takes up to a minute to update a mount, so this adds little.
const CHECK_EVERY: Duration = Duration::from_secs(2);

/// A file of decorators, and what was last read from it.
pub struct DecoratorFile {
    path: PathBuf,
    catalog: Catalog,
    /// What was last read and used; `None` before.
    text: Option<String>,
    /// Of the contents of all files that the entries name, when they were last used.
    files: u64,
    rules: Vec<KnownRule>,
}

/// The rule of an entry, and the fingerprint of the files that the entry names.
struct KnownRule {
    timed: TimedRule,
    files: u64,
}

impl DecoratorFile {
    /// Reads the file. The error says what is wrong, and where.
    pub fn open(path: PathBuf, catalog: Catalog) -> anyhow::Result<Self> {
        let mut file = Self { path, catalog, text: None, files: 0, rules: Vec::new() };
        file.refresh().map_err(|why| anyhow::anyhow!("{why}"))?;
        Ok(file)
    }

    /// The decorators as rules of this pod, which never expire.
    pub fn rules(&self) -> Vec<TimedRule> {
        self.rules.iter().map(|known| known.timed.clone()).collect()
    }

    /// Applies each change of the file, until it is stopped. A file that has become unusable changes nothing.
    pub async fn watch(mut self, workers: Arc<Workers>, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(CHECK_EVERY);
        let mut last_fault = None;
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            match self.refresh() {
                Ok(Changed::No) => {}
                Ok(Changed::Yes) => {
                    last_fault = None;
                    workers.apply_rules(RuleSource::File, self.rules()).await;
                    tracing::info!("applied {} decorators of {}, which has changed", self.rules.len(), self.path.display());
                }
                Err(why) if last_fault.as_ref() == Some(&why) => {}
                Err(why) => {
                    tracing::error!(
                        "the file of decorators cannot be used, so the {} before stay in force: {why}",
                        self.rules.len()
                    );
                    last_fault = Some(why);
                }
            }
        }
    }

    /// Reads the file again, and the files that it names. Their contents are compared, and not their times: a mount of a
    /// ConfigMap is a chain of links that is replaced as a whole.
    fn refresh(&mut self) -> Result<Changed, String> {
        let whence = |why: String| format!("{}: {why}", self.path.display());
        let text = config_file::read(&self.path).map_err(whence)?;
        let is_same = self.text.as_ref() == Some(&text);
        if is_same && self.files == 0 {
            return Ok(Changed::No);
        }
        let file: DecoratorsFile = serde_norway::from_str(&text).map_err(|why| whence(why.to_string()))?;
        file.check().map_err(|why| whence(why.to_string()))?;
        let files = fingerprint(file.decorators.iter());
        if is_same && files == self.files {
            return Ok(Changed::No);
        }
        let rules: Result<_, String> = file.decorators.iter().map(|entry| self.rule(entry)).collect();
        self.rules = rules.map_err(whence)?;
        (self.text, self.files) = (Some(text), files);
        Ok(Changed::Yes)
    }

    /// The rule of an entry. If the entry has not changed, it keeps its decorator with its state and its counters.
    fn rule(&self, entry: &Entry) -> Result<KnownRule, String> {
        let within = |why: String| format!("decorator {}: {why}", entry.name());
        let rule = Rule {
            id: entry.name().to_owned(),
            // It is about this pod, which asks no selector.
            selector: Selector { namespace: String::new(), service: String::new(), pods: Vec::new() },
            endpoint: Endpoint::named(&entry.method, &entry.route).map_err(|why| within(why.to_string()))?,
            scope: if prefix_of(&entry.route).is_some() { Scope::Prefix } else { Scope::Endpoint },
            action: match &entry.action {
                action::Action::Disable(disable) => Action::Disable { status: disable.status },
                action => Action::Decorate(Arc::new(action.clone())),
            },
            selection: entry.selection(),
            protection: if entry.override_protected { Protection::Overridden } else { Protection::Respected },
            expires_ms: None,
            by: String::new(),
            reason: String::new(),
        };
        let files = fingerprint(std::iter::once(entry));
        if let Some(known) = self.rules.iter().find(|known| known.timed.rule == rule && known.files == files) {
            return Ok(KnownRule { timed: known.timed.clone(), files });
        }
        let decorator = self.catalog.build(&entry.action, Origin::File).map_err(within)?;
        Ok(KnownRule { timed: TimedRule { decorator, ..TimedRule::without_limit(rule) }, files })
    }
}

/// A fingerprint of the contents of the files that the entries name; 0 if they name none. A file that cannot be read has one,
/// too: it may come later.
fn fingerprint<'a>(entries: impl Iterator<Item = &'a Entry>) -> u64 {
    let mut hasher = DefaultHasher::new();
    let mut is_empty = true;
    for (_, path) in entries.flat_map(|entry| entry.action.named_files()) {
        is_empty = false;
        config_file::read(Path::new(path)).hash(&mut hasher);
    }
    if is_empty { 0 } else { hasher.finish().max(1) }
}

/// Whether the file has other contents than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Changed {
    No,
    Yes,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decorator::background::Background;
    use crate::decorator::pod_names::PodNames;

    fn catalog() -> Catalog {
        Catalog {
            pod: PodNames { service: "web".into(), pod: "web-1".into() },
            background: Background::none(),
            own_ports: Vec::new(),
        }
    }

    fn open(text: &str) -> Result<DecoratorFile, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("decorators.yaml");
        std::fs::write(&path, text).unwrap();
        DecoratorFile::open(path, catalog()).map_err(|why| why.to_string())
    }

    #[test]
    fn entries_cover_one_endpoint_a_prefix_or_the_whole_service() {
        let file = open(
            "decorators:\n\
             - action: {rate-limit: {requests: 10, per: 1s}}\n\
             - name: sign\n  method: GET\n  route: /legacy/*\n  action: {headers: {request: {set: {X-By: sitio}}}}\n\
             - route: /orders/{id}\n  percent: 10\n  mode: shadow\n  action: {disable: {status: 410}}\n",
        );
        let rules: Vec<Rule> = file.unwrap().rules().into_iter().map(|timed| timed.rule).collect();
        let ids: Vec<&str> = rules.iter().map(|rule| rule.id.as_str()).collect();
        assert_eq!(ids, ["rate-limit", "sign", "disable"]);
        assert!(rules[0].covers("POST", "/anything") && !rules[1].covers("POST", "/legacy/a"));
        assert!(rules[2].covers("PUT", "/orders/{id}") && !rules[2].covers("PUT", "/orders"));
        assert_eq!(rules[2].turns_off(), None, "only for some requests");
        assert!(open("decorators: []").unwrap().rules().is_empty());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let why = |text: &str| open(text).err().unwrap_or_else(|| panic!("accepted: {text}"));
        let unknown = why("decorators:\n- action:\n    rate-limits: {requests: 1, per: 1s}\n");
        assert!(unknown.contains("rate-limits") && unknown.contains("line 3 column 5"), "{unknown}");
        let wrong = why("decorators:\n- action: {rate-limit: {requests: 0, per: 1s}}\n");
        assert!(wrong.contains("`requests` is 1 to") && wrong.contains("line 2"), "{wrong}");
        let twice = why("decorators:\n- action: {fault: {abort: 500}}\n- action: {fault: {abort: 501}}\n");
        assert!(twice.contains("decorator 2 (fault): another one has this name"), "{twice}");
        let page = why("decorators:\n- action: {error-page: {on: [404], html_file: /nowhere.html}}\n");
        assert!(page.contains("read /nowhere.html: No such file"), "{page}");
        for text in ["decorators: 1", "- a", "decorators:\n- {}\n", "decorators:\n- route: x\n  action: {fault: {abort: 500}}\n"]
        {
            assert!(why(text).contains("decorators.yaml: "), "{text}");
        }
    }

    #[test]
    fn an_entry_that_has_not_changed_keeps_its_state() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("decorators.yaml");
        let write = |text: &str| std::fs::write(&path, text).unwrap();
        let limit = "decorators:\n- action: {rate-limit: {requests: 10, per: 1s}}\n";
        write(limit);
        let mut file = DecoratorFile::open(path.clone(), catalog()).unwrap();
        let before = file.rules();
        assert_eq!(file.refresh(), Ok(Changed::No));
        write(&format!("{limit}- action: {{fault: {{abort: 500}}}}\n"));
        assert_eq!(file.refresh(), Ok(Changed::Yes));
        assert!(Arc::ptr_eq(&before[0].counts, &file.rules()[0].counts));
        write("decorators: [");
        assert!(file.refresh().is_err());
        assert_eq!(file.rules().len(), 2, "what was read before stays");
        let page = folder.path().join("page.html");
        std::fs::write(&page, "one").unwrap();
        write(&format!("{limit}- action: {{error-page: {{on: [404], html_file: {}}}}}\n", page.display()));
        assert_eq!((file.refresh(), file.refresh()), (Ok(Changed::Yes), Ok(Changed::No)));
        std::fs::write(&page, "two").unwrap();
        assert_eq!(file.refresh(), Ok(Changed::Yes), "a file that is named was replaced");
        assert!(Arc::ptr_eq(&before[0].counts, &file.rules()[0].counts), "other entries keep their state");
    }
}
