//! A notifications file whose conditions are short, so that a test does not wait for minutes.

use std::path::PathBuf;

/// A notifications file.
pub(super) struct NotificationsFile {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl NotificationsFile {
    /// A file with this entry of `channels`.
    pub(super) fn quick(channel: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("notifications.yaml");
        let file = Self { _folder: folder, path };
        file.write(channel);
        file
    }

    /// Replaces the channel.
    pub(super) fn write(&self, channel: &str) {
        let text = format!(
            "resolve_after: 12s\nconditions:\n  refusing: {{ after: 3s }}\n  failing: {{ after: 3s }}\n  restarted: {{ lasts: 1s }}\nchannels:\n- {channel}\n"
        );
        std::fs::write(&self.path, text).expect("write a notifications file");
    }

    /// Its path.
    pub(super) fn path(&self) -> &str {
        self.path.to_str().expect("a path of ASCII")
    }
}
