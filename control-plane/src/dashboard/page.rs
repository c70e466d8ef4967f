//! The shell of every page (header, title, navigation), and how pages and problems become HTTP responses.

use std::sync::Arc;

use askama::Template;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};

use crate::clock;
use crate::dashboard::assets;
use crate::dashboard::frame::FrameCells;
use crate::dashboard::query::DisplayWindow;
use crate::dashboard::root::Root;
use crate::model::principal::Principal;
use crate::query::snapshot::Snapshot;
use crate::rules::command::CommandError;
use crate::store::StoreError;
use format::time;

/// What a page may do: load the dashboard's own files and connect to this server. Inline scripts, inline styles and
/// sinks that turn text into markup are forbidden, so that even an escaping bug is harmless. The one trusted type is
/// the address of the worker that holds the stream; its policy returns nothing else.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; \
    img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
    require-trusted-types-for 'script'; trusted-types sitio-stream";

/// The header, the title and the navigation of a page.
#[derive(Debug)]
pub struct Shell {
    /// Which page it is: `overview`, `pods`, `map`, `notices`, `audit`, `endpoint`, or empty for others.
    pub page: &'static str,
    /// The title, the icon and the counts.
    pub frame: FrameCells,
    /// Whether the script keeps the page up to date.
    pub is_live: bool,
    /// When the snapshot was taken, for people.
    pub clock: String,
    /// The same for machines.
    pub instant: String,
    /// The query with the window, for links to other pages: `?window=1h`, or empty.
    pub carried: String,
    /// The path from the page to the dashboard's root.
    pub root: Root,
    /// The path from the root to the assets.
    pub assets: &'static str,
    /// The build of the assets.
    pub version: &'static str,
    /// The reader.
    pub reader: PageReader,
}

/// The reader of a page, as its header shows it.
#[derive(Debug, Clone)]
pub struct PageReader {
    /// The name, as the audit log records it.
    pub name: String,
    /// Letters in the circle beside the name.
    pub initials: String,
    /// Whether there is a session that can be ended.
    pub is_signed_in: bool,
    /// Why the reader cannot command; empty for an operator.
    pub only_reads: String,
}

impl From<&Principal> for PageReader {
    fn from(principal: &Principal) -> Self {
        let only_reads = principal.check_role().err().map(|why| format!("{why}.")).unwrap_or_default();
        let (name, is_signed_in) = (principal.name.to_string(), principal.sign_in.has_session());
        Self { initials: initials(&name), name, is_signed_in, only_reads }
    }
}

/// Up to two letters that identify a person.
pub fn initials(name: &str) -> String {
    name.chars().filter(|letter| letter.is_alphanumeric()).take(2).flat_map(char::to_uppercase).collect()
}

impl Shell {
    /// The shell of a page that shows `snapshot`.
    pub fn of(page: &'static str, title: impl AsRef<str>, snapshot: &Snapshot, reader: PageReader) -> Self {
        Self::framed(page, FrameCells::of(title.as_ref(), snapshot), snapshot.taken_ms, reader)
    }

    /// The shell of a page that shows nothing of the mesh.
    pub fn still(title: &str, reader: PageReader) -> Self {
        Self::framed("", FrameCells::still(title), clock::now_ms(), reader)
    }

    fn framed(page: &'static str, frame: FrameCells, taken_ms: u64, reader: PageReader) -> Self {
        Self {
            page,
            frame,
            is_live: false,
            carried: String::new(),
            clock: time::clock(taken_ms),
            instant: time::instant(taken_ms),
            root: Root::BESIDE,
            assets: assets::base(),
            version: assets::version(),
            reader,
        }
    }

    /// Marks the page as live: the script updates it.
    #[must_use]
    pub fn live(self) -> Self {
        Self { is_live: true, ..self }
    }

    /// Marks the page as live unless it shows a fixed range between two instants.
    #[must_use]
    pub fn live_unless_range(self, span: DisplayWindow) -> Self {
        Self { is_live: !matches!(span, DisplayWindow::Between(_)), ..self }
    }

    /// Makes the links to other pages carry this window.
    #[must_use]
    pub fn carrying(self, span: DisplayWindow) -> Self {
        Self { carried: span.carried(), ..self }
    }

    /// Whether the reader may command.
    pub fn acts(&self) -> bool {
        self.reader.only_reads.is_empty()
    }

