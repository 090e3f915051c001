//! The nearest known name to a misspelt one.

/// "did you mean …?", where one of `known` is close enough to `name`.
pub(super) fn suggestion<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let wanted = name.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (likeness(&wanted, &candidate.to_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, candidate)| format!("did you mean {candidate:?}?"))
}

/// From 0 to 1. In short names Jaro and Winkler do not see that two letters changed places.
fn likeness(one: &str, other: &str) -> f64 {
    let slip = one.len() > 2 && strsim::damerau_levenshtein(one, other) == 1;
    strsim::jaro_winkler(one, other).max(if slip { 0.9 } else { 0.0 })
}

/// `a, b or c`.
pub(super) fn one_of<'a>(known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match known.split_last() {
        None => "nothing".to_owned(),
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_keyboard_is_recognised() {
        for (written, meant) in [("adress", "address"), ("epr", "erp"), ("Lifetime", "lifetime"), ("tokn", "token")] {
            let known = ["address", "erp", "lifetime", "token", "issuer"];
            assert_eq!(suggestion(written, known), Some(format!("did you mean {meant:?}?")), "{written}");
        }
    }

    #[test]
    fn another_word_is_not_guessed_at() {
        assert_eq!(suggestion("colour", ["issuer", "listen", "grants"]), None);
    }
}
