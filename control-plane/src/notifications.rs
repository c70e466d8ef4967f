//! Notifications: watches the conditions of all services, and reports each once, over the channels of a file.
//!
//! Once a second, what sidecars report is compared with the notices that fire ([`lifecycle`]). What has changed becomes
//! messages ([`outbox`]) in the same transaction as the notices themselves, so that a restart neither forgets one nor
//! reports it twice. [`delivery`] sends them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::Notify;

use crate::model::notice::{Notice, NoticeEvent, NoticeSubject};
use crate::model::pod::PodState;
use crate::model::principal::Namespaces;
use crate::notifications::evidence::Sources;
use crate::notifications::exchanges::{ServiceName, last_failures};
use crate::notifications::file::NotificationsFile;
use crate::notifications::lifecycle::{Absence, Lifecycle, Observation, Transition};
use crate::notifications::outbox::{ChannelCounts, DeliveryError, Outbox};
use crate::notifications::settings::NotificationSettings;
use crate::store::StoreError;
use crate::store::notice_store::{NoticeChange, NoticeStore, StoredMessage, StoredNotice};

pub mod delivery;
pub mod evidence;
mod exchanges;
pub mod file;
pub mod lifecycle;
pub mod message;
pub mod outbox;
pub mod settings;
mod timing;

/// The notices of the mesh and their messages.
#[derive(Debug)]
pub struct Notifications {
    store: Arc<dyn NoticeStore>,
    file: OnceLock<NotificationsFile>,
    /// The page with all notices, as people reach it.
    page_url: OnceLock<String>,
    /// Without a file.
    default_settings: Arc<NotificationSettings>,
    /// Held for moments only: pages, streams and the metrics read it.
    ledger: Mutex<NoticeLedger>,
    /// What the store has not written yet. It is held while the store writes, by threads that may block, so that changes are
    /// written in their order. It is locked before the ledger.
    unsaved: Mutex<NoticeChange>,
    messages: Notify,
}

#[derive(Debug)]
struct NoticeLedger {
    lifecycle: Lifecycle,
    outbox: Outbox,
    /// The channels that each firing notice was sent to, by its id, and when it was sent last.
    sent: HashMap<String, (BTreeSet<String>, u64)>,
}

/// The notices of some namespaces.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NoticeList {
    /// Those that fire, the newest first.
    pub firing: Vec<Notice>,
    /// Those that have ended, the newest first.
    pub resolved: Vec<Notice>,
}

impl Notifications {
    /// Continues with what is in the store. It reads from disk, so it may block.
    pub fn open(store: Arc<dyn NoticeStore>, now_ms: u64) -> Result<Self, StoreError> {
        let stored = store.load_notices()?;
        let sent = stored.notices.iter().map(|stored| (stored.notice.id.clone(), (stored.channels.clone(), stored.sent_ms)));
        let sent = sent.collect();
        let notices = stored.notices.into_iter().map(|stored| (stored.notice, stored.sent_ms));
        let ledger =
            NoticeLedger { lifecycle: Lifecycle::restore(notices, now_ms), outbox: Outbox::restore(stored.messages), sent };
        Ok(Self {
            store,
            file: OnceLock::new(),
            page_url: OnceLock::new(),
            default_settings: Arc::default(),
            ledger: Mutex::new(ledger),
            unsaved: Mutex::default(),
            messages: Notify::new(),
        })
    }

    /// Uses the settings of a file, and the page with all notices in messages. Only the first call has an effect.
    pub fn configure(&self, file: Option<NotificationsFile>, page_url: Option<String>) {
        if let Some(file) = file {
            let _ = self.file.set(file);
        }
        if let Some(url) = page_url {
            let _ = self.page_url.set(url);
        }
    }

    /// The settings that are valid now.
    pub fn settings(&self) -> Arc<NotificationSettings> {
        self.file.get().map_or_else(|| Arc::clone(&self.default_settings), |file| file.settings().0)
    }

    /// Why the notifications file cannot be used; `None` if it can.
    pub fn file_error(&self) -> Option<String> {
        self.file.get().and_then(|file| file.settings().1)
    }

    /// The page with all notices, if the control plane knows its own address.
    pub fn page_url(&self) -> Option<String> {
        self.page_url.get().cloned()
    }

    /// The notices of these namespaces.
    pub fn list(&self, namespaces: &Namespaces) -> NoticeList {
        let ledger = self.lock();
        let seen = |notice: &&Notice| namespaces.contain(&notice.subject.namespace);
        let firing = ledger.lifecycle.firing().into_iter().filter(seen).cloned().collect();
        NoticeList { firing, resolved: ledger.lifecycle.resolved().filter(seen).cloned().collect() }
    }

    /// The configured channels with what has become of their messages.
    pub fn channels(&self) -> Vec<(String, &'static str, ChannelCounts)> {
        let (settings, ledger) = (self.settings(), self.lock());
        let counted = settings.channels.iter().map(|channel| {
            let name = channel.name.as_str().to_owned();
            let counts = ledger.outbox.counts(&name);
            (name, channel.transport.name(), counts)
        });
        counted.collect()
    }

    /// Notices that were not made because too many fire.
    pub fn without_room(&self) -> u64 {
        self.lock().lifecycle.no_room
    }

