//! Room for things of which there may be so many and no more, however many pods bring them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The room, with so many places.
#[derive(Debug)]
pub struct Room {
    places: usize,
    taken: AtomicUsize,
}

/// A place in the room, given back when it is dropped.
#[derive(Debug)]
pub struct Place(Arc<Room>);

impl Room {
    /// An empty room.
    pub fn with(places: usize) -> Arc<Self> {
        Arc::new(Self { places, taken: AtomicUsize::new(0) })
    }

    /// A place, if one is left.
    pub fn place(self: &Arc<Self>) -> Option<Place> {
        let more = |taken: usize| (taken < self.places).then_some(taken + 1);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok().then(|| Place(Arc::clone(self)))
    }

    /// Places that are taken.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::Relaxed);
    }
}
