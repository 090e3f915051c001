//! Verifying a user through the chain of backends, with the brute-force defence around it.

use super::challenge::{self, Session};
use super::{Call, Core, plugin_outcome, sync};
use crate::clock::millis;
use crate::lockout::{Admission, AdmitError, TypedName};
use crate::metrics::LoginOutcome;
use crate::oauth::client::Client;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::oauth::family::AccountRef;
use crate::plugin::chain::{ChainOutcome, Step, Verdict};
use crate::store::StoreError;
use pintle_plugin_api::{Accepted, VerifyRequest};
use std::time::Duration;
use zeroize::Zeroizing;

/// A user who proved who they are.
pub struct Login {
    /// Which backend said so.
    pub backend: String,
    /// What it said.
    pub accepted: Accepted,
}

/// Verifies a user name and a password.
///
/// # Errors
/// `invalid_grant`, the same for an unknown user and a wrong password and never before `failure_time` has passed since the
/// try was admitted; 429 with `Retry-After` while the account or the address is held back; 503 when a backend is broken.
pub async fn by_password(
    core: &Core,
    call: &Call,
    client: &Client,
    username: &str,
    password: &Zeroizing<String>,
) -> Result<Login, OAuthError> {
    let outcome = attempt(core, call, client, username, password).await;
    core.record_login(call, outcome.as_ref().err()).await?;
    outcome
}

async fn attempt(
    core: &Core,
    call: &Call,
    client: &Client,
    username: &str,
    password: &Zeroizing<String>,
) -> Result<Login, OAuthError> {
    let admission = admit(core, call, client, username).await?;
    let floor_ms = core.clock.monotonic_ms().saturating_add(millis(core.settings.failure_time));
    let request = VerifyRequest {
        username: Some(username.to_owned()),
        kind: "password".to_owned(),
        secret: Zeroizing::new(password.as_bytes().to_vec()),
        ..VerifyRequest::default()
    };
    let (outcome, steps) = core.users.verify(&call.context(Some(&client.id)), &request).await;
    conclude(core, call, client, username, Attempted { admission, floor_ms, outcome, steps }).await
}

/// Takes the answer to the challenge that a login led to.
///
/// # Errors
/// As [`by_password`]; `invalid_grant` too for a session that is not known (any more).
pub async fn by_answer(
    core: &Core,
    call: &Call,
    client: &Client,
    auth_session: &Zeroizing<String>,
    response: &Zeroizing<String>,
) -> Result<Login, OAuthError> {
    let outcome = attempt_answer(core, call, client, auth_session, response).await;
    core.record_login(call, outcome.as_ref().err()).await?;
    outcome
}

async fn attempt_answer(
    core: &Core,
    call: &Call,
    client: &Client,
    auth_session: &Zeroizing<String>,
    response: &Zeroizing<String>,
) -> Result<Login, OAuthError> {
    let session = challenge::take_try(core, &client.id, auth_session).await?;
    let admission = admit(core, call, client, &session.username).await?;
    let floor_ms = core.clock.monotonic_ms().saturating_add(millis(core.settings.failure_time));
    let request = VerifyRequest {
        username: Some(session.username.clone()),
        kind: session.kind,
        secret: Zeroizing::new(response.as_bytes().to_vec()),
        state: Some(session.state),
        ..VerifyRequest::default()
    };
    let (outcome, steps) = core.users.answer(&call.context(Some(&client.id)), &session.backend, &request).await;
    let attempted = Attempted { admission, floor_ms, outcome, steps };
    let login = conclude(core, call, client, &session.username, attempted).await;
    let answered = matches!(&login, Err(error) if error.code == ErrorCode::InsufficientAuthorization);
    if login.is_ok() || answered {
        challenge::end(core, auth_session).await?;
    }
    login
}

/// A try that has been made.
struct Attempted {
    admission: Admission,
    /// It fails no sooner.
    floor_ms: u64,
    outcome: ChainOutcome,
    steps: Vec<Step>,
}

