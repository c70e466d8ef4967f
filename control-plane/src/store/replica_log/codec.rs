//! The bytes of a write in the log: each name is spelled out once, and a later version is recognised.

use std::collections::BTreeMap;

use foldhash::fast::RandomState;
use indexmap::IndexSet;
use mesh::endpoint::Endpoint;
use mesh::golden::GoldenMetrics;
use mesh::report::Seen;

use crate::store::codec::{self, Corrupt, put, take};
use crate::store::metrics_store::{Advance, Append, AppendRow, Handover, Process, SeriesName};
use crate::store::notice_store::NoticeChange;
use crate::store::replica_log::LogWrite;

/// The version of the format. A replica of an earlier version refuses it.
const VERSION: u8 = 1;

/// The names of a write, each with its number.
type Names<'a> = IndexSet<&'a str, RandomState>;

/// Encodes a write.
pub fn encode(write: &LogWrite) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    match write {
        LogWrite::Append(append) => {
            bytes.push(1);
            encode_append(append, &mut bytes);
        }
        LogWrite::Forget(names) => {
            bytes.push(2);
            put(names.len() as u64, &mut bytes);
            for name in names {
                put_series(name, &mut bytes);
            }
        }
        LogWrite::Record(handover) => {
            bytes.push(3);
            encode_handover(handover, &mut bytes);
        }
        LogWrite::Notices(change) => {
            bytes.push(4);
            bytes.extend(serde_json::to_vec(change).expect("it is made of texts and numbers"));
        }
        LogWrite::Sessions(json) => {
            bytes.push(5);
            bytes.extend(json.as_bytes());
        }
        LogWrite::CaKey(sealed) => {
            bytes.push(6);
            bytes.extend(sealed.as_bytes());
        }
    }
    bytes
}

/// Decodes the output of [`encode`].
pub fn decode(bytes: &[u8]) -> Result<LogWrite, Corrupt> {
    let [version, kind, rest @ ..] = bytes else { return Err(Corrupt::Length) };
    if *version != VERSION {
        return Err(Corrupt::Version(*version));
    }
    let mut rest = rest;
    let write = match kind {
        1 => LogWrite::Append(decode_append(&mut rest)?),
        2 => LogWrite::Forget(many(&mut rest, take_series)?),
        3 => LogWrite::Record(decode_handover(&mut rest)?),
        4 => {
            let change: NoticeChange = serde_json::from_slice(rest).map_err(|_| Corrupt::Number)?;
            return Ok(LogWrite::Notices(change));
        }
        5 => return Ok(LogWrite::Sessions(text(rest)?.to_owned())),
        6 => return Ok(LogWrite::CaKey(text(rest)?.to_owned())),
        _ => return Err(Corrupt::Number),
    };
    codec::whole(rest)?;
    Ok(write)
}

fn encode_append(append: &Append, bytes: &mut Vec<u8>) {
    let mut names = Names::default();
    for row in &append.rows {
        names.extend(parts(&row.name));
    }
    put(append.now_ms, bytes);
    put(names.len() as u64, bytes);
    names.iter().for_each(|name| put_text(name, bytes));
    put(append.advances.len() as u64, bytes);
    for Advance { process, from, to } in &append.advances {
        put_process(process, bytes);
        put(*from, bytes);
        put(*to, bytes);
    }
    put(append.rows.len() as u64, bytes);
    for row in &append.rows {
        for part in parts(&row.name) {
            put(names.get_index_of(part).expect("every part was added") as u64, bytes);
        }
        bytes.push(u8::from(row.is_file) | u8::from(row.seen.is_some()) << 1);
        if let Some(Seen { first_ms, last_ms }) = row.seen {
            put(first_ms, bytes);
            put(last_ms, bytes);
        }
        put(row.slots.len() as u64, bytes);
        for (slot, golden) in &row.slots {
            put(*slot, bytes);
            codec::write(golden, bytes);
        }
    }
}

fn decode_append(bytes: &mut &[u8]) -> Result<Append, Corrupt> {
    let now_ms = take(bytes)?;
    let names = many(bytes, take_text)?;
    let advances = many(bytes, |bytes| Ok(Advance { process: take_process(bytes)?, from: take(bytes)?, to: take(bytes)? }))?;
    let rows = many(bytes, |bytes| take_row(bytes, &names))?;
    Ok(Append { rows, advances, now_ms })
}

