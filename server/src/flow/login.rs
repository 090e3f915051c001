//! Verifying a user through the chain of backends, with the brute-force defence around it.

use super::{Call, Core};
use crate::lockout::{Admission, AdmitError, TypedName};
use crate::metrics::{LoginOutcome, PluginOutcome};
use crate::oauth::client::Client;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::plugin::chain::{ChainOutcome, Verdict};
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
/// `invalid_grant`, the same for an unknown user and a wrong password and never before `failure_time`; 429 with
/// `Retry-After` while the account or the address is held back; 503 when a backend is broken.
pub async fn by_password(
    core: &Core,
    call: &Call,
    client: &Client,
    username: &str,
    password: &Zeroizing<String>,
) -> Result<Login, OAuthError> {
    let started = core.clock.monotonic_ms();
    let outcome = attempt(core, call, client, username, password).await;
    if outcome.as_ref().is_err_and(|error| error.code == ErrorCode::InvalidGrant) {
        let floor = u64::try_from(core.settings.failure_time.as_millis()).unwrap_or(u64::MAX);
        core.clock.sleep_until(started.saturating_add(floor)).await;
    }
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
    let request = VerifyRequest {
        username: Some(username.to_owned()),
        kind: "password".to_owned(),
        secret: Zeroizing::new(password.as_bytes().to_vec()),
        ..VerifyRequest::default()
    };
    let (outcome, steps) = core.users.verify(&call.context(Some(&client.id)), &request).await;
    for step in &steps {
        let failed = matches!(step.verdict, Verdict::Error);
        let plugin_outcome = if failed { PluginOutcome::Failed } else { PluginOutcome::Answered };
        let took = Duration::from_millis(step.duration_ms);
        core.metrics.plugin_call(&step.backend, "user-verifier", plugin_outcome, took);
        call.trail.verdict(&step.backend, step.verdict.name(), step.duration_ms);
    }
    core.metrics.login(counted(&outcome));
    let failed = |why: String| OAuthError::invalid_grant("user name or password is wrong").because(why);
    match outcome {
        ChainOutcome::Accepted { backend, accepted } => {
            // Where the failures cannot be forgotten the login is still right.
            if let Err(error) = admission.succeeded().await {
                tracing::warn!(%error, "failed logins could not be forgotten");
            }
            call.trail.note(|facts| facts.username = Some(accepted.account.username.clone()));
            Ok(Login { backend, accepted })
        }
        ChainOutcome::Rejected { reason, .. } => {
            // A backend knows the name, so what was typed is no password that slipped into the wrong field.
            call.trail.note(|facts| facts.username = Some(username.to_owned()));
            admission.failed(TypedName::Known).await?;
            Err(failed(reason))
        }
        ChainOutcome::UnknownEverywhere => {
            admission.failed(TypedName::Unknown).await?;
            Err(failed("no backend knows the user".to_owned()))
        }
        ChainOutcome::Challenge { backend, .. } => {
            admission.failed(TypedName::Known).await?;
            Err(failed(format!("{backend} asks for a second step, which this version cannot take")))
        }
        ChainOutcome::Broken { backend, error } => {
            admission.abandoned();
            let unavailable = OAuthError::unavailable(format!("plugin {backend}: {error}"));
            Err(unavailable.retry_after(Duration::from_secs(2)))
        }
    }
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
