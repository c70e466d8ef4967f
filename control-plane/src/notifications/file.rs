//! The notifications file: read at the start, and again whenever it changes.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use platform::config_file;

use crate::notifications::settings::NotificationSettings;

/// A notifications file, and what was last read from it.
#[derive(Debug)]
pub struct NotificationsFile {
    path: PathBuf,
    last: Mutex<LastRead>,
}

#[derive(Debug)]
struct LastRead {
    settings: Arc<NotificationSettings>,
    /// The result of the last reading: its text, or why there is none.
    text: Result<String, String>,
    /// Why the text cannot be used.
    error: Option<String>,
}

impl NotificationsFile {
    /// Reads the file. It does file I/O, so it may block.
    pub fn open(path: PathBuf) -> Result<Self, String> {
        let text = read(&path)?;
        let settings = Arc::new(settings(&path, &text)?);
        Ok(Self { path, last: Mutex::new(LastRead { settings, text: Ok(text), error: None }) })
    }

    /// The settings that are valid now, and why those of the file are not, if so.
    pub fn settings(&self) -> (Arc<NotificationSettings>, Option<String>) {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        (Arc::clone(&last.settings), last.error.clone())
    }

    /// Reads the file again. If it has become unusable, the settings before stay valid, and the reason is logged once.
    pub fn refresh(&self) {
        let text = read(&self.path);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if text == last.text {
            return;
        }
        match text.clone().and_then(|text| settings(&self.path, &text)) {
            Ok(settings) => {
                tracing::info!(file = %self.path.display(), channels = settings.channels.len(), "the notifications file has changed");
                (last.settings, last.error) = (Arc::new(settings), None);
            }
            Err(why) => {
                tracing::error!("the notifications file cannot be used, so the settings before stay valid: {why}");
                last.error = Some(why);
            }
        }
        last.text = text;
    }
}

fn settings(path: &Path, text: &str) -> Result<NotificationSettings, String> {
    NotificationSettings::from_yaml(text).map_err(|why| format!("{} (SITIO_NOTIFICATIONS_FILE): {why}", path.display()))
}

fn read(path: &Path) -> Result<String, String> {
    config_file::read(path)
        .map_err(|why| format!("read the notifications file {} (SITIO_NOTIFICATIONS_FILE): {why}", path.display()))
}
