//! Kind `scope-policy`.

use super::{Check, Probe, Verdict, awkward_texts, ensure, shown};
use crate::types::{Account, PluginError, ScopeDecision, ScopeQuery};
use std::collections::BTreeSet;

pub(super) const CHECKS: &[Check] = &[
    ("grants nothing that was not requested", grants_only_requested),
    ("grants nothing when nothing was requested", grants_nothing_for_nothing),
    ("grants nothing for a past consent alone", consent_alone_grants_nothing),
    ("gives the same answer to the same query", is_deterministic),
    ("does not depend on the order of the scopes", ignores_order),
    ("answers for a client without a user", answers_without_user),
    ("answers for unknown grant types", answers_for_unknown_grants),
    ("answers for a thousand scopes", answers_for_many),
    ("survives awkward scopes, names and groups", survives_awkward_text),
    ("survives a client that is not JSON", survives_a_broken_client),
    ("sets no lifetime of zero", sets_no_zero_lifetime),
];

fn query(probe: &Probe<'_>) -> ScopeQuery {
    let account = Account {
        id: "7".to_owned(),
        username: probe.fixtures.username.clone(),
        groups: vec!["staff".to_owned(), "admins".to_owned()],
        ..Account::default()
    };
    ScopeQuery {
        client_json: r#"{"id":"client","name":"Client","type":"confidential","trusted":true,"scopes":[]}"#.to_owned(),
        account: Some(account),
        grant_type: "password".to_owned(),
        requested: probe.fixtures.scopes.clone(),
        consented: Vec::new(),
        amr: vec!["pwd".to_owned()],
    }
}

fn decide(probe: &Probe<'_>, query: &ScopeQuery) -> Result<ScopeDecision, String> {
    let decision = probe.subject.evaluate(&probe.ctx, query).map_err(|error| error.to_string())?;
    let extra: Vec<_> = decision.granted.iter().filter(|scope| !query.requested.contains(scope)).collect();
    ensure(extra.is_empty(), || format!("granted beyond the request: {extra:?}"))?;
    Ok(decision)
}

/// A decision within the request, or the error `invalid`.
fn survives(probe: &Probe<'_>, query: &ScopeQuery, what: &str) -> Verdict {
    match probe.subject.evaluate(&probe.ctx, query) {
        Ok(decision) => {
            let within = decision.granted.iter().all(|scope| query.requested.contains(scope));
            ensure(within, || format!("{what}: granted beyond the request"))
        }
        Err(PluginError::Invalid(_)) => Ok(()),
        Err(error) => Err(format!("{what}: {error}")),
    }
}

fn grants_only_requested(probe: &Probe<'_>) -> Verdict {
    let all = query(probe);
    decide(probe, &all)?;
    for scope in &all.requested {
        decide(probe, &ScopeQuery { requested: vec![scope.clone()], ..all.clone() })?;
    }
    Ok(())
}

fn grants_nothing_for_nothing(probe: &Probe<'_>) -> Verdict {
    decide(probe, &ScopeQuery { requested: Vec::new(), ..query(probe) }).map(drop)
}

fn consent_alone_grants_nothing(probe: &Probe<'_>) -> Verdict {
    let all = query(probe);
    decide(probe, &ScopeQuery { requested: Vec::new(), consented: all.requested.clone(), ..all }).map(drop)
}

fn is_deterministic(probe: &Probe<'_>) -> Verdict {
    let query = query(probe);
    ensure(decide(probe, &query)? == decide(probe, &query)?, || "two answers".to_owned())
}

fn ignores_order(probe: &Probe<'_>) -> Verdict {
    let forwards = query(probe);
    let mut backwards = forwards.clone();
    backwards.requested.reverse();
    let sets = |decision: ScopeDecision| {
        let set = |names: Vec<String>| names.into_iter().collect::<BTreeSet<_>>();
        (set(decision.granted), set(decision.require), decision.max_ttl_s)
    };
    ensure(sets(decide(probe, &forwards)?) == sets(decide(probe, &backwards)?), || "two answers".to_owned())
}

fn answers_without_user(probe: &Probe<'_>) -> Verdict {
    let query = ScopeQuery { account: None, grant_type: "client_credentials".to_owned(), ..query(probe) };
    decide(probe, &query).map(drop)
}

fn answers_for_unknown_grants(probe: &Probe<'_>) -> Verdict {
    for grant_type in ["", "authorize", "urn:ietf:params:oauth:grant-type:device_code", "名前"] {
        decide(probe, &ScopeQuery { grant_type: grant_type.to_owned(), ..query(probe) })?;
    }
    Ok(())
}

fn answers_for_many(probe: &Probe<'_>) -> Verdict {
    let requested = (0..1000).map(|number| format!("scope-{number}")).collect();
    decide(probe, &ScopeQuery { requested, ..query(probe) }).map(drop)
}

fn survives_awkward_text(probe: &Probe<'_>) -> Verdict {
    for text in awkward_texts() {
        let mut awkward = query(probe);
        awkward.requested = vec![text.clone()];
        awkward.amr = vec![text.clone()];
        awkward.account = Some(Account { username: text.clone(), groups: vec![text.clone()], ..Account::default() });
        survives(probe, &awkward, &shown(&text))?;
    }
    Ok(())
}

fn survives_a_broken_client(probe: &Probe<'_>) -> Verdict {
    for client_json in ["", "null", "[]", "{", "{\"id\": 7}"] {
        survives(probe, &ScopeQuery { client_json: client_json.to_owned(), ..query(probe) }, client_json)?;
    }
    Ok(())
}

fn sets_no_zero_lifetime(probe: &Probe<'_>) -> Verdict {
    let decision = decide(probe, &query(probe))?;
    ensure(decision.max_ttl_s != Some(0), || "max_ttl_s is 0".to_owned())
}
