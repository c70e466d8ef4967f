//! Escapes invisible characters, and characters that change the direction of text, as `\u{202e}`.
//!
//! Names, paths and reasons come from untrusted sources. One rule applies to all outputs: pages,
//! JSON, YAML, CSV, tables and logs. Ordinary text in any script is not changed.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Escapes hidden characters in a text of several lines; line ends and tabs are kept.
pub fn visible(text: &str) -> Cow<'_, str> {
    escaped(
        text,
        |letter| letter.is_control() && !matches!(letter, '\n' | '\t'),
        |into, letter| into.extend(letter.escape_unicode()),
    )
}

/// Escapes hidden characters, line ends and tabs, for a place of one line such as a table cell.
pub fn one_line(text: &str) -> Cow<'_, str> {
    escaped(text, char::is_control, |into, letter| into.extend(letter.escape_unicode()))
}

/// Escapes hidden characters in the strings of a JSON text as `\u202e` (RFC 8259, section 7); its
/// values do not change. Outside of strings JSON has no such characters, and control characters are
/// escaped already.
pub fn json(text: &str) -> Cow<'_, str> {
    escaped(
        text,
        |letter| letter.is_control() && !matches!(letter, '\n' | '\t' | '\r'),
        |into, letter| {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                let _ = write!(into, "\\u{unit:04x}");
            }
        },
    )
}

/// Whether every output escapes this character. Control characters are handled separately.
///
/// Joiners and variation selectors are part of ordinary text in many scripts and of emoji. They are
/// kept next to characters that are not ASCII.
pub fn is_hidden(before: Option<char>, letter: char, after: Option<char>) -> bool {
    let is_beside = |neighbour: Option<char>| neighbour.is_some_and(|neighbour| !neighbour.is_ascii() && !never_shown(neighbour));
    match letter {
        '\u{200c}' | '\u{200d}' => !(is_beside(before) && is_beside(after)),
        '\u{fe00}'..='\u{fe0f}' => !is_beside(before),
        letter => never_shown(letter),
    }
}

/// Characters without a shape of their own (Unicode, `Default_Ignorable_Code_Point`), line
/// separators, and marks that change the direction of text (Unicode Standard Annex 9).
fn never_shown(letter: char) -> bool {
    matches!(letter,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

fn escaped(text: &str, is_escaped: impl Fn(char) -> bool, mut escape: impl FnMut(&mut String, char)) -> Cow<'_, str> {
    // Nearly every text is plain ASCII.
    if text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return Cow::Borrowed(text);
    }
    let mut shown: Option<String> = None;
    let (mut before, mut letters) = (None, text.char_indices().peekable());
    while let Some((at, letter)) = letters.next() {
        if is_escaped(letter) || is_hidden(before, letter, letters.peek().map(|(_, after)| *after)) {
            escape(shown.get_or_insert_with(|| text[..at].to_owned()), letter);
        } else if let Some(shown) = &mut shown {
            shown.push(letter);
        }
        before = Some(letter);
    }
    shown.map_or(Cow::Borrowed(text), Cow::Owned)
}

/// Escapes hidden characters in a log line. The log formatter escapes control characters in values
/// and writes colours itself, so control characters are kept.
pub fn log(line: &str) -> Cow<'_, str> {
    escaped(line, |_| false, |into, letter| into.extend(letter.escape_unicode()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_shown_as_an_escape() {
        assert_eq!(visible("pay\u{200b}ments\u{202e}gnp"), "pay\\u{200b}ments\\u{202e}gnp");
        assert_eq!(visible("a\u{200d}b\u{feff}\u{85}\u{e0041}\u{2066}"), "a\\u{200d}b\\u{feff}\\u{85}\\u{e0041}\\u{2066}");
        assert_eq!(visible("two\nlines\tand\r\u{1b}[0m"), "two\nlines\tand\\u{d}\\u{1b}[0m");
        assert_eq!(one_line("two\nlines"), "two\\u{a}lines");
    }

    #[test]
    fn ordinary_text_in_any_script_stays_as_it_is() {
        for text in [
            "/users/{id}",
            "größe",
            "支払い",
            "결제",
            "платежи",
            "مدفوعات",
            "می\u{200c}خواهم",
            "क्\u{200d}ष",
            "👩\u{200d}💻 ❤\u{fe0f}",
            "שלום",
        ] {
            assert!(matches!(visible(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn json_keeps_its_values_and_hides_nothing() {
        assert_eq!(json("{\"a\":\"x\u{202e}y\u{e0041}ü\"}"), "{\"a\":\"x\\u202ey\\udb40\\udc41ü\"}");
    }

    #[test]
    fn a_log_keeps_its_colours_and_hides_nothing() {
        let line = "\u{1b}[32mINFO\u{1b}[0m pod=a\u{202e}b ü\n";
        assert_eq!(log(line), "\u{1b}[32mINFO\u{1b}[0m pod=a\\u{202e}b ü\n");
    }
}
