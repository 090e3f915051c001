//! One entry that a search found.

use ldap3::{ResultEntry, SearchEntry};
use std::collections::BTreeMap;

/// Its DN and attributes, whose names are compared without case (RFC 4512 §2.5).
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) dn: String,
    /// In UTF-8, all values.
    texts: BTreeMap<String, Vec<String>>,
    /// Where one value is not UTF-8.
    bytes: BTreeMap<String, Vec<Vec<u8>>>,
}

impl Entry {
    /// Reads an entry that is no reference.
    pub(crate) fn new(found: ResultEntry) -> Self {
        let SearchEntry { dn, attrs, bin_attrs } = SearchEntry::construct(found);
        let texts = attrs.into_iter().map(|(name, values)| (name.to_ascii_lowercase(), values)).collect();
        let bytes = bin_attrs.into_iter().map(|(name, values)| (name.to_ascii_lowercase(), values)).collect();
        Self { dn, texts, bytes }
    }

    /// The values of an attribute; none where one is not UTF-8.
    pub(crate) fn texts(&self, attribute: &str) -> &[String] {
        self.texts.get(&attribute.to_ascii_lowercase()).map_or(&[], Vec::as_slice)
    }

    /// The first value of an attribute.
    pub(crate) fn text(&self, attribute: &str) -> Option<&str> {
        self.texts(attribute).first().map(String::as_str)
    }

    /// The only value of an attribute, UTF-8 or not.
    pub(crate) fn bytes(&self, attribute: &str) -> Option<&[u8]> {
        let name = attribute.to_ascii_lowercase();
        match (self.texts.get(&name).map(Vec::as_slice), self.bytes.get(&name).map(Vec::as_slice)) {
            (Some([value]), None) => Some(value.as_bytes()),
            (None, Some([value])) => Some(value),
            _ => None,
        }
    }

    /// Whether Active Directory gave only some values of the attribute (MS-ADTS §3.1.1.3.1.3.3).
    pub(crate) fn is_cut(&self, attribute: &str) -> bool {
        let prefix = format!("{};range=", attribute.to_ascii_lowercase());
        self.texts.keys().any(|name| name.starts_with(&prefix))
    }
}

#[cfg(test)]
impl Entry {
    /// For tests of what reads entries.
    pub(crate) fn fake(dn: &str, attributes: &[(&str, &str)]) -> Self {
        let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in attributes {
            texts.entry(name.to_ascii_lowercase()).or_default().push((*value).to_owned());
        }
        Self { dn: dn.to_owned(), texts, bytes: BTreeMap::new() }
    }
}
