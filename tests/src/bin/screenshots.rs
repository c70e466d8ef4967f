//! Takes the pictures of the dashboard that the documentation shows, from a demo of its own: `screenshots [FOLDER]`.

use std::path::PathBuf;
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use scenario::browser::{Browser, Scheme};
use scenario::demo::Demo;
use scenario::eventually::eventually;

/// Enough data for a sparkline of a minute that does not begin with nothing.
const SECONDS_OF_DATA: u64 = 75;

/// The busiest endpoint has seen some thousand requests by then.
const PATIENCE: Duration = Duration::from_mins(3);

const PICTURES: [(&str, u32, u32, Scheme); 3] = [
    ("overview-light.png", 1440, 900, Scheme::Light),
    ("overview-dark.png", 1440, 900, Scheme::Dark),
    ("overview-phone.png", 390, 844, Scheme::Light),
];

fn main() -> Result<()> {
    let folder = env::args_os().nth(1).map_or_else(|| scenario::programs::file("../docs"), PathBuf::from);
    fs::create_dir_all(&folder).with_context(|| format!("make the folder {}", folder.display()))?;
    let demo = Demo::start(&[]);
    let started = std::time::Instant::now();
    let browser = Browser::start();

    eventually(PATIENCE, || {
        let seconds = started.elapsed().as_secs();
        ensure!(seconds >= SECONDS_OF_DATA, "only {seconds} s of data");
        let rows = demo.api().endpoints()?;
        ensure!(rows.len() >= 12 && rows.iter().all(|row| row["hits"] != 0), "not every endpoint has been called");
        Ok(())
    });
    for (name, width, height, scheme) in PICTURES {
        browser.look_as(width, height, scheme);
        browser.open(&format!("http://127.0.0.1:{}/?window=1m", demo.http_port));
        eventually(PATIENCE, || {
            let title = browser.text("h1")?;
            ensure!(!title.is_empty(), "no title yet");
            Ok(())
        });
        let path = folder.join(name);
        fs::write(&path, browser.picture()).with_context(|| format!("write {}", path.display()))?;
        println!("{}", path.display());
    }
    Ok(())
}
