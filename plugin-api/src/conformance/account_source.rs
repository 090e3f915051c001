//! Kind `account-source`.

use super::{Check, Probe, Verdict, ensure, is_account, shown};
use crate::types::{AccountChange, PluginError, SourcePage};
use std::collections::BTreeMap;

pub(super) const CHECKS: &[Check] = &[
    ("names every account once in a full run, each with an id and a name", names_every_account_once),
    ("has the user among its accounts", has_the_user),
    ("keeps to the limit of a page", keeps_the_limit),
    ("names the same accounts in pages of any size", any_page_size),
    ("names the same accounts in a second full run", is_deterministic),
    ("gives a cursor until it is complete, and never the same twice", cursors_advance),
    ("survives a cursor that it did not give", survives_other_cursors),
];

/// A full run of more pages is taken for one without an end.
const MOST_PAGES: usize = 10_000;

fn page(probe: &Probe<'_>, cursor: Option<&str>, limit: u32) -> Result<SourcePage, String> {
    probe.subject.pull(&probe.ctx, cursor, limit).map_err(|error| error.to_string())
}

/// All pages from no cursor to `complete`.
fn full_run(probe: &Probe<'_>, limit: u32) -> Result<Vec<SourcePage>, String> {
    let (mut pages, mut cursor): (Vec<SourcePage>, Option<String>) = (Vec::new(), None);
    while pages.len() < MOST_PAGES {
        let page = page(probe, cursor.as_deref(), limit)?;
        cursor.clone_from(&page.next);
        let complete = page.complete;
        pages.push(page);
        if complete {
            return Ok(pages);
        }
        ensure(cursor.is_some(), || "a page that is not the last has no cursor".to_owned())?;
    }
    Err(format!("not complete after {MOST_PAGES} pages"))
}

/// The accounts by id. In a full run a deletion says nothing.
fn accounts(pages: &[SourcePage]) -> Result<BTreeMap<String, String>, String> {
    let mut accounts = BTreeMap::new();
    for change in pages.iter().flat_map(|page| &page.changes) {
        if let AccountChange::Upsert(account) = change {
            is_account(account)?;
            let twice = accounts.insert(account.id.clone(), account.username.clone()).is_some();
            ensure(!twice, || format!("the account {} twice", shown(&account.id)))?;
        }
    }
    Ok(accounts)
}

fn names_every_account_once(probe: &Probe<'_>) -> Verdict {
    let found = accounts(&full_run(probe, 100)?)?;
    ensure(!found.is_empty(), || "no accounts at all".to_owned())
}

fn has_the_user(probe: &Probe<'_>) -> Verdict {
    let found = accounts(&full_run(probe, 100)?)?;
    ensure(found.values().any(|name| *name == probe.fixtures.username), || format!("not among {}", found.len()))
}

fn keeps_the_limit(probe: &Probe<'_>) -> Verdict {
    for limit in [1, 2, 1000] {
        let pages = full_run(probe, limit)?;
        let most = pages.iter().map(|page| page.changes.len()).max().unwrap_or_default();
        ensure(most <= limit as usize, || format!("{most} changes, {limit} asked for"))?;
    }
    Ok(())
}

fn any_page_size(probe: &Probe<'_>) -> Verdict {
    let all = accounts(&full_run(probe, 1000)?)?;
    for limit in [1, 2, 3] {
        ensure(accounts(&full_run(probe, limit)?)? == all, || format!("other accounts in pages of {limit}"))?;
    }
    Ok(())
}

fn is_deterministic(probe: &Probe<'_>) -> Verdict {
    let run = || accounts(&full_run(probe, 2)?);
    ensure(run()? == run()?, || "two lists".to_owned())
}

fn cursors_advance(probe: &Probe<'_>) -> Verdict {
    let pages = full_run(probe, 1)?;
    let mut cursors: Vec<_> = pages.iter().filter(|page| !page.complete).filter_map(|page| page.next.clone()).collect();
    let given = cursors.len();
    cursors.sort();
    cursors.dedup();
    ensure(cursors.len() == given, || "a cursor came twice".to_owned())
}

fn survives_other_cursors(probe: &Probe<'_>) -> Verdict {
    for cursor in super::awkward_texts() {
        match probe.subject.pull(&probe.ctx, Some(&cursor), 2) {
            Ok(page) => ensure(page.changes.len() <= 2, || format!("{}: beyond the limit", shown(&cursor)))?,
            Err(PluginError::Invalid(_)) => {}
            Err(error) => return Err(format!("{}: {error}", shown(&cursor))),
        }
    }
    Ok(())
}
