//! Turns a panic of the engine, which a damaged file may cause, into an error message of one line.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    /// Whether the panic hook prints nothing for this thread.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`; a panic becomes the first line of its message, and is not printed.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let reported = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                reported(panic);
            }
        }));
    });
    let was_quiet = QUIET.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    QUIET.set(was_quiet);
    done.map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        text.unwrap_or("no reason given").lines().next().unwrap_or_default().to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_what_it_said_in_one_line() {
        assert_eq!(guarded(|| 7), Ok(7));
        assert_eq!(guarded(|| -> u8 { panic!("page {} is torn\nand more", 3) }), Err("page 3 is torn".to_owned()));
    }
}
