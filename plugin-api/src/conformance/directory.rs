//! Kind `directory`.

use super::{Check, Probe, Verdict, awkward_texts, ensure, is_account, shown};
use crate::types::{Account, PluginError};

pub(super) const CHECKS: &[Check] = &[
    ("finds its user by name, with an id", finds_by_name),
    ("finds the same account by its id", finds_by_id),
    ("gives the same answer to the same question", is_deterministic),
    ("has no account of a user whom it does not have", has_no_strangers),
    ("never shows a disabled user as one who may log in", shows_disabled),
    ("refuses to look up by anything but id and name", refuses_other_keys),
    ("finds nobody by awkward or huge names and ids", finds_nobody_awkward),
];

fn find(probe: &Probe<'_>, by: &str, value: &str) -> Result<Option<Account>, String> {
    probe.subject.lookup(&probe.ctx, by, value).map_err(|error| format!("{by} {}: {error}", shown(value)))
}

fn own(probe: &Probe<'_>) -> Result<Account, String> {
    find(probe, "username", &probe.fixtures.username)?.ok_or_else(|| "the user was not found".to_owned())
}

fn finds_by_name(probe: &Probe<'_>) -> Verdict {
    let account = own(probe)?;
    is_account(&account)?;
    ensure(account.username == probe.fixtures.username, || format!("the account is {}", shown(&account.username)))?;
    ensure(!account.disabled, || "the account is disabled".to_owned())
}

fn finds_by_id(probe: &Probe<'_>) -> Verdict {
    let account = own(probe)?;
    let found = find(probe, "id", &account.id)?;
    ensure(found.as_ref() == Some(&account), || format!("by id: {}", if found.is_some() { "another" } else { "none" }))
}

fn is_deterministic(probe: &Probe<'_>) -> Verdict {
    let (first, second) = (own(probe)?, own(probe)?);
    ensure(first == second, || "two answers".to_owned())
}

fn has_no_strangers(probe: &Probe<'_>) -> Verdict {
    for by in ["username", "id"] {
        let found = find(probe, by, &probe.fixtures.unknown)?;
        ensure(found.is_none(), || format!("found by {by}"))?;
    }
    Ok(())
}

fn shows_disabled(probe: &Probe<'_>) -> Verdict {
    let Some(disabled) = &probe.fixtures.disabled else {
        return probe.not_tried("the fixtures name no `disabled` user");
    };
    let found = find(probe, "username", disabled)?;
    ensure(found.is_none_or(|account| account.disabled), || "the account is not marked as disabled".to_owned())
}

fn refuses_other_keys(probe: &Probe<'_>) -> Verdict {
    for by in ["", "email", "Username", "*"] {
        match probe.subject.lookup(&probe.ctx, by, &probe.fixtures.username) {
            Err(PluginError::Invalid(_)) => {}
            Ok(_) => return Err(format!("answered to a look-up by {by:?}")),
            Err(error) => return Err(format!("by {by:?}: {error}")),
        }
    }
    Ok(())
}

fn finds_nobody_awkward(probe: &Probe<'_>) -> Verdict {
    let name = &probe.fixtures.username;
    let decorated = [format!(" {name}"), format!("{name}\0"), format!("{name}\n"), format!("{name}*")];
    for text in awkward_texts().into_iter().chain(decorated) {
        for by in ["username", "id"] {
            match probe.subject.lookup(&probe.ctx, by, &text) {
                Ok(None) | Err(PluginError::Invalid(_)) => {}
                Ok(Some(_)) => return Err(format!("found somebody by {by} {}", shown(&text))),
                Err(error) => return Err(format!("by {by} {}: {error}", shown(&text))),
            }
        }
    }
    Ok(())
}
