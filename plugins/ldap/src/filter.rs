//! Search filters (RFC 4515) with places for a user name or a DN. What is put in is escaped, and may stand in an
//! assertion's value only, so that no name changes what a filter asks.

use crate::config::is_attribute;
use crate::fold::fold;
use ldap3::{ldap_escape, ldap_unescape, parse_filter};

const USERNAME: &str = "{username}";
const DN: &str = "{dn}";

/// A filter that the operator wrote, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template(String);

impl Template {
    /// Reads a filter.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        for (at, _) in text.match_indices('{') {
            let rest = &text[at..];
            if !rest.starts_with(USERNAME) && !rest.starts_with(DN) {
                return Err(format!("{text:?}: only {USERNAME} and {DN} are filled in; `{{` itself is written \\7b"));
            }
            let item = text[..at].rfind('(').map_or("", |start| &text[start..at]);
            if !item.contains('=') {
                return Err(format!("{text:?}: a placeholder stands for a value, behind `=`"));
            }
        }
        let template = Self(text.to_owned());
        if !text.starts_with('(') || parse_filter(template.fill("x", "x")).is_err() {
            return Err(format!("{text:?} is not a filter by RFC 4515"));
        }
        Ok(template)
    }

    /// The filter for one user.
    pub(crate) fn fill(&self, username: &str, dn: &str) -> String {
        let mut filled = String::with_capacity(self.0.len() + username.len());
        let mut rest = self.0.as_str();
        while let Some(at) = rest.find('{') {
            filled.push_str(&rest[..at]);
            let (value, placeholder) = if rest[at..].starts_with(DN) { (dn, DN) } else { (username, USERNAME) };
            filled.push_str(&ldap_escape(value));
            rest = &rest[at + placeholder.len()..];
        }
        filled.push_str(rest);
        filled
    }
}

/// One comparison of a login filter: the attribute, and what stands around the user name in its value.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Comparison {
    attribute: String,
    before: String,
    after: String,
}

/// The filter that finds a user by the name that was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LoginFilter {
    template: Template,
    comparisons: Vec<Comparison>,
    any: String,
}

impl LoginFilter {
    /// Reads a filter in which `{username}` stands for the name.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let template = Template::parse(text)?;
        if template.0.contains(DN) {
            return Err(format!("{text:?}: {DN} is not known before the user is found"));
        }
        let (mut comparisons, mut any, mut rest) = (Vec::new(), String::new(), template.0.as_str());
        while let Some(at) = rest.find(USERNAME) {
            let start = rest[..at].rfind('(').map_or(0, |start| start + 1);
            let end = at + rest[at..].find(')').unwrap_or(rest.len() - at);
            let (comparison, item) = comparison(&rest[start..end])?;
            any.push_str(&rest[..start]);
            any.push_str(&item);
            comparisons.push(comparison);
            rest = &rest[end..];
        }
        if comparisons.is_empty() {
            return Err(format!("{text:?}: {USERNAME} is missing, the place for the name that was typed"));
        }
        any.push_str(rest);
        Ok(Self { template, comparisons, any })
    }

    /// The filter for a name.
    pub(crate) fn of(&self, username: &str) -> String {
        self.template.fill(username, "")
    }

    /// The filter for anybody who could log in by it.
    pub(crate) fn anybody(&self) -> &str {
        &self.any
    }

    /// The attributes that the name is compared with, the first one first.
    pub(crate) fn attributes(&self) -> impl Iterator<Item = &str> {
        self.comparisons.iter().map(|comparison| comparison.attribute.as_str())
    }

    /// Whether `value` of `attribute` is what was typed. A directory is more generous: it ignores white space around a
    /// name, and Active Directory accents.
    pub(crate) fn is_meant(&self, username: &str, attribute: &str, value: &str) -> bool {
        let mut of_attribute = self.comparisons.iter().filter(|of| of.attribute.eq_ignore_ascii_case(attribute));
        of_attribute.any(|of| fold(&format!("{}{username}{}", of.before, of.after)) == fold(value))
    }
}

