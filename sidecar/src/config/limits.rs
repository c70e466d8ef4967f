//! Reads the limits of a message head.

use std::ops::RangeInclusive;

use clap::Args;

use crate::config::settings::{EnvSettings, Expected, Wrong};
use crate::config::values;
use crate::head::{FIELDS_LIMIT, HEAD_BYTES_LIMIT, HeadLimits, TARGET_BYTES_LIMIT};

/// The smallest limits that can be set: ordinary clients exceed lower ones.
const HEAD_BYTES_MIN: usize = 4096;
const TARGET_BYTES_MIN: usize = 1024;
const FIELDS_MIN: usize = 16;

/// The flags of the head limits.
#[derive(Debug, Default, Args)]
#[expect(clippy::struct_field_names, reason = "they are the names of the flags")]
pub(super) struct LimitFlags {
    /// Bytes of a head, of requests and answers [env: SITIO_HEAD_BYTES_MAX] [default: 98304]
    #[arg(long, value_name = "BYTES")]
    head_bytes_max: Option<String>,
    /// Bytes of a request's target; more are answered 414 [env: SITIO_TARGET_BYTES_MAX] [default: 61440]
    #[arg(long, value_name = "BYTES")]
    target_bytes_max: Option<String>,
    /// Fields of a head, of requests and answers [env: SITIO_FIELDS_MAX] [default: 256]
    #[arg(long, value_name = "COUNT")]
    fields_max: Option<String>,
}

impl LimitFlags {
    /// Returns the limits, with defaults where nothing is set.
    pub(super) fn check(self, settings: &mut EnvSettings) -> Result<HeadLimits, Wrong> {
        let usual = HeadLimits::default();
        let mut limit = |flag, name, range: RangeInclusive<usize>, usual| {
            let value = settings.value(flag, &[name]).parse(|value| number(value, &range))?;
            Ok::<usize, Wrong>(value.unwrap_or(usual))
        };
        Ok(HeadLimits {
            head_bytes: limit(self.head_bytes_max, "SITIO_HEAD_BYTES_MAX", HEAD_BYTES_MIN..=HEAD_BYTES_LIMIT, usual.head_bytes)?,
            target_bytes: limit(
                self.target_bytes_max,
                "SITIO_TARGET_BYTES_MAX",
                TARGET_BYTES_MIN..=TARGET_BYTES_LIMIT,
                usual.target_bytes,
            )?,
            fields: limit(self.fields_max, "SITIO_FIELDS_MAX", FIELDS_MIN..=FIELDS_LIMIT, usual.fields)?,
        })
    }
}

fn number(value: &str, range: &RangeInclusive<usize>) -> Result<usize, Expected> {
    let number = value.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| values::expected(format!("a number from {} to {}", range.start(), range.end())))
}
