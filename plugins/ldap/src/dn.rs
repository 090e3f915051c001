//! As much of distinguished names (RFC 4514) as is needed: no schema, so values are compared as text.

/// The value of the first RDN's first attribute, unescaped: `admins` of `cn=admins,ou=groups,dc=example`. None where
/// `text` is no DN.
pub(crate) fn first_value(text: &str) -> Option<String> {
    let rdn = split(text, ',').next()?;
    let first = split(rdn, '+').next()?;
    let (attribute, value) = first.split_once('=')?;
    if !crate::config::is_attribute(attribute.trim()) {
        return None;
    }
    unescape(value.trim_start()).filter(|value| !value.is_empty())
}

/// Whether `dn` is `base` or below it.
pub(crate) fn is_under(dn: &str, base: &str) -> bool {
    let (dn, base) = (normalized(dn), normalized(base));
    dn.len() >= base.len() && dn[dn.len() - base.len()..] == base[..]
}

/// The RDNs in lower case and without the white space that means nothing.
fn normalized(dn: &str) -> Vec<String> {
    split(dn, ',')
        .map(|rdn| match rdn.split_once('=') {
            Some((attribute, value)) => format!("{}={}", attribute.trim(), value.trim()).to_lowercase(),
            None => rdn.trim().to_lowercase(),
        })
        .collect()
}

/// The parts of `text` between separators that no backslash stands before.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut is_escaped = false;
    text.split(move |c| {
        let splits = c == separator && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        splits
    })
}

/// RFC 4514 §2.4, the other way round. Trailing white space that is not escaped is no part of a value.
fn unescape(value: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut kept = 0;
    let mut rest = value.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            bytes.push(byte);
            kept = if byte == b' ' { kept } else { bytes.len() };
            continue;
        }
        let (&escaped, after) = rest.split_first()?;
        rest = after;
        let hex = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        match (hex(escaped), rest.first().copied().and_then(hex)) {
            (Some(high), Some(low)) => {
                bytes.push(high << 4 | low);
                rest = &rest[1..];
            }
            _ => bytes.push(escaped),
        }
        kept = bytes.len();
    }
    bytes.truncate(kept);
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_is_unescaped() {
        for (dn, value) in [
            ("cn=admins,ou=groups,dc=example", Some("admins")),
            ("CN=R&D \\, Berlin ,OU=Groups", Some("R&D , Berlin")),
            ("cn=a\\2cb,dc=x", Some("a,b")),
            ("cn=J\\c3\\b6rg,dc=x", Some("Jörg")),
            ("cn=x\\ ,dc=x", Some("x ")),
            ("cn=a+sn=b,dc=x", Some("a")),
            ("cn=a\\+b,dc=x", Some("a+b")),
            ("cn=,dc=x", None),
            ("cn=a\\", None),
            ("staff", None),
            ("a b=c", None),
            ("", None),
        ] {
            assert_eq!(first_value(dn).as_deref(), value, "{dn}");
        }
    }

    #[test]
    fn a_dn_is_under_its_base_only() {
        let base = "OU=People, dc=example,dc=com";
        assert!(is_under("uid=ann,ou=people,dc=example,dc=com", base));
        assert!(is_under("ou=people,dc=example,dc=com", base));
        assert!(!is_under("uid=ann,ou=other,dc=example,dc=com", base));
        assert!(!is_under("dc=example,dc=com", base));
        assert!(!is_under("uid=ann\\,ou=people,dc=example,dc=com", base));
    }
}
