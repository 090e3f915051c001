//! Kind `user-verifier`: search, bind, conditions, groups.

use crate::account;
use crate::dial::Purpose;
use crate::entry::Entry;
use crate::outcome::{Bound, is_of_the_server, of_bind};
use crate::ppolicy;
use crate::search::Directory;
use ldap3::LdapError;
use pintle_plugin_api::{Accepted, Account, PluginError, VerifyOutcome};

/// The longest name that is searched for, and the longest password that is sent, in bytes. A directory closes the
/// connection on larger requests, which would look like an outage.
const MAX_USERNAME: usize = 1024;
const MAX_PASSWORD: usize = 4096;

/// Whether `password` is the user's, and the user may log in.
///
/// # Errors
/// Where the directory has no answer.
pub(crate) async fn verify(
    directory: &Directory<'_>,
    username: &str,
    password: &[u8],
) -> Result<VerifyOutcome, PluginError> {
    // First whose login it is: another backend's user may have a password that no directory takes.
    let Some(entry) = by_username(directory, username).await? else { return Ok(VerifyOutcome::UnknownUser) };
    let password = match sendable(password) {
        Ok(password) => password,
        Err(why) => return Ok(VerifyOutcome::Rejected(why.to_owned())),
    };
    match bind(directory, &entry.dn, password).await? {
        Bound::Right => {}
        Bound::Refused(why) => return Ok(VerifyOutcome::Rejected(why.to_owned())),
        Bound::Gone => return Ok(VerifyOutcome::UnknownUser),
    }
    Ok(match admit(directory, &entry, Some(username)).await? {
        Admission::NotAllowed => VerifyOutcome::Rejected("the user may not use this service".to_owned()),
        Admission::Admitted(account) if account.disabled => {
            VerifyOutcome::Rejected("the account is blocked".to_owned())
        }
        Admission::Admitted(account) => {
            VerifyOutcome::Accepted(Accepted { account, amr: vec!["pwd".to_owned()], acr: None })
        }
    })
}

/// The password as it is sent; or why it cannot be anybody's here, so that it is not sent. An empty one makes a bind succeed
/// without proving anything (RFC 4513 §5.1.2); a NUL ends the password for some servers.
fn sendable(password: &[u8]) -> Result<&str, &'static str> {
    match password {
        [] => Err("the password is empty"),
        long if long.len() > MAX_PASSWORD => Err("the password is too long"),
        nul if nul.contains(&0) => Err("the password has a NUL character"),
        bytes => std::str::from_utf8(bytes).map_err(|_| "the password is not UTF-8"),
    }
}

/// The entry of the user who logs in by this name.
///
/// # Errors
/// Where several have it; where the directory has no answer.
pub(crate) async fn by_username(directory: &Directory<'_>, username: &str) -> Result<Option<Entry>, PluginError> {
    if username.is_empty() || username.len() > MAX_USERNAME {
        return Ok(None);
    }
    let config = directory.config;
    let Some(entry) = directory.user(&config.filter.of(username)).await? else { return Ok(None) };
    Ok(account::is_meant(config, &entry, username)?.then_some(entry))
}

async fn bind(directory: &Directory<'_>, dn: &str, password: &str) -> Result<Bound, PluginError> {
    if dn.is_empty() {
        // It would be an anonymous bind.
        return Err(PluginError::Internal("the entry has no DN".to_owned()));
    }
    let bound = directory.pool.run(directory.config, Purpose::Bind, directory.host, async |ldap| {
        let result = ldap.with_controls(ppolicy::request()).simple_bind(dn, password).await?;
        if is_of_the_server(result.rc) { Err(LdapError::from(result)) } else { Ok(result) }
    });
    of_bind(&bound.await?)
}

/// What the conditions say about a user.
pub(crate) enum Admission {
    /// Not of those who may use the service.
    NotAllowed,
    /// One of them; `disabled` where blocked.
    Admitted(Account),
}

/// Asks the conditions, and puts the account together.
///
/// # Errors
/// Where the directory has no answer.
pub(crate) async fn admit(
    directory: &Directory<'_>,
    entry: &Entry,
    typed: Option<&str>,
) -> Result<Admission, PluginError> {
    let mut account = account::of(directory.config, entry, typed)?;
    let (username, dn) = (account.username.clone(), entry.dn.as_str());
    if !directory.may_use(&username, dn).await? {
        return Ok(Admission::NotAllowed);
    }
    account.disabled |= directory.is_blocked(&username, dn).await?;
    account.groups.extend(directory.searched_groups(&username, dn).await?);
    Ok(Admission::Admitted(account))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_a_password_is_not_sent() {
        assert_eq!(sendable(b""), Err("the password is empty"));
        assert_eq!(sendable(b"right\0"), Err("the password has a NUL character"));
        assert_eq!(sendable(&[0xff, 0xfe]), Err("the password is not UTF-8"));
        assert_eq!(sendable(&[b'x'; 4097]), Err("the password is too long"));
        assert_eq!(sendable("пароль ".as_bytes()), Ok("пароль "));
        assert_eq!(sendable(b" "), Ok(" "));
    }
}
