use serde::Serialize;

/// Characters kept of a value.
const MAX_CHARS: usize = 256;

/// A value from outside as the audit log shows it: without control characters, line separators and characters that
/// change the reading direction, each of which becomes U+FFFD, and at most 256 characters.
///
/// It is made from `str` and `String` only: `Zeroizing<String>`, which every secret is, does not convert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Text(String);

impl From<&str> for Text {
    fn from(value: &str) -> Self {
        let mut kept: String =
            value.chars().take(MAX_CHARS).map(|found| if misleads(found) { '\u{fffd}' } else { found }).collect();
        if value.chars().nth(MAX_CHARS).is_some() {
            kept.push('…');
        }
        Self(kept)
    }
}

impl From<String> for Text {
    fn from(value: String) -> Self {
        value.as_str().into()
    }
}

impl From<&String> for Text {
    fn from(value: &String) -> Self {
        value.as_str().into()
    }
}

fn misleads(found: char) -> bool {
    found.is_control()
        || matches!(found, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_forge_or_hide_is_replaced_and_the_rest_stays() {
        let cases = [
            ("anna", "anna"),
            ("Zoë Müller-李", "Zoë Müller-李"),
            ("a\nb\r\t\0", "a\u{fffd}b\u{fffd}\u{fffd}\u{fffd}"),
            ("\u{1b}[31mred", "\u{fffd}[31mred"),
            ("a\u{85}b\u{9b}", "a\u{fffd}b\u{fffd}"),
            ("\u{202e}gro.live", "\u{fffd}gro.live"),
            ("a\u{2028}b\u{2066}c\u{200b}", "a\u{fffd}b\u{fffd}c\u{fffd}"),
        ];
        for (value, shown) in cases {
            assert_eq!(Text::from(value).0, shown, "{value:?}");
        }
    }

    #[test]
    fn a_long_value_is_cut_at_a_character() {
        let shown = Text::from("ö".repeat(300)).0;
        assert_eq!(shown, format!("{}…", "ö".repeat(256)));
        assert_eq!(Text::from("ö".repeat(256)).0, "ö".repeat(256));
    }
}
