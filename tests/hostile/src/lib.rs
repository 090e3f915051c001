//! A user verifier that misbehaves as the user name asks; other users it does not know. As a policy it widens scopes, as a
//! source it forges claims, and as a grant it answers with what is none.

use pintle_plugin_api::{
    Account, Attr, Call, ClaimsSource, ExtensionGrant, ExtensionOutcome, Manifest, Plugin, PluginError, ScopeDecision,
    ScopePolicy, ScopeQuery, UserVerifier, VerifyOutcome, VerifyRequest, export_plugin,
};

mod abuse;
mod speech;

/// See the crate.
pub struct Hostile {
    /// It says of itself that it is not well.
    sick: bool,
}

impl Plugin for Hostile {
    const WANTS: &'static [&'static str] = &["crypto", "kv", "accounts", "secrets", "http"];

    fn manifest() -> Manifest {
        Manifest::new::<Self>("hostile", env!("CARGO_PKG_VERSION"))
    }

    /// Refuses a config that speaks of faults.
    fn create(config_json: &str) -> Result<Self, Vec<String>> {
        if config_json.contains("faulty") {
            return Err(vec![speech::EVIL.to_owned()]);
        }
        Ok(Self { sick: config_json.contains("sick") })
    }

    fn health(&self, _call: &Call<'_>) -> Result<(), PluginError> {
        if self.sick { Err(PluginError::Unavailable("as configured".to_owned())) } else { Ok(()) }
    }
}

impl UserVerifier for Hostile {
    fn verify(&self, call: &Call<'_>, request: &VerifyRequest) -> Result<VerifyOutcome, PluginError> {
        let username = request.username.as_deref().unwrap_or_default();
        if let Some(what) = username.strip_prefix(speech::PREFIX) {
            return speech::said(call, what);
        }
        if let Some(outcome) = username.strip_prefix(abuse::PREFIX).and_then(|what| abuse::tried(call, what)) {
            return Ok(VerifyOutcome::Rejected(outcome));
        }
        Ok(match username {
            "loop" => endless(),
            "calls" => endless_host_calls(call),
            "bomb" => bomb(),
            "trap" => trap(),
            "hashes" => return endless_hashes(call, LARGEST),
            "costly" => return endless_hashes(call, TOO_LARGE),
            "huge" => VerifyOutcome::Rejected("x".repeat(10_000_000)),
            // Not hostile: the answers that a chain has to tell apart.
            "mine" => VerifyOutcome::Rejected("as asked".to_owned()),
            "down" => return Err(PluginError::Unavailable("as asked".to_owned())),
            _ => VerifyOutcome::UnknownUser,
        })
    }
}

impl ScopePolicy for Hostile {
    fn evaluate(&self, _call: &Call<'_>, query: &ScopeQuery) -> Result<ScopeDecision, PluginError> {
        Ok(speech::decided(query))
    }
}

impl ClaimsSource for Hostile {
    fn enrich(
        &self,
        _call: &Call<'_>,
        _account: &Account,
        _scopes: &[String],
        _target: &str,
    ) -> Result<Vec<Attr>, PluginError> {
        Ok(speech::claimed())
    }
}

impl ExtensionGrant for Hostile {
    /// One that can be asked for, and one that stands in documents.
    fn grant_types(&self) -> Vec<String> {
        vec!["urn:example:hostile".to_owned(), speech::EVIL.to_owned()]
    }

    fn exchange(&self, _call: &Call<'_>, _grant_type: &str, _params: &[Attr]) -> Result<ExtensionOutcome, PluginError> {
        Ok(ExtensionOutcome::OauthError((speech::EVIL.to_owned(), speech::EVIL.to_owned())))
    }
}

fn endless() -> VerifyOutcome {
    let mut number = 1_u64;
    loop {
        number = std::hint::black_box(number.wrapping_mul(6_364_136_223_846_793_005));
    }
}

fn endless_host_calls(call: &Call<'_>) -> VerifyOutcome {
    loop {
        std::hint::black_box(call.host.now_ms());
    }
}

/// 64 MiB, four times: as much as a plugin's hash may cost, and one pass more.
const LARGEST: &str = "$argon2id$v=19$m=65536,t=4,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
const TOO_LARGE: &str = "$argon2id$v=19$m=65536,t=5,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

fn endless_hashes(call: &Call<'_>, phc: &str) -> Result<VerifyOutcome, PluginError> {
    loop {
        call.host.password_verify(phc, b"password")?;
    }
}

fn bomb() -> VerifyOutcome {
    let mut hoard = Vec::new();
    loop {
        hoard.push(vec![std::hint::black_box(1_u8); 1 << 20]);
    }
}

#[expect(clippy::panic, reason = "what it is for")]
fn trap() -> VerifyOutcome {
    panic!("as asked");
}

export_plugin!(Hostile: user_verifier, scope_policy, claims, extension_grant);
