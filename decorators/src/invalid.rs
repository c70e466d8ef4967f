//! Why a configuration is refused.

/// Why a configuration is refused: what is wrong, and what is valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

/// Refuses a configuration unless `is_valid`.
pub(crate) fn require(is_valid: bool, why: impl FnOnce() -> String) -> Result<(), Invalid> {
    if is_valid { Ok(()) } else { Err(Invalid(why())) }
}
