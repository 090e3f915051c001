//! The password policy control of OpenLDAP, 389 DS and others (draft-behera-ldap-password-policy-10 §6.2).

use ldap3::LdapResult;
use ldap3::asn1::{PL, StructureTag, TagClass, parse_tag};
use ldap3::controls::{Control, RawControl};

/// The same for the request, which has no value, and the response.
const OID: &str = "1.3.6.1.4.1.42.2.27.8.5.1";
const ERROR: u64 = 1;

/// What keeps a user out beside a wrong password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PolicyError {
    PasswordExpired,
    AccountLocked,
    ChangeAfterReset,
    /// Those about changing a password.
    Other,
}

/// Asks for the response; a directory that does not know it ignores it.
pub(crate) fn request() -> RawControl {
    RawControl { ctype: OID.to_owned(), crit: false, val: None }
}

/// The error of the response; none without a response or in one that cannot be read.
pub(crate) fn error(result: &LdapResult) -> Option<PolicyError> {
    let Control(_, raw) = result.ctrls.iter().find(|Control(_, raw)| raw.ctype == OID)?;
    error_of(raw.val.as_deref()?)
}

/// `SEQUENCE { warning [0] CHOICE {…} OPTIONAL, error [1] ENUMERATED OPTIONAL }`
fn error_of(value: &[u8]) -> Option<PolicyError> {
    let (_, StructureTag { payload: PL::C(parts), .. }) = parse_tag(value).ok()? else { return None };
    let error = parts.into_iter().find(|part| part.class == TagClass::Context && part.id == ERROR)?;
    match error.payload {
        PL::P(code) => Some(match code.as_slice() {
            [0] => PolicyError::PasswordExpired,
            [1] => PolicyError::AccountLocked,
            [2] => PolicyError::ChangeAfterReset,
            _ => PolicyError::Other,
        }),
        PL::C(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_is_found_beside_a_warning_and_alone() {
        assert_eq!(error_of(&[0x30, 3, 0x81, 1, 0]), Some(PolicyError::PasswordExpired));
        assert_eq!(error_of(&[0x30, 3, 0x81, 1, 1]), Some(PolicyError::AccountLocked));
        let with_warning = [0x30, 8, 0xa0, 3, 0x80, 1, 9, 0x81, 1, 2];
        assert_eq!(error_of(&with_warning), Some(PolicyError::ChangeAfterReset));
        assert_eq!(error_of(&[0x30, 3, 0x81, 1, 8]), Some(PolicyError::Other));
    }

    #[test]
    fn a_warning_alone_is_no_error_and_neither_is_nonsense() {
        for value in [&[0x30, 5, 0xa0, 3, 0x81, 1, 2][..], &[0x30, 0], &[], &[0x30, 9, 0x81], &[0x04, 1, 0x81]] {
            assert_eq!(error_of(value), None, "{value:?}");
        }
    }
}
