//! What every plugin of a kind must do, in whichever packaging: named checks over something that calls a plugin, and a
//! report that a vendor can show. The report of one plugin is the same for all of its packagings.

mod account_source;
mod answers;
mod claims;
mod common;
mod directory;
mod event_sink;
mod extension_grant;
mod linked;
mod scope_policy;
mod token_format;
mod user_verifier;
mod worlds;

pub use linked::LinkedSubject;
pub use worlds::{SLOW_CALL, World, Worlds, run_in};

use crate::types::{
    Account, Attr, CallContext, Event, ExtensionOutcome, IssuedToken, Manifest, PluginError, ScopeDecision, ScopeQuery,
    SourcePage, TokenVerdict, VerifyOutcome, VerifyRequest,
};
use serde::{Deserialize, Serialize};
use std::cell::Cell;

/// Something that calls a plugin which was made from [`Fixtures::config_json`]. The calls block.
pub trait Subject {
    /// What the built plugin says about itself.
    ///
    /// # Errors
    /// Where it cannot be asked.
    fn manifest(&self) -> Result<Manifest, PluginError>;
    /// `lifecycle.validate-config`: the faults, none where the config is right.
    ///
    /// # Errors
    /// Where there is no answer, as after a trap: that is no fault of the config.
    fn validate_config(&self, config_json: &str) -> Result<Vec<String>, PluginError>;
    /// `lifecycle.health`.
    ///
    /// # Errors
    /// The plugin's.
    fn health(&self, ctx: &CallContext) -> Result<(), PluginError>;
    /// `user-verifier.verify`.
    ///
    /// # Errors
    /// The plugin's.
    fn verify(&self, _ctx: &CallContext, _request: &VerifyRequest) -> Result<VerifyOutcome, PluginError> {
        not_exported("user-verifier")
    }
    /// `scope-policy.evaluate`.
    ///
    /// # Errors
    /// The plugin's.
    fn evaluate(&self, _ctx: &CallContext, _query: &ScopeQuery) -> Result<ScopeDecision, PluginError> {
        not_exported("scope-policy")
    }
    /// `token-format.issue`.
    ///
    /// # Errors
    /// The plugin's.
    fn issue(&self, _ctx: &CallContext, _claims_json: &str, _key_id: &str) -> Result<IssuedToken, PluginError> {
        not_exported("token-format")
    }
    /// `token-format.validate`.
    ///
    /// # Errors
    /// The plugin's.
    fn validate(&self, _ctx: &CallContext, _token: &str) -> Result<TokenVerdict, PluginError> {
        not_exported("token-format")
    }
    /// `directory.lookup`.
    ///
    /// # Errors
    /// The plugin's.
    fn lookup(&self, _ctx: &CallContext, _by: &str, _value: &str) -> Result<Option<Account>, PluginError> {
        not_exported("directory")
    }
    /// `claims.enrich`.
    ///
    /// # Errors
    /// The plugin's.
    fn enrich(
        &self,
        _ctx: &CallContext,
        _account: &Account,
        _scopes: &[String],
        _target: &str,
    ) -> Result<Vec<Attr>, PluginError> {
        not_exported("claims")
    }
    /// `account-source.pull`.
    ///
    /// # Errors
    /// The plugin's.
    fn pull(&self, _ctx: &CallContext, _cursor: Option<&str>, _limit: u32) -> Result<SourcePage, PluginError> {
        not_exported("account-source")
    }
    /// `event-sink.deliver`.
    ///
    /// # Errors
    /// The plugin's.
    fn deliver(&self, _ctx: &CallContext, _batch: &[Event]) -> Result<Vec<String>, PluginError> {
        not_exported("event-sink")
    }
    /// `extension-grant.grant-types`.
    ///
    /// # Errors
    /// The plugin's.
    fn grant_types(&self) -> Result<Vec<String>, PluginError> {
        not_exported("extension-grant")
    }
    /// `extension-grant.exchange`.
    ///
    /// # Errors
    /// The plugin's.
    fn exchange(
        &self,
        _ctx: &CallContext,
        _grant_type: &str,
        _params: &[Attr],
    ) -> Result<ExtensionOutcome, PluginError> {
        not_exported("extension-grant")
    }
}

