//! `headers`: sets, adds and removes fields of requests and responses.

use decorators::field_edits::FieldEdits;
use decorators::headers::Headers;

use crate::decorator::request::Request;
use crate::decorator::response::Response;
use crate::decorator::{Decorator, Step};
use crate::head::answer::Edit;

pub(super) struct HeaderEdits {
    request: Vec<Edit>,
    response: Vec<Edit>,
}

impl HeaderEdits {
    pub(super) fn new(config: Headers) -> Self {
        let preset = config.preset.map_or(&[][..], decorators::headers::Preset::fields);
        let is_own = |name: &str| {
            let FieldEdits { set, remove, .. } = &config.response;
            set.keys().chain(remove).any(|own| own.eq_ignore_ascii_case(name))
        };
        let preset =
            preset.iter().filter(|(name, _)| !is_own(name)).map(|(name, value)| Edit::Set((*name).into(), (*value).into()));
        let response = preset.chain(edits(config.response.clone())).collect();
        Self { request: edits(config.request).collect(), response }
    }
}

fn edits(FieldEdits { set, add, remove }: FieldEdits) -> impl Iterator<Item = Edit> {
    let set = set.into_iter().map(|(name, value)| Edit::Set(name.into(), value.into()));
    let add = add.into_iter().map(|(name, value)| Edit::Add(name.into(), value.into()));
    remove.into_iter().map(|name| Edit::Remove(name.into())).chain(set).chain(add)
}

impl Decorator for HeaderEdits {
    fn name(&self) -> &'static str {
        "headers"
    }

    fn before(&self, request: &mut Request<'_>) -> Step {
        request.edit(&self.request);
        Step::Pass
    }

    fn after(&self, response: &mut Response<'_>) -> Step {
        response.edit(&self.response);
        Step::Pass
    }
}
