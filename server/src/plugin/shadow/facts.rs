//! What of an answer is compared: facts by name, none of which is a secret.

use crate::plugin::private_dir::hex;
use crate::plugin::{CallError, Fault, log_line};
use pintle_plugin_api::{Account, Attr, PluginError, ScopeDecision, VerifyOutcome};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The longest value that is kept, in characters.
const MAX_CHARS: usize = 200;

/// The name of the fact that every answer has. Where it differs, the others say nothing.
pub const ANSWER: &str = "answer";

/// An answer's facts by name, as texts that are safe to show.
pub type Facts = BTreeMap<String, String>;

/// Facts that differ: the name, what the one has, what the other has. A fact that one of them lacks is an empty text.
pub fn differences(live: &Facts, shadow: &Facts) -> Vec<(String, String, String)> {
    let value = |facts: &Facts, name: &str| facts.get(name).cloned().unwrap_or_default();
    let row = |name: &String| (name.clone(), value(live, name), value(shadow, name));
    if value(live, ANSWER) != value(shadow, ANSWER) {
        return vec![row(&ANSWER.to_owned())];
    }
    let others = shadow.keys().filter(|name| !live.contains_key(*name));
    live.keys().chain(others).map(row).filter(|(_, live, shadow)| live != shadow).collect()
}

/// Of `user-verifier.verify`. Why a proof was rejected is free text and no fact. `None` where the plugin was not asked.
pub fn of_outcome(answer: &Result<VerifyOutcome, CallError>) -> Option<Facts> {
    Some(match answer {
        Err(error) => return of_error(error),
        Ok(VerifyOutcome::Rejected(_)) => said("rejected"),
        Ok(VerifyOutcome::UnknownUser) => said("unknown-user"),
        Ok(VerifyOutcome::Challenge(challenge)) => said(&format!("challenge {}", challenge.kind)),
        Ok(VerifyOutcome::Accepted(accepted)) => {
            let mut facts = said("accepted");
            account(&mut facts, &accepted.account);
            put(&mut facts, "amr", &sorted(&accepted.amr));
            put(&mut facts, "acr", accepted.acr.as_deref().unwrap_or_default());
            facts
        }
    })
}

/// Of `directory.lookup`.
pub fn of_lookup(answer: &Result<Option<Account>, CallError>) -> Option<Facts> {
    Some(match answer {
        Err(error) => return of_error(error),
        Ok(None) => said("no account"),
        Ok(Some(found)) => {
            let mut facts = said("account");
            account(&mut facts, found);
            facts
        }
    })
}

/// Of `scope-policy.evaluate`.
pub fn of_decision(answer: &Result<ScopeDecision, CallError>) -> Option<Facts> {
    let decision = match answer {
        Err(error) => return of_error(error),
        Ok(decision) => decision,
    };
    let mut facts = said("decided");
    put(&mut facts, "granted", &sorted(&decision.granted));
    put(&mut facts, "require", &sorted(&decision.require));
    put(&mut facts, "max_ttl_s", &decision.max_ttl_s.map(|seconds| seconds.to_string()).unwrap_or_default());
    Some(facts)
}

/// Of `claims.enrich`.
pub fn of_claims(answer: &Result<Vec<Attr>, CallError>) -> Option<Facts> {
    let claims = match answer {
        Err(error) => return of_error(error),
        Ok(claims) => claims,
    };
    let mut facts = said("claims");
    claims.iter().for_each(|(name, json)| put(&mut facts, &format!("claim {name}"), &canonical(json)));
    Some(facts)
}

fn of_error(ended: &CallError) -> Option<Facts> {
    match ended.fault {
        Fault::Overloaded | Fault::Open | Fault::Disabled => None,
        Fault::TimedOut | Fault::Trapped => Some(said(ended.fault.name())),
        Fault::Failed => Some(said(match ended.error {
            PluginError::Unavailable(_) => "unavailable",
            PluginError::Invalid(_) => "invalid",
            PluginError::Denied(_) => "denied",
            PluginError::Internal(_) => "internal error",
        })),
    }
}

fn account(facts: &mut Facts, account: &Account) {
    put(facts, "id", &account.id);
    put(facts, "username", &account.username);
    put(facts, "display_name", account.display_name.as_deref().unwrap_or_default());
    put(facts, "email", account.email.as_deref().unwrap_or_default());
    put(facts, "email_verified", if account.email_verified { "yes" } else { "no" });
    put(facts, "disabled", if account.disabled { "yes" } else { "no" });
    put(facts, "groups", &sorted(&account.groups));
    put(facts, "claims", &canonical(&account.claims_json));
    account.ext.iter().for_each(|(name, value)| put(facts, &format!("ext {name}"), value));
}

fn said(answer: &str) -> Facts {
    let mut facts = Facts::new();
    put(&mut facts, ANSWER, answer);
    facts
}

fn put(facts: &mut Facts, name: &str, value: &str) {
    facts.insert(shown(name), shown(value));
}

/// Safe to show. What is cut keeps a part of its hash, so that two long texts are not taken for the same.
fn shown(text: &str) -> String {
    let safe = log_line::safe(text, MAX_CHARS);
    if text.chars().nth(MAX_CHARS).is_none() {
        return safe;
    }
    format!("{safe} (sha256 {})", &hex(&Sha256::digest(text))[..16])
}

/// Neither order nor repetition matters.
fn sorted(names: &[String]) -> String {
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    names.join(" ")
}

/// JSON with its keys in order; what is none stays as it is.
fn canonical(json: &str) -> String {
    serde_json::from_str::<serde_json::Value>(json).map_or_else(|_| json.to_owned(), |value| value.to_string())
}
