//! A plugin's answers in short, to be compared with those of another instance.

use super::{Fixtures, Subject, exports};
use crate::types::{Account, Event, Manifest, ScopeQuery, TokenVerdict, VerifyOutcome, VerifyRequest};

/// What the plugin answers to a few usual requests of each of its kinds. A text of several lines: for comparison, and to
/// show where two differ.
pub(super) fn answers(subject: &dyn Subject, fixtures: &Fixtures, manifest: &Manifest) -> String {
    let ctx = fixtures.context();
    let mut lines = Vec::new();
    if exports(manifest, "user-verifier") {
        let Fixtures { username, password: right, unknown, .. } = fixtures;
        for (name, secret) in [(username, right.as_str()), (username, "not the password"), (unknown, right)] {
            let mut outcome = subject.verify(&ctx, &password(name, secret));
            if let Ok(VerifyOutcome::Challenge(challenge)) = &mut outcome {
                // It may be another each time.
                challenge.state.clear();
            }
            lines.push(format!("verify {name}: {outcome:?}"));
        }
    }
    if exports(manifest, "scope-policy") {
        lines.push(format!("evaluate: {:?}", subject.evaluate(&ctx, &query(fixtures))));
    }
    if exports(manifest, "token-format") {
        lines.push(format!("validate: {:?}", round_trip(subject, fixtures)));
    }
    if exports(manifest, "directory") {
        for name in [&fixtures.username, &fixtures.unknown] {
            lines.push(format!("lookup {name}: {:?}", subject.lookup(&ctx, "username", name)));
        }
    }
    if exports(manifest, "claims") {
        lines.push(format!("enrich: {:?}", subject.enrich(&ctx, &account(fixtures), &fixtures.scopes, "access-token")));
    }
    if exports(manifest, "account-source") {
        lines.push(format!("pull: {:?}", subject.pull(&ctx, None, 10)));
    }
    if exports(manifest, "event-sink") {
        let json = r#"{"user":"ann"}"#.to_owned();
        let event = Event { id: "event-1".to_owned(), kind: "token.issued".to_owned(), at_ms: 1_000, json };
        lines.push(format!("deliver: {:?}", subject.deliver(&ctx, &[event])));
    }
    if exports(manifest, "extension-grant") {
        let grant_type = subject.grant_types().ok().and_then(|types| types.into_iter().next()).unwrap_or_default();
        lines.push(format!("exchange: {:?}", subject.exchange(&ctx, &grant_type, &fixtures.grant_params)));
    }
    lines.join("\n")
}

fn password(username: &str, secret: &str) -> VerifyRequest {
    VerifyRequest {
        username: Some(username.to_owned()),
        kind: "password".to_owned(),
        secret: secret.as_bytes().to_vec().into(),
        ..VerifyRequest::default()
    }
}

fn account(fixtures: &Fixtures) -> Account {
    Account { id: "7".to_owned(), username: fixtures.username.clone(), ..Account::default() }
}

fn query(fixtures: &Fixtures) -> ScopeQuery {
    ScopeQuery {
        client_json: r#"{"id":"client","name":"Client","type":"confidential","trusted":true,"scopes":[]}"#.to_owned(),
        account: Some(account(fixtures)),
        grant_type: "password".to_owned(),
        requested: fixtures.scopes.clone(),
        ..ScopeQuery::default()
    }
}

/// The handle that comes back out of a token: tokens themselves may differ.
fn round_trip(subject: &dyn Subject, fixtures: &Fixtures) -> Result<TokenVerdict, String> {
    let mut claims: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&fixtures.claims_json).map_err(|error| error.to_string())?;
    claims.insert("jti".to_owned(), crate::types::base64url::encode(&[9; 48]).into());
    let claims = serde_json::Value::Object(claims).to_string();
    let ctx = fixtures.context();
    let issued = subject.issue(&ctx, &claims, &fixtures.key_id).map_err(|error| error.to_string())?;
    subject.validate(&ctx, &issued.token).map_err(|error| error.to_string())
}
