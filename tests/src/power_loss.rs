//! Simulates the loss of power: what a process has written to its files and not synced is gone.
//!
//! strace records the writes and syncs of the process. After its end, each file is cut to the length that it had at
//! its last sync.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The system calls that change or sync a file.
const CALLS: &str = "trace=openat,write,writev,pwrite64,fsync,fdatasync,ftruncate,rename,renameat,renameat2";

/// A record of what a process writes.
#[derive(Debug)]
pub struct WriteTrace {
    file: PathBuf,
}

/// How much of a file is written, and how much of that is synced.
#[derive(Debug, Clone, Copy, Default)]
struct Lengths {
    written: u64,
    synced: u64,
    /// Whether each write is synced before it returns.
    syncs_writes: bool,
}

impl WriteTrace {
    /// A record in this file.
    pub fn into_file(file: PathBuf) -> Self {
        Self { file }
    }

    /// The command that runs a program and records its writes. The process that it starts is the program itself.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("strace");
        command.args(["-D", "-f", "-y", "-s", "0", "-e", "signal=kill", "-e", CALLS, "-o"]);
        command.arg(&self.file).arg(program);
        command
    }

    /// Cuts off what the process, which has ended, had not synced of its files in this folder. Returns the number of bytes.
    pub fn drop_unsynced(&self, folder: &Path) -> u64 {
        let text = fs::read_to_string(&self.file).expect("strace has written its record");
        let mut dropped = 0;
        for (path, Lengths { written, synced, .. }) in lengths(&text) {
            // A file that was opened and not written to is as it was.
            if written == 0 && synced == 0 {
                continue;
            }
            let Ok(found) = fs::metadata(&path) else { continue };
            if path.starts_with(folder) && found.is_file() && found.len() > synced {
                dropped += found.len() - synced;
                let file = fs::OpenOptions::new().write(true).open(&path).expect("the file can be written to");
                file.set_len(synced).expect("the file can be cut");
            }
        }
        dropped
    }
}

fn lengths(text: &str) -> HashMap<PathBuf, Lengths> {
    let (mut files, mut unfinished, mut syncing) = (HashMap::new(), HashMap::new(), HashMap::new());
    for line in text.lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        if let Some(begun) = call.strip_suffix(" <unfinished ...>") {
            // What is written while a sync runs may not be part of it.
            let length = file_of(begun).and_then(|path| files.get(&path)).map_or(0, |lengths: &Lengths| lengths.written);
            syncing.insert(thread, length);
            unfinished.insert(thread, begun);
        } else if let Some((_, rest)) = call.split_once(" resumed>") {
            if let Some(begun) = unfinished.remove(thread) {
                note(&mut files, &format!("{begun}{rest}"), syncing.remove(thread));
            }
        } else {
            note(&mut files, call, None);
        }
    }
    files
}

/// Notes one system call. `length` is that of the file when a sync began, if it was interrupted in the record.
fn note(files: &mut HashMap<PathBuf, Lengths>, call: &str, length: Option<u64>) {
    let Some((call, result)) = call.rsplit_once(" = ") else { return };
    let (name, count) = (call.split('(').next().unwrap_or_default(), result.split(['<', ' ']).next().unwrap_or_default());
    let Ok(count) = count.parse::<u64>() else { return };
    let last = call.trim_end_matches(')').rsplit(", ").next().unwrap_or_default();
    if name == "openat" {
        let Some(path) = between(result) else { return };
        let lengths = files.entry(path).or_default();
        if call.contains("O_TRUNC") {
            *lengths = Lengths::default();
        }
        lengths.syncs_writes = call.contains("O_SYNC") || call.contains("O_DSYNC");
        return;
    }
    if name.starts_with("rename") {
        let mut paths = call.split('"').skip(1).step_by(2).map(PathBuf::from);
        if let (Some(from), Some(into)) = (paths.next(), paths.next())
            && let Some(lengths) = files.remove(&from)
        {
            files.insert(into, lengths);
        }
        return;
    }
    let Some(path) = file_of(call) else { return };
    let lengths = files.entry(path).or_default();
    match name {
        "pwrite64" => lengths.written = lengths.written.max(last.parse::<u64>().unwrap_or(0) + count),
        "write" | "writev" => lengths.written += count,
        "ftruncate" => lengths.written = last.parse().unwrap_or(0),
        _ => lengths.synced = length.unwrap_or(lengths.written),
    }
    lengths.synced = if lengths.syncs_writes { lengths.written } else { lengths.synced.min(lengths.written) };
}

/// The file of the descriptor that is a call's first argument.
fn file_of(call: &str) -> Option<PathBuf> {
    between(call.split(',').next()?)
}

fn between(text: &str) -> Option<PathBuf> {
    let path = text.split_once('<')?.1.split_once('>')?.0;
    path.starts_with('/').then(|| PathBuf::from(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_after_the_last_sync_is_not_synced() {
        let record = r#"
7 openat(AT_FDCWD</>, "/s/1.blk", O_RDWR|O_CREAT|O_TRUNC, 0640) = 9</s/1.blk>
7 pwrite64(9</s/1.blk>, ""..., 100, 0) = 100
8 fsync(9</s/1.blk> <unfinished ...>
7 pwrite64(9</s/1.blk>, ""..., 50, 100) = 50
8 <... fsync resumed>) = 0
7 write(10</s/2.tmp>, ""..., 20) = 20
7 fsync(10</s/2.tmp>) = 0
7 renameat(AT_FDCWD</>, "/s/2.tmp", AT_FDCWD</>, "/s/2.idx") = 0
7 write(11<socket:[5]>, ""..., 20) = 20
7 write(12</s/3.inf>, ""..., 20) = 20
7 openat(AT_FDCWD</>, "/s/4.inf", O_WRONLY|O_CREAT|O_TRUNC|O_SYNC|O_CLOEXEC, 0640) = 13</s/4.inf>
7 write(13</s/4.inf>, ""..., 30) = 30
"#;
        let found = lengths(record);
        let of = |path: &str| found.get(Path::new(path)).map(|lengths| (lengths.written, lengths.synced));
        assert_eq!(of("/s/1.blk"), Some((150, 100)));
        assert_eq!(of("/s/2.idx"), Some((20, 20)));
        assert_eq!(of("/s/3.inf"), Some((20, 0)));
        assert_eq!(of("/s/4.inf"), Some((30, 30)), "it was opened to sync each write");
        assert_eq!(found.len(), 4);
    }
}