    /// Reads the file again if it has changed, and takes in what is present now. It does file I/O, so it may block.
    pub fn observe(&self, sources: Sources<'_>, absence: Absence, now_ms: u64) {
        if let Some(file) = self.file.get() {
            file.refresh();
        }
        let settings = self.settings();
        let mut evidence = evidence::gather(sources, &settings.timing, settings.failing, now_ms);
        evidence.retain(|evidence| !settings.ignores(&evidence.subject));
        let is_back = |subject: &NoticeSubject, pod: &str| {
            let pods = sources.fleet.pods_of(&subject.namespace, &subject.service, now_ms);
            pods.iter().any(|view| view.workload.pod == pod && view.state == PodState::Reporting)
        };
        let unsaved = self.unsaved.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ledger = self.lock();
        ledger.outbox.limit_times(now_ms);
        let transitions =
            ledger.lifecycle.observe(Observation { evidence, absence, is_back: &is_back, now_ms }, &settings.timing);
        let mut change = ledger.outbox.keep_channels(|name| settings.channel(name).is_some());
        change.add(ledger.apply(transitions, sources, &settings, now_ms));
        drop(ledger);
        let has_messages = change.messages.values().any(Option::is_some);
        self.save(unsaved, change);
        if has_messages {
            self.messages.notify_one();
        }
    }

    /// Returns when there may be a new message.
    pub async fn wait_for_messages(&self) {
        self.messages.notified().await;
    }

    /// Takes the messages whose delivery begins now.
    fn take_due(&self, now_ms: u64) -> Vec<StoredMessage> {
        self.lock().outbox.take_due(now_ms)
    }

    /// Records the result of a delivery. It writes to disk, so it may block.
    fn settle(&self, message: &StoredMessage, result: Result<(), DeliveryError>, now_ms: u64) {
        let unsaved = self.unsaved.lock().unwrap_or_else(PoisonError::into_inner);
        let change = self.lock().outbox.settle(message, result, now_ms);
        self.save(unsaved, change);
    }

    /// Writes a change, and what could not be written before. Notices are delivered although the disk is full: only
    /// after a restart they may be delivered again.
    fn save(&self, mut unsaved: MutexGuard<'_, NoticeChange>, change: NoticeChange) {
        let had_failed = !unsaved.is_empty();
        unsaved.add(change);
        if unsaved.is_empty() {
            return;
        }
        match self.store.save_notices(&unsaved) {
            Ok(()) => *unsaved = NoticeChange::default(),
            Err(error) if !had_failed => {
                tracing::error!(%error, "notices are not on disk: after a restart, some may be reported again");
            }
            Err(_) => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, NoticeLedger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NoticeLedger {
    /// Makes the messages of what has happened, and the change to be stored.
    fn apply(
        &mut self,
        transitions: Vec<Transition>,
        sources: Sources<'_>,
        settings: &NotificationSettings,
        now_ms: u64,
    ) -> NoticeChange {
        let mut change = NoticeChange::default();
        let mut transitions = transitions;
        self.attach_exchanges(&mut transitions, sources, now_ms);
        for Transition { event, notice, forgotten } in transitions {
            let (mut channels, mut sent_ms) = self.sent.get(&notice.id).cloned().unwrap_or_default();
            if let Some(event) = event {
                sent_ms = now_ms;
                let wanted: BTreeSet<String> = match event {
                    // Those that were sent the beginning get the end, although a route has changed.
                    NoticeEvent::Resolved => channels.clone(),
                    _ => settings.channels_for(&notice.subject).into_iter().map(|name| name.as_str().to_owned()).collect(),
                };
                for channel in wanted.iter().filter_map(|name| settings.channel(name)) {
                    change.add(self.outbox.push(channel, event, &notice, now_ms));
                }
                channels.extend(wanted);
            }
            let id = notice.id.clone();
            if notice.resolved_ms.is_some() {
                self.sent.remove(&id);
            } else {
                self.sent.insert(id.clone(), (channels.clone(), sent_ms));
            }
            change.notices.insert(id, Some(StoredNotice { notice, sent_ms, channels }));
            change.notices.extend(forgotten.map(|id| (id, None)));
        }
        change
    }

    /// Attaches the last failures to notices that begin, and to those that have none yet.
    fn attach_exchanges(&mut self, transitions: &mut Vec<Transition>, sources: Sources<'_>, now_ms: u64) {
        let bare: Vec<NoticeSubject> = self
            .lifecycle
            .firing()
            .into_iter()
            .filter(|notice| notice.exchanges.is_empty())
            .map(|notice| notice.subject.clone())
            .collect();
        let services: BTreeSet<ServiceName> =
            bare.iter().map(|subject| (subject.namespace.clone(), subject.service.clone())).collect();
        let last: BTreeMap<ServiceName, _> = last_failures(sources.pushed, &services, now_ms).into_iter().collect();
        for subject in bare {
            let Some(exchanges) = last.get(&(subject.namespace.clone(), subject.service.clone())) else { continue };
            let Some(notice) = self.lifecycle.attach(&subject, exchanges.clone()).cloned() else { continue };
            match transitions.iter_mut().find(|transition| transition.notice.id == notice.id) {
                Some(transition) => transition.notice = notice,
                None => transitions.push(Transition { event: None, notice, forgotten: None }),
            }
        }
    }
}
