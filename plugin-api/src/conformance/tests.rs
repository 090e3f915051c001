//! The kit finds what it looks for: each plugin here has one fault, and the check of that fault fails.

use super::*;
use crate::testing::FakeHost;
use crate::types::{Accepted, Account, AccountChange, AccountVerdict, Challenge, ExtensionGranted, base64url};
use crate::{
    AccountSource, Call, ClaimsSource, Directory, EventSink, ExtensionGrant, Plugin, ScopePolicy, TokenFormat,
    UserVerifier,
};

/// A plugin of every kind, whose `fault` is in its config.
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
        if request.kind == "totp" && fault.starts_with("asks twice") {
            return self.second_step(call, request);
        }
        if request.kind != "password" && fault != "ignores the kind" {
            return Ok(VerifyOutcome::UnknownUser);
        }
        let name = request.username.clone().unwrap_or_default();
        let name = if fault == "trims names" { name.trim().to_owned() } else { name };
        if fault == "rejects while the host is down" && call.host.kv_get("k").is_err() {
            return Ok(VerifyOutcome::Rejected("no answer".to_owned()));
        }
        if fault == "remembers logins" && call.host.kv_put("k", b"", None, Some(0)).is_err() {
            return Ok(VerifyOutcome::UnknownUser);
        }
        if fault == "refuses names beyond ASCII" && !name.is_ascii() {
            return Err(PluginError::Invalid("the name".to_owned()));
        }
        let accept = |account| VerifyOutcome::Accepted(Accepted { account, amr: vec!["pwd".to_owned()], acr: None });
        if fault == "accepts an empty password" && request.secret.is_empty() {
            return Ok(accept(Account { id: "1".to_owned(), ..Account::default() }));
        }
        Ok(match call.host.account_verify(&name, &request.secret)? {
            AccountVerdict::Accepted(_) if fault.starts_with("asks twice") => VerifyOutcome::Challenge(Challenge {
                kind: "totp".to_owned(),
                state: format!("for {name}").into_bytes(),
                params_json: "{}".to_owned(),
            }),
            AccountVerdict::Accepted(account) => accept(account),
            AccountVerdict::Rejected if fault == "passes on wrong passwords" => VerifyOutcome::UnknownUser,
            AccountVerdict::Rejected => VerifyOutcome::Rejected(String::new()),
            AccountVerdict::UnknownUser if fault == "stops at unknown users" => VerifyOutcome::Rejected(String::new()),
            AccountVerdict::UnknownUser => VerifyOutcome::UnknownUser,
        })
    }
}

