//! Reads the control plane's token from a file or a variable, never from a flag, which all who list processes can see.

use std::path::Path;
use std::{env, fs};

use anyhow::Context;

/// The variables with the token or its file. Child processes do not inherit them.
pub(crate) const VARIABLES: [&str; 2] = ["SITIO_TOKEN", "SITIO_TOKEN_FILE"];

/// The token from the file, or else from the variable; `None` if neither is given.
pub(crate) fn find(file: Option<&Path>) -> anyhow::Result<Option<String>> {
    let (text, whence) = match file {
        Some(file) => {
            let whence = format!("read the token in {}", file.display());
            (fs::read_to_string(file).with_context(|| whence.clone())?, whence)
        }
        None => match env::var(VARIABLES[0]) {
            Ok(text) if !text.is_empty() => (text, "read the token in SITIO_TOKEN".to_owned()),
            _ => return Ok(None),
        },
    };
    let token = mesh::token::token(&text).context(whence)?;
    Ok(Some(token.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_holds_no_token_is_refused_with_the_reason_and_its_text_is_not_shown() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(&file, "s3cret\n").unwrap();
        assert_eq!(find(Some(file.path())).unwrap().as_deref(), Some("s3cret"));
        for (text, why) in
            [("\u{feff}s3cret", "byte order mark"), ("s3cret\nanother", "more than one line"), ("s3cret ", "space")]
        {
            fs::write(&file, text).unwrap();
            let refused = format!("{:#}", find(Some(file.path())).unwrap_err());
            assert!(refused.contains(why) && !refused.contains("s3cret"), "{refused}");
        }
    }
}
