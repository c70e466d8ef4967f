//! A file beside the store with the store's id, so that a lost or replaced store is noticed.

use std::path::Path;

use proto::convert::greeting::Greeting;

use crate::data_folder;
use crate::model::rules_state::RulesState;

/// The name of the file.
pub const ID_FILE: &str = "sitio.store-id";

/// Compares the store's id with the last one seen here, and writes it down if there was none.
///
/// Returns a message for users if they differ. The file then stays as it is: the warning must last
/// until a person has seen it. It reads and writes files, so it may block.
pub fn check(folder: &Path, id: &str) -> Option<String> {
    let file = folder.join(ID_FILE);
    let known = std::fs::read_to_string(&file).unwrap_or_default();
    match known.trim() {
        "" => {
            if let Err(error) = data_folder::write_private(&file, id.as_bytes()) {
                tracing::warn!(%error, file = %file.display(), "the store's id could not be written beside it");
            }
            None
        }
        known if known == id => None,
        _ => Some(format!(
            "the store in {} is not the one that was there before, so its rules, audit log and counts are missing; \
             put a copy from a backup in its place, or delete {} to go on with this one",
            folder.display(),
            file.display()
        )),
    }
}

/// Compares the rules that a sidecar applies with the store: a sidecar outlives a store that was lost with its folder.
///
/// Returns a message for users if the sidecar has rules of another store and this store never had any.
pub fn lost_rules(greeting: &Greeting, rules: &RulesState) -> Option<String> {
    let known = greeting.known.as_ref()?;
    (rules.revision == 0 && known.revision > 0 && *known.store != *rules.store).then(|| {
        format!(
            "pod {} applies revision {} of another store, and the store of this control plane is new, so rules, audit log and \
             counts are missing; stop the control plane and put a copy from a backup in its data folder, or restart it to go on \
             with this store",
            greeting.workload.pod, known.revision
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_takes_the_place_of_another_is_noticed_until_a_person_accepts_it() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(check(folder.path(), "first"), None);
        assert_eq!(check(folder.path(), "first"), None);
        for _ in 0..2 {
            let wrong = check(folder.path(), "second").unwrap();
            assert!(wrong.contains("backup") && wrong.contains(ID_FILE), "{wrong}");
        }
        std::fs::remove_file(folder.path().join(ID_FILE)).unwrap();
        assert_eq!(check(folder.path(), "second"), None);
    }
}
