//! Tests that the file opens with whole transactions after a kill at any write, and that the store recovers from a failing disk.

use std::cell::Cell;
use std::io;
use std::sync::atomic::{AtomicI64, Ordering};

use redb::{Builder, Database, DatabaseError, StorageBackend, backends::FileBackend};

use crate::store::redb::tests::windows::{advance, row};
use crate::store::redb::tests::*;
use crate::store::rollup::WINDOW_MS;

const NOW_MS: u64 = 1_763_647_661_000;

thread_local! {
    /// Writes left for the stores that this thread opens next.
    static WRITES: Cell<Option<&'static AtomicI64>> = const { Cell::new(None) };
}

/// A disk that fails after a number of writes.
#[derive(Debug)]
struct Mortal {
    file: FileBackend,
    writes: &'static AtomicI64,
}

impl Mortal {
    fn open(file: &Path) -> Result<Database, DatabaseError> {
        let file = std::fs::File::options().read(true).write(true).create(true).truncate(false).open(file).unwrap();
        let writes = WRITES.get().unwrap();
        Builder::new().create_with_backend(Self { file: FileBackend::new(file)?, writes })
    }

    fn lives(&self) -> io::Result<()> {
        let left = self.writes.fetch_sub(1, Ordering::Relaxed);
        if left > 0 { Ok(()) } else { Err(io::Error::from(io::ErrorKind::StorageFull)) }
    }
}

impl StorageBackend for Mortal {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.lives().and_then(|()| self.file.set_len(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.lives().and_then(|()| self.file.sync_data())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.lives().and_then(|()| self.file.write(offset, data))
    }
}

/// Returns the state of a file: its mark, and the hits counted up to there.
fn state(store: &RedbStore) -> (u64, u64) {
    let mut hits = 0;
    let mut look = |view: &dyn StoreView| {
        hits = view.series()?.values().map(|kept| kept.total.hits).sum();
        Ok(())
    };
    store.view(&mut look).unwrap();
    (store.marks(&[advance("p", 0, 0).process]).unwrap()[0], hits)
}

fn append(store: &RedbStore, step: u64) -> Result<(), StoreError> {
    let slot = NOW_MS / WINDOW_MS + step;
    let from = if step == 0 { 0 } else { slot - 1 };
    store.append(&Append { rows: vec![row("/a", &[(slot, step + 1)])], advances: vec![advance("p", from, slot)], now_ms: NOW_MS })
}

/// Returns the state after `steps` appends.
fn after(steps: u64) -> (u64, u64) {
    (if steps == 0 { 0 } else { NOW_MS / WINDOW_MS + steps - 1 }, steps * (steps + 1) / 2)
}

#[test]
fn whichever_write_a_kill_interrupts_the_record_is_that_of_whole_steps() {
    let writes: &'static AtomicI64 = Box::leak(Box::new(AtomicI64::new(0)));
    WRITES.set(Some(writes));
    for kill_at in (0..).step_by(3) {
        let folder = tempfile::tempdir().unwrap();
        writes.store(kill_at, Ordering::Relaxed);
        let mut done = 0;
        if let Ok(store) = RedbStore::through(Mortal::open, folder.path(), Keep::DEFAULT) {
            while done < 6 && append(&store, done).is_ok() {
                done += 1;
            }
        }
        let is_over = writes.load(Ordering::Relaxed) > 0;

        let store = match RedbStore::open(folder.path()) {
            Ok(store) => store,
            // The file was being created: nothing was stored in it yet, and the error says so.
            Err(StoreError::Unreadable { .. }) if done == 0 => continue,
            Err(error) => panic!("killed at write {kill_at}, after {done} steps: {error}"),
        };
        let found = state(&store);
        // Completed appends are there; an interrupted one is there completely, or not at all.
        assert!(found == after(done) || found == after(done + 1), "killed at {kill_at}: {found:?} after {done} steps");
        if is_over {
            assert_eq!(done, 6);
            return;
        }
    }
}

#[test]
fn a_disk_that_was_full_is_written_to_again_when_there_is_room() {
    let writes: &'static AtomicI64 = Box::leak(Box::new(AtomicI64::new(i64::MAX)));
    WRITES.set(Some(writes));
    let folder = tempfile::tempdir().unwrap();
    let store = RedbStore::through(Mortal::open, folder.path(), Keep::DEFAULT).unwrap();
    append(&store, 0).unwrap();
    store.commit(&creation(0)).unwrap();

    writes.store(2, Ordering::Relaxed);
    for _ in 0..3 {
        assert!(append(&store, 1).is_err());
    }
    let refused = store.commit(&creation(1)).unwrap_err();
    assert_eq!(refused.to_string().lines().count(), 1, "{refused}");
    writes.store(i64::MAX, Ordering::Relaxed);

    append(&store, 1).unwrap();
    store.commit(&creation(1)).unwrap();
    assert_eq!(state(&store), after(2));
    drop(store);
    let store = RedbStore::open(folder.path()).unwrap();
    assert_eq!((state(&store), store.load().unwrap().revision), (after(2), 2));
}
