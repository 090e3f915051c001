//! Minting: the scope policies' say, then the token format's.

use super::{Call, Core, NamedFormat, enrich};
use crate::clock::{UnixTime, millis};
use crate::entropy;
use crate::oauth::claims::{Claims, ClaimsContext};
use crate::oauth::client::{Client, GrantType};
use crate::oauth::error::OAuthError;
use crate::oauth::family::Subject;
use crate::oauth::handle::{AccessHandle, AccessKind, FamilyId, RefreshHandle, seal};
use crate::oauth::scope::Scope;
use crate::plugin::CallError;
use pintle_plugin_api::{Account, ScopeDecision, ScopeQuery};
use serde::Serialize;
use std::time::Duration;

/// MAC domain of access tokens' handles.
pub const ACCESS_DOMAIN: &str = "access-handle";
/// MAC domain of refresh tokens.
pub const REFRESH_DOMAIN: &str = "refresh-handle";

/// What the token endpoint answers with (RFC 6749 §5.1).
#[derive(Serialize)]
pub struct TokenResponse {
    /// The access token.
    pub access_token: String,
    /// `Bearer`.
    pub token_type: &'static str,
    /// Seconds.
    pub expires_in: u64,
    /// The refresh token, where the client may have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// What was granted.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub scope: String,
}

/// Whom an access token is for.
#[derive(Clone, Copy)]
pub struct Bearer<'a> {
    /// The client.
    pub client: &'a Client,
    /// The user, if there is one.
    pub subject: Option<&'a Subject>,
    /// The user's account, for the policies.
    pub account: Option<&'a Account>,
    /// The grant.
    pub grant: GrantType,
    /// What a plugin's grant added to the claims: a JSON object, or empty.
    pub claims_json: &'a str,
}

/// What the policies left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    /// The scope.
    pub scope: Scope,
    /// The access token's lifetime.
    pub lifetime: Duration,
}

/// One policy's part in a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PolicyStep {
    /// The plugin's name.
    pub policy: String,
    /// `decided`, or how it came to have no answer.
    pub verdict: String,
    /// How long it took.
    pub ms: u64,
    /// What it grants of what was left; none without an answer.
    pub granted: Option<Vec<String>>,
    /// How the user must have logged in (RFC 8176).
    pub require: Vec<String>,
    /// Its bound on the token's lifetime, in seconds.
    pub max_ttl_s: Option<u32>,
    /// Why there is no answer.
    pub error: Option<String>,
}

impl PolicyStep {
    fn of(policy: &str, verdict: &str, took: Duration, decision: &Result<ScopeDecision, CallError>) -> Self {
        let decided = decision.as_ref().ok();
        Self {
            policy: policy.to_owned(),
            verdict: verdict.to_owned(),
            ms: millis(took),
            granted: decided.map(|decision| decision.granted.clone()),
            require: decided.map(|decision| decision.require.clone()).unwrap_or_default(),
            max_ttl_s: decided.and_then(|decision| decision.max_ttl_s),
            error: decision.as_ref().err().map(ToString::to_string),
        }
    }
}

/// Asks every policy. Each can only narrow: its answer is intersected with what was asked.
///
/// # Errors
/// `invalid_scope` when nothing is left of what was asked; `invalid_grant` when a policy requires another way to log in;
/// 503 when a policy is broken, unless the operator chose to do without it.
pub async fn evaluate(core: &Core, call: &Call, bearer: Bearer<'_>, requested: Scope) -> Result<Granted, OAuthError> {
    evaluate_seen(core, call, bearer, requested, &mut Vec::new()).await
}

/// As [`evaluate`]; `steps` gets each policy's part, also where the whole fails.
///
/// # Errors
/// As [`evaluate`].
pub async fn evaluate_seen(
    core: &Core,
    call: &Call,
    bearer: Bearer<'_>,
    requested: Scope,
    steps: &mut Vec<PolicyStep>,
) -> Result<Granted, OAuthError> {
    let lifetime = bearer.client.access_lifetime.unwrap_or(core.settings.access_lifetime);
    let mut granted = Granted { scope: requested, lifetime };
    let asked_for_some = !granted.scope.is_empty();
    for policy in &core.policies {
        let started = core.clock.monotonic();
        let query = query(&bearer, &granted.scope);
        let decision = policy.policy.evaluate(&call.context(Some(&bearer.client.id)), query).await;
        let verdict = match &decision {
            Ok(_) => "decided",
            Err(_) if policy.static_on_error => "error, scope as client and request allow",
            Err(ended) => ended.fault.name(),
        };
        let fault = decision.as_ref().err().map(|ended| ended.fault);
        core.note_plugin_as(call, "scope-policy", &policy.name, started, fault, verdict);
        let took = core.clock.monotonic().saturating_sub(started);
        steps.push(PolicyStep::of(&policy.name, verdict, took, &decision));
        let decision = match decision {
            Ok(decision) => decision,
            Err(error) if policy.static_on_error => {
                tracing::warn!(plugin = policy.name, %error, "no decision on the scope: granted as client and request allow");
                continue;
            }
            Err(error) => return Err(OAuthError::unavailable(format!("plugin {}: {error}", policy.name))),
        };
        let amr = bearer.subject.map(|subject| subject.amr.as_slice()).unwrap_or_default();
        if let Some(missing) = decision.require.iter().find(|required| !amr.contains(required)) {
            let why = format!("plugin {} requires the authentication method {missing}", policy.name);
            return Err(OAuthError::invalid_grant("this request needs a stronger login").because(why));
        }
        granted.scope = granted.scope.intersect(&Scope::new(decision.granted));
        if let Some(seconds) = decision.max_ttl_s {
            granted.lifetime = granted.lifetime.min(Duration::from_secs(seconds.into()));
        }
    }
    if asked_for_some && granted.scope.is_empty() {
        return Err(OAuthError::invalid_scope("none of the requested scopes is granted"));
    }
    Ok(granted)
}

