//! Deadlines of many connections on one timer. Setting a deadline is one store, so it costs an exchange nothing.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::task::Waker;
use std::time::{Duration, Instant};

/// How often deadlines are checked. A deadline may fire late by this much.
pub const TICK: Duration = Duration::from_millis(250);

/// All deadlines of one worker.
#[derive(Debug, Default)]
pub struct Deadlines {
    list: RefCell<Vec<Weak<Deadline>>>,
}

/// The deadline of one connection.
#[derive(Debug, Default)]
pub struct Deadline {
    at: Cell<Option<Instant>>,
    expired: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Deadlines {
    /// Adds a deadline, which is checked until it is dropped.
    pub fn add(&self) -> Rc<Deadline> {
        let watch = Rc::new(Deadline::default());
        self.list.borrow_mut().push(Rc::downgrade(&watch));
        watch
    }

    /// Wakes the connections whose deadline has passed, and removes those that are closed.
    pub fn tick(&self, now: Instant) {
        self.list.borrow_mut().retain(|watch| {
            let Some(watch) = watch.upgrade() else { return false };
            if watch.at.get().is_some_and(|deadline| deadline <= now) {
                watch.at.set(None);
                watch.expired.set(true);
                watch.wake();
            }
            true
        });
    }

    /// Wakes every connection, so that it checks the worker's state.
    pub fn wake_all(&self) {
        self.list.borrow().iter().filter_map(Weak::upgrade).for_each(|watch| watch.wake());
    }
}

impl Deadline {
    /// Sets the waker of the connection.
    pub fn register(&self, waker: &Waker) {
        self.waker.replace(Some(waker.clone()));
    }

    /// Sets the deadline and replaces the previous one.
    pub fn arm(&self, deadline: Instant) {
        self.expired.set(false);
        self.at.set(Some(deadline));
    }

    /// Removes the deadline.
    pub fn disarm(&self) {
        self.expired.set(false);
        self.at.set(None);
    }

    /// Whether there is no deadline, and none has passed.
    pub fn is_unset(&self) -> bool {
        self.at.get().is_none() && !self.expired.get()
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
