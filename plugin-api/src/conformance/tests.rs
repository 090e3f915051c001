//! The kit finds what it looks for: each plugin here has one fault, and the check of that fault fails.

use super::*;
use crate::testing::FakeHost;
use crate::types::{Accepted, Account, AccountVerdict, base64url};
use crate::{Call, Plugin, ScopePolicy, TokenFormat, UserVerifier};

/// A plugin of three kinds, whose `fault` is in its config.
struct Faulty {
    fault: String,
}

impl Plugin for Faulty {
    fn manifest() -> Manifest {
        Manifest { self_contained: true, ..Manifest::new::<Self>("faulty", "1.0.0") }
    }

    fn create(config_json: &str) -> Result<Self, Vec<String>> {
        let mut config = crate::config::table(config_json)?;
        let fault = config.remove("fault").and_then(|fault| fault.as_str().map(str::to_owned)).unwrap_or_default();
        match config.keys().next() {
            Some(key) if fault != "takes any option" => Err(vec![crate::config::unknown_key(key, &["fault"])]),
            _ => Ok(Self { fault }),
        }
    }

    fn health(&self, _call: &Call<'_>) -> Result<(), PluginError> {
        if self.fault == "is ill" { Err(PluginError::Unavailable("ill".to_owned())) } else { Ok(()) }
    }
}

impl UserVerifier for Faulty {
    fn verify(&self, call: &Call<'_>, request: &VerifyRequest) -> Result<VerifyOutcome, PluginError> {
        let fault = self.fault.as_str();
        if request.kind != "password" && fault != "ignores the kind" {
            return Ok(VerifyOutcome::UnknownUser);
        }
        let name = request.username.clone().unwrap_or_default();
        let name = if fault == "trims names" { name.trim().to_owned() } else { name };
        let accept = |account| VerifyOutcome::Accepted(Accepted { account, amr: vec!["pwd".to_owned()], acr: None });
        if fault == "accepts an empty password" && request.secret.is_empty() {
            return Ok(accept(Account { id: "1".to_owned(), ..Account::default() }));
        }
        Ok(match call.host.account_verify(&name, &request.secret)? {
            AccountVerdict::Accepted(account) => accept(account),
            AccountVerdict::Rejected if fault == "passes on wrong passwords" => VerifyOutcome::UnknownUser,
            AccountVerdict::Rejected => VerifyOutcome::Rejected(String::new()),
            AccountVerdict::UnknownUser if fault == "stops at unknown users" => VerifyOutcome::Rejected(String::new()),
            AccountVerdict::UnknownUser => VerifyOutcome::UnknownUser,
        })
    }
}

impl ScopePolicy for Faulty {
    fn evaluate(&self, _call: &Call<'_>, query: &ScopeQuery) -> Result<ScopeDecision, PluginError> {
        let mut decision = ScopeDecision { granted: query.requested.clone(), ..ScopeDecision::default() };
        match self.fault.as_str() {
            "grants more" => decision.granted.push("root".to_owned()),
            "grants consents" => decision.granted.extend(query.consented.iter().cloned()),
            "grants the first" => decision.granted.truncate(1),
            "needs a user" if query.account.is_none() => return Err(PluginError::Internal("no user".to_owned())),
            _ => {}
        }
        Ok(decision)
    }
}

impl TokenFormat for Faulty {
    fn issue(&self, call: &Call<'_>, claims_json: &str, key_id: &str) -> Result<IssuedToken, PluginError> {
        #[derive(serde::Deserialize)]
        struct Claims {
            jti: Option<String>,
        }
        let invalid = |why: &str| PluginError::Invalid(why.to_owned());
        let claims: Claims = serde_json::from_str(claims_json).map_err(|_| invalid("claims"))?;
        let handle = match claims.jti {
            Some(handle) => handle,
            None if self.fault == "needs no handle" => "none".to_owned(),
            None => return Err(invalid("no jti")),
        };
        let signature = base64url::encode(&call.host.sign(key_id, "fake", handle.as_bytes())?);
        Ok(IssuedToken { token: format!("{handle}.{signature}"), meta_json: String::new() })
    }

    fn validate(&self, call: &Call<'_>, token: &str) -> Result<TokenVerdict, PluginError> {
        let token = if self.fault == "trims tokens" { token.trim() } else { token };
        let Some((handle, signature)) = token.split_once('.') else { return Ok(TokenVerdict::NotMine) };
        let Some(signature) = base64url::decode(signature) else { return Ok(TokenVerdict::NotMine) };
        let checks = self.fault != "checks no signature";
        if checks && !call.host.verify("key-1", "fake", handle.as_bytes(), &signature)? {
            return Ok(TokenVerdict::Invalid("signature".to_owned()));
        }
        Ok(TokenVerdict::Mine(handle.to_owned()))
    }
}

crate::__pintle_linked!(Faulty: user_verifier, scope_policy, token_format);

fn failures(fault: &str) -> Vec<String> {
    let config = serde_json::json!({ "fault": fault }).to_string();
    let host = FakeHost::with_ann_and_bob();
    let fixtures = Fixtures { config_json: config.clone(), ..Fixtures::default() };
    let report = run(&LinkedSubject::new(linked(), &config, &host).unwrap(), &fixtures);
    report.failures().map(|outcome| outcome.check.clone()).collect()
}

#[test]
fn a_plugin_without_a_fault_passes() {
    assert_eq!(failures("none"), Vec::<String>::new());
}

#[test]
fn each_fault_fails_its_check() {
    for (fault, check) in [
        ("takes any option", "refuses an option that it does not know, and names it"),
        ("is ill", "is healthy"),
        ("ignores the kind", "never accepts a kind of proof that it does not know"),
        ("trims names", "never accepts awkward or huge names"),
        ("accepts an empty password", "never accepts an empty password"),
        ("passes on wrong passwords", "rejects a wrong password of its own user"),
        ("stops at unknown users", "passes on a user whom it does not have"),
        ("grants more", "grants nothing that was not requested"),
        ("grants consents", "grants nothing for a past consent alone"),
        ("grants the first", "does not depend on the order of the scopes"),
        ("needs a user", "answers for a client without a user"),
        ("needs no handle", "issues nothing without a handle"),
        ("trims tokens", "never finds the handle in a shortened or lengthened token"),
        ("checks no signature", "never finds the handle in an altered token"),
        ("checks no signature", "never finds a handle in garbage"),
    ] {
        let failures = failures(fault);
        assert!(failures.iter().any(|failed| failed == check), "{fault}: {failures:?}");
    }
}

#[test]
fn a_report_without_checks_has_not_passed() {
    assert!(!Report::default().passed());
}
