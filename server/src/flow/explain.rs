//! How a login would go, and why: the real backends and policies are asked. Nothing is issued, nothing counts as a try.

use super::directory::NamedDirectory;
use super::mint::{self, Bearer, PolicyStep};
use super::records::{Identity, identity_key};
use super::{Call, Core, plugins, sync};
use crate::clock::millis;
use crate::oauth::client::{Client, GrantType};
use crate::oauth::error::OAuthError;
use crate::oauth::family::{AccountRef, Subject};
use crate::oauth::grant::password;
use crate::oauth::scope::Scope;
use crate::plugin::chain::{Backend, ChainOutcome, Step, Verdict};
use crate::store::record;
use pintle_plugin_api::{Accepted, Account, VerifyRequest};
use serde::Serialize;
use zeroize::Zeroizing;

/// What is asked.
pub struct Question<'a> {
    /// The user's name, as typed.
    pub username: &'a str,
    /// Without it only directories are asked.
    pub password: Option<&'a Zeroizing<String>>,
    /// Whose scope decision is wanted, and the scope that it asks for.
    pub client: Option<(&'a Client, Option<&'a Scope>)>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Every backend of the chain, in order.
    pub backends: Vec<BackendStep>,
    /// How the login would end: `accepted`, `rejected`, `unknown-user`, `challenge`, `unavailable`, `locked-out`; without a
    /// password `found` or `not-found`, where nothing stands in the way.
    pub outcome: &'static str,
    /// What stands in the way of a login that the backends would accept.
    pub hindrance: Option<String>,
    /// Whom it is.
    pub identity: Option<Who>,
    /// What the client would get.
    pub scope: Option<ScopeDecision>,
}

/// One backend's part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BackendStep {
    /// The plugin's name.
    pub backend: String,
    /// What it said; `not-asked` where it did not come to that.
    pub verdict: &'static str,
    /// How long it took.
    pub ms: Option<u64>,
    /// Why the chain went on, or stopped.
    pub why: String,
}

/// An account, and who it is to the core.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Who {
    /// The plugin's name.
    pub backend: String,
    /// The backend's id.
    pub account: String,
    /// The backend's name for the user.
    pub username: String,
    /// The groups.
    pub groups: Vec<String>,
    /// Whether it may log in.
    pub disabled: bool,
    /// How it was proven (RFC 8176).
    pub amr: Vec<String>,
    /// `sub`; none before the first login.
    pub sub: Option<String>,
}

/// What the policies decide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScopeDecision {
    /// The client.
    pub client: String,
    /// What it asks for, or else all that it may have.
    pub requested: Vec<String>,
    /// Each policy that was asked, in order.
    pub policies: Vec<PolicyStep>,
    /// What is left in the end; none where there would be no token.
    pub granted: Option<Vec<String>>,
    /// The access token's lifetime, in seconds.
    pub expires_in: Option<u64>,
    /// Why there would be no token.
    pub refused: Option<String>,
}

/// Explains a login.
///
/// # Errors
/// When the store cannot answer.
pub async fn login(core: &Core, call: &Call, question: &Question<'_>) -> Result<Explanation, OAuthError> {
    let client_id = question.client.map(|(client, _)| client.id.as_str());
    let (outcome, backends, found) = match question.password {
        Some(password) => by_password(core, call, client_id, question.username, password).await,
        None => by_directories(core, call, client_id, question.username).await,
    };
    let held_back = core.lockout.remaining(question.username).await?;
    let locked_out = (!held_back.is_zero()).then(|| {
        ("locked-out", format!("too many logins have failed: none is tried for {} s", held_back.as_secs().max(1)))
    });
    let Some((backend, accepted)) = found else {
        let (outcome, hindrance) = ends(outcome, locked_out);
        return Ok(Explanation { backends, outcome, hindrance, identity: None, scope: None });
    };
    let reference = AccountRef { backend, id: accepted.account.id.clone() };
    let identity = record::load::<Identity>(core.store.as_ref(), &identity_key(&reference)).await?;
    let identity = identity.map(|loaded| loaded.value);
    let scope = match question.client {
        Some((client, requested)) => {
            Some(scope(core, call, client, requested, &reference, &accepted, identity.as_ref()).await)
        }
        None => None,
    };
    let hindrance = match locked_out {
        Some(locked_out) => Some(locked_out),
        None => hindrance(core, &reference).await?,
    };
    let (outcome, hindrance) = ends(outcome, hindrance);
    let who = who(reference, accepted, identity);
    Ok(Explanation { backends, outcome, hindrance, identity: Some(who), scope })
}

