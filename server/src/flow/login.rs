//! Verifying a user through the chain of backends, with the brute-force defence around it.

use super::{Call, Core};
use crate::oauth::client::Client;
use crate::oauth::error::{ErrorCode, OAuthError};
use crate::plugin::chain::ChainOutcome;
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
    let admission = match core.lockout.admit(username, call.ip).await {
        Ok(admission) => admission,
        Err(refusal) => {
            core.metrics.login("locked_out");
            return Err(held_back(refusal.retry_after));
        }
    };
    let request = VerifyRequest {
        username: Some(username.to_owned()),
        kind: "password".to_owned(),
        secret: password.as_bytes().to_vec(),
        ..VerifyRequest::default()
    };
    let report = core.users.verify(&call.context(Some(&client.id)), request).await;
    for step in &report.steps {
        call.trail.verdict(&step.plugin, step.verdict, step.millis);
    }
    let failed = || OAuthError::invalid_grant("user name or password is wrong");
    match report.outcome {
        ChainOutcome::Accepted { backend, accepted } => {
            admission.succeeded().await?;
            call.trail.note(|facts| facts.username = Some(accepted.account.username.clone()));
            core.metrics.login("accepted");
            Ok(Login { backend, accepted })
        }
        ChainOutcome::Rejected { reason, .. } => {
            // A backend knows the name, so what was typed is no password that slipped into the wrong field.
            call.trail.note(|facts| facts.username = Some(username.to_owned()));
            admission.failed(true).await?;
            core.metrics.login("rejected");
            Err(failed().because(reason))
        }
        ChainOutcome::UnknownEverywhere => {
            admission.failed(false).await?;
            core.metrics.login("unknown");
            Err(failed().because("no backend knows the user"))
        }
        ChainOutcome::Challenge { backend, .. } => {
            admission.failed(true).await?;
            core.metrics.login("challenge");
            Err(failed().because(format!("{backend} asks for a second step, which this version cannot take")))
        }
        ChainOutcome::Broken { backend, error } => {
            admission.abandoned().await;
            core.metrics.login("broken");
            let unavailable = OAuthError::unavailable(format!("plugin {backend}: {error}"));
            Err(unavailable.retry_after(Duration::from_secs(2)))
        }
    }
}

fn held_back(delay: Duration) -> OAuthError {
    OAuthError::new(ErrorCode::TooManyRequests, "too many failed logins; wait before the next").retry_after(delay)
}
