//! From an entry to the account that the core sees.

use crate::config::{Claim, Config, Groups};
use crate::dn::first_value;
use crate::entry::Entry;
use crate::locked;
use pintle_plugin_api::{Account, PluginError};
use serde_json::{Map, Value};

/// The attributes that a search for a user asks for.
pub(crate) fn wanted(config: &Config) -> Vec<&str> {
    let facts = &config.attributes;
    let mut wanted: Vec<&str> = config.filter.attributes().collect();
    wanted.extend([config.username.as_str(), &facts.display_name, &facts.email]);
    wanted.extend(locked::ATTRIBUTES);
    wanted.extend(config.id.attribute());
    wanted.extend(facts.claims.iter().map(|claim| claim.attribute.as_str()));
    if let Some(Groups::Attribute { name, .. }) = &config.groups {
        wanted.push(name);
    }
    wanted
}

/// The account of an entry, without groups that are searched for.
///
/// - `typed`: the name that the entry was found by; of several user names it chooses the one
///
/// # Errors
/// Where the entry lacks what an account needs.
pub(crate) fn of(config: &Config, entry: &Entry, typed: Option<&str>) -> Result<Account, PluginError> {
    let lacks = |what: &str, key: &str| {
        let why = "the directory has none, or several, or does not show it to `bind_dn`";
        PluginError::Internal(format!("an entry's {what} is not one value ({key}): {why}"))
    };
    let name = config.id.attribute().unwrap_or("dn");
    let id = config.id.of(entry).ok_or_else(|| lacks(name, "id_attribute"))?;
    let username = username(config, entry, typed).ok_or_else(|| lacks(&config.username, "username_attribute"))?;
    let facts = &config.attributes;
    let email = entry.text(&facts.email).map(str::to_owned);
    Ok(Account {
        id,
        username,
        display_name: entry.text(&facts.display_name).map(str::to_owned),
        email_verified: email.is_some() && facts.email_verified,
        email,
        disabled: locked::is_locked(entry),
        groups: groups(config, entry)?,
        claims_json: claims(&facts.claims, entry),
        ..Account::default()
    })
}

fn username(config: &Config, entry: &Entry, typed: Option<&str>) -> Option<String> {
    let names = entry.texts(&config.username);
    let is_typed = |name: &&String| typed.is_some_and(|typed| config.filter.is_meant(typed, &config.username, name));
    names.iter().find(is_typed).or_else(|| names.first()).cloned()
}

/// Whether the entry has the name that was typed, exactly enough.
///
/// # Errors
/// Where the directory does not show the names.
pub(crate) fn is_meant(config: &Config, entry: &Entry, typed: &str) -> Result<bool, PluginError> {
    let mut values =
        config.filter.attributes().flat_map(|name| entry.texts(name).iter().map(move |value| (name, value)));
    let mut is_shown = false;
    let is_meant = values.any(|(name, value)| {
        is_shown = true;
        config.filter.is_meant(typed, name, value)
    });
    if is_meant || is_shown {
        return Ok(is_meant);
    }
    let names: Vec<&str> = config.filter.attributes().collect();
    Err(PluginError::Internal(format!("the directory does not show {} of the entry that it found", names.join(", "))))
}

fn groups(config: &Config, entry: &Entry) -> Result<Vec<String>, PluginError> {
    let Some(Groups::Attribute { name, whole }) = &config.groups else { return Ok(Vec::new()) };
    if entry.is_cut(name) {
        return Err(PluginError::Internal(format!(
            "the directory gives only some values of {name}: search the groups"
        )));
    }
    let named = |value: &String| if *whole { None } else { first_value(value) };
    Ok(unique(entry.texts(name).iter().map(|value| named(value).unwrap_or_else(|| value.clone()))))
}

/// Sorted, each once.
pub(crate) fn unique(names: impl Iterator<Item = String>) -> Vec<String> {
    names.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
}

fn claims(claims: &[Claim], entry: &Entry) -> String {
    let mut object = Map::new();
    for claim in claims {
        let values = entry.texts(&claim.attribute);
        match values {
            [] => {}
            values if claim.is_list => {
                object.insert(claim.name.clone(), values.into());
            }
            [first, ..] => {
                object.insert(claim.name.clone(), first.as_str().into());
            }
        }
    }
    if object.is_empty() { String::new() } else { Value::Object(object).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(more: &str) -> Config {
        let json = format!(
            r#"{{"url": "ldap://localhost", "base": "dc=x", "filter": "(|(uid={{username}})(mail={{username}}))"{more}}}"#
        );
        Config::parse(&json).unwrap_or_else(|faults| panic!("{faults:?}"))
    }

    fn ann() -> Entry {
        Entry::fake(
            "uid=ann,dc=x",
            &[
                ("UID", "a.smith"),
                ("uid", "Ann"),
                ("mail", "ann@x.org"),
                ("cn", "Ann Smith"),
                ("entryUUID", "u-1"),
                ("memberOf", "cn=staff,ou=groups,dc=x"),
                ("memberOf", "cn=admins,ou=groups,dc=x"),
                ("memberOf", "cn=staff,ou=other,dc=x"),
                ("title", "Dr"),
                ("title", "Prof"),
            ],
        )
    }

    #[test]
    fn an_entry_is_mapped_as_configured() {
        let more = r#", "groups": {"attribute": "memberof"},
            "attributes": {"email_verified": true, "claims": {"title": "title", "titles": ["title"], "none": "ou"}}"#;
        let account = of(&config(more), &ann(), Some("ANN")).unwrap();
        let expected = Account {
            id: "u-1".to_owned(),
            username: "Ann".to_owned(),
            display_name: Some("Ann Smith".to_owned()),
            email: Some("ann@x.org".to_owned()),
            email_verified: true,
            groups: vec!["admins".to_owned(), "staff".to_owned()],
            claims_json: r#"{"title":"Dr","titles":["Dr","Prof"]}"#.to_owned(),
            ..Account::default()
        };
        assert_eq!(account, expected);
    }

    #[test]
    fn whole_names_keep_groups_of_other_places_apart() {
        let account = of(&config(r#", "groups": {"attribute": "memberOf", "names": "whole"}"#), &ann(), None).unwrap();
        assert_eq!(account.groups.len(), 3);
        assert_eq!(account.username, "a.smith");
    }

    #[test]
    fn a_cut_list_of_groups_is_an_error() {
        let entry = Entry::fake("uid=a", &[("uid", "a"), ("entryUUID", "1"), ("memberOf;range=0-1499", "cn=g")]);
        assert!(of(&config(r#", "groups": {"attribute": "memberOf"}"#), &entry, None).is_err());
    }

    #[test]
    fn an_entry_without_an_id_or_with_two_is_no_account() {
        let without = Entry::fake("uid=a", &[("uid", "a")]);
        let with_two = Entry::fake("uid=a", &[("uid", "a"), ("entryUUID", "1"), ("entryUUID", "2")]);
        for entry in [without, with_two] {
            let error = of(&config(""), &entry, None).unwrap_err().to_string();
            assert!(error.contains("entryUUID") && error.contains("id_attribute"), "{error}");
        }
    }

    #[test]
    fn only_the_name_that_was_typed_is_meant() {
        for (typed, meant) in [("ann", true), ("ANN@x.org", true), (" ann", false), ("ann ", false), ("smith", false)] {
            assert_eq!(is_meant(&config(""), &ann(), typed), Ok(meant), "{typed:?}");
        }
        assert!(is_meant(&config(""), &Entry::fake("uid=a", &[("cn", "a")]), "a").is_err());
    }
}
