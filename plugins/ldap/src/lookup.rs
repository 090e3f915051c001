//! Kind `directory`: accounts without a password.

use crate::account;
use crate::dn::is_under;
use crate::entry::Entry;
use crate::id::IdAttribute;
use crate::search::Directory;
use crate::verify::{Admission, admit};
use pintle_plugin_api::{Account, PluginError};

/// The account of this id. None: it is gone, or would not be found by a login any more.
///
/// # Errors
/// Where the directory has no answer.
pub(crate) async fn by_id(directory: &Directory<'_>, id: &str) -> Result<Option<Account>, PluginError> {
    let config = directory.config;
    let anybody = config.filter.anybody();
    let entry = match (&config.id, config.id.filter(id)) {
        (IdAttribute::Dn, _) if id.is_empty() || !is_under(id, &config.base) => None,
        (IdAttribute::Dn, _) => directory.entry(id, anybody, &account::wanted(config)).await?,
        (_, Some(filter)) => directory.user(&format!("(&{anybody}{filter})")).await?,
        (_, None) => None,
    };
    account_of(directory, entry, None).await
}

/// The account of the user who logs in by this name. None as for [`by_id`].
///
/// # Errors
/// Where several have the name; where the directory has no answer.
pub(crate) async fn by_username(directory: &Directory<'_>, username: &str) -> Result<Option<Account>, PluginError> {
    let entry = crate::verify::by_username(directory, username).await?;
    account_of(directory, entry, Some(username)).await
}

async fn account_of(
    directory: &Directory<'_>,
    entry: Option<Entry>,
    typed: Option<&str>,
) -> Result<Option<Account>, PluginError> {
    let Some(entry) = entry else { return Ok(None) };
    Ok(match admit(directory, &entry, typed).await? {
        Admission::Admitted(account) => Some(account),
        Admission::NotAllowed => None,
    })
}
