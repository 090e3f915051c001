//! When two user names are the same one.

use icu_normalizer::ComposingNormalizerBorrowed;

/// The form that is compared, as the core folds its own user names: lower case in Unicode's compatibility form. White
/// space stays, which a directory ignores.
pub(crate) fn fold(name: &str) -> String {
    let nfkc = ComposingNormalizerBorrowed::new_nfkc();
    let lower: String = nfkc.normalize(name).chars().flat_map(char::to_lowercase).collect();
    nfkc.normalize(&lower).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_composition_are_ignored_white_space_is_not() {
        assert_eq!(fold("JÖRG"), fold("jo\u{308}rg"));
        assert_ne!(fold(" ann"), fold("ann"));
        assert_ne!(fold("ann\u{ad}"), fold("ann"));
    }
}
