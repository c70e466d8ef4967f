//! Numbers as people read them: one function for each kind of quantity.

use serde::Serialize;

/// The text for a missing number.
pub const MISSING: &str = "–";

/// A formatted number and its unit, which the page sets smaller.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Quantity {
    /// The digits.
    pub v: String,
    /// The unit; empty if there is none.
    pub u: &'static str,
}

impl Quantity {
    /// A quantity of formatted digits and a unit.
    pub fn new(v: impl Into<String>, u: &'static str) -> Self {
        Self { v: v.into(), u }
    }

    /// A missing number.
    pub fn missing() -> Self {
        Self::new(MISSING, "")
    }

    /// Digits and unit as one text, for sentences.
    pub fn words(&self) -> String {
        if self.u.is_empty() { self.v.clone() } else { format!("{} {}", self.v, self.u) }
    }
}

/// A latency given in microseconds: `0.84 ms`, `9.1 ms`, `212 ms`, `1.24 s`, `31.0 s`, `1,024 s`.
pub fn latency(us: Option<f64>) -> Quantity {
    let Some(us) = us else { return Quantity::missing() };
    let ms = us / 1000.0;
    if rounds_below(ms, 1000.0, 0) {
        Quantity::new(three_digits(ms), "ms")
    } else {
        let seconds = ms / 1000.0;
        let digits = if rounds_below(seconds, 10.0, 2) {
            format!("{seconds:.2}")
        } else if rounds_below(seconds, 100.0, 1) {
            format!("{seconds:.1}")
        } else {
            count(seconds.round() as u64)
        };
        Quantity::new(digits, "s")
    }
}

/// Events per second: `0.42`, `41.6`, `1,503`, `12.4k`.
pub fn rate(per_second: f64) -> String {
    if per_second <= 0.0 {
        "0".into()
    } else if per_second < 0.005 {
        "<0.01".into()
    } else if rounds_below(per_second, 10.0, 2) {
        format!("{per_second:.2}")
    } else if rounds_below(per_second, 100.0, 1) {
        format!("{per_second:.1}")
    } else if rounds_below(per_second, 10_000.0, 0) {
        count(per_second.round() as u64)
    } else if rounds_below(per_second / 1e3, 1000.0, 1) {
        format!("{:.1}k", per_second / 1e3)
    } else {
        format!("{:.1}M", per_second / 1e6)
    }
}

/// A whole number with thousands separators: `145,800`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A ratio as a percentage: `0`, `0.31`, `7.9`, `12`.
pub fn percent(ratio: f64) -> Quantity {
    let percent = ratio * 100.0;
    let digits = if percent <= 0.0 {
        "0".into()
    } else if percent < 0.005 {
        "<0.01".into()
    } else {
        three_digits(percent)
    };
    Quantity::new(digits, "%")
}

/// Bytes on the wire, in powers of 1000: `205 B`, `8.3 kB`, `1.9 MB`.
pub fn payload(bytes: f64) -> Quantity {
    if rounds_below(bytes, 1000.0, 0) {
        return Quantity::new(format!("{bytes:.0}"), "B");
    }
    let mut scaled = bytes;
    for unit in ["kB", "MB", "GB"] {
        scaled /= 1000.0;
        if rounds_below(scaled, 100.0, 1) {
            return Quantity::new(format!("{scaled:.1}"), unit);
        }
        if rounds_below(scaled, 1000.0, 0) {
            return Quantity::new(format!("{scaled:.0}"), unit);
        }
    }
    Quantity::new(format!("{:.1}", scaled / 1000.0), "TB")
}

/// Memory, in powers of 1024: `387 MiB`, `4.8 GiB`.
pub fn memory(bytes: u64) -> Quantity {
    let mib = bytes as f64 / f64::from(1 << 20);
    if rounds_below(mib, 1024.0, 0) {
        Quantity::new(format!("{mib:.0}"), "MiB")
    } else {
        Quantity::new(format!("{:.1}", mib / 1024.0), "GiB")
    }
}

/// `1 pod`, `4 pods`.
pub fn plural(number: usize, one: &str, many: &str) -> String {
    format!("{} {}", count(number as u64), if number == 1 { one } else { many })
}

/// Two decimals below 1, one below 10, then none.
fn three_digits(number: f64) -> String {
    if rounds_below(number, 1.0, 2) {
        format!("{number:.2}")
    } else if rounds_below(number, 10.0, 1) {
        format!("{number:.1}")
    } else {
        format!("{number:.0}")
    }
}

/// Whether `number` is still below `limit` after rounding to `decimals`. For example, 9.96 with one
/// decimal is written 10.0, which belongs to the next step.
fn rounds_below(number: f64, limit: f64, decimals: i32) -> bool {
    number < limit - 0.5 * 10_f64.powi(-decimals)
}

#[cfg(test)]
mod tests;
