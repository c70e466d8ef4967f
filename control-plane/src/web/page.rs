//! The frame that every page shares, and how a page becomes an answer.

use askama::Template;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};

use crate::clock;
use crate::snapshot::Snapshot;
use crate::store::StoreError;
use crate::web::frame::FrameCells;
use crate::web::root::Root;
use crate::web::view::Span;
use crate::web::{BY, assets, format};

/// What a page may do: load our own files and talk to us. No inline script, no inline style,
/// and no sink that turns text into markup, so that even a hole in the escaping would do nothing.
/// The one trusted type is the address of the worker that holds the stream; its policy returns nothing else.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; \
    img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types sitio-stream";

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
    /// What links to other pages carry of the window: `?window=1h`, or nothing.
    pub carried: String,
    /// Where the dashboard's root is, from the page.
    pub root: Root,
    /// Where the assets are, from the root.
    pub assets: &'static str,
    /// Which build they are of.
    pub version: &'static str,
    /// Who is looking, as the audit log will know them.
    pub by: &'static str,
}

impl Shell {
    /// The frame of a page that shows `snapshot`.
    pub fn of(page: &'static str, title: impl AsRef<str>, snapshot: &Snapshot) -> Self {
        Self::framed(page, FrameCells::of(title.as_ref(), snapshot), snapshot.taken_ms)
    }

    /// The frame of a page that shows nothing of the mesh.
    pub fn still(title: &str) -> Self {
        Self::framed("", FrameCells::still(title), clock::now_ms())
    }

    fn framed(page: &'static str, frame: FrameCells, taken_ms: u64) -> Self {
        Self {
            page,
            frame,
            is_live: false,
            carried: String::new(),
            clock: format::clock(taken_ms),
            instant: format::instant(taken_ms),
            root: Root::BESIDE,
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

    /// The same for a page that stands still if it shows a range between two instants.
    #[must_use]
    pub fn live_unless_range(self, span: Span) -> Self {
        Self { is_live: !matches!(span, Span::Between(_)), ..self }
    }

    /// The frame of a page that was asked for with this window, whose links lead to others with the same.
    #[must_use]
    pub fn carrying(self, span: Span) -> Self {
        Self { carried: span.carried(), ..self }
    }

    /// The same for links that have a query of their own.
    pub fn also_carried(&self) -> String {
        self.carried.replace('?', "&")
    }

    /// The frame of a page from which this is the root.
    #[must_use]
    pub fn below(self, root: Root) -> Self {
        Self { frame: self.frame.below(root), root, ..self }
    }

    /// What the navigation says of a page: that it is this one, that this one belongs to it, or nothing.
    pub fn current(&self, page: &str) -> &'static str {
        match (self.page, page) {
            (here, there) if here == there => "page",
            ("endpoint", "overview") => "true",
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
struct ProblemPage<'a> {
    shell: Shell,
    heading: &'a str,
    words: &'a str,
}

/// Why there is no page. It shows nothing of the mesh: what fails often must cost little.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    heading: &'static str,
    words: String,
}

impl Problem {
    /// Nothing is at this address.
    pub fn not_found(words: impl Into<String>) -> Box<Self> {
        Box::new(Self::new(StatusCode::NOT_FOUND, "There is nothing here", words))
    }

    /// A request that could not be read.
    pub fn unreadable_request(status: StatusCode, words: impl Into<String>) -> Box<Self> {
        Box::new(Self::new(status, "This address makes no sense", words))
    }

    /// A command was not carried out.
    pub fn refused(status: StatusCode, words: impl Into<String>) -> Box<Self> {
        Box::new(Self::new(status, "Nothing was changed", words))
    }

    /// The record of a long window cannot be read.
    pub fn unreadable(error: &StoreError, span: Span) -> Box<Self> {
        let words = format!(
            "What happened in the {} is kept on disk, and reading it failed: {error}. The last hour is in memory and can still be shown.",
            span.words()
        );
        Box::new(Self::new(StatusCode::SERVICE_UNAVAILABLE, "The record cannot be read", words))
    }

    fn new(status: StatusCode, heading: &'static str, words: impl Into<String>) -> Self {
        Self { status, heading, words: words.into() }
    }

    fn at(&self, path: &str) -> Response {
        // Below so many levels there is no page, and its links would be longer than the page itself.
        let Some(root) = Root::from_path(path) else { return (self.status, format!("{}\n", self.words)).into_response() };
        let shell = Shell::still(self.heading).below(root);
        (self.status, Page(ProblemPage { shell, heading: self.heading, words: &self.words })).into_response()
    }
}

impl IntoResponse for Box<Problem> {
    /// [`finish`] makes the page, because its links depend on the path that was asked for.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(*self);
        response
    }
}

/// Makes the page of a problem, and adds the policy of pages.
pub async fn finish(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let mut response = next.run(request).await;
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        let allowed = response.headers_mut().remove(header::ALLOW);
        response = problem.at(&path);
        response.headers_mut().extend(allowed.map(|allowed| (header::ALLOW, allowed)));
    }
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    response
}
