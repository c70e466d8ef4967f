//! `sitio inject` and `sitio uninject`: add the sidecar to the workloads of manifests, and take it out again.

use std::fs::File;
use std::io::{Read, stdin};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ::inject::manifest::{Outcome, Report, Verdict, inject, uninject};
use ::inject::settings::{
    AuthoritySource, Credentials, DEFAULT_AUTHORITY, DEFAULT_CONTROL_PLANE, DEFAULT_IMAGE, DEFAULT_TOKEN, InjectionSettings,
    Interception, TokenSource, control_plane_url,
};
use ::inject::yaml::{STREAM_BYTES_MAX, YamlStream};
use anyhow::Context;

use crate::interrupt::Interrupts;
use crate::sanitize::plain;
use crate::stdout::{beside, say};
use crate::usage::{USAGE, refuse};

/// Add the sidecar to the workloads of manifests.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sitio inject -f app.yaml | kubectl apply -f -
  kubectl get deployment web -o yaml | sitio inject -f - | kubectl apply -f -
  sitio inject -f app.yaml --check

Prints the manifests with the sidecar, and beside them, on standard error, what was done and why.
Comments, order and quoting stay.
Exit code: 0 if all workloads have a sidecar or want none, 1 if one cannot be injected, 2 if a file cannot be read.")]
pub(crate) struct InjectOptions {
    #[command(flatten)]
    input: Input,
    /// Print only what would be done, and what cannot be done and why.
    #[arg(long)]
    check: bool,
    /// Let the kernel redirect the application's port to the sidecar, so that no port changes. It needs NET_ADMIN.
    #[arg(long)]
    transparent: bool,
    /// Image of the sidecar.
    #[arg(long, value_name = "IMAGE", default_value = DEFAULT_IMAGE)]
    image: String,
    /// The control plane's address for sidecars, as the pods reach it.
    #[arg(long, value_name = "URL", default_value = DEFAULT_CONTROL_PLANE, value_parser = control_plane_url)]
    control_plane: String,
    /// Allow a control plane with http://, because something else protects the network.
    #[arg(long)]
    allow_plaintext: bool,
    /// What sidecars authenticate with: secret/NAME with a key `token`, or service-account, both in the workloads' namespace.
    #[arg(long, value_name = "SOURCE", default_value = DEFAULT_TOKEN)]
    token: TokenSource,
    /// What they verify the control plane by: configmap/NAME with a key `ca.crt`, in the workloads' namespace, or public.
    #[arg(long, value_name = "SOURCE", default_value = DEFAULT_AUTHORITY)]
    ca: AuthoritySource,
}

/// Take the sidecar out of the workloads of manifests.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: sitio uninject -f injected.yaml | kubectl apply -f -

Takes back all that `sitio inject` or the webhook did, in Services too.
Exit code: 0, or 1 if a record of an injection cannot be read, or 2 if a file cannot be.")]
pub(crate) struct UninjectOptions {
    #[command(flatten)]
    input: Input,
}

/// The manifests to read.
#[derive(Debug, clap::Args)]
struct Input {
    /// Manifest in YAML or JSON, or - for standard input; may be given more than once.
    #[arg(short, long = "filename", value_name = "FILE", required = true)]
    filenames: Vec<PathBuf>,
}

/// Injects, and prints the manifests or only the reports.
pub(crate) async fn run(options: InjectOptions, interrupts: Interrupts) -> anyhow::Result<ExitCode> {
    if options.control_plane.starts_with("http://") && !options.allow_plaintext {
        return Ok(refuse("a control plane with http:// would get the token in plain text: use https://, or --allow-plaintext"));
    }
    let credentials = Credentials { token: options.token, authority: options.ca };
    let interception = if options.transparent { Interception::Transparent } else { Interception::Ports };
    let settings = InjectionSettings { image: options.image, control_plane: options.control_plane, credentials, interception };
    let change = move |stream: &YamlStream| inject(stream.documents(), &settings);
    unless_interrupted(
        interrupts,
        move || if options.check { check(&options.input, change) } else { rewrite(&options.input, change) },
    )
    .await
}

/// Takes injections back, and prints the manifests.
pub(crate) async fn run_back(options: UninjectOptions, interrupts: Interrupts) -> anyhow::Result<ExitCode> {
    unless_interrupted(interrupts, move || rewrite(&options.input, |stream| uninject(stream.documents()))).await
}