/// Counts the try, and says what became of it.
async fn conclude(
    core: &Core,
    call: &Call,
    client: &Client,
    username: &str,
    attempted: Attempted,
) -> Result<Login, OAuthError> {
    let Attempted { admission, floor_ms, outcome, steps } = attempted;
    for step in steps {
        let fault = if let Verdict::Error(fault) = step.verdict { Some(fault) } else { None };
        core.metrics.plugin_call(&step.backend, "user-verifier", plugin_outcome(fault), step.took);
        call.trail.reasoned_verdict(&step.backend, step.verdict.name(), step.took, step.reason);
    }
    let outcome = match without_withdrawn(core, call, outcome).await {
        Ok(outcome) => outcome,
        Err(error) => {
            core.metrics.login(LoginOutcome::Unavailable);
            admission.abandoned();
            return Err(error.into());
        }
    };
    core.metrics.login(counted(&outcome));
    let refuse = |admission, name, why| refuse(core, floor_ms, admission, name, why);
    match outcome {
        ChainOutcome::Accepted { backend, accepted } => {
            // Where the failures cannot be forgotten the login is still right.
            if let Err(error) = admission.succeeded().await {
                tracing::warn!(%error, "failed logins could not be forgotten");
            }
            call.trail.note(|facts| facts.username = Some(accepted.account.username.clone()));
            Ok(Login { backend, accepted })
        }
        ChainOutcome::Rejected { backend: None, reason } => refuse(admission, TypedName::Unknown, reason).await,
        ChainOutcome::Rejected { backend: Some(_), reason } => {
            // A backend knows the name, so what was typed is no password that slipped into the wrong field.
            call.trail.note(|facts| facts.username = Some(username.to_owned()));
            refuse(admission, TypedName::Known, reason).await
        }
        ChainOutcome::UnknownEverywhere => {
            refuse(admission, TypedName::Unknown, "no backend knows the user".to_owned()).await
        }
        ChainOutcome::Challenge { backend, challenge } => {
            // Neither failed nor succeeded: the failures so far stay, so that the second step cannot be guessed for ever.
            admission.abandoned();
            call.trail.note(|facts| facts.username = Some(username.to_owned()));
            let (client_id, username, kind) = (client.id.clone(), username.to_owned(), challenge.kind.clone());
            let session = Session { client_id, username, backend, kind, state: challenge.state.clone() };
            Err(challenge::begin(core, &session, &challenge).await?)
        }
        ChainOutcome::Broken { backend, error } => {
            admission.abandoned();
            let unavailable = OAuthError::unavailable(format!("plugin {backend}: {error}"));
            Err(unavailable.retry_after(Duration::from_secs(2)))
        }
    }
}

/// An account that a sync has ended since is rejected, or the answer would tell that the password is right.
async fn without_withdrawn(core: &Core, call: &Call, outcome: ChainOutcome) -> Result<ChainOutcome, StoreError> {
    let ChainOutcome::Accepted { backend, accepted } = &outcome else { return Ok(outcome) };
    let account = AccountRef { backend: backend.clone(), id: accepted.account.id.clone() };
    if sync::permits(core, &account).await? {
        return Ok(outcome);
    }
    let reason = sync::WITHDRAWN.to_owned();
    call.trail.reasoned_verdict(backend, "withdrawn", Duration::ZERO, Some(reason.clone()));
    Ok(ChainOutcome::Rejected { backend: Some(account.backend), reason })
}

/// Ends a try that failed, not before the floor: until then it is in flight, so that those who wait for it do not learn
/// how long the backends took either.
async fn refuse(
    core: &Core,
    floor_ms: u64,
    admission: Admission,
    name: TypedName,
    why: String,
) -> Result<Login, OAuthError> {
    core.clock.sleep_until(floor_ms).await;
    admission.failed(name).await?;
    Err(OAuthError::invalid_grant("user name or password is wrong").because(why))
}

async fn admit(core: &Core, call: &Call, client: &Client, username: &str) -> Result<Admission, OAuthError> {
    // Behind a confidential client's own server all its users have one address: counting by it would let five of them
    // lock out the rest. The account is counted all the same.
    let is_shared = client.is_confidential() && !core.settings.count_client_addresses;
    let address = if is_shared { None } else { call.ip };
    core.lockout.admit(username, address).await.map_err(|error| match error {
        AdmitError::Refused(refusal) => {
            core.metrics.login(LoginOutcome::LockedOut);
            held_back(refusal.retry_after)
        }
        AdmitError::Unavailable(error) => error.into(),
    })
}

const fn counted(outcome: &ChainOutcome) -> LoginOutcome {
    match outcome {
        ChainOutcome::Accepted { .. } => LoginOutcome::Accepted,
        ChainOutcome::Rejected { .. } | ChainOutcome::UnknownEverywhere | ChainOutcome::Challenge { .. } => {
            LoginOutcome::Rejected
        }
        ChainOutcome::Broken { .. } => LoginOutcome::Unavailable,
    }
}

fn held_back(delay: Duration) -> OAuthError {
    OAuthError::new(ErrorCode::TooManyRequests, "too many failed logins; wait before the next").retry_after(delay)
}
