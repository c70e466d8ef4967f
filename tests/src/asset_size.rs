//! Measures the gzip size of the files that a page loads, against a budget.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::api::Api;

/// The budget for each kind of file, which is served as written.
const BUDGETS: [(&str, usize); 2] = [(".css", 11_000), (".js", 16_000)];

/// The total size of one kind of file.
#[derive(Debug)]
pub struct AssetSize {
    /// The file extension.
    pub kind: &'static str,
    /// The total size.
    pub bytes: usize,
    /// The budget.
    pub bytes_max: usize,
}

/// Measures the files that a page of this control plane refers to.
#[track_caller]
pub fn of(html: &str, api: &Api) -> Vec<AssetSize> {
    // The page's script loads the shared worker, which all windows share.
    let beside = html.split('"').find_map(|part| part.split_once("static/")?.1.rsplit_once('/'));
    let worker = beside.map(|(folder, _)| format!("/static/{folder}/stream.js"));
    let weigh = |(kind, bytes_max): (&'static str, usize)| {
        let named = html.split('"').filter_map(|part| part.split_once("static/")).map(|(_, file)| format!("/static/{file}"));
        let files = named.chain(worker.clone()).filter(|file| file.ends_with(kind));
        AssetSize { kind, bytes: files.map(|file| zipped(&api.page(&file).expect("the file is there"))).sum(), bytes_max }
    };
    BUDGETS.into_iter().map(weigh).collect()
}

fn zipped(text: &str) -> usize {
    let mut gzip = Command::new("gzip");
    gzip.args(["-9", "-c", "-n"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut gzip = gzip.spawn().expect("gzip is installed");
    gzip.stdin.take().expect("it is piped").write_all(text.as_bytes()).expect("gzip reads");
    gzip.wait_with_output().expect("gzip ends").stdout.len()
}
