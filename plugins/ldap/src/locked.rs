//! Accounts that an administrator has locked, as directories mark them. A lock that wrong passwords brought about is none
//! of these: it passes, and somebody else may have caused it.

use crate::entry::Entry;

/// OpenLDAP's password policy (draft-behera-ldap-password-policy-10 §5.3.3), 389 DS, Active Directory.
const LOCKED_TIME: &str = "pwdAccountLockedTime";
const ACCOUNT_LOCK: &str = "nsAccountLock";
const CONTROL: &str = "userAccountControl";
/// What a search has to ask for.
pub(crate) const ATTRIBUTES: [&str; 3] = [LOCKED_TIME, ACCOUNT_LOCK, CONTROL];

/// "Until an administrator unlocks it".
const FOR_GOOD: &str = "000001010000Z";
/// `ADS_UF_ACCOUNTDISABLE` (MS-ADTS §2.2.16).
const ACCOUNT_DISABLE: i64 = 0x2;

/// Whether the entry says so, where the directory shows it.
pub(crate) fn is_locked(entry: &Entry) -> bool {
    let control = entry.text(CONTROL).and_then(|flags| flags.parse::<i64>().ok());
    entry.text(LOCKED_TIME) == Some(FOR_GOOD)
        || entry.text(ACCOUNT_LOCK).is_some_and(|lock| lock.eq_ignore_ascii_case("true"))
        || control.is_some_and(|flags| flags & ACCOUNT_DISABLE != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_of_an_administrators_is_seen_and_one_that_passes_is_not() {
        for (attribute, value, locked) in [
            ("pwdAccountLockedTime", "000001010000Z", true),
            ("pwdAccountLockedTime", "20260101120000Z", false),
            ("nsAccountLock", "TRUE", true),
            ("nsaccountlock", "false", false),
            ("userAccountControl", "514", true),
            ("userAccountControl", "512", false),
            ("userAccountControl", "x", false),
            ("uid", "ann", false),
        ] {
            assert_eq!(is_locked(&Entry::fake("uid=ann", &[(attribute, value)])), locked, "{attribute} {value}");
        }
    }
}
