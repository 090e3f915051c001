//! Searches: the user, the conditions on one, the groups. Referrals are not followed, aliases not resolved.

use crate::account;
use crate::config::{Config, Groups};
use crate::dial::Purpose;
use crate::entry::Entry;
use crate::filter::Template;
use crate::outcome::{is_of_the_server, unanswered};
use crate::pool::Pool;
use ldap3::{LdapError, LdapResult, Scope, SearchOptions, SearchResult};
use pintle_plugin_api::{Host, PluginError};

const SIZE_LIMIT_EXCEEDED: u32 = 4;
const NO_SUCH_OBJECT: u32 = 32;
const INVALID_DN: u32 = 34;
/// "No attributes" (RFC 4511 §4.5.1.8).
const NOTHING: &str = "1.1";

/// The directory during one call.
pub(crate) struct Directory<'a> {
    pub(crate) config: &'a Config,
    pub(crate) pool: &'a Pool,
    pub(crate) host: &'a dyn Host,
}

/// One search.
struct Query<'a> {
    base: &'a str,
    scope: Scope,
    filter: &'a str,
    attributes: &'a [&'a str],
    /// 0: the directory's own limit.
    size_limit: i32,
}

impl Directory<'_> {
    async fn search(&self, query: &Query<'_>) -> Result<(Vec<Entry>, LdapResult), PluginError> {
        let seconds = i32::try_from(self.config.operation_timeout.as_secs()).unwrap_or(i32::MAX).saturating_add(1);
        let options = SearchOptions::new().sizelimit(query.size_limit).timelimit(seconds);
        let found = self.pool.run(self.config, Purpose::Search, self.host, async |ldap| {
            let ldap = ldap.with_search_options(options.clone());
            let found = ldap.search(query.base, query.scope, query.filter, query.attributes).await?;
            let SearchResult(entries, result) = found;
            if is_of_the_server(result.rc) {
                return Err(LdapError::from(result));
            }
            Ok((entries, result))
        });
        let (entries, result) = found.await?;
        let entries = entries.into_iter().filter(|entry| !entry.is_ref() && !entry.is_intermediate());
        Ok((entries.map(Entry::new).collect(), result))
    }

    /// The user below `base` whom `filter` finds.
    ///
    /// # Errors
    /// Where several are found; where the directory has no answer.
    pub(crate) async fn user(&self, filter: &str) -> Result<Option<Entry>, PluginError> {
        let attributes = account::wanted(self.config);
        let base = self.config.base.as_str();
        let query = Query { base, scope: Scope::Subtree, filter, attributes: &attributes, size_limit: 2 };
        let (mut entries, result) = self.search(&query).await?;
        match (result.rc, entries.len()) {
            (0 | SIZE_LIMIT_EXCEEDED, 2..) => Err(PluginError::Internal(
                "more than one entry matches `filter`: it is not said whose login it is".to_owned(),
            )),
            (0, _) => Ok(entries.pop()),
            (NO_SUCH_OBJECT, _) => Err(PluginError::Internal(format!(
                "there is no {base:?} (base), or the directory does not show it to `bind_dn`"
            ))),
            _ => Err(unanswered("search", &result)),
        }
    }

    /// The entry `dn` where `filter` matches it.
    ///
    /// # Errors
    /// Where the directory has no answer.
    pub(crate) async fn entry(
        &self,
        dn: &str,
        filter: &str,
        attributes: &[&str],
    ) -> Result<Option<Entry>, PluginError> {
        let query = Query { base: dn, scope: Scope::Base, filter, attributes, size_limit: 0 };
        let (mut entries, result) = self.search(&query).await?;
        match result.rc {
            0 => Ok(entries.pop()),
            NO_SUCH_OBJECT | INVALID_DN => Ok(None),
            _ => Err(unanswered("search", &result)),
        }
    }

    /// Whether the condition holds for the entry. A filter that the directory cannot evaluate does not.
    async fn holds(&self, condition: &str, dn: &str) -> Result<bool, PluginError> {
        Ok(self.entry(dn, condition, &[NOTHING]).await?.is_some())
    }

    /// Whether the user is in the circle of those who may log in here.
    pub(crate) async fn may_use(&self, username: &str, dn: &str) -> Result<bool, PluginError> {
        match &self.config.may_use {
            None => Ok(true),
            Some(condition) => self.holds(&condition.fill(username, dn), dn).await,
        }
    }

    /// Whether the user is blocked. Asked the other way round: an attribute that the directory does not know or does not
    /// show makes a filter undefined, and that must not let anybody in.
    pub(crate) async fn is_blocked(&self, username: &str, dn: &str) -> Result<bool, PluginError> {
        match &self.config.blocked {
            None => Ok(false),
            Some(condition) => Ok(!self.holds(&negated(condition, username, dn), dn).await?),
        }
    }

    /// The groups that are searched for; none where they are an attribute's.
    pub(crate) async fn searched_groups(&self, username: &str, dn: &str) -> Result<Vec<String>, PluginError> {
        let Some(Groups::Search { base, filter, name }) = &self.config.groups else { return Ok(Vec::new()) };
        let filter = filter.fill(username, dn);
        let attributes = [name.as_str()];
        let query = Query { base, scope: Scope::Subtree, filter: &filter, attributes: &attributes, size_limit: 0 };
        let (entries, result) = self.search(&query).await?;
        if result.rc != 0 {
            // Some of the groups would be other rights than all of them.
            return Err(unanswered("search of groups", &result));
        }
        Ok(account::unique(entries.iter().filter_map(|entry| entry.text(name)).map(str::to_owned)))
    }
}

fn negated(condition: &Template, username: &str, dn: &str) -> String {
    format!("(!{})", condition.fill(username, dn))
}
