//! The numbers that replace series names in the slot tables, so that a key takes eight bytes.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use mesh::endpoint::Endpoint;
use redb::{ReadableTable, WriteTransaction};

use crate::store::codec::{Corrupt, put, take};
use crate::store::metrics_store::SeriesName;
use crate::store::redb::fault::TransactionFault;
use crate::store::redb::tables::{NUMBERS, SERIES};

/// The key of the count of numbers ever assigned.
const GIVEN: &str = "series_given";

/// The numbers of all series in the file.
#[derive(Debug, Default)]
pub(super) struct SeriesIds {
    numbers: HashMap<SeriesName, u32, RandomState>,
    next: u32,
}

impl SeriesIds {
    /// Reads all numbers.
    pub(super) fn read(transaction: &WriteTransaction) -> Result<Self, TransactionFault> {
        // Slots may outlive their series, so a number is never assigned twice.
        let assigned = transaction.open_table(NUMBERS)?.get(GIVEN)?.map_or(0, |assigned| assigned.value() as u32);
        let mut series_ids = Self { next: assigned, ..Self::default() };
        for row in transaction.open_table(SERIES)?.iter()? {
            let (number, bytes) = row?;
            let name = read(bytes.value())?;
            series_ids.next = series_ids.next.max(number.value() + 1);
            series_ids.numbers.insert(name, number.value());
        }
        Ok(series_ids)
    }

    /// Returns the number of a series, if it has one.
    pub(super) fn known(&self, name: &SeriesName) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    /// Removes numbers after they were deleted on disk.
    pub(super) fn remove(&mut self, names: &[SeriesName]) {
        for name in names {
            self.numbers.remove(name);
        }
    }

    /// Adds the numbers that a transaction has assigned, after its commit.
    pub(super) fn commit_assigned(&mut self, assigned: Vec<(SeriesName, u32)>) {
        for (name, number) in assigned {
            self.next = self.next.max(number + 1);
            self.numbers.insert(name, number);
        }
    }

    /// Returns the number of a series. Assigns a new one within this transaction if needed; call
    /// `commit_assigned` after the commit.
    pub(super) fn number(
        &self,
        name: &SeriesName,
        assigned: &mut Vec<(SeriesName, u32)>,
        transaction: &WriteTransaction,
    ) -> Result<u32, TransactionFault> {
        if let Some(number) = self.numbers.get(name) {
            return Ok(*number);
        }
        let number = self.next + assigned.len() as u32;
        transaction.open_table(SERIES)?.insert(number, write(name).as_slice())?;
        transaction.open_table(NUMBERS)?.insert(GIVEN, u64::from(number) + 1)?;
        assigned.push((name.clone(), number));
        Ok(number)
    }
}

/// Encodes a name.
pub(super) fn write(name: &SeriesName) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(64);
    for part in [&name.namespace, &name.service, name.endpoint.method(), name.endpoint.route()] {
        put(part.len() as u64, &mut bytes);
        bytes.extend(part.as_bytes());
    }
    bytes
}

/// Decodes the output of [`write()`].
pub(super) fn read(mut bytes: &[u8]) -> Result<SeriesName, Corrupt> {
    let mut parts: [&str; 4] = [""; 4];
    for part in &mut parts {
        let length = usize::try_from(take(&mut bytes)?).map_err(|_| Corrupt::Length)?;
        let (text, rest) = bytes.split_at_checked(length).ok_or(Corrupt::Length)?;
        *part = str::from_utf8(text).map_err(|_| Corrupt::Number)?;
        bytes = rest;
    }
    let [namespace, service, method, route] = parts;
    let endpoint = Endpoint::named(method, route).map_err(|_| Corrupt::Number)?;
    Ok(SeriesName { namespace: namespace.to_owned(), service: service.to_owned(), endpoint })
}
