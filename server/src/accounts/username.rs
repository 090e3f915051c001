//! User names: what is taken, and which two are the same.
//!
//! Names are compared after NFKC and a lower-case mapping character by character, so `Ａlice`, `ALICE` and `alice` are one
//! user, whatever keyboard or platform they are typed on; they are kept and shown as they were given (after NFKC). No
//! locale is involved: `I` is `i` everywhere. Look-alikes of other scripts (a Cyrillic `а`) are other names.

use icu_normalizer::ComposingNormalizerBorrowed;

/// The longest user name, in bytes of UTF-8.
pub const MAX_USERNAME_BYTES: usize = 256;

/// A user name that an account may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Username(String);

/// Why a text is no user name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsernameError {
    /// It has no characters.
    #[error("the user name is empty")]
    Empty,
    /// It is longer than [`MAX_USERNAME_BYTES`].
    #[error("the user name is longer than {MAX_USERNAME_BYTES} bytes")]
    TooLong,
    /// It starts or ends with white space, which nobody can see.
    #[error("the user name starts or ends with white space")]
    Untrimmed,
    /// It has a control character, a line break, or a character without width or of text direction.
    #[error("the user name has a control or invisible character")]
    Invisible,
}

impl Username {
    /// Checks a name.
    ///
    /// # Errors
    /// See [`UsernameError`].
    pub fn parse(text: &str) -> Result<Self, UsernameError> {
        // NFKC can make a name longer, but not a too long one acceptable at no cost.
        if text.len() > MAX_USERNAME_BYTES {
            return Err(UsernameError::TooLong);
        }
        let name = nfkc(text);
        if name.is_empty() {
            return Err(UsernameError::Empty);
        }
        if name.len() > MAX_USERNAME_BYTES || fold_characters(&name).len() > MAX_USERNAME_BYTES {
            return Err(UsernameError::TooLong);
        }
        // On the text as given too: NFKC turns some white space into spaces.
        if name.trim() != name || text.trim() != text {
            return Err(UsernameError::Untrimmed);
        }
        if name.chars().any(is_invisible) {
            return Err(UsernameError::Invisible);
        }
        Ok(Self(name))
    }

    /// The name to show.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form that is compared.
    #[must_use]
    pub fn folded(&self) -> String {
        fold_characters(&self.0)
    }
}

/// The form under which tries at a typed name are counted: folded as user names are, and without what a backend may
/// ignore (white space around and doubled, invisible characters), so that spelling a name otherwise gives no further
/// tries. Takes any text.
#[must_use]
pub fn fold_typed(text: &str) -> String {
    let visible: String = nfkc(text).chars().filter(|c| c.is_whitespace() || !is_invisible(*c)).collect();
    let words: Vec<&str> = visible.split_whitespace().collect();
    fold_characters(&words.join(" "))
}

fn nfkc(text: &str) -> String {
    ComposingNormalizerBorrowed::new_nfkc().normalize(text).into_owned()
}

/// Lower case without context (a final sigma stays as typed), then NFKC again, as the mapping can leave a sequence that
/// composes.
fn fold_characters(name: &str) -> String {
    nfkc(&name.chars().flat_map(char::to_lowercase).collect::<String>())
}

fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}'
            | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}'
            | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}'
            | '\u{E0000}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_the_same_are_the_same() {
        let folded = |text| Username::parse(text).unwrap().folded();
        for (one, other) in [
            ("alice", "ALICE"),
            ("alice", "Ａｌｉｃｅ"),
            ("caf\u{e9}", "CAFE\u{301}"),
            ("\u{212A}arl", "karl"),
            ("ﬁnn", "FINN"),
            ("a b", "A\u{a0}B"),
        ] {
            assert_eq!(folded(one), folded(other), "{one} {other}");
        }
        assert_ne!(folded("alice"), folded("аlice"), "a Cyrillic letter is another one");
        assert_eq!(folded("İ"), fold_characters(&folded("İ")), "folding twice changes nothing");
    }

    #[test]
    fn names_that_nobody_can_see_are_refused() {
        let long = "ﷺ".repeat(80);
        for (text, error) in [
            ("", UsernameError::Empty),
            (" alice", UsernameError::Untrimmed),
            ("alice\u{a0}", UsernameError::Untrimmed),
            ("alice\n", UsernameError::Untrimmed),
            ("\u{3000}", UsernameError::Untrimmed),
            ("al\0ice", UsernameError::Invisible),
            ("al\u{7f}ice", UsernameError::Invisible),
            ("al\u{200b}ice", UsernameError::Invisible),
            ("\u{202e}alice", UsernameError::Invisible),
            (&"x".repeat(257), UsernameError::TooLong),
            (&long, UsernameError::TooLong),
        ] {
            assert_eq!(Username::parse(text), Err(error), "{text:?}");
        }
        assert!(Username::parse(&"x".repeat(256)).is_ok());
    }

    #[test]
    fn another_spelling_of_a_typed_name_is_counted_as_the_same() {
        for spelling in ["alice b", " Alice  B ", "Ａlice\tb", "al\u{200b}ice b", "ALICE\u{a0}B\n", "ali\u{0}ce b"] {
            assert_eq!(fold_typed(spelling), "alice b", "{spelling:?}");
        }
        assert_eq!(fold_typed(" \u{200b} "), "");
    }
}
