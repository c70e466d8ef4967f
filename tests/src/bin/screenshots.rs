//! Makes the screenshots of the dashboard for the documentation, from a demo that it starts: `screenshots [FOLDER]`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use scenario::browser::{Browser, Scheme};
use scenario::control_plane::ControlPlane;
use scenario::demo::Demo;
use scenario::eventually::{SOON, eventually};

/// Enough data for a sparkline of one minute without a gap at its beginning.
const SECONDS_OF_DATA: u64 = 75;

/// By then the busiest endpoint has some thousand requests.
const PATIENCE: Duration = Duration::from_mins(3);

/// The size limit of a picture, because larger ones slow down every clone of the repository.
const BYTES_MAX: usize = 250_000;

/// Each page in both schemes and both sizes.
const LOOKS: [(&str, u32, u32, Scheme); 4] = [
    ("light", 1280, 800, Scheme::Light),
    ("dark", 1280, 800, Scheme::Dark),
    ("light-phone", 390, 844, Scheme::Light),
    ("dark-phone", 390, 844, Scheme::Dark),
];

fn main() -> Result<()> {
    let folder = env::args_os().nth(1).map_or_else(|| scenario::process::file("../docs"), PathBuf::from);
    fs::create_dir_all(&folder).with_context(|| format!("make the folder {}", folder.display()))?;
    let (demo, browser) = (Demo::start(&[]), Browser::start());
    let started = Instant::now();
    first_minute(&browser, &folder)?;
    eventually(PATIENCE, || {
        let seconds = started.elapsed().as_secs();
        ensure!(seconds >= SECONDS_OF_DATA, "only {seconds} s of data");
        let rows = demo.api().endpoints()?;
        ensure!(rows.len() >= 12 && rows.iter().all(|row| row["hits"] != 0), "not every endpoint has been called");
        Ok(())
    });
    // Data for the audit page: one endpoint that is off, and one that was turned on again.
    demo.api().turn_off("legacy", "GET /legacy/report.pdf", "1h");
    let taken_back = demo.api().turn_off("search", "GET /api/suggest", "15m");
    demo.api().withdraw(&taken_back);

    let base = format!("http://127.0.0.1:{}", demo.http_port);
    let failing = id_of(&demo, "/api/checkout")?;
    for (name, address) in [
        ("overview", "/?window=1m".to_owned()),
        ("pods", "/pods".to_owned()),
        ("audit", "/audit".to_owned()),
        ("map", "/map?window=1m".to_owned()),
        ("endpoint", format!("/endpoints/{failing}?window=5m")),
    ] {
        each_look(&browser, &folder, name, || open(&browser, &format!("{base}{address}")))?;
    }
    each_look(&browser, &folder, "turn-off", || {
        open(&browser, &format!("{base}/?window=1m"));
        eventually(SOON, || browser.click("button[role=switch][aria-label^='GET /legacy/export']"));
        eventually(SOON, || browser.type_into("dialog[open] textarea", "INC-2290: the export fills the disk"));
    })
}

/// The page before any sidecar has connected.
fn first_minute(browser: &Browser, folder: &Path) -> Result<()> {
    let control_plane = ControlPlane::start();
    each_look(browser, folder, "first-minute", || open(browser, &format!("http://127.0.0.1:{}/", control_plane.http_port)))
}

fn each_look(browser: &Browser, folder: &Path, name: &str, show: impl Fn()) -> Result<()> {
    for (look, width, height, scheme) in LOOKS {
        browser.look_as(width, height, scheme);
        show();
        let picture = browser.picture();
        ensure!(picture.len() <= BYTES_MAX, "{name}-{look} has {} bytes", picture.len());
        let path = folder.join(format!("{name}-{look}.png"));
        fs::write(&path, picture).with_context(|| format!("write {}", path.display()))?;
        println!("{}", path.display());
    }
    Ok(())
}

/// Opens a page, and waits until it is live.
fn open(browser: &Browser, address: &str) {
    browser.open(address);
    eventually(PATIENCE, || {
        let pulse = browser.script("return document.body.dataset.live === 'no' ? 'still' : document.body.dataset.pulse")?;
        ensure!(pulse == "live" || pulse == "still", "it is not live yet");
        Ok(())
    });
}

fn id_of(demo: &Demo, route: &str) -> Result<String> {
    let rows = demo.api().endpoints()?;
    let row = rows.iter().find(|row| row["route"] == route).with_context(|| format!("{route} is not there"))?;
    Ok(row["id"].as_str().context("an endpoint has an id")?.to_owned())
}
