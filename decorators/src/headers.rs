//! `headers`: sets and removes fields of requests and responses.

use serde::{Deserialize, Serialize};

use crate::field_edits::FieldEdits;
use crate::invalid::{Invalid, require};

/// Edits the fields of requests before the service reads them, and of responses before the caller does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Headers {
    /// Edits of requests.
    #[serde(default, skip_serializing_if = "FieldEdits::is_empty")]
    pub request: FieldEdits,
    /// Edits of responses.
    #[serde(default, skip_serializing_if = "FieldEdits::is_empty")]
    pub response: FieldEdits,
    /// A set of response fields for browsers. Fields that `response` sets take precedence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
}

/// A set of response fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// What protects users of a page that was written without it: no content sniffing, no framing by other sites, no referrer
    /// to other sites, and no plaintext once the page was read over TLS.
    Security,
}

impl Preset {
    /// The fields.
    pub fn fields(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Security => &[
                ("X-Content-Type-Options", "nosniff"),
                ("X-Frame-Options", "SAMEORIGIN"),
                ("Referrer-Policy", "strict-origin-when-cross-origin"),
                ("Strict-Transport-Security", "max-age=31536000"),
                ("Cross-Origin-Opener-Policy", "same-origin"),
            ],
        }
    }
}

impl Headers {
    pub(crate) fn check(&self) -> Result<(), Invalid> {
        let edits = !self.request.is_empty() || !self.response.is_empty() || self.preset.is_some();
        require(edits, || "headers: `request`, `response` or `preset` is required".to_owned())?;
        self.request.check()?;
        self.response.check()
    }
}
