//! Deadlines of many connections by one timer: setting one is a store, so an exchange pays nothing for it.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::task::Waker;
use std::time::{Duration, Instant};

/// How often deadlines are looked at; they may be kept late by so much.
pub const TICK: Duration = Duration::from_millis(250);

/// All watches of one worker.
#[derive(Debug, Default)]
pub struct Watches {
    list: RefCell<Vec<Weak<Watch>>>,
}

/// One connection's deadline.
#[derive(Debug, Default)]
pub struct Watch {
    deadline: Cell<Option<Instant>>,
    expired: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Watches {
    /// A watch, looked after until it is dropped.
    pub fn add(&self) -> Rc<Watch> {
        let watch = Rc::new(Watch::default());
        self.list.borrow_mut().push(Rc::downgrade(&watch));
        watch
    }

    /// Wakes the connections whose deadline has passed, and forgets those that are gone.
    pub fn tick(&self, now: Instant) {
        self.list.borrow_mut().retain(|watch| {
            let Some(watch) = watch.upgrade() else { return false };
            if watch.deadline.get().is_some_and(|deadline| deadline <= now) {
                watch.deadline.set(None);
                watch.expired.set(true);
                watch.wake();
            }
            true
        });
    }

    /// Wakes every connection, so that it looks at the worker's state.
    pub fn wake_all(&self) {
        self.list.borrow().iter().filter_map(Weak::upgrade).for_each(|watch| watch.wake());
    }
}

impl Watch {
    /// From now on this waker is woken.
    pub fn register(&self, waker: &Waker) {
        self.waker.replace(Some(waker.clone()));
    }

    /// Sets the deadline, in place of the one before.
    pub fn arm(&self, deadline: Instant) {
        self.expired.set(false);
        self.deadline.set(Some(deadline));
    }

    /// There is no deadline any more.
    pub fn disarm(&self) {
        self.expired.set(false);
        self.deadline.set(None);
    }

    /// Whether the deadline has passed.
    pub fn has_expired(&self) -> bool {
        self.expired.get()
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}