fn query(bearer: &Bearer<'_>, requested: &Scope) -> ScopeQuery {
    let client = bearer.client;
    let client_json = serde_json::json!({
        "id": client.id,
        "name": client.name,
        "type": client.client_type.name(),
        "trusted": client.trusted,
        "scopes": client.scopes,
    });
    ScopeQuery {
        client_json: client_json.to_string(),
        account: bearer.account.cloned(),
        grant_type: bearer.grant.name().to_owned(),
        requested: requested.tokens().to_vec(),
        consented: Vec::new(),
        amr: bearer.subject.map(|subject| subject.amr.clone()).unwrap_or_default(),
    }
}

/// The format that new tokens are of.
///
/// # Errors
/// When there is none, which `app` does not let happen.
pub fn issuing_format(core: &Core) -> Result<&NamedFormat, OAuthError> {
    core.formats.first().ok_or_else(|| OAuthError::server_error("no token format"))
}

/// Where an access token hangs.
#[derive(Clone, Copy)]
pub struct Anchor<'a> {
    /// The family, or a unique id for a stateless token.
    pub family: FamilyId,
    /// Its generation, or the client's epoch.
    pub generation: u32,
    /// Whether there is no family.
    pub stateless: bool,
    /// The scope that the handle's mask is over.
    pub family_scope: &'a Scope,
    /// When the access token is issued.
    pub issued_at: UnixTime,
}

/// Makes an access token.
///
/// # Errors
/// 503 when the format fails: there is no token then.
pub async fn access_token(
    core: &Core,
    call: &Call,
    bearer: Bearer<'_>,
    granted: &Granted,
    anchor: Anchor<'_>,
) -> Result<String, OAuthError> {
    let format = issuing_format(core)?;
    let handle = AccessHandle {
        kind: match (format.self_contained, anchor.stateless) {
            (false, _) => AccessKind::Opaque,
            (true, false) => AccessKind::SelfContained,
            (true, true) => AccessKind::Stateless,
        },
        family: anchor.family,
        generation: anchor.generation,
        expires_at: anchor.issued_at.plus(granted.lifetime),
        scope_mask: granted.scope.mask_within(anchor.family_scope),
    };
    let body = handle.body();
    let mac = core.keys.mac(ACCESS_DOMAIN, &[&body]);
    let context = ClaimsContext {
        issuer: &core.settings.issuer,
        audience: &core.settings.audience,
        client_id: &bearer.client.id,
        subject: bearer.subject,
        scope: &granted.scope,
    };
    let mut claims = Claims::new(context, seal(body, &mac), Some(anchor.issued_at), handle.expires_at);
    if format.self_contained {
        claims.further = further(core, call, bearer, &granted.scope).await?;
    }
    issue(core, call, format, &claims, bearer.client).await
}

/// What plugins say about the user, for a token that carries its claims.
async fn further(
    core: &Core,
    call: &Call,
    bearer: Bearer<'_>,
    scope: &Scope,
) -> Result<serde_json::Map<String, serde_json::Value>, OAuthError> {
    let mut further = enrich::of_json(bearer.claims_json);
    if let Some(account) = bearer.account {
        let target = enrich::Target::AccessToken;
        for (name, value) in enrich::claims(core, call, &bearer.client.id, account, scope, target).await? {
            further.entry(name).or_insert(value);
        }
    }
    Ok(further)
}

async fn issue(
    core: &Core,
    call: &Call,
    format: &NamedFormat,
    claims: &Claims,
    client: &Client,
) -> Result<String, OAuthError> {
    let claims_json = serde_json::to_string(claims).map_err(OAuthError::server_error)?;
    let mut context = call.context(Some(&client.id));
    let key_id = if format.self_contained {
        let signing = core.keys.signing(core.settings.algorithm);
        let (algorithm, key_id) = signing.ok_or_else(|| OAuthError::server_error("no signing key"))?;
        context.ext.push(("alg".to_owned(), algorithm.name().to_owned()));
        context.ext.push(("typ".to_owned(), core.settings.typ.clone()));
        key_id
    } else {
        String::new()
    };
    let started = core.clock.monotonic();
    let issued = format.format.issue(&context, &claims_json, &key_id).await;
    core.note_plugin(
        call,
        "token-format",
        &format.name,
        started,
        &issued,
        if issued.is_ok() { "issued" } else { "error" },
    );
    let issued = issued.map_err(|error| OAuthError::unavailable(format!("plugin {}: {error}", format.name)))?;
    Ok(issued.token)
}

/// The refresh token of a generation: always the same one.
#[must_use]
pub fn refresh_token(core: &Core, family: FamilyId, generation: u32) -> String {
    let body = RefreshHandle { family, generation }.body();
    let mac = core.keys.mac(REFRESH_DOMAIN, &[&body]);
    seal(body, &mac)
}

/// An id for a new family, or for a stateless token.
#[must_use]
pub fn new_family_id(core: &Core) -> FamilyId {
    FamilyId::new(core.clock.now_ms(), entropy::array(core.entropy.as_ref()))
}
