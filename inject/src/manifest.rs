//! Injects all pods that a manifest describes, and moves its Services to the sidecars.

use json_patch::Patch;
use serde_json::Value;

use crate::editor::Editor;
use crate::inbound::{Member, MemberPorts, Restored, ServiceChange, move_service, policy_remarks, restore_service};
use crate::object::{Object, Role, objects};
use crate::pod::{self, PodChange};
use crate::refusal::Refusal;
use crate::settings::InjectionSettings;

/// What is to be changed in a manifest, and why.
#[derive(Debug)]
pub struct Outcome {
    /// A JSON Patch (RFC 6902) for each document; empty for one that stays as it is.
    pub patches: Vec<Patch>,
    /// What was found out, by object. Objects that have nothing to do with pods are left out.
    pub reports: Vec<Report>,
}

/// What was found out about one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// For example `Deployment shop/web`.
    pub place: String,
    /// What becomes of it.
    pub verdict: Verdict,
    /// What the user needs to know, each a sentence without a full stop.
    pub remarks: Vec<String>,
}

/// What becomes of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is changed.
    Changed,
    /// It stays as it is, which is right, for this reason.
    Unchanged(String),
    /// It cannot be injected, and stays as it is.
    Refused(Refusal),
    /// It lets traffic pass beside the sidecar, or keeps it from the sidecar; the user has to act, as the remarks say.
    ToDo,
}

/// Adds a sidecar to each pod that the documents describe.
pub fn inject(documents: &[Value], settings: &InjectionSettings) -> Outcome {
    let mut edit = Edit::new(documents);
    let mut members = Vec::new();
    for object in edit.objects.clone() {
        let Role::Pod(path) = &object.role else { continue };
        let injected = edit.attempt(&object, |editor| pod::inject(editor, path, settings));
        members.push(edit.record(&object, path, injected));
    }
    for object in edit.objects.clone() {
        edit.direct(&object, &members);
    }
    for (at, member) in members.iter().enumerate() {
        edit.remark_unserved(at, member);
    }
    edit.into_outcome()
}

/// Takes the sidecars out again, and moves the Services back.
pub fn uninject(documents: &[Value]) -> Outcome {
    let mut edit = Edit::new(documents);
    for object in edit.objects.clone() {
        let verdict = match &object.role {
            Role::Pod(path) => match edit.attempt(&object, |editor| pod::uninject(editor, path)) {
                Ok(PodChange::Changed(..) | PodChange::Injected(_)) => Verdict::Changed,
                Ok(PodChange::Left(why)) => Verdict::Unchanged(why.to_owned()),
                Err(refusal) => Verdict::Refused(refusal),
            },
            Role::Service => match edit.attempt(&object, |editor| restore_service(editor, &object.path)) {
                Ok(Restored::Targets) => Verdict::Changed,
                Ok(Restored::Nothing) => continue,
                Err(refusal) => Verdict::Refused(refusal),
            },
            Role::NetworkPolicy | Role::Other => continue,
        };
        edit.report(&object, verdict, Vec::new());
    }
    edit.into_outcome()
}

/// The documents under change.
struct Edit {
    editors: Vec<Editor>,
    objects: Vec<Object>,
    reports: Vec<Report>,
}

impl Edit {
    fn new(documents: &[Value]) -> Self {
        Self { editors: documents.iter().map(Editor::new).collect(), objects: objects(documents), reports: Vec::new() }
    }

    /// Runs a change of one object. One that is refused half way leaves nothing behind.
    fn attempt<T>(&mut self, object: &Object, change: impl FnOnce(&mut Editor) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let editor = &mut self.editors[object.document];
        // Of this object alone: a List may have thousands.
        let before = editor.checkpoint(&object.path);
        let outcome = change(editor);
        if outcome.is_err() {
            editor.go_back(before);
        }
        outcome
    }

    /// Reports what became of a pod, and returns it as a member of Services.
    fn record(&mut self, object: &Object, path: &str, injected: Result<PodChange, Refusal>) -> Member {
        let (verdict, remarks, record) = match injected {
            Ok(PodChange::Changed(record, remarks)) => (Verdict::Changed, remarks, Some(record)),
            Ok(PodChange::Injected(record)) => {
                (Verdict::Unchanged("it has a sidecar already".to_owned()), Vec::new(), Some(record))
            }
            Ok(PodChange::Left(why)) => (Verdict::Unchanged(why.to_owned()), Vec::new(), None),
            Err(refusal) => (Verdict::Refused(refusal), Vec::new(), None),
        };
        self.report(object, verdict, remarks);
        Member {
            place: object.place.clone(),
            namespace: object.namespace.clone(),
            labels: self.editors[object.document].at(&format!("{path}/metadata/labels")).clone(),
            // A Service leads to a redirected port as before.
            sidecar: record
                .filter(|record| record.probe_port.is_none())
                .map(|record| MemberPorts { target: record.target_port, sidecar: record.sidecar_port }),
        }
    }

    /// Moves a Service that selects injected pods, or reports what to change in a NetworkPolicy.
    fn direct(&mut self, object: &Object, members: &[Member]) {
        let document = &self.editors[object.document];
        let Some(selector) = selector(document.at(&object.path), &object.role) else { return };
        let is_selected = |member: &&Member| member.is_selected(selector, object.namespace.as_deref());
        let selected: Vec<&Member> = members.iter().filter(is_selected).collect();
        if object.role == Role::NetworkPolicy {
            let remarks = policy_remarks(document.at(&object.path), &selected);
            if !remarks.is_empty() {
                self.report(object, Verdict::ToDo, remarks);
            }
            return;
        }
        match self.attempt(object, |editor| move_service(editor, &object.path, &selected)) {
            Ok(ServiceChange::Right) => {}
            Ok(ServiceChange::Moved(remarks)) => self.report(object, Verdict::Changed, remarks),
            Ok(ServiceChange::Bypass(remarks)) => self.report(object, Verdict::ToDo, remarks),
            Err(refusal) => self.report(object, Verdict::Refused(refusal), Vec::new()),
        }
    }

    /// Says what to do about Services that are not among the documents. The reports begin with those of the members.
    fn remark_unserved(&mut self, at: usize, member: &Member) {
        let Some(MemberPorts { target, sidecar }) = member.sidecar else { return };
        let is_served = self.objects.iter().filter(|object| object.role == Role::Service).any(|service| {
            let selector = self.editors[service.document].at(&format!("{}/spec/selector", service.path));
            member.is_selected(selector, service.namespace.as_deref())
        });
        if self.reports[at].verdict == Verdict::Changed && !is_served {
            self.reports[at].remarks.push(format!(
                "no Service among the documents selects it; one with targetPort {target} must have {sidecar} instead: \
                 kubectl patch service NAME --type=json -p \
                 '[{{\"op\":\"replace\",\"path\":\"/spec/ports/0/targetPort\",\"value\":{sidecar}}}]'"
            ));
        }
    }

    fn report(&mut self, object: &Object, verdict: Verdict, remarks: Vec<String>) {
        self.reports.push(Report { place: object.place.clone(), verdict, remarks });
    }

    fn into_outcome(self) -> Outcome {
        Outcome { patches: self.editors.into_iter().map(Editor::into_patch).collect(), reports: self.reports }
    }
}

/// The selector by which a Service or a NetworkPolicy selects pods.
fn selector<'a>(object: &'a Value, role: &Role) -> Option<&'a Value> {
    match role {
        Role::Service => object.pointer("/spec/selector"),
        Role::NetworkPolicy => object.pointer("/spec/podSelector/matchLabels"),
        Role::Pod(_) | Role::Other => None,
    }
}
