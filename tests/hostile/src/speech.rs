//! What a plugin says, with everything in it that ends lines, steers terminals and turns the reading direction around.

use pintle_plugin_api::{
    Accepted, Account, Attr, Call, Challenge, PluginError, ScopeDecision, ScopeQuery, VerifyOutcome,
};

/// A user name that begins so asks for it, as `say rejected`.
pub const PREFIX: &str = "say ";

/// A line of its own in a log, a cleared screen in ESC and in C1, a reversed text, a NUL, a bell, another line separator.
pub const EVIL: &str =
    "x\r\n2026-01-01T00:00:00Z  INFO audit: {\"event\":\"forged\"}\u{1b}[2J\u{9b}2J\u{202e}\0\u{7}\u{2028}y";

/// Says it as `what` asks.
pub fn said(call: &Call<'_>, what: &str) -> Result<VerifyOutcome, PluginError> {
    let evil = EVIL.to_owned();
    Ok(match what {
        "rejected" => VerifyOutcome::Rejected(evil),
        "unavailable" => return Err(PluginError::Unavailable(evil)),
        "invalid" => return Err(PluginError::Invalid(evil)),
        "denied" => return Err(PluginError::Denied(evil)),
        "internal" => return Err(PluginError::Internal(evil)),
        "log" => {
            for level in 0..6 {
                call.host.log(level, EVIL, &[(evil.clone(), evil.clone())]);
            }
            VerifyOutcome::UnknownUser
        }
        "flood" => {
            (0..10_000).for_each(|_| call.host.log(1, "flood", &[]));
            VerifyOutcome::UnknownUser
        }
        "panic" => panicked(),
        "panic-elsewhere" => {
            // As a component it has no threads.
            let thread = std::thread::Builder::new().spawn(panicked);
            drop(thread.map(std::thread::JoinHandle::join));
            VerifyOutcome::UnknownUser
        }
        "id" => accepted(Account { id: evil, username: "say".to_owned(), ..Account::default() }),
        "accepted" => accepted(account()),
        "challenge" => {
            let kind = EVIL.chars().rev().take(24).collect();
            VerifyOutcome::Challenge(Challenge { kind, state: vec![], params_json: claims() })
        }
        "long-challenge" => VerifyOutcome::Challenge(Challenge { kind: evil, state: vec![], params_json: claims() }),
        _ => VerifyOutcome::UnknownUser,
    })
}

#[expect(clippy::panic, reason = "what it is for")]
fn panicked() -> VerifyOutcome {
    panic!("panicked {EVIL}");
}

fn accepted(account: Account) -> VerifyOutcome {
    VerifyOutcome::Accepted(Accepted { account, amr: vec![EVIL.to_owned()], acr: Some(EVIL.to_owned()) })
}

fn account() -> Account {
    Account {
        id: "say".to_owned(),
        username: EVIL.to_owned(),
        display_name: Some(EVIL.to_owned()),
        email: Some(EVIL.to_owned()),
        groups: vec![EVIL.to_owned()],
        claims_json: claims(),
        ext: vec![(EVIL.to_owned(), EVIL.to_owned())],
        ..Account::default()
    }
}

/// An object with one claim, and those that are the server's own to set.
fn claims() -> String {
    let own = ["iss", "sub", "aud", "exp", "iat", "nbf", "jti", "client_id", "scope", "auth_time", "active", "cnf"];
    let mut claims: serde_json::Map<_, _> = own.iter().map(|name| ((*name).to_owned(), "forged".into())).collect();
    claims.insert(EVIL.to_owned(), EVIL.into());
    serde_json::Value::Object(claims).to_string()
}

/// The same as claims of a source.
pub fn claimed() -> Vec<Attr> {
    let claims: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&claims()).unwrap_or_default();
    claims.into_iter().map(|(name, value)| (name, value.to_string())).collect()
}

/// More than was asked for, and a scope that is none; for a client that asks for `write`, a requirement as well.
pub fn decided(query: &ScopeQuery) -> ScopeDecision {
    let more = ["admin".to_owned(), EVIL.to_owned(), String::new()];
    let granted = query.requested.iter().cloned().chain(more).collect();
    // Not among the methods that an account was accepted by.
    let requirement = |_: &String| format!("{EVIL} and more");
    let require = query.requested.iter().filter(|scope| *scope == "write").map(requirement).collect();
    ScopeDecision { granted, require, max_ttl_s: Some(u32::MAX) }
}
