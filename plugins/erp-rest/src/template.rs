//! Text with `{name}` in it, filled in with each value escaped for where it stands. `{{` and `}}` are braces.

use zeroize::Zeroizing;

/// Names and values.
pub(crate) type Values<'a> = [(&'static str, &'a str)];

/// Text and slots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Slot(&'static str),
}

impl Template {
    /// Reads a template whose slots are of `slots`.
    pub(crate) fn parse(text: &str, slots: &[&'static str]) -> Result<Self, String> {
        let (mut parts, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some(at) = rest.find(['{', '}']) {
            let (before, behind) = rest.split_at(at);
            plain.push_str(before);
            if let Some(behind) = behind.strip_prefix("{{").or_else(|| behind.strip_prefix("}}")) {
                plain.push_str(&rest[at..=at]);
                rest = behind;
                continue;
            }
            let slot = behind.strip_prefix('{').and_then(|behind| behind.split_once('}'));
            let (name, behind) = slot.ok_or("a \"{\" or \"}\" stands alone; doubled it stands for itself")?;
            let known = slots.iter().find(|known| **known == name);
            let known = known.ok_or_else(|| format!("{{{name}}} is none of {}", braced(slots)))?;
            parts.push(Part::Text(std::mem::take(&mut plain)));
            parts.push(Part::Slot(known));
            rest = behind;
        }
        plain.push_str(rest);
        parts.push(Part::Text(plain));
        parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
        Ok(Self(parts))
    }

    /// Whether this slot is in it.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|part| matches!(part, Part::Slot(slot) if *slot == name))
    }

    /// Puts the values in their slots, each through `escape`.
    pub(crate) fn fill(&self, values: &Values<'_>, escape: fn(&str) -> Zeroizing<String>) -> Zeroizing<String> {
        let value = |slot| values.iter().find(|(name, _)| *name == slot).map_or("", |(_, value)| *value);
        let part = |part: &Part| match part {
            Part::Text(text) => Zeroizing::new(text.clone()),
            Part::Slot(slot) => escape(value(*slot)),
        };
        let parts: Vec<_> = self.0.iter().map(part).collect();
        // With its final length at once: growing would leave copies of what is in it behind.
        let mut filled = Zeroizing::new(String::with_capacity(parts.iter().map(|part| part.len()).sum()));
        parts.iter().for_each(|part| filled.push_str(part));
        filled
    }
}

fn braced(slots: &[&str]) -> String {
    if slots.is_empty() {
        return "the names that may stand here: there are none".to_owned();
    }
    slots.iter().map(|slot| format!("{{{slot}}}")).collect::<Vec<_>>().join(", ")
}

/// For what is escaped as a whole.
pub(crate) fn as_it_is(value: &str) -> Zeroizing<String> {
    Zeroizing::new(value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_filled_in_and_doubled_braces_are_braces() {
        let fill = |text: &str| {
            let template = Template::parse(text, &["username", "id"]).unwrap();
            template.fill(&[("username", "{id}"), ("id", "7")], as_it_is).to_string()
        };
        for (text, filled) in [
            ("", ""),
            ("plain", "plain"),
            ("{username}", "{id}"),
            ("a{id}b{id}c", "a7b7c"),
            ("{{id}}", "{id}"),
            ("{{{id}}}", "{7}"),
            ("é{id}", "é7"),
        ] {
            assert_eq!(fill(text), filled, "{text}");
        }
    }

    #[test]
    fn an_unknown_slot_or_a_lonely_brace_is_refused() {
        for text in ["{", "}", "a{id", "{id}}", "{password}", "{ id }", "{}"] {
            assert!(Template::parse(text, &["id"]).is_err(), "{text}");
        }
        assert_eq!(Template::parse("{x}", &["id"]).unwrap_err(), "{x} is none of {id}");
    }
}