/// Reads `attribute=before{username}after`; returns it, and the same for any user.
fn comparison(item: &str) -> Result<(Comparison, String), String> {
    let wrong = |why: &str| Err(format!("({item}): {why}"));
    let Some((attribute, value)) = item.split_once('=') else { return wrong("no comparison") };
    if !is_attribute(attribute) {
        return wrong("{username} is compared by `=` with an attribute, without a matching rule");
    }
    let Some((before, after)) = value.split_once(USERNAME) else { return wrong("no comparison") };
    if value.contains('*') || after.contains('{') {
        return wrong("{username} is compared whole: no `*` beside it, and only once");
    }
    let unescaped = |text: &str| ldap_unescape(text).map(|text| text.into_owned());
    let (Ok(plain_before), Ok(plain_after)) = (unescaped(before), unescaped(after)) else {
        return wrong("not UTF-8 once unescaped");
    };
    let any = format!("{attribute}={before}*{after}");
    Ok((Comparison { attribute: attribute.to_owned(), before: plain_before, after: plain_after }, any))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_is_escaped() {
        let filter = LoginFilter::parse("(&(objectClass=person)(uid={username}))").unwrap();
        for (typed, escaped) in [
            ("ann", "ann"),
            ("*", "\\2a"),
            ("*)(uid=*", "\\2a\\29\\28uid=\\2a"),
            ("a\\b", "a\\5cb"),
            ("a\0b", "a\\00b"),
            ("{username}", "{username}"),
            ("{dn}", "{dn}"),
            ("jörg", "jörg"),
        ] {
            assert_eq!(filter.of(typed), format!("(&(objectClass=person)(uid={escaped}))"), "{typed:?}");
            assert!(parse_filter(filter.of(typed)).is_ok(), "{typed:?}");
        }
    }

    #[test]
    fn a_dn_is_escaped_as_a_value() {
        let filter = Template::parse("(&(member={dn})(memberUid={username}))").unwrap();
        assert_eq!(filter.fill("ann", "cn=a\\2c(b),dc=x"), "(&(member=cn=a\\5c2c\\28b\\29,dc=x)(memberUid=ann))");
    }

    #[test]
    fn anybody_is_the_same_filter_without_a_name() {
        for (filter, anybody) in [
            ("(uid={username})", "(uid=*)"),
            ("(|(uid={username})(mail={username}))", "(|(uid=*)(mail=*))"),
            ("(&(c=d)(upn={username}@x.org)(e=f))", "(&(c=d)(upn=*@x.org)(e=f))"),
        ] {
            assert_eq!(LoginFilter::parse(filter).unwrap().anybody(), anybody);
            assert!(parse_filter(anybody).is_ok());
        }
    }

    #[test]
    fn a_name_means_the_value_that_it_is() {
        let filter = LoginFilter::parse("(|(uid={username})(upn={username}@x.org))").unwrap();
        assert_eq!(filter.attributes().collect::<Vec<_>>(), ["uid", "upn"]);
        assert!(filter.is_meant("Ann", "UID", "ann"));
        assert!(filter.is_meant("ann", "upn", "ANN@x.org"));
        for typed in [" ann", "ann ", "ann\0", "ann*", "*"] {
            assert!(!filter.is_meant(typed, "uid", "ann"), "{typed:?}");
        }
        assert!(!filter.is_meant("ann", "mail", "ann"));
    }

    #[test]
    fn a_filter_that_is_none_is_refused_with_the_reason() {
        for (filter, why) in [
            ("(uid=x)", "is missing"),
            ("uid={username}", "behind `=`"),
            ("(uid={username}", "RFC 4515"),
            ("(uid={user})", "only {username} and {dn}"),
            ("({username}=x)", "behind `=`"),
            ("(uid={dn})", "before the user is found"),
            ("(uid=*{username}*)", "compared whole"),
            ("(uid={username}{username})", "only once"),
            ("(uid>={username})", "compared by `=`"),
            ("(uid~={username})", "compared by `=`"),
            ("(uid:caseExactMatch:={username})", "compared by `=`"),
        ] {
            let fault = LoginFilter::parse(filter).unwrap_err();
            assert!(fault.contains(why), "{filter}: {fault}");
        }
    }
}