fn ends(outcome: &'static str, hindrance: Option<(&'static str, String)>) -> (&'static str, Option<String>) {
    hindrance.map_or((outcome, None), |(outcome, why)| (outcome, Some(why)))
}

/// What comes after the backends: the sync's word, and the plugins that a token needs. These are not called, as there is no
/// token to make.
async fn hindrance(core: &Core, reference: &AccountRef) -> Result<Option<(&'static str, String)>, OAuthError> {
    if !sync::permits(core, reference).await? {
        return Ok(Some(("rejected", "the sync knows the account as gone or disabled".to_owned())));
    }
    let claims = core.claims.iter().filter(|source| !source.optional).map(|source| &source.name);
    let needed = claims.chain(core.formats.first().map(|format| &format.name));
    let broken = needed.filter_map(|name| {
        let state = plugins::state(core, core.registry.plugin(name)?);
        (!state.starts_with("ready") && state != "breaker half-open").then(|| format!("plugin {name}: {state}"))
    });
    Ok(broken.into_iter().next().map(|why| ("unavailable", why)))
}

/// The end, the way there, and whom it led to.
type Found = (&'static str, Vec<BackendStep>, Option<(String, Accepted)>);

async fn by_password(
    core: &Core,
    call: &Call,
    client_id: Option<&str>,
    username: &str,
    password: &Zeroizing<String>,
) -> Found {
    let request = VerifyRequest {
        username: Some(username.to_owned()),
        kind: "password".to_owned(),
        secret: Zeroizing::new(password.as_bytes().to_vec()),
        ..VerifyRequest::default()
    };
    let (outcome, steps) = core.users.verify(&call.context(client_id), &request).await;
    for step in &steps {
        let reason = step.reason.as_deref().map(|why| without(why, password));
        call.trail.reasoned_verdict(&step.backend, step.verdict.name(), step.took, reason);
    }
    let backends = core.users.backends();
    let explained = backends.iter().enumerate().map(|(index, backend)| match steps.get(index) {
        Some(step) => explained(backend, step, index + 1 == backends.len(), password),
        None if password.is_empty() => not_asked(backend, "an empty password is refused before anybody is asked"),
        None => not_asked(backend, "a backend before it has decided"),
    });
    let explained = explained.collect();
    match outcome {
        ChainOutcome::Accepted { backend, accepted } => ("accepted", explained, Some((backend, accepted))),
        ChainOutcome::Rejected { .. } => ("rejected", explained, None),
        ChainOutcome::UnknownEverywhere => ("unknown-user", explained, None),
        ChainOutcome::Challenge { .. } => ("challenge", explained, None),
        ChainOutcome::Broken { .. } => ("unavailable", explained, None),
    }
}

fn explained(backend: &Backend, step: &Step, is_last: bool, password: &Zeroizing<String>) -> BackendStep {
    let said = step.reason.as_deref().map(|why| format!(": {}", without(why, password))).unwrap_or_default();
    let next = if is_last { "there is no further backend" } else { "the next one is asked" };
    let why = match step.verdict {
        Verdict::Accepted => "it is its user: nobody else is asked".to_owned(),
        Verdict::Rejected => format!("its user may not log in with this{said}: nobody else is asked"),
        Verdict::UnknownUser => format!("not its user: {next}"),
        Verdict::Challenge => "its user, who has to take one more step".to_owned(),
        Verdict::Error(_) if backend.next_on_error => format!("no answer{said}; on_error = \"next\": {next}"),
        Verdict::Error(_) => format!("no answer{said}; on_error = \"stop\": the login is answered 503"),
    };
    BackendStep { backend: backend.name.clone(), verdict: step.verdict.name(), ms: Some(millis(step.took)), why }
}

/// A backend may say again what it was asked.
fn without(text: &str, password: &Zeroizing<String>) -> String {
    if password.is_empty() { text.to_owned() } else { text.replace(password.as_str(), "…") }
}

fn not_asked(backend: &Backend, why: &str) -> BackendStep {
    BackendStep { backend: backend.name.clone(), verdict: "not-asked", ms: None, why: why.to_owned() }
}

/// Without a proof: which backends would be asked, and which of them have such a user.
async fn by_directories(core: &Core, call: &Call, client_id: Option<&str>, username: &str) -> Found {
    let (mut steps, mut found) = (Vec::new(), None);
    for backend in core.users.backends() {
        let Some(directory) = core.directories.find(&backend.name) else {
            steps.push(not_asked(backend, "it is no directory: without a password it cannot be asked"));
            continue;
        };
        let (step, account) = look_up(core, call, client_id, directory, username).await;
        steps.push(step);
        found = found.or(account.map(|account| (backend.name.clone(), Accepted { account, ..Accepted::default() })));
    }
    (if found.is_some() { "found" } else { "not-found" }, steps, found)
}

async fn look_up(
    core: &Core,
    call: &Call,
    client_id: Option<&str>,
    directory: &NamedDirectory,
    username: &str,
) -> (BackendStep, Option<Account>) {
    let started = core.clock.monotonic();
    let answer = directory.directory.lookup(&call.context(client_id), "username", username).await;
    let took = core.clock.monotonic().saturating_sub(started);
    let (verdict, why) = match &answer {
        Ok(Some(account)) if account.disabled => ("disabled", "it has the user, who may not log in".to_owned()),
        Ok(Some(_)) => ("found", "it has the user".to_owned()),
        Ok(None) => ("not-found", "it has no such user".to_owned()),
        Err(ended) => (ended.fault.name(), format!("no answer: {ended}")),
    };
    call.trail.verdict(&directory.name, verdict, took);
    let step = BackendStep { backend: directory.name.clone(), verdict, ms: Some(millis(took)), why };
    (step, answer.ok().flatten())
}

fn who(reference: AccountRef, accepted: Accepted, identity: Option<Identity>) -> Who {
    Who {
        backend: reference.backend,
        account: reference.id,
        username: accepted.account.username,
        groups: accepted.account.groups,
        disabled: accepted.account.disabled,
        amr: accepted.amr,
        sub: identity.map(|identity| identity.sub),
    }
}

async fn scope(
    core: &Core,
    call: &Call,
    client: &Client,
    requested: Option<&Scope>,
    reference: &AccountRef,
    accepted: &Accepted,
    identity: Option<&Identity>,
) -> ScopeDecision {
    let mut decision = ScopeDecision {
        client: client.id.clone(),
        requested: requested.unwrap_or(&client.scopes).tokens().to_vec(),
        policies: Vec::new(),
        granted: None,
        expires_in: None,
        refused: None,
    };
    let subject = Subject {
        sub: identity.map(|identity| identity.sub.clone()).unwrap_or_default(),
        account: reference.clone(),
        username: accepted.account.username.clone(),
        auth_time: core.clock.now(),
        amr: accepted.amr.clone(),
        acr: accepted.acr.clone(),
        epoch: identity.map_or(0, |identity| identity.epoch),
    };
    let grant = GrantType::Password;
    let account = Some(&accepted.account);
    let bearer = Bearer { client, subject: Some(&subject), account, grant, claims_json: "" };
    let evaluated = async {
        if !client.may(grant) {
            return Err(OAuthError::invalid_scope("the client may not use the grant `password`"));
        }
        let within = password::decide(client, requested)?;
        mint::evaluate_seen(core, call, bearer, within, &mut decision.policies).await
    }
    .await;
    match evaluated {
        Ok(granted) => {
            decision.granted = Some(granted.scope.tokens().to_vec());
            decision.expires_in = Some(granted.lifetime.as_secs());
        }
        Err(error) => decision.refused = Some(error.to_string()),
    }
    decision
}