/// Runs work that may wait for standard input.
async fn unless_interrupted(
    mut interrupts: Interrupts,
    work: impl FnOnce() -> anyhow::Result<ExitCode> + Send + 'static,
) -> anyhow::Result<ExitCode> {
    tokio::select! {
        done = tokio::task::spawn_blocking(work) => done.context("change the manifests")?,
        interrupt = interrupts.first() => Ok(ExitCode::from(interrupt.code())),
    }
}

/// Prints what would be done; 1 if the user has to act.
fn check(input: &Input, change: impl Fn(&YamlStream) -> Outcome) -> anyhow::Result<ExitCode> {
    let Some(stream) = read(input) else { return Ok(ExitCode::from(USAGE)) };
    let reports = change(&stream).reports;
    say(&lines(&reports).join(""))?;
    let is_right = |report: &Report| matches!(report.verdict, Verdict::Changed | Verdict::Unchanged(_));
    Ok(if reports.iter().all(is_right) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints the changed manifests; 1 if one of them cannot be changed.
fn rewrite(input: &Input, change: impl Fn(&YamlStream) -> Outcome) -> anyhow::Result<ExitCode> {
    let Some(stream) = read(input) else { return Ok(ExitCode::from(USAGE)) };
    let outcome = change(&stream);
    let patched = stream.patched(&outcome.patches).context("change the manifest")?;
    for line in lines(&outcome.reports) {
        beside(line.trim_end());
    }
    for document in &patched.rewritten {
        beside(&format!(
            "document {} was written anew, without its comments, because it cannot be changed in place",
            document + 1
        ));
    }
    say(&patched.text)?;
    let is_refused = |report: &Report| matches!(report.verdict, Verdict::Refused(_));
    Ok(if outcome.reports.iter().any(is_refused) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// A report as lines that each begin with the object, so that they can be searched.
fn lines(reports: &[Report]) -> Vec<String> {
    if reports.is_empty() {
        return vec!["no workload is among the documents, so there is nothing to do\n".to_owned()];
    }
    let words = |report: &Report| {
        let first = match &report.verdict {
            Verdict::Changed if report.remarks.is_empty() => Some("the injection is taken back".to_owned()),
            Verdict::Changed | Verdict::ToDo => None,
            Verdict::Unchanged(why) => Some(format!("unchanged: {why}")),
            Verdict::Refused(refusal) => Some(format!("cannot be injected: {refusal}")),
        };
        let remarks = report.remarks.iter().map(|remark| match report.verdict {
            Verdict::ToDo => format!("to do: {remark}"),
            _ => remark.clone(),
        });
        first
            .into_iter()
            .chain(remarks)
            .map(|words| format!("{}\n", plain(&format!("{}: {words}", report.place))))
            .collect::<Vec<_>>()
    };
    reports.iter().flat_map(words).collect()
}

/// Reads all files as one stream; prints why one cannot be read.
fn read(input: &Input) -> Option<YamlStream> {
    let mut stream = String::new();
    for file in &input.filenames {
        let parsed = text(file).and_then(|text| {
            // Each file is parsed by itself first, so that an error names its file and line.
            YamlStream::parse(&text)?;
            Ok(text)
        });
        match parsed.with_context(|| format!("read {}", file.display())) {
            Ok(text) => append(&mut stream, &text),
            Err(error) => {
                beside(&format!("sitio: {}", plain(&format!("{error:#}"))));
                return None;
            }
        }
    }
    match YamlStream::parse(&stream) {
        Ok(stream) => Some(stream),
        Err(error) => {
            beside(&format!("sitio: read all files as one stream: {error}"));
            None
        }
    }
}

fn text(file: &Path) -> anyhow::Result<String> {
    let reader: Box<dyn Read> = if file.as_os_str() == "-" { Box::new(stdin()) } else { Box::new(File::open(file)?) };
    let mut text = String::new();
    reader.take(STREAM_BYTES_MAX as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}

/// Appends a file's documents, with a marker between documents of two files.
fn append(stream: &mut String, text: &str) {
    if !stream.is_empty() {
        if !stream.ends_with('\n') {
            stream.push('\n');
        }
        if !text.starts_with("---") {
            stream.push_str("---\n");
        }
    }
    stream.push_str(text);
}
