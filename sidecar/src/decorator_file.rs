//! The file of decorators: read at the start, and again whenever it changes.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use decorators::action;
use decorators::file::{DecoratorsFile, Entry, FILE_BYTES_MAX};
use mesh::endpoint::Endpoint;
use mesh::rule::{Action, Protection, Rule, Scope, Selector, prefix_of};
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
    rules: Vec<TimedRule>,
}

impl DecoratorFile {
    /// Reads the file. The error says what is wrong, and where.
    pub fn open(path: PathBuf, catalog: Catalog) -> anyhow::Result<Self> {
        let mut file = Self { path, catalog, text: None, rules: Vec::new() };
        file.refresh().map_err(|why| anyhow::anyhow!("{why}"))?;
        Ok(file)
    }

    /// The decorators as rules of this pod, which never expire.
    pub fn rules(&self) -> Vec<TimedRule> {
        self.rules.clone()
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

    /// Reads the file again. Its text is compared, and not its time: a mount of a ConfigMap is a chain of links that is
    /// replaced as a whole.
    fn refresh(&mut self) -> Result<Changed, String> {
        let whence = |why: String| format!("{}: {why}", self.path.display());
        let text = self.read().map_err(whence)?;
        if self.text.as_ref() == Some(&text) {
            return Ok(Changed::No);
        }
        let file: DecoratorsFile = serde_norway::from_str(&text).map_err(|why| whence(why.to_string()))?;
        file.check().map_err(|why| whence(why.to_string()))?;
        let rules: Result<_, String> = file.decorators.iter().map(|entry| self.rule(entry)).collect();
        self.rules = rules.map_err(whence)?;
        self.text = Some(text);
        Ok(Changed::Yes)
    }

    fn read(&self) -> Result<String, String> {
        let mut text = String::new();
        let file = File::open(&self.path).map_err(|why| why.to_string())?;
        file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(|why| why.to_string())?;
        if text.len() as u64 > FILE_BYTES_MAX {
            return Err(format!("it has over {} KiB", FILE_BYTES_MAX >> 10));
        }
        Ok(text)
    }

    /// The rule of an entry. If the entry has not changed, it keeps its decorator with its state and its counters.
    fn rule(&self, entry: &Entry) -> Result<TimedRule, String> {
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
        let is_on_disk = entry.action.names_file().is_some();
        if let Some(known) = self.rules.iter().find(|known| known.rule == rule && !is_on_disk) {
            return Ok(known.clone());
        }
        let decorator = self.catalog.build(&entry.action, Origin::File).map_err(within)?;
        Ok(TimedRule { decorator, ..TimedRule::without_limit(rule) })
    }
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
    use crate::decorator::catalog::PodNames;

    fn catalog() -> Catalog {
        Catalog { pod: PodNames { service: "web".into(), pod: "web-1".into() }, background: Background::none() }
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
    }
}
