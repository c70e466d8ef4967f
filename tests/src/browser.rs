//! Drives a real Chromium through WebDriver: opens pages, clicks, types, and reads what is shown.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
pub use thirtyfour::WindowHandle;
use thirtyfour::common::capabilities::chromium::ChromiumLikeCapabilities;
use thirtyfour::{By, ChromeCapabilities, DesiredCapabilities, Key, LoggingPrefsLogLevel, WebDriver, WebElement};
use tokio::runtime::Runtime;

use crate::process::Process;
use crate::reserved_port::ReservedPort;

/// Flags that let Chromium run as root in a container, without background traffic.
const FLAGS: [&str; 10] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
];

/// The driver's log with the network events.
const REQUESTS_LOG: &str = "performance";

/// The timeout of one step.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running browser with one tab.
pub struct Browser {
    runtime: Runtime,
    driver: Option<WebDriver>,
    _chromedriver: Process,
    _reserved: ReservedPort,
    _profile: TempDir,
}

/// Whether the driver records the browser's requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listening {
    Yes,
    No,
}

/// The colour scheme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `prefers-color-scheme: light`.
    Light,
    /// `prefers-color-scheme: dark`.
    Dark,
}

impl Browser {
    /// Starts a browser with an empty profile.
    #[track_caller]
    pub fn start() -> Self {
        Self::with(Listening::No)
    }

    /// Starts a browser that also records its requests for [`Browser::asked_for`].
    #[track_caller]
    pub fn recording_requests() -> Self {
        Self::with(Listening::Yes)
    }

    #[track_caller]
    fn with(listening: Listening) -> Self {
        let profile = tempfile::tempdir().expect("a temporary folder");
        let mut command = Command::new(tool(&["chromedriver"], "chromium-driver"));
        // On its own choice it takes a port that is free on IPv6, and gives up if that is taken on IPv4.
        let reserved = ReservedPort::reserve();
        command.arg(format!("--port={}", reserved.port));
        let mut chromedriver = Process::start(command);
        let port: u16 =
            chromedriver.line("its port", |line| line.split("successfully on port ").nth(1)?.trim_end_matches('.').parse().ok());

        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let capabilities = capabilities(&profile, listening).expect("the capabilities are well formed");
        api::client::trust::choose_ring();
        let session = WebDriver::builder(format!("http://127.0.0.1:{port}"), capabilities).request_timeout(PATIENCE);
        let driver = runtime.block_on(async { session.await }).unwrap_or_else(|error| panic!("start the browser: {error}"));
        Self { runtime, driver: Some(driver), _chromedriver: chromedriver, _reserved: reserved, _profile: profile }
    }

    /// Opens a page.
    #[track_caller]
    pub fn open(&self, url: &str) {
        self.runtime.block_on(self.driver().goto(url)).unwrap_or_else(|error| panic!("open {url}: {error}"));
    }

    /// Opens another window in the foreground, switches to it, and returns its handle.
    #[track_caller]
    pub fn new_window(&self) -> WindowHandle {
        self.runtime.block_on(async {
            let window = self.driver().new_window().await.expect("the browser opens windows");
            self.driver().switch_to_window(window.clone()).await.expect("the window is there");
            window
        })
    }

    /// Switches to another window.
    #[track_caller]
    pub fn switch_to(&self, window: &WindowHandle) {
        self.runtime.block_on(self.driver().switch_to_window(window.clone())).expect("the window is there");
    }

    /// The handle of the current window.
    #[track_caller]
    pub fn window(&self) -> WindowHandle {
        self.runtime.block_on(self.driver().window()).expect("there is a window")
    }

    /// Closes the current window; the caller must switch to another one next.
    #[track_caller]
    pub fn close_window(&self) {
        self.runtime.block_on(self.driver().close_window()).expect("the window can be closed");
    }

    /// The visible text of the only element that matches a CSS selector.
    pub fn text(&self, selector: &str) -> Result<String> {
        self.on(selector, async |element| element.text().await)
    }

    /// An attribute of the only element that matches a CSS selector.
    pub fn attribute(&self, selector: &str, name: &str) -> Result<String> {
        let value = self.on(selector, async |element| element.attr(name.to_owned()).await)?;
        value.with_context(|| format!("{selector} has no attribute {name}"))
    }

    /// Clicks the only element that matches a CSS selector; it must be visible and not covered.
    pub fn click(&self, selector: &str) -> Result<()> {
        self.on(selector, async |element| element.click().await)
    }

    /// Types into the only element that matches a CSS selector.
    pub fn type_into(&self, selector: &str, text: &str) -> Result<()> {
        self.on(selector, async |element| element.send_keys(text).await)
    }

    /// Presses the keys of these characters in the focused element.
    pub fn press(&self, keys: &str) -> Result<()> {
        Ok(self.runtime.block_on(async { self.driver().active_element().await?.send_keys(keys).await })?)
    }

    /// Presses Esc.
    pub fn press_escape(&self) -> Result<()> {
        self.press(&Key::Escape.value().to_string())
    }

    /// Runs a function body in the page, and returns its result.
    pub fn script(&self, body: &str) -> Result<Value> {
        Ok(self.runtime.block_on(self.driver().execute(body, Vec::new()))?.json().clone())
    }

