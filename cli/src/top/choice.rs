//! The choices in `top`: sort columns, time windows, and time limits.

use clap::ValueEnum;

use crate::stat::Sort;

/// A time window; keys 1 to 9 choose the same ones as on the dashboard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum WindowKey {
    /// One minute.
    #[default]
    OneMinute,
    /// Five minutes.
    FiveMinutes,
    /// A quarter of an hour.
    FifteenMinutes,
    /// An hour.
    OneHour,
    /// Six hours.
    SixHours,
    /// A day.
    OneDay,
    /// A week.
    SevenDays,
    /// A month.
    ThirtyDays,
    /// A quarter of a year.
    NinetyDays,
}

impl WindowKey {
    /// The value for the API.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::OneMinute => "1m",
            Self::FiveMinutes => "5m",
            Self::FifteenMinutes => "15m",
            Self::OneHour => "1h",
            Self::SixHours => "6h",
            Self::OneDay => "24h",
            Self::SevenDays => "7d",
            Self::ThirtyDays => "30d",
            Self::NinetyDays => "90d",
        }
    }

    /// The window that a key chooses.
    pub(super) fn of_key(key: char) -> Option<Self> {
        match key {
            '1' => Some(Self::OneMinute),
            '2' => Some(Self::FiveMinutes),
            '3' => Some(Self::FifteenMinutes),
            '4' => Some(Self::OneHour),
            '5' => Some(Self::SixHours),
            '6' => Some(Self::OneDay),
            '7' => Some(Self::SevenDays),
            '8' => Some(Self::ThirtyDays),
            '9' => Some(Self::NinetyDays),
            _ => None,
        }
    }
}

/// How long an endpoint stays off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum TimeLimit {
    /// A quarter of an hour.
    FifteenMinutes,
    /// An hour.
    #[default]
    OneHour,
    /// Four hours.
    FourHours,
    /// Until an operator turns it on.
    None,
}

impl TimeLimit {
    /// The value for the API.
    pub(super) fn ttl(self) -> Option<String> {
        let ttl = match self {
            Self::FifteenMinutes => "15m",
            Self::OneHour => "1h",
            Self::FourHours => "4h",
            Self::None => return None,
        };
        Some(ttl.to_owned())
    }

    /// The text for a person.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::FifteenMinutes => "for 15 min",
            Self::OneHour => "for 1 h",
            Self::FourHours => "for 4 h",
            Self::None => "until it is turned on by hand",
        }
    }

    /// The next longer one.
    pub(super) fn next(self) -> Self {
        match self {
            Self::FifteenMinutes => Self::OneHour,
            Self::OneHour => Self::FourHours,
            Self::FourHours => Self::None,
            Self::None => Self::FifteenMinutes,
        }
    }
}

/// The sort column that is `further` positions after this one, cyclically.
pub(super) fn next_column(sort: Sort, further: isize) -> Sort {
    let columns = Sort::value_variants();
    let at = columns.iter().position(|column| *column == sort).unwrap_or(0) as isize;
    columns[(at + further).rem_euclid(columns.len() as isize) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_go_round() {
        assert_eq!(next_column(Sort::Name, -1), Sort::P99);
        assert_eq!(next_column(Sort::P99, 1), Sort::Name);
        let limits = std::iter::successors(Some(TimeLimit::default()), |limit| Some(limit.next()));
        let words: Vec<_> = limits.take(5).map(TimeLimit::words).collect();
        assert_eq!((words[0], words[4]), ("for 1 h", "for 1 h"));
    }

    #[test]
    fn keys_1_to_9_choose_the_windows_of_the_dashboard() {
        let windows: Vec<_> = ('0'..=':').filter_map(WindowKey::of_key).map(WindowKey::name).collect();
        assert_eq!(windows, ["1m", "5m", "15m", "1h", "6h", "24h", "7d", "30d", "90d"]);
    }
}
