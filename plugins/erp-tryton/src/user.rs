//! `res.user`: what is asked for, and the account that it becomes.

use crate::config::Config;
use crate::rpc::{Answer, Rpc, malformed};
use pintle_plugin_api::{Account, Call, PluginError};
use serde::Deserialize;
use serde_json::{Value, json};

const FIELDS: [&str; 6] = ["login", "name", "email", "active", "groups.name", "groups.active"];
/// Longer names are nobody's.
const MAX_LOGIN_CHARS: usize = 256;

/// A record, with SQLite's 0 and 1 for booleans.
#[derive(Debug, Deserialize)]
pub(crate) struct User {
    pub(crate) id: i64,
    pub(crate) login: String,
    name: Option<String>,
    email: Option<String>,
    active: Value,
    #[serde(rename = "groups.")]
    groups: Vec<Group>,
}

#[derive(Debug, Deserialize)]
struct Group {
    name: String,
    active: Value,
}

impl User {
    pub(crate) fn active(&self) -> bool {
        is_true(&self.active)
    }

    pub(crate) fn into_account(self, config: &Config) -> Account {
        let filled = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        let (email, disabled) = (filled(self.email), !is_true(&self.active));
        let groups = self.groups.into_iter().filter(|group| is_true(&group.active)).map(|group| group.name).collect();
        Account {
            id: self.id.to_string(),
            username: self.login,
            display_name: filled(self.name),
            email_verified: config.email_verified && email.is_some(),
            email,
            disabled,
            groups,
            ..Account::default()
        }
    }
}

fn is_true(value: &Value) -> bool {
    value.as_bool().unwrap_or_else(|| value.as_i64() == Some(1))
}

/// The user with this login. The service user is nobody's account: tries of its password would lock the plugin out.
pub(crate) fn by_login(rpc: &Rpc, call: &Call<'_>, login: &str) -> Result<Option<User>, PluginError> {
    let impossible = login.is_empty() || login.chars().count() > MAX_LOGIN_CHARS || login.chars().any(char::is_control);
    if impossible || login == rpc.config().service_user {
        return Ok(None);
    }
    let (found, _) = search(rpc, call, &json!([["login", "=", login]]), 2)?;
    // Tryton may strip white space before it compares.
    Ok(found.into_iter().find(|user| user.login == login))
}

/// The user with this id.
pub(crate) fn by_id(rpc: &Rpc, call: &Call<'_>, id: &str) -> Result<Option<User>, PluginError> {
    let number = id.parse::<u32>().ok().filter(|number| number.to_string() == id);
    let Some(number) = number else { return Ok(None) };
    let (found, _) = search(rpc, call, &json!([["id", "=", number]]), 2)?;
    let same = |user: &User| user.id == i64::from(number) && user.login != rpc.config().service_user;
    Ok(found.into_iter().find(same))
}

/// At most `limit` users, active or not, by id, and the time of the answer.
pub(crate) fn search(
    rpc: &Rpc,
    call: &Call<'_>,
    domain: &Value,
    limit: u32,
) -> Result<(Vec<User>, Option<u64>), PluginError> {
    let context = json!({"active_test": false, "language": rpc.config().language});
    let params = json!([domain, 0, limit, [["id", "ASC"]], FIELDS, context]);
    let Answer { result, at } = rpc.as_service(call, "model.res.user.search_read", &params)?;
    let users: Vec<User> = serde_json::from_value(result).map_err(|error| malformed(&format!("users: {error}")))?;
    Ok((users, at))
}