/// The answer of a kind that a subject does not have.
fn not_exported<T>(kind: &str) -> Result<T, PluginError> {
    Err(PluginError::Internal(format!("the plugin does not export {kind}")))
}

/// What the checks need to know about the world that the plugin runs in.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Fixtures {
    /// The config that the plugin was made from.
    pub config_json: String,
    /// A user that the backend accepts with `password`.
    pub username: String,
    /// Theirs.
    pub password: String,
    /// A disabled user with the same password, where the backend has one.
    pub disabled: Option<String>,
    /// A user with the same password and a name beyond ASCII, where the backend has one.
    pub unicode: Option<String>,
    /// How the users pass a second step, where the backend asks for one.
    pub second: Option<SecondStep>,
    /// A user that the backend does not have.
    pub unknown: String,
    /// The scopes that a query asks for.
    pub scopes: Vec<String>,
    /// A key that the host signs with.
    pub key_id: String,
    /// Its algorithm (RFC 7518 §3.1).
    pub alg: String,
    /// The claims of a token without `jti`, as a JSON object.
    pub claims_json: String,
    /// The parameters of a token request that an extension grant grants; empty where none is known.
    pub grant_params: Vec<Attr>,
}

/// The answer to a challenge of a verifier.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SecondStep {
    /// What is asked for, such as `totp`.
    pub kind: String,
    /// The right proof.
    pub secret: String,
}

impl Default for Fixtures {
    /// What suits `testing::FakeHost::with_ann_and_bob` and a plugin without options.
    fn default() -> Self {
        Self {
            config_json: "{}".to_owned(),
            username: "ann".to_owned(),
            password: "correct horse".to_owned(),
            disabled: Some("bob".to_owned()),
            unicode: None,
            second: None,
            unknown: "nobody".to_owned(),
            scopes: ["read", "write", "admin"].map(str::to_owned).to_vec(),
            key_id: "key-1".to_owned(),
            alg: "EdDSA".to_owned(),
            claims_json: r#"{"iss":"https://id.example","sub":"u1","aud":"api","iat":1000,"exp":4600}"#.to_owned(),
            grant_params: Vec::new(),
        }
    }
}

impl Fixtures {
    /// The context of a call: `alg` and `typ` in `ext`, as the core sets them for a token format.
    #[must_use]
    pub fn context(&self) -> CallContext {
        CallContext {
            request_id: "conformance".to_owned(),
            client_id: Some("client".to_owned()),
            remote_ip: Some("192.0.2.1".to_owned()),
            deadline_ms: 500,
            ext: vec![("alg".to_owned(), self.alg.clone()), ("typ".to_owned(), "at+jwt".to_owned())],
        }
    }
}

/// What came of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The kind by WIT name, or `lifecycle`.
    pub kind: String,
    /// A sentence that the plugin makes true.
    pub check: String,
    /// Why it did not; none where it passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// What was missing to find out, such as a fixture; none where it was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_tried: Option<String>,
}

/// What came of all checks of a plugin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The plugin's name and version, as its manifest says.
    pub plugin: String,
    /// In the order in which they ran.
    pub outcomes: Vec<Outcome>,
}

impl Report {
    /// Whether checks ran and none of them failed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.tried() > 0 && self.failures().next().is_none()
    }

    fn tried(&self) -> usize {
        self.outcomes.iter().filter(|outcome| outcome.not_tried.is_none()).count()
    }

    /// The checks that failed.
    pub fn failures(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter().filter(|outcome| outcome.failure.is_some())
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}: {} checks, {} failed", self.plugin, self.tried(), self.failures().count())?;
        for Outcome { kind, check, failure, not_tried } in &self.outcomes {
            match (failure, not_tried) {
                (Some(why), _) => writeln!(f, "  FAILED  {kind}: {check}: {why}")?,
                (None, Some(why)) => writeln!(f, "  -       {kind}: {check}: not tried: {why}")?,
                (None, None) => writeln!(f, "  ok      {kind}: {check}")?,
            }
        }
        Ok(())
    }
}

/// A sentence and what finds out whether it is true.
type Check = (&'static str, fn(&Probe<'_>) -> Verdict);
/// Why a check failed.
type Verdict = Result<(), String>;