fn take_row(bytes: &mut &[u8], names: &[&str]) -> Result<AppendRow, Corrupt> {
    let mut parts = [""; 4];
    for part in &mut parts {
        *part = usize::try_from(take(bytes)?).ok().and_then(|at| names.get(at)).ok_or(Corrupt::Number)?;
    }
    let (flags, rest) = bytes.split_first().ok_or(Corrupt::Length)?;
    *bytes = rest;
    let seen = if flags & 2 == 0 { None } else { Some(Seen { first_ms: take(bytes)?, last_ms: take(bytes)? }) };
    let slots: BTreeMap<u64, GoldenMetrics> = many(bytes, |bytes| Ok((take(bytes)?, take_golden(bytes)?)))?.into_iter().collect();
    Ok(AppendRow { name: series(parts)?, is_file: flags & 1 == 1, seen, slots })
}

fn encode_handover(handover: &Handover, bytes: &mut Vec<u8>) {
    for processes in [&handover.attached, &handover.detached] {
        put(processes.len() as u64, bytes);
        for process in processes {
            put_process(process, bytes);
        }
    }
    put(handover.exposed.len() as u64, bytes);
    for (name, golden) in &handover.exposed {
        put_series(name, bytes);
        codec::write(golden, bytes);
    }
    put(handover.withdrawn.len() as u64, bytes);
    handover.withdrawn.iter().for_each(|name| put_series(name, bytes));
}

fn decode_handover(bytes: &mut &[u8]) -> Result<Handover, Corrupt> {
    Ok(Handover {
        attached: many(bytes, take_process)?,
        detached: many(bytes, take_process)?,
        exposed: many(bytes, |bytes| Ok((take_series(bytes)?, take_golden(bytes)?)))?,
        withdrawn: many(bytes, take_series)?,
    })
}

/// Reads a count, and as many items. An item takes a byte at least, so a wrong count reserves no memory.
fn many<'a, T>(bytes: &mut &'a [u8], mut item: impl FnMut(&mut &'a [u8]) -> Result<T, Corrupt>) -> Result<Vec<T>, Corrupt> {
    let count = usize::try_from(take(bytes)?).map_err(|_| Corrupt::Number)?;
    if count > bytes.len() {
        return Err(Corrupt::Length);
    }
    (0..count).map(|_| item(bytes)).collect()
}

fn take_golden(bytes: &mut &[u8]) -> Result<GoldenMetrics, Corrupt> {
    let mut golden = GoldenMetrics::default();
    *bytes = codec::add(bytes, &mut golden)?;
    Ok(golden)
}

fn parts(name: &SeriesName) -> [&str; 4] {
    [&name.namespace, &name.service, name.endpoint.method(), name.endpoint.route()]
}

fn series([namespace, service, method, route]: [&str; 4]) -> Result<SeriesName, Corrupt> {
    let endpoint = Endpoint::named(method, route).map_err(|_| Corrupt::Number)?;
    Ok(SeriesName { namespace: namespace.to_owned(), service: service.to_owned(), endpoint })
}

fn put_series(name: &SeriesName, bytes: &mut Vec<u8>) {
    for part in parts(name) {
        put_text(part, bytes);
    }
}

fn take_series(bytes: &mut &[u8]) -> Result<SeriesName, Corrupt> {
    series([take_text(bytes)?, take_text(bytes)?, take_text(bytes)?, take_text(bytes)?])
}

fn put_process(process: &Process, bytes: &mut Vec<u8>) {
    put_text(&process.pod_uid, bytes);
    put(process.epoch, bytes);
}

fn take_process(bytes: &mut &[u8]) -> Result<Process, Corrupt> {
    Ok(Process { pod_uid: take_text(bytes)?.to_owned(), epoch: take(bytes)? })
}

fn put_text(text: &str, bytes: &mut Vec<u8>) {
    put(text.len() as u64, bytes);
    bytes.extend(text.as_bytes());
}

fn take_text<'a>(bytes: &mut &'a [u8]) -> Result<&'a str, Corrupt> {
    let length = usize::try_from(take(bytes)?).map_err(|_| Corrupt::Length)?;
    let (text, rest) = bytes.split_at_checked(length).ok_or(Corrupt::Length)?;
    *bytes = rest;
    self::text(text)
}

fn text(bytes: &[u8]) -> Result<&str, Corrupt> {
    str::from_utf8(bytes).map_err(|_| Corrupt::Number)
}
