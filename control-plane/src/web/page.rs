//! The frame that every page shares, and how a page becomes an answer.

use askama::Template;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use crate::snapshot::Snapshot;
use crate::store::StoreError;
use crate::web::frame::FrameCells;
use crate::web::view::Span;
use crate::web::{BY, assets, format};

/// What a page may do: load our own files and talk to us. No inline script, no inline style,
/// and no sink that turns text into markup, so that even a hole in the escaping would do nothing.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

/// The header, the title and the navigation of a page.
#[derive(Debug)]
pub struct Shell {
    /// `overview`, `pods`, `map`, `audit`, `endpoint` or nothing: what the page is about.
    pub page: &'static str,
    /// The title, the icon and the counts.
    pub frame: FrameCells,
    /// Whether the script keeps the page up to date.
    pub is_live: bool,
    /// When its numbers were true, for people.
    pub clock: String,
    /// The same for machines.
    pub instant: String,
    /// Where the assets are.
    pub assets: &'static str,
    /// Which build they are of.
    pub version: &'static str,
    /// Who is looking, as the audit log will know them.
    pub by: &'static str,
}

impl Shell {
    /// The frame of a page that shows `snapshot`.
    pub fn of(page: &'static str, title: impl AsRef<str>, snapshot: &Snapshot) -> Self {
        Self {
            page,
            frame: FrameCells::of(title.as_ref(), snapshot),
            is_live: false,
            clock: format::clock(snapshot.taken_ms),
            instant: format::instant(snapshot.taken_ms),
            assets: assets::base(),
            version: assets::version(),
            by: BY,
        }
    }

    /// The frame of a page whose numbers move.
    #[must_use]
    pub fn live(self) -> Self {
        Self { is_live: true, ..self }
    }

    /// What the navigation says of a page: that it is this one, that this one belongs to it, or nothing.
    pub fn current(&self, page: &str) -> &'static str {
        match (self.page, page) {
            (here, there) if here == there => "page",
            ("endpoint" | "tap", "overview") => "true",
            _ => "false",
        }
    }
}

/// A page as an answer.
#[derive(Debug)]
pub struct Page<T>(pub T);

impl<T: Template> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        match self.0.render() {
            Ok(html) => Html(html).into_response(),
            Err(error) => {
                tracing::error!(%error, "render a page");
                (StatusCode::INTERNAL_SERVER_ERROR, "this page could not be drawn; the log says why\n").into_response()
            }
        }
    }
}

/// A page that says what went wrong, with a way back.
#[derive(Debug, Template)]
#[template(path = "problem.html")]
pub struct ProblemPage {
    shell: Shell,
    heading: String,
    words: String,
}

/// Why there is no page.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    page: ProblemPage,
}

impl Problem {
    /// Nothing is at this address.
    pub fn not_found(snapshot: &Snapshot, words: impl Into<String>) -> Box<Self> {
        Self::new(StatusCode::NOT_FOUND, snapshot, "There is nothing here", words)
    }

    /// A command was not carried out.
    pub fn refused(status: StatusCode, snapshot: &Snapshot, words: impl Into<String>) -> Box<Self> {
        Self::new(status, snapshot, "Nothing was changed", words)
    }

    /// The record of a long window cannot be read.
    pub fn unreadable(snapshot: &Snapshot, error: &StoreError, span: Span) -> Box<Self> {
        let words = format!(
            "The last {} are kept on disk, and reading them failed: {error}. The last hour is in memory and can still be shown.",
            span.title()
        );
        Self::new(StatusCode::SERVICE_UNAVAILABLE, snapshot, "The record cannot be read", words)
    }

    fn new(status: StatusCode, snapshot: &Snapshot, heading: &str, words: impl Into<String>) -> Box<Self> {
        let shell = Shell::of("", heading, snapshot);
        Box::new(Self { status, page: ProblemPage { shell, heading: heading.into(), words: words.into() } })
    }
}

impl IntoResponse for Box<Problem> {
    fn into_response(self) -> Response {
        (self.status, Page(self.page)).into_response()
    }
}

/// Adds what every answer of the dashboard says about itself.
pub async fn with_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Under `no-referrer` a browser would hide the origin of our own forms too, and they would be refused as a stranger's
    // (Fetch, "append a request `Origin` header"). To other sites nothing is told this way either.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
