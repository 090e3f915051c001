//! What the answer to a user's bind means (RFC 4511 §A).

use crate::ppolicy::{self, PolicyError};
use ldap3::LdapResult;
use pintle_plugin_api::PluginError;

/// Of a bind as the user who was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// The password is right.
    Right,
    /// It is not, or the user is kept out; why, for the audit log.
    Refused(&'static str),
    /// The entry has vanished since it was found.
    Gone,
}

/// Reads the answer.
///
/// # Errors
/// Where the directory says neither yes nor no.
pub(crate) fn of_bind(result: &LdapResult) -> Result<Bound, PluginError> {
    let policy = ppolicy::error(result);
    Ok(match (result.rc, policy) {
        // Another operation than a change of the password would be refused: such a login is not a whole one.
        (0, Some(PolicyError::ChangeAfterReset)) => Bound::Refused("the password must be changed first"),
        (0, _) => Bound::Right,
        (49, Some(PolicyError::PasswordExpired)) => Bound::Refused("the password has expired"),
        (49, Some(PolicyError::AccountLocked)) => Bound::Refused("the account is locked"),
        (49, Some(PolicyError::ChangeAfterReset)) => Bound::Refused("the password must be changed first"),
        (49, _) => Bound::Refused(of_active_directory(&result.text).unwrap_or("wrong password")),
        // 389 DS: constraintViolation after too many tries, unwillingToPerform for an inactivated account.
        (19, _) => Bound::Refused("the account is locked"),
        (53, _) => Bound::Refused("the directory is unwilling: the account is not active"),
        (48, _) => Bound::Refused("the account has no password"),
        (50, _) => Bound::Refused("the directory's rules forbid the login"),
        (32, _) => Bound::Gone,
        _ => return Err(unanswered("bind", result)),
    })
}

/// The sub-code of Active Directory's diagnostic message, a Windows error in hexadecimal:
/// `80090308: LdapErr: DSID-0C090447, comment: AcceptSecurityContext error, data 532, v3839`.
fn of_active_directory(text: &str) -> Option<&'static str> {
    let (_, after) = text.split_once("AcceptSecurityContext error, data ")?;
    let code = after.split([',', ' ', '\0']).next()?;
    Some(match code.to_ascii_lowercase().as_str() {
        "530" => "the account may not log in at this time",
        "531" => "the account may not log in from this server",
        "532" => "the password has expired",
        "533" => "the account is disabled",
        "701" => "the account has expired",
        "773" => "the password must be changed first",
        "775" => "the account is locked",
        _ => return None,
    })
}

/// Whether another server may answer better: it is busy or about to stop.
pub(crate) const fn is_of_the_server(code: u32) -> bool {
    matches!(code, 51 | 52)
}

/// The error for a result that is no answer. The directory's own text is for the log.
pub(crate) fn unanswered(operation: &str, result: &LdapResult) -> PluginError {
    let (code, text) = (result.rc, result.text.trim());
    let said = if text.is_empty() { String::new() } else { format!(": {text}") };
    match code {
        3 | 11 | 51 | 52 | 80 => PluginError::Unavailable(format!("{operation}: result {code}{said}")),
        8 | 13 => PluginError::Internal(format!("{operation}: the directory wants TLS, result {code}{said}")),
        10 => PluginError::Internal(format!("{operation}: the directory refers to another, which is not followed")),
        _ => PluginError::Internal(format!("{operation}: result {code}{said}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ldap3::controls::{Control, RawControl};

    fn result(rc: u32, text: &str) -> LdapResult {
        LdapResult { rc, matched: String::new(), text: text.to_owned(), refs: vec![], ctrls: vec![] }
    }

    fn with_policy(rc: u32, error: u8) -> LdapResult {
        let val = Some(vec![0x30, 3, 0x81, 1, error]);
        let raw = RawControl { ctype: "1.3.6.1.4.1.42.2.27.8.5.1".to_owned(), crit: false, val };
        LdapResult { ctrls: vec![Control(None, raw)], ..result(rc, "") }
    }

    fn refused(result: &LdapResult) -> &'static str {
        match of_bind(result) {
            Ok(Bound::Refused(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn expired_and_locked_are_told_apart_by_the_policy_control() {
        assert_eq!(refused(&with_policy(49, 0)), "the password has expired");
        assert_eq!(refused(&with_policy(49, 1)), "the account is locked");
        assert_eq!(refused(&with_policy(49, 5)), "wrong password");
        assert_eq!(refused(&with_policy(0, 2)), "the password must be changed first");
        assert_eq!(of_bind(&with_policy(0, 5)), Ok(Bound::Right));
        assert_eq!(of_bind(&result(0, "")), Ok(Bound::Right));
    }

    #[test]
    fn active_directory_says_it_in_its_text() {
        for (code, why) in [
            ("52e", "wrong password"),
            ("525", "wrong password"),
            ("530", "the account may not log in at this time"),
            ("531", "the account may not log in from this server"),
            ("532", "the password has expired"),
            ("533", "the account is disabled"),
            ("701", "the account has expired"),
            ("773", "the password must be changed first"),
            ("775", "the account is locked"),
        ] {
            let text =
                format!("80090308: LdapErr: DSID-0C090447, comment: AcceptSecurityContext error, data {code}, v3839\0");
            assert_eq!(refused(&result(49, &text)), why, "{code}");
        }
        assert_eq!(refused(&result(49, "data 775")), "wrong password");
        assert_eq!(refused(&result(49, "")), "wrong password");
    }

    #[test]
    fn other_results_are_refusals_or_errors_and_never_right() {
        for code in [19, 48, 50, 53] {
            refused(&result(code, ""));
        }
        assert_eq!(of_bind(&result(32, "")), Ok(Bound::Gone));
        for code in [3, 11, 51, 52, 80] {
            assert!(matches!(of_bind(&result(code, "")), Err(PluginError::Unavailable(_))), "{code}");
        }
        for code in [1, 2, 8, 10, 13, 14, 34, 118] {
            assert!(matches!(of_bind(&result(code, "")), Err(PluginError::Internal(_))), "{code}");
        }
    }
}