/// What a check has.
struct Probe<'a> {
    subject: &'a dyn Subject,
    fixtures: &'a Fixtures,
    manifest: &'a Manifest,
    ctx: CallContext,
    /// Set by a check that has nothing to try.
    not_tried: Cell<Option<&'static str>>,
}

impl Probe<'_> {
    /// For a check whose fixture is missing; `why` names it.
    fn not_tried(&self, why: &'static str) -> Verdict {
        self.not_tried.set(Some(why));
        Ok(())
    }

    fn outcome(&self, kind: &str, (check, find_out): &Check) -> Outcome {
        let failure = find_out(self).err();
        let not_tried = self.not_tried.take().map(str::to_owned);
        Outcome { kind: kind.to_owned(), check: (*check).to_owned(), failure, not_tried }
    }
}

/// The checks of each kind.
const SUITES: [(&str, &[Check]); 9] = [
    ("lifecycle", common::CHECKS),
    ("user-verifier", user_verifier::CHECKS),
    ("scope-policy", scope_policy::CHECKS),
    ("token-format", token_format::CHECKS),
    ("directory", directory::CHECKS),
    ("claims", claims::CHECKS),
    ("account-source", account_source::CHECKS),
    ("event-sink", event_sink::CHECKS),
    ("extension-grant", extension_grant::CHECKS),
];

/// Runs the checks of every kind that the plugin's manifest names.
pub fn run(subject: &dyn Subject, fixtures: &Fixtures) -> Report {
    let manifest = match subject.manifest() {
        Ok(manifest) => manifest,
        Err(error) => return unreadable(&error),
    };
    let probe = Probe { subject, fixtures, manifest: &manifest, ctx: fixtures.context(), not_tried: Cell::default() };
    let mut outcomes = Vec::new();
    for (kind, checks) in SUITES {
        if kind == "lifecycle" || exports(&manifest, kind) {
            outcomes.extend(checks.iter().map(|check| probe.outcome(kind, check)));
        }
    }
    Report { plugin: format!("{} {}", manifest.name, manifest.version), outcomes }
}

fn exports(manifest: &Manifest, kind: &str) -> bool {
    manifest.kinds.iter().any(|named| named == kind)
}

fn unreadable(error: &PluginError) -> Report {
    let outcome = Outcome {
        kind: "lifecycle".to_owned(),
        check: "has a manifest".to_owned(),
        failure: Some(error.to_string()),
        not_tried: None,
    };
    Report { plugin: "unknown".to_owned(), outcomes: vec![outcome] }
}

/// Fails with `why` unless `condition`.
fn ensure(condition: bool, why: impl FnOnce() -> String) -> Verdict {
    if condition { Ok(()) } else { Err(why()) }
}

/// Whether an account is one that the core takes.
fn is_account(account: &Account) -> Verdict {
    ensure(!account.id.is_empty(), || "an account has no id".to_owned())?;
    ensure(!account.username.is_empty(), || format!("the account {} has no name", shown(&account.id)))?;
    is_object_or_empty(&account.claims_json)
}

fn is_object_or_empty(json: &str) -> Verdict {
    let is_object = || serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(json).is_ok();
    ensure(json.is_empty() || is_object(), || "claims_json is not an object".to_owned())
}

/// Text that a careless plugin trips over.
fn awkward_texts() -> Vec<String> {
    let mut texts = [
        "",
        " ",
        "*",
        "*)(uid=*",
        "' OR '1'='1",
        "../../etc/passwd",
        "a\0b",
        "line\r\nbreak",
        "\u{202e}nna",
        "ÄÖÜ ß",
        "名前",
        "👩‍👩‍👧‍👦",
        "e\u{301}",
        "\u{feff}ann",
        "null",
        "{}",
        "\"",
        "%00",
        "\\",
    ]
    .map(str::to_owned)
    .to_vec();
    texts.push("x".repeat(64 * 1024));
    texts.push("ü".repeat(20_000));
    texts
}

/// For messages: the start of a text that may be huge.
fn shown(text: &str) -> String {
    format!("{:?}", text.chars().take(40).collect::<String>())
}

#[cfg(test)]
mod tests;
