//! Parses and matches a choice of statuses as people write it: `5xx`, `404`, or several separated by commas.

use std::fmt;
use std::str::FromStr;

use crate::golden::class_of;

/// Members of a choice. There are only five classes; to match more than a few codes, people use a class.
const MEMBERS_MAX: usize = 8;

/// The chosen statuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusFilter(Vec<Member>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Member {
    /// A class of statuses, by its first digit.
    Class(u16),
    /// A single status.
    Code(u16),
}

/// The text is not a valid choice of statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("at most {MEMBERS_MAX} of 1xx to 5xx or single statuses such as 404 are allowed, with commas between")]
pub struct NoStatuses;

impl StatusFilter {
    /// Whether the choice contains this status.
    pub fn hold(&self, status: u16) -> bool {
        self.0.iter().any(|member| match member {
            Member::Class(class) => class_of(status) == *class,
            Member::Code(code) => status == *code,
        })
    }
}

impl FromStr for StatusFilter {
    type Err = NoStatuses;

    fn from_str(text: &str) -> Result<Self, NoStatuses> {
        let members: Option<Vec<_>> = text.split(',').take(MEMBERS_MAX + 1).map(|member| Member::read(member.trim())).collect();
        members.filter(|members| members.len() <= MEMBERS_MAX).map(Self).ok_or(NoStatuses)
    }
}

impl Member {
    fn read(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        match bytes {
            [class @ b'1'..=b'5', b'x' | b'X', b'x' | b'X'] => Some(Self::Class(u16::from(class - b'0'))),
            // A connection that passes through as plain TCP has the status 0.
            [b'0'] => Some(Self::Code(0)),
            [b'1'..=b'9', _, _] if bytes.iter().all(u8::is_ascii_digit) => text.parse().ok().map(Self::Code),
            _ => None,
        }
    }
}

impl fmt::Display for StatusFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, member) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str(",")?;
            }
            match member {
                Member::Class(class) => write!(f, "{class}xx")?,
                Member::Code(code) => write!(f, "{code}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_and_codes_are_distinguished() {
        let statuses: StatusFilter = "5xx, 404".parse().unwrap();
        assert_eq!(
            [500, 599, 404, 403, 200, 0, 600, 999].map(|status| statuses.hold(status)),
            [true, true, true, false, false, false, true, true]
        );
        assert_eq!(statuses.to_string(), "5xx,404");
        assert_eq!(statuses.to_string().parse(), Ok(statuses));
        assert!("0".parse::<StatusFilter>().unwrap().hold(0));
    }

    #[test]
    fn what_is_no_choice_is_refused_with_what_would_be_one() {
        for text in ["", "5", "5x", "6xx", "0xx", "xxx", "40", "4044", "+04", "4 4", "5xx,", "ok", "5xx;4xx", "1,2,3"] {
            assert_eq!(text.parse::<StatusFilter>(), Err(NoStatuses), "{text:?}");
        }
        assert_eq!(["200"; 9].join(",").parse::<StatusFilter>(), Err(NoStatuses));
        assert!(["200"; 8].join(",").parse::<StatusFilter>().is_ok());
        assert!(NoStatuses.to_string().contains("5xx"));
    }
}
