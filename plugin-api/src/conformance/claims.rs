//! Kind `claims`.

use super::{Check, Probe, Verdict, awkward_texts, ensure, shown};
use crate::types::{Account, Attr, PluginError};
use std::collections::BTreeSet;

pub(super) const CHECKS: &[Check] = &[
    ("gives claims with names of their own and values that are JSON", gives_claims),
    ("gives the same answer to the same question", is_deterministic),
    ("answers for an account without groups and for no scopes", answers_for_little),
    ("answers for a thousand scopes", answers_for_many),
    ("survives awkward names, groups and scopes", survives_awkward_text),
    ("survives a target that it does not know", survives_other_targets),
];

const TARGETS: [&str; 2] = ["access-token", "introspection"];

fn account(probe: &Probe<'_>) -> Account {
    Account {
        id: "7".to_owned(),
        username: probe.fixtures.username.clone(),
        groups: vec!["staff".to_owned()],
        ..Account::default()
    }
}

fn well_formed(claims: &[Attr]) -> Verdict {
    let mut names = BTreeSet::new();
    for (name, value) in claims {
        ensure(!name.is_empty(), || "a claim without a name".to_owned())?;
        ensure(names.insert(name), || format!("the claim {} twice", shown(name)))?;
        ensure(serde_json::from_str::<serde_json::Value>(value).is_ok(), || format!("{}: not JSON", shown(name)))?;
    }
    Ok(())
}

fn ask(probe: &Probe<'_>, account: &Account, scopes: &[String], target: &str) -> Result<Vec<Attr>, String> {
    let claims = probe.subject.enrich(&probe.ctx, account, scopes, target).map_err(|error| error.to_string())?;
    well_formed(&claims)?;
    Ok(claims)
}

/// Claims that are well formed, or the error `invalid`.
fn survives(probe: &Probe<'_>, account: &Account, scopes: &[String], target: &str, what: &str) -> Verdict {
    match probe.subject.enrich(&probe.ctx, account, scopes, target) {
        Ok(claims) => well_formed(&claims).map_err(|why| format!("{what}: {why}")),
        Err(PluginError::Invalid(_)) => Ok(()),
        Err(error) => Err(format!("{what}: {error}")),
    }
}

fn gives_claims(probe: &Probe<'_>) -> Verdict {
    TARGETS.iter().try_for_each(|target| ask(probe, &account(probe), &probe.fixtures.scopes, target).map(drop))
}

fn is_deterministic(probe: &Probe<'_>) -> Verdict {
    for target in TARGETS {
        let ask = || ask(probe, &account(probe), &probe.fixtures.scopes, target);
        ensure(ask()? == ask()?, || format!("two answers for {target}"))?;
    }
    Ok(())
}

fn answers_for_little(probe: &Probe<'_>) -> Verdict {
    let bare = Account { id: "7".to_owned(), username: probe.fixtures.username.clone(), ..Account::default() };
    TARGETS.iter().try_for_each(|target| ask(probe, &bare, &[], target).map(drop))
}

fn answers_for_many(probe: &Probe<'_>) -> Verdict {
    let scopes: Vec<_> = (0..1000).map(|number| format!("scope-{number}")).collect();
    ask(probe, &account(probe), &scopes, TARGETS[0]).map(drop)
}

fn survives_awkward_text(probe: &Probe<'_>) -> Verdict {
    for text in awkward_texts() {
        let account = Account { username: text.clone(), groups: vec![text.clone()], ..account(probe) };
        survives(probe, &account, std::slice::from_ref(&text), TARGETS[0], &shown(&text))?;
    }
    Ok(())
}

fn survives_other_targets(probe: &Probe<'_>) -> Verdict {
    ["", "id-token", "ACCESS-TOKEN"]
        .iter()
        .try_for_each(|target| survives(probe, &account(probe), &probe.fixtures.scopes, target, target))
}