    /// `carried` with `&`, for links that already have a query.
    pub fn also_carried(&self) -> String {
        self.carried.replace('?', "&")
    }

    /// Sets the path from the page to the root.
    #[must_use]
    pub fn below(self, root: Root) -> Self {
        Self { frame: self.frame.below(root), root, ..self }
    }

    /// The `aria-current` of a navigation link: `page` for this page, `true` for its section, else `false`.
    pub fn current(&self, page: &str) -> &'static str {
        match (self.page, page) {
            (here, there) if here == there => "page",
            ("endpoint", "overview") => "true",
            _ => "false",
        }
    }
}

/// A template as an HTTP response.
#[derive(Debug)]
pub struct HtmlPage<T>(pub T);

impl<T: Template> IntoResponse for HtmlPage<T> {
    fn into_response(self) -> Response {
        match self.0.render() {
            Ok(html) => Html(html).into_response(),
            Err(error) => {
                tracing::error!(%error, "render a page");
                (StatusCode::INTERNAL_SERVER_ERROR, "this page could not be rendered; see the control plane's log\n")
                    .into_response()
            }
        }
    }
}

/// The template of an error page, with a link back.
#[derive(Debug, Template)]
#[template(path = "problem.html")]
struct ProblemPage<'a> {
    shell: Shell,
    heading: &'a str,
    words: &'a str,
}

/// An error page. It shows nothing of the mesh, because frequent failures must be cheap.
#[derive(Debug, Clone)]
pub struct PageError {
    status: StatusCode,
    heading: &'static str,
    words: String,
}

impl PageError {
    /// The address does not exist.
    pub fn not_found(words: impl Into<String>) -> Box<Self> {
        Box::new(Self::new(StatusCode::NOT_FOUND, "There is nothing here", words))
    }

    /// A request that could not be parsed.
    pub fn unreadable_request(status: StatusCode, words: impl Into<String>) -> Box<Self> {
        Box::new(Self::new(status, "Invalid address", words))
    }

    /// A command that was refused.
    pub fn refused(status: StatusCode, words: impl Into<String>) -> Box<Self> {
        Box::new(Self::new(status, "Nothing was changed", words))
    }

    /// A command that failed; `what` is the state that stays.
    pub fn command(what: &str, error: &CommandError) -> Box<Self> {
        let status = if let CommandError::Forbidden(_) = error { StatusCode::FORBIDDEN } else { StatusCode::CONFLICT };
        Self::refused(status, format!("{what}: {error}."))
    }

    /// The stored data of a long window cannot be read.
    pub fn unreadable(error: &StoreError, span: DisplayWindow) -> Box<Self> {
        let words = format!(
            "Data of the {} could not be read from disk: {error}. The last hour is in memory and can still be shown.",
            span.words()
        );
        Box::new(Self::new(StatusCode::SERVICE_UNAVAILABLE, "The stored data cannot be read", words))
    }

    /// Too many others query the pods at this moment.
    pub fn busy() -> Box<Self> {
        let words = "Too many queries are running: reload the page in a second.";
        Box::new(Self::new(StatusCode::SERVICE_UNAVAILABLE, "Too many queries", words))
    }

    fn new(status: StatusCode, heading: &'static str, words: impl Into<String>) -> Self {
        Self { status, heading, words: words.into() }
    }

    fn at(&self, path: &str, reader: PageReader) -> Response {
        // No page is this deep, and its relative links would be longer than the page itself.
        let Some(root) = Root::from_path(path) else { return (self.status, format!("{}\n", self.words)).into_response() };
        let shell = Shell::still(self.heading, reader).below(root);
        (self.status, HtmlPage(ProblemPage { shell, heading: self.heading, words: &self.words })).into_response()
    }
}

impl IntoResponse for Box<PageError> {
    /// [`finish`] renders the page, because its links depend on the path of the request.
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(*self);
        response
    }
}

/// Middleware that renders the page of a [`PageError`] and adds the content security policy.
pub async fn finish(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let principal = request.extensions().get::<Arc<Principal>>().cloned();
    let mut response = next.run(request).await;
    if let Some(problem) = response.extensions_mut().remove::<PageError>() {
        let allowed = response.headers_mut().remove(header::ALLOW);
        response = problem.at(&path, PageReader::from(&*principal.unwrap_or_else(|| Arc::new(Principal::local_operator()))));
        response.headers_mut().extend(allowed.map(|allowed| (header::ALLOW, allowed)));
    }
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY));
    response
}
