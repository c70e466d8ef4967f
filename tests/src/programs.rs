//! Finds the programs under test next to the running test.

use std::env;
use std::path::PathBuf;

/// The path of a program in the target directory of this test.
#[track_caller]
pub fn program(name: &str) -> PathBuf {
    let this = env::current_exe().expect("the system knows the path of this test");
    let found = this.ancestors().skip(1).take(2).map(|directory| directory.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{name} is not built beside {}: run `make test`", this.display()))
}

/// The path of a file of this crate, such as `node_modules/axe-core/axe.min.js`.
pub fn file(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}
