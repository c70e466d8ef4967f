//! A decorator that replaces the service's 404 responses by a custom page.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Context;
use bytes::Bytes;

use crate::decorator::response::Response;
use crate::decorator::{Decorator, Step};
use crate::head::answer::Answer;
use crate::setting_values::readable;

/// Maximum size of the page. It is kept in memory and sent with each 404.
const PAGE_BYTES_MAX: usize = 1024 * 1024;

/// The page that comes with Sitio. It is self-contained, so it looks the same in front of any service.
const BUILT_IN: &str = include_str!("not_found_page.html");

/// The first decorator of the original articles.
#[derive(Debug)]
pub struct NotFoundPage {
    page: Bytes,
}

/// Where the page comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotFoundSource {
    /// The page that comes with Sitio.
    BuiltIn,
    /// The page in this file.
    File(PathBuf),
}

impl FromStr for NotFoundSource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "built-in" { Ok(Self::BuiltIn) } else { readable(text).map(Self::File) }
    }
}

impl NotFoundPage {
    /// A decorator with the page of this source.
    pub fn from_source(source: &NotFoundSource) -> anyhow::Result<Self> {
        match source {
            NotFoundSource::BuiltIn => Ok(Self::built_in()),
            NotFoundSource::File(path) => Self::from_file(path),
        }
    }

    /// A decorator with the page that comes with Sitio.
    pub fn built_in() -> Self {
        Self { page: Bytes::from_static(BUILT_IN.as_bytes()) }
    }

    /// A decorator with this page.
    pub fn html(page: impl Into<Bytes>) -> Self {
        Self { page: page.into() }
    }

    /// A decorator with the page in a file, which is read once.
    pub fn from_file(path: &Path) -> anyhow::Result<Self> {
        let page = std::fs::read(path).with_context(|| format!("read the 404 page {}", path.display()))?;
        anyhow::ensure!(page.len() <= PAGE_BYTES_MAX, "the 404 page {} is over {PAGE_BYTES_MAX} bytes", path.display());
        Ok(Self { page: page.into() })
    }
}

impl Decorator for NotFoundPage {
    fn name(&self) -> &'static str {
        "not-found-page"
    }

    fn after(&self, response: &mut Response<'_>) -> Step {
        if response.status != 404 {
            return Step::Pass;
        }
        let fields =
            vec![("Content-Type".into(), "text/html; charset=utf-8".into()), ("Cache-Control".into(), "no-store".into())];
        Step::Answer(Answer { status: 404, fields, body: self.page.clone() })
    }
}