impl Faulty {
    fn second_step(&self, call: &Call<'_>, request: &VerifyRequest) -> Result<VerifyOutcome, PluginError> {
        let name = request.username.clone().unwrap_or_default();
        let mine = request.state.as_deref() == Some(format!("for {name}").as_bytes());
        let right = request.secret.as_slice() == b"123456";
        if !(mine || self.fault.ends_with("any state")) || !(right || self.fault.ends_with("any proof")) {
            return Ok(VerifyOutcome::Rejected(String::new()));
        }
        Ok(match call.host.account_lookup("username", &name)? {
            Some(account) => VerifyOutcome::Accepted(Accepted { account, amr: vec!["otp".to_owned()], acr: None }),
            None => VerifyOutcome::UnknownUser,
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

impl Directory for Faulty {
    fn lookup(&self, call: &Call<'_>, by: &str, value: &str) -> Result<Option<Account>, PluginError> {
        let by = if self.fault == "looks up by anything" { "username" } else { by };
        let value = if self.fault == "trims what it looks up" { value.trim() } else { value };
        let mut found = match by {
            "id" | "username" => call.host.account_lookup(by, value)?,
            _ => return Err(PluginError::Invalid("by id or username".to_owned())),
        };
        match (self.fault.as_str(), &mut found) {
            ("has no ids", Some(account)) => account.id.clear(),
            ("shows disabled users as others", Some(account)) => account.disabled = false,
            _ => {}
        }
        Ok(found)
    }
}

impl ClaimsSource for Faulty {
    fn enrich(&self, call: &Call<'_>, a: &Account, scopes: &[String], _: &str) -> Result<Vec<Attr>, PluginError> {
        let value = if self.fault == "writes text, not JSON" { a.id.clone() + " x" } else { format!("{:?}", a.id) };
        match self.fault.as_str() {
            "counts its claims" => Ok(vec![("n".to_owned(), format!("{:?}", call.host.random(4)))]),
            "needs scopes" if scopes.is_empty() => Err(PluginError::Internal("no scopes".to_owned())),
            "gives a claim twice" => Ok(vec![("badge".to_owned(), value.clone()), ("badge".to_owned(), value)]),
            _ => Ok(vec![("badge".to_owned(), value)]),
        }
    }
}

impl AccountSource for Faulty {
    fn pull(&self, _: &Call<'_>, cursor: Option<&str>, limit: u32) -> Result<SourcePage, PluginError> {
        let names = ["ann", "bob", "cid"];
        let start: usize = cursor.unwrap_or("0").parse().map_err(|_| match self.fault.as_str() {
            "breaks on a cursor" => PluginError::Internal("cursor".to_owned()),
            _ => PluginError::Invalid("cursor".to_owned()),
        })?;
        let limit = if self.fault == "ignores the limit" { 3 } else { limit as usize };
        let page: Vec<_> = names.iter().skip(start).take(limit).collect();
        let end = start + page.len();
        let complete = end >= names.len() || self.fault == "ends after a page";
        let id = |name: &str| if self.fault == "gives an id twice" { "1".to_owned() } else { format!("id-{name}") };
        let account = |name: &&&str| Account { id: id(name), username: (**name).to_owned(), ..Account::default() };
        let changes = page.iter().map(|name| AccountChange::Upsert(account(name))).collect();
        Ok(SourcePage { changes, next: (!complete).then(|| end.to_string()), complete })
    }
}

impl EventSink for Faulty {
    fn deliver(&self, _: &Call<'_>, batch: &[Event]) -> Result<Vec<String>, PluginError> {
        if self.fault == "knows its events only" && batch.iter().any(|event| event.kind != "token.issued") {
            return Err(PluginError::Internal("what is this?".to_owned()));
        }
        if self.fault == "delivers nothing" {
            return Err(PluginError::Unavailable("the receiver".to_owned()));
        }
        let mut ids: Vec<_> = batch.iter().map(|event| event.id.clone()).collect();
        if self.fault == "acknowledges more" {
            ids.push("event-99".to_owned());
        }
        Ok(ids)
    }
}

impl ExtensionGrant for Faulty {
    fn grant_types(&self) -> Vec<String> {
        vec![if self.fault == "names a plain word" { "badge" } else { "urn:example:badge" }.to_owned()]
    }

    fn exchange(&self, _: &Call<'_>, grant_type: &str, params: &[Attr]) -> Result<ExtensionOutcome, PluginError> {
        let fault = self.fault.as_str();
        if grant_type != self.grant_types()[0] && fault != "answers any grant type" {
            return Err(PluginError::Invalid("another grant type".to_owned()));
        }
        let badge = params.iter().find(|(name, _)| name == "badge").map(|(_, value)| value.as_str());
        if badge == Some("b-1") || (fault == "grants any badge" && badge.is_some()) {
            let account = Account { id: "7".to_owned(), username: "ann".to_owned(), ..Account::default() };
            return Ok(ExtensionOutcome::Granted(ExtensionGranted { account, ..ExtensionGranted::default() }));
        }
        let why = if fault == "breaks lines" { "no\nbadge" } else { "no badge" };
        Ok(ExtensionOutcome::OauthError(("invalid_grant".to_owned(), why.to_owned())))
    }
}

crate::__pintle_linked!(
    Faulty: user_verifier, scope_policy, token_format, directory, claims, account_source, event_sink, extension_grant
);

fn failures(fault: &str) -> Vec<String> {
    report(fault).failures().map(|outcome| outcome.check.clone()).collect()
}

fn report(fault: &str) -> Report {
    let config = serde_json::json!({ "fault": fault }).to_string();
    let host = FakeHost::with_ann_and_bob();
    let grant_params = vec![("badge".to_owned(), "b-1".to_owned())];
    let totp = || SecondStep { kind: "totp".to_owned(), secret: "123456".to_owned() };
    let second = fault.starts_with("asks twice").then(totp);
    let fixtures = Fixtures { config_json: config.clone(), grant_params, second, ..Fixtures::default() };
    run(&LinkedSubject::new(linked(), &config, &host).unwrap(), &fixtures)
}

#[test]
fn a_verifier_in_two_steps_passes() {
    assert_eq!(failures("asks twice"), Vec::<String>::new());
    assert!(report("asks twice").to_string().contains("  ok      user-verifier: accepts a second step only with"));
}

#[test]
fn what_the_fixtures_leave_out_is_not_tried() {
    let config = r#"{"fault":"none"}"#.to_owned();
    let fixtures = Fixtures { config_json: config.clone(), disabled: None, ..Fixtures::default() };
    let report = run(&LinkedSubject::new(linked(), &config, &FakeHost::with_ann_and_bob()).unwrap(), &fixtures);
    let left_out: Vec<_> = report.outcomes.iter().filter_map(|outcome| outcome.not_tried.as_deref()).collect();
    let (disabled, second) = ("the fixtures name no `disabled` user", "the fixtures have no `second` step");
    let (unicode, grant) = ("the fixtures name no `unicode` user", "the fixtures have no `grant_params`");
    assert_eq!(left_out, [second, unicode, disabled, disabled, grant]);
    assert!(report.passed() && report.to_string().contains("never accepts a disabled user: not tried: "), "{report}");
}

#[test]
fn a_user_whose_name_is_beyond_ascii_must_get_in() {
    let fixtures = Fixtures { unicode: Some("Zoë".to_owned()), ..Fixtures::default() };
    let host = FakeHost::with_ann_and_bob();
    let report = run(&LinkedSubject::new(linked(), "{}", &host).unwrap(), &fixtures);
    let failed: Vec<_> = report.failures().map(|outcome| outcome.check.as_str()).collect();
    assert!(failed.contains(&"takes the right password of a user whose name is beyond ASCII"), "{failed:?}");
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
        ("refuses names beyond ASCII", "passes on users with names beyond ASCII whom it does not have"),
        ("asks twice, takes any state", "accepts a second step only with the state of the first and the right proof"),
        ("asks twice, takes any proof", "accepts a second step only with the state of the first and the right proof"),
        ("delivers nothing", "delivers while what it delivers to is there"),
        ("grants more", "grants nothing that was not requested"),
        ("grants consents", "grants nothing for a past consent alone"),
        ("grants the first", "does not depend on the order of the scopes"),
        ("needs a user", "answers for a client without a user"),
        ("needs no handle", "issues nothing without a handle"),
        ("trims tokens", "never finds the handle in a shortened or lengthened token"),
        ("checks no signature", "never finds the handle in an altered token"),
        ("checks no signature", "never finds a handle in garbage"),
        ("has no ids", "finds its user by name, with an id"),
        ("trims what it looks up", "finds nobody by awkward or huge names and ids"),
        ("looks up by anything", "refuses to look up by anything but id and name"),
        ("shows disabled users as others", "never shows a disabled user as one who may log in"),
        ("writes text, not JSON", "gives claims with names of their own and values that are JSON"),
        ("gives a claim twice", "gives claims with names of their own and values that are JSON"),
        ("counts its claims", "gives the same answer to the same question"),
        ("needs scopes", "answers for an account without groups and for no scopes"),
        ("gives an id twice", "names every account once in a full run, each with an id and a name"),
        ("ignores the limit", "keeps to the limit of a page"),
        ("ends after a page", "names the same accounts in pages of any size"),
        ("breaks on a cursor", "survives a cursor that it did not give"),
        ("acknowledges more", "acknowledges only events that it was given, each once"),
        ("knows its events only", "survives kinds that it does not know, awkward text and huge events"),
        ("names a plain word", "names its grant types, each an absolute URI (RFC 6749 §4.5)"),
        ("answers any grant type", "grants nothing for a grant type that is not its own"),
        ("grants any badge", "grants nothing for awkward or huge parameters"),
        ("breaks lines", "answers with error codes that may be in a response (RFC 6749 §5.2)"),
    ] {
        let failures = failures(fault);
        assert!(failures.iter().any(|failed| failed == check), "{fault}: {failures:?}");
    }
}

#[test]
fn a_report_without_checks_has_not_passed() {
    assert!(!Report::default().passed());
}

/// A verifier over hosts of its own, one for each load.
struct Verifier {
    config: String,
    host: FakeHost,
}

impl Subject for Verifier {
    fn manifest(&self) -> Result<Manifest, PluginError> {
        Ok(Manifest { kinds: vec!["user-verifier".to_owned()], ..Faulty::manifest() })
    }

    fn validate_config(&self, config_json: &str) -> Result<Vec<String>, PluginError> {
        Ok(Faulty::create(config_json).err().unwrap_or_default())
    }

    fn health(&self, _ctx: &CallContext) -> Result<(), PluginError> {
        Ok(())
    }

    fn verify(&self, ctx: &CallContext, request: &VerifyRequest) -> Result<VerifyOutcome, PluginError> {
        LinkedSubject::new(linked(), &self.config, &self.host).unwrap().verify(ctx, request)
    }
}

struct FakeWorlds(String);

impl Worlds for FakeWorlds {
    fn subject(&self, world: World) -> Result<Option<Box<dyn Subject + Sync + '_>>, String> {
        let host = FakeHost::with_ann_and_bob();
        let host = match world {
            World::Whole => host,
            World::DeadHost => host.failing(PluginError::Unavailable("down".to_owned())),
            World::DeadUpstream | World::SlowUpstream => return Ok(None),
        };
        Ok(Some(Box::new(Verifier { config: self.0.clone(), host })))
    }

    fn monotonic_ms(&self) -> u64 {
        0
    }
}

#[test]
fn restarts_crowds_and_outages_find_their_faults() {
    let failed = |fault: &str| {
        let config = serde_json::json!({ "fault": fault }).to_string();
        let fixtures = Fixtures { config_json: config.clone(), ..Fixtures::default() };
        let report = run_in(&FakeWorlds(config), &fixtures);
        let of_upstream = report.outcomes.iter().filter(|outcome| outcome.kind.ends_with("upstream"));
        let not_tried: Vec<_> = of_upstream.map(|outcome| outcome.not_tried.as_deref()).collect();
        assert_eq!(not_tried, [Some("the fixtures name no `upstream`"); 2], "there is none");
        let late = ["restarts", "concurrency", "dead host"];
        let kinds = report.failures().map(|outcome| outcome.kind.clone());
        kinds.filter(|kind| late.contains(&kind.as_str())).collect::<Vec<_>>()
    };
    assert_eq!(failed("none"), [""; 0]);
    assert_eq!(failed("rejects while the host is down"), ["dead host"]);
    assert_eq!(failed("remembers logins"), ["restarts"]);
}
