//! `error-page`: replaces responses by a page, for people, or by problem details, for programs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::field_edits::check_field;
use crate::invalid::{Invalid, require};
use crate::status_set::StatusSet;
#[cfg(feature = "schema")]
use crate::status_set::StatusText;

/// Bytes of a page that stands in a rule: it is sent to each pod and kept in memory. A file may be larger.
pub const PAGE_BYTES_MAX: usize = 48 * 1024;

/// Statuses or ranges that one page may name.
const STATUSES_MAX: usize = 32;

/// Statuses whose responses have no content, or a part of it (RFC 9110, sections 15.3.5 to 15.3.7 and 15.4.5). A page in
/// their place would be read as the next response.
pub const WITHOUT_CONTENT: [u16; 4] = [204, 205, 206, 304];

/// Fields that a page may add.
const FIELDS_MAX: usize = 16;

/// Replaces responses with these statuses.
///
/// In the texts, `{status}`, `{reason}`, `{method}`, `{route}`, `{path}`, `{service}`, `{pod}`, `{time}` and `{request_id}` are
/// replaced, and escaped as the content type requires.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ErrorPage {
    /// The statuses to replace: `404`, `5xx`, `500-503`.
    #[cfg_attr(feature = "schema", schema(value_type = Vec<StatusText>, example = json!([404, "5xx"])))]
    pub on: Vec<StatusSet>,
    /// The page for callers that accept HTML.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    /// A file with that page, read when the configuration is read. Only in a file of decorators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html_file: Option<String>,
    /// The detail of the problem details (RFC 9457) for other callers. Without it, they get the page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// The status to answer with in place of the service's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Fields of the response.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, String>,
    /// Whether a JSON response of the service is replaced, too.
    #[serde(default, skip_serializing_if = "JsonBodies::is_kept")]
    pub json: JsonBodies,
}

/// What happens with the service's own JSON, which usually explains the error to a program.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum JsonBodies {
    /// It is left alone.
    #[default]
    Keep,
    /// It is replaced.
    Replace,
}

impl JsonBodies {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_kept(&self) -> bool {
        *self == Self::Keep
    }
}

impl ErrorPage {
    pub(crate) fn check(&self) -> Result<(), Invalid> {
        require(!self.on.is_empty() && self.on.len() <= STATUSES_MAX, || {
            format!("error-page: `on` has 1 to {STATUSES_MAX} statuses")
        })?;
        require(self.html.is_none() || self.html_file.is_none(), || "error-page: only one of `html` and `html_file`".to_owned())?;
        let has_text = self.html.is_some() || self.html_file.is_some() || self.problem.is_some();
        require(has_text, || "error-page: `html`, `html_file` or `problem` is required".to_owned())?;
        let bytes = [&self.html, &self.problem].into_iter().flatten().map(String::len).sum::<usize>();
        require(bytes <= PAGE_BYTES_MAX, || {
            format!("error-page: the texts have {PAGE_BYTES_MAX} bytes at most; put a larger page into a file")
        })?;
        let has_content = |status: u16| (200..=599).contains(&status) && !WITHOUT_CONTENT.contains(&status);
        require(self.status.is_none_or(has_content), || {
            "error-page: `status` is 200 to 599, and none without content".to_owned()
        })?;
        require(self.fields.len() <= FIELDS_MAX, || format!("error-page: at most {FIELDS_MAX} fields"))?;
        self.fields.iter().try_for_each(|(name, value)| check_field(name, value))
    }
}
