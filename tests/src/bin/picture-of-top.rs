//! Makes the picture of `sitio top` for the documentation, from a demo that it starts: `picture-of-top [FILE]`.

use std::path::PathBuf;
use std::time::{Duration, Instant};
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use scenario::cli::client_command;
use scenario::demo::Demo;
use scenario::eventually::eventually;
use scenario::terminal::Terminal;
use scenario::terminal_svg::svg;

/// Enough data for a minute of numbers.
const SECONDS_OF_DATA: u64 = 60;

/// The demo needs some time to call every endpoint.
const PATIENCE: Duration = Duration::from_mins(3);

/// Lines and columns of a usual terminal.
const SIZE: (u16, u16) = (26, 128);

fn main() -> Result<()> {
    let file = env::args_os().nth(1).map_or_else(|| scenario::process::file("../docs/top.svg"), PathBuf::from);
    let demo = Demo::start(&[]);
    let started = Instant::now();
    let mut top = Terminal::start(&client_command(demo.http_port, &["top"]), SIZE.0, SIZE.1);
    top.expect_words("/legacy/export");
    top.keys("jjj");
    eventually(PATIENCE, || {
        let seconds = started.elapsed().as_secs();
        ensure!(seconds >= SECONDS_OF_DATA, "only {seconds} s of data");
        Ok(())
    });
    // Shows the default port instead of the random one.
    let picture = top.picture(svg).replace(&format!(":{}", demo.http_port), ":8090");
    fs::write(&file, picture).with_context(|| format!("write {}", file.display()))?;
    println!("{}", file.display());
    top.keys("q");
    top.ended();
    Ok(())
}
