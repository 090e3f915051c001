//! What tells an account apart from all others for ever.

use crate::entry::Entry;
use ldap3::ldap_escape;

/// Where an account's id is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum IdAttribute {
    /// The entry's DN; a renamed user is another one.
    Dn,
    /// Active Directory's `objectGUID`: 16 bytes, shown as the system's tools show them.
    Guid(String),
    /// An attribute with one value that is text.
    Text(String),
}

impl IdAttribute {
    /// `dn`, or an attribute.
    pub(crate) fn new(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            "dn" => Self::Dn,
            "objectguid" => Self::Guid(name.to_owned()),
            _ => Self::Text(name.to_owned()),
        }
    }

    /// What a search has to ask for.
    pub(crate) fn attribute(&self) -> Option<&str> {
        match self {
            Self::Dn => None,
            Self::Guid(name) | Self::Text(name) => Some(name),
        }
    }

    /// The id of an entry; none where it has no value, several, or one that is not of this form.
    pub(crate) fn of(&self, entry: &Entry) -> Option<String> {
        match self {
            Self::Dn => Some(entry.dn.clone()),
            Self::Guid(name) => guid_text(entry.bytes(name)?),
            Self::Text(name) => match entry.texts(name) {
                [id] => Some(id.clone()),
                _ => None,
            },
        }
    }

    /// The filter that finds an id; none for the DN, and for what cannot be one.
    pub(crate) fn filter(&self, id: &str) -> Option<String> {
        match self {
            Self::Dn => None,
            Self::Guid(name) => Some(format!("({name}={})", guid_assertion(id)?)),
            Self::Text(name) => Some(format!("({name}={})", ldap_escape(id))),
        }
    }
}

/// The order of the bytes in the text: the first three groups are little-endian (MS-DTYP §2.3.4).
const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];

fn guid_text(bytes: &[u8]) -> Option<String> {
    let bytes: &[u8; 16] = bytes.try_into().ok()?;
    let mut text = String::with_capacity(36);
    for (at, from) in ORDER.into_iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{:02x}", bytes[from]));
    }
    Some(text)
}

/// `\xx` for each byte (RFC 4515 §3).
fn guid_assertion(text: &str) -> Option<String> {
    let groups: Vec<usize> = text.split('-').map(str::len).collect();
    if groups != [8, 4, 4, 4, 12] || !text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit()) {
        return None;
    }
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    let mut bytes = [""; 16];
    for (at, to) in ORDER.into_iter().enumerate() {
        bytes[to] = &digits[2 * at..2 * at + 2];
    }
    Some(bytes.iter().flat_map(|byte| ["\\", byte]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES: [u8; 16] =
        [0x33, 0x22, 0x11, 0, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff];
    const TEXT: &str = "00112233-4455-6677-8899-aabbccddeeff";

    #[test]
    fn a_guid_is_written_as_windows_writes_it_and_found_again() {
        assert_eq!(guid_text(&BYTES).as_deref(), Some(TEXT));
        let id = IdAttribute::new("objectGUID");
        let escaped: String = BYTES.iter().map(|byte| format!("\\{byte:02x}")).collect();
        assert_eq!(id.filter(TEXT), Some(format!("(objectGUID={escaped})")));
        for wrong in ["", "*", "00112233445566778899aabbccddeeff", "00112233-4455-6677-8899-aabbccddeefg"] {
            assert_eq!(id.filter(wrong), None, "{wrong}");
        }
        assert_eq!(guid_text(&BYTES[..15]), None);
    }

    #[test]
    fn an_id_in_a_filter_is_escaped() {
        let id = IdAttribute::new("entryUUID");
        assert_eq!(id.filter("*)(uid=*").as_deref(), Some("(entryUUID=\\2a\\29\\28uid=\\2a)"));
        assert_eq!(IdAttribute::new("DN").filter("x"), None);
    }
}