    /// Runs a script in every page opened from now on, before the page's own scripts.
    #[track_caller]
    pub fn before_each_page(&self, source: &str) {
        self.devtools("Page.enable", json!({}));
        self.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": source }));
    }

    /// Sends a command of the DevTools protocol, and returns the response.
    #[track_caller]
    pub fn devtools(&self, method: &str, parameters: Value) -> Value {
        let answer = self.runtime.block_on(self.driver().cdp().send_raw(method, parameters));
        answer.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Sets the size of the viewport and the colour scheme.
    #[track_caller]
    pub fn look_as(&self, width: u32, height: u32, scheme: Scheme) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 720});
        self.devtools("Emulation.setDeviceMetricsOverride", metrics);
        let scheme = if scheme == Scheme::Dark { "dark" } else { "light" };
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", features);
    }

    /// A screenshot of the viewport as PNG.
    #[track_caller]
    pub fn picture(&self) -> Vec<u8> {
        self.runtime.block_on(self.driver().screenshot_as_png()).expect("the browser can paint")
    }

    /// All warnings and errors of the browser's console.
    #[track_caller]
    pub fn console_messages(&self) -> Vec<String> {
        let log = self.runtime.block_on(self.driver().browser_log()).expect("the browser keeps a log");
        log.into_iter().map(|entry| format!("{entry:?}")).collect()
    }

    /// The URLs that pages have requested since the last call, if requests are recorded. Leaves out the browser's own
    /// first page.
    #[track_caller]
    pub fn asked_for(&self) -> Vec<String> {
        let log = self.runtime.block_on(self.driver().get_log(REQUESTS_LOG)).expect("the browser listens");
        let address = |entry: &str| {
            let event: Value = serde_json::from_str(entry).ok()?;
            let event = &event["message"];
            if event["params"]["documentURL"].as_str()?.starts_with("chrome://") {
                return None;
            }
            (event["method"] == "Network.requestWillBeSent")
                .then(|| event["params"]["request"]["url"].as_str().map(str::to_owned))?
        };
        log.iter().filter_map(|entry| address(&entry.message)).collect()
    }

    /// Runs axe on the page, and returns its violations, one line each.
    #[track_caller]
    pub fn axe_violations(&self) -> Vec<String> {
        let path = crate::process::file("node_modules/axe-core/axe.min.js");
        let source = fs::read_to_string(&path).unwrap_or_else(|error| {
            panic!("{}: {error}: get it by `npm ci --prefix tests`, or run `make test`", path.display());
        });
        self.script(&format!("if (!window.axe) {{ {source}; window.axe = axe ?? module.exports; }}")).expect("axe loads");
        let run = "const done = arguments[arguments.length - 1];
            axe.run(document, {resultTypes: ['violations']}).then(
                found => done(found.violations.flatMap(fault => fault.nodes.map(node =>
                    `${fault.id} (${fault.impact}): ${fault.help}: ${node.target.join(' ')}: ${node.failureSummary}`))),
                error => done(['axe failed: ' + error]));";
        let found = self.runtime.block_on(self.driver().execute_async(run, Vec::new())).expect("axe runs");
        found.convert().expect("the findings of axe are texts")
    }

    fn on<T>(&self, selector: &str, act: impl AsyncFnOnce(WebElement) -> thirtyfour::error::WebDriverResult<T>) -> Result<T> {
        self.runtime.block_on(async {
            let mut found = self.driver().find_all(By::Css(selector)).await?;
            ensure!(found.len() == 1, "{} elements are {selector}", found.len());
            act(found.remove(0)).await.with_context(|| selector.to_owned())
        })
    }

    fn driver(&self) -> &WebDriver {
        self.driver.as_ref().expect("the driver is there until the browser is dropped")
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(driver) = self.driver.take() {
            // If this fails, the end of the driver process ends the browser.
            let _ = self.runtime.block_on(driver.quit());
        }
    }
}

fn capabilities(profile: &TempDir, listening: Listening) -> Result<ChromeCapabilities> {
    let mut capabilities = DesiredCapabilities::chrome();
    capabilities.set_binary(&tool(&["chromium", "chromium-browser", "google-chrome"], "chromium").to_string_lossy())?;
    for flag in FLAGS {
        capabilities.add_arg(flag)?;
    }
    capabilities.add_arg(&format!("--user-data-dir={}", profile.path().display()))?;
    capabilities.set_browser_log_level(LoggingPrefsLogLevel::Warning)?;
    if listening == Listening::Yes {
        capabilities.set_logging_prefs(REQUESTS_LOG, LoggingPrefsLogLevel::All)?;
    }
    Ok(capabilities)
}

/// Finds a program in `PATH`.
#[track_caller]
fn tool(names: &[&str], package: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut candidates = names.iter().flat_map(|name| env::split_paths(&path).map(move |folder| folder.join(name)));
    let found = candidates.find(|candidate| candidate.is_file());
    found.unwrap_or_else(|| panic!("{} is not installed: on Debian, `apt-get install {package}`, or run `make test`", names[0]))
}
