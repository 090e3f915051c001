//! Text from outside on its way to people: into a log, or onto a terminal.

use std::fmt::Write;

/// Characters that end a line, drive a terminal, or turn the reading direction around.
#[must_use]
pub fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// One line: harmful characters are escaped as `\u{1b}`.
#[must_use]
pub fn one_line(text: &str) -> String {
    escaped(text, |_| false)
}

/// As [`one_line`], of a text with lines of its own.
#[must_use]
pub fn lines(text: &str) -> String {
    escaped(text, |character| character == '\n')
}

/// As [`one_line`], but for the characters that are `kept`.
pub(crate) fn escaped(text: &str, kept: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if is_harmful(character) && !kept(character) {
            // Writing to a string cannot fail.
            let _ = write!(out, "{}", character.escape_unicode());
        } else {
            out.push(character);
        }
    }
    out
}

/// JSON in which harmful characters, which stand in strings only, are escaped as JSON does; the lines stay.
#[must_use]
pub fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if is_harmful(character) && character != '\n' {
            // None of them is beyond the first plane.
            let _ = write!(out, "\\u{:04x}", u32::from(character));
        } else {
            out.push(character);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVIL: &str = "a\r\n\u{1b}[2J\u{9b}m\u{202e}\u{7f}ü";

    #[test]
    fn what_ends_lines_or_drives_terminals_is_escaped() {
        assert_eq!(one_line(EVIL), "a\\u{d}\\u{a}\\u{1b}[2J\\u{9b}m\\u{202e}\\u{7f}ü");
        assert_eq!(lines("a\n\tb"), "a\n\\u{9}b");
    }

    #[test]
    fn escaped_json_means_the_same() {
        let value = serde_json::json!({ "evil": EVIL });
        let text = json(&format!("{value:#}\n"));
        assert!(!text.chars().any(|c| is_harmful(c) && c != '\n'), "{text:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
