//! The user chain: the backends that are asked, in order, who a user is.
//!
//! "Not mine" asks the next one, "wrong password" stops, and "I am broken" stops too unless the operator said otherwise.

use super::{CallError, Fault, UserVerifier};
use crate::clock::Clock;
use pintle_plugin_api::{Accepted, Account, CallContext, Challenge, PluginError, VerifyOutcome, VerifyRequest};
use std::sync::Arc;
use std::time::Duration;

/// The longest account id, in bytes: it becomes part of a key of the store.
const MAX_ID_BYTES: usize = 255;

/// One backend of the chain.
#[derive(Clone)]
pub struct Backend {
    /// The plugin's name in the config.
    pub name: String,
    /// Who is asked.
    pub verifier: Arc<dyn UserVerifier>,
    /// A failure asks the next backend instead of ending the login.
    pub next_on_error: bool,
}

/// The backends in order.
#[derive(Clone)]
pub struct UserChain {
    backends: Vec<Backend>,
    clock: Arc<dyn Clock>,
}

/// What the chain found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainOutcome {
    /// It is this user of this backend.
    Accepted {
        /// The plugin's name.
        backend: String,
        /// Who, and how it was proven.
        accepted: Accepted,
    },
    /// The user is known there and may not log in.
    Rejected {
        /// The plugin's name; none where no backend was asked.
        backend: Option<String>,
        /// For the audit log.
        reason: String,
    },
    /// No backend knows the user, and none that could have was broken.
    UnknownEverywhere,
    /// One more step is needed.
    Challenge {
        /// The plugin's name.
        backend: String,
        /// What is asked for.
        challenge: Challenge,
    },
    /// There is no answer: a backend that might have known the user failed.
    Broken {
        /// The plugin's name.
        backend: String,
        /// Why.
        error: CallError,
    },
}

/// What one backend said, for the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The plugin's name.
    pub backend: String,
    /// What it said.
    pub verdict: Verdict,
    /// How long it took.
    pub took: Duration,
    /// Why it refused, or has no answer.
    pub reason: Option<String>,
}

/// A backend's answer as a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is this user.
    Accepted,
    /// Wrong proof, or a disabled account.
    Rejected,
    /// Not this backend's.
    UnknownUser,
    /// One more step.
    Challenge,
    /// No answer.
    Error(Fault),
}

impl Verdict {
    /// For the audit log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::UnknownUser => "unknown-user",
            Self::Challenge => "challenge",
            Self::Error(fault) => fault.name(),
        }
    }
}

impl UserChain {
    /// The backends, first to last; `clock` measures them.
    #[must_use]
    pub fn new(backends: Vec<Backend>, clock: Arc<dyn Clock>) -> Self {
        Self { backends, clock }
    }

    /// Who is asked, first to last.
    #[must_use]
    pub fn backends(&self) -> &[Backend] {
        &self.backends
    }

    /// Whether the backend of this name is asked at all.
    #[must_use]
    pub fn asks(&self, backend: &str) -> bool {
        self.backends.iter().any(|known| known.name == backend)
    }

    /// Asks who the user is. The trail names every backend that was asked.
    ///
    /// An empty password asks nobody: an LDAP bind without a password succeeds (RFC 4513 §5.1.2).
    pub async fn verify(&self, call: &CallContext, request: &VerifyRequest) -> (ChainOutcome, Vec<Step>) {
        if request.kind == "password" && request.secret.is_empty() {
            return (ChainOutcome::Rejected { backend: None, reason: "the password is empty".to_owned() }, Vec::new());
        }
        let mut trail = Vec::new();
        let mut passed_over = None;
        for backend in &self.backends {
            let answer = self.ask(backend, call, request, &mut trail).await;
            match answer {
                Ok(VerifyOutcome::UnknownUser) => {}
                Err(error) if backend.next_on_error => passed_over = passed_over.or(Some((backend, error))),
                answer => return (outcome(backend.name.clone(), answer), trail),
            }
        }
        let outcome = match passed_over {
            // The user may well be the broken backend's: "unknown" would be a guess.
            Some((backend, error)) => ChainOutcome::Broken { backend: backend.name.clone(), error },
            None => ChainOutcome::UnknownEverywhere,
        };
        (outcome, trail)
    }

    /// Gives one backend the answer to its challenge. The trail names it; a backend that has left the chain is broken.
    pub async fn answer(
        &self,
        call: &CallContext,
        backend: &str,
        request: &VerifyRequest,
    ) -> (ChainOutcome, Vec<Step>) {
        let mut trail = Vec::new();
        let Some(backend) = self.backends.iter().find(|known| known.name == backend) else {
            let error = PluginError::Unavailable("it is no longer in the chain".to_owned()).into();
            return (ChainOutcome::Broken { backend: backend.to_owned(), error }, trail);
        };
        let answer = self.ask(backend, call, request, &mut trail).await;
        (outcome(backend.name.clone(), answer), trail)
    }

    async fn ask(
        &self,
        backend: &Backend,
        call: &CallContext,
        request: &VerifyRequest,
        trail: &mut Vec<Step>,
    ) -> Result<VerifyOutcome, CallError> {
        let started = self.clock.monotonic();
        let answer = backend.verifier.verify(call, request.clone()).await.and_then(enforce);
        let took = self.clock.monotonic().saturating_sub(started);
        trail.push(Step { backend: backend.name.clone(), verdict: verdict(&answer), took, reason: reason(&answer) });
        answer
    }
}

/// What no backend may say: that a disabled account is accepted, or one that the core cannot keep apart from others.
fn enforce(outcome: VerifyOutcome) -> Result<VerifyOutcome, CallError> {
    match outcome {
        VerifyOutcome::Accepted(accepted) if accepted.account.disabled => {
            Ok(VerifyOutcome::Rejected("the account is disabled".to_owned()))
        }
        VerifyOutcome::Accepted(accepted) => {
            check(&accepted.account).map_err(|why| PluginError::Internal(why.to_owned()))?;
            Ok(VerifyOutcome::Accepted(accepted))
        }
        outcome => Ok(outcome),
    }
}

/// What is wrong with an account that a plugin names.
///
/// # Errors
/// An id that cannot be kept apart from others, claims that are no object.
pub fn check(account: &Account) -> Result<(), &'static str> {
    if account.id.is_empty() || account.id.len() > MAX_ID_BYTES || account.id.chars().any(char::is_control) {
        return Err("accepted an account whose id is empty, too long or has control characters");
    }
    let claims = account.claims_json.as_str();
    if !claims.is_empty() && serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(claims).is_err() {
        return Err("accepted an account whose claims are not a JSON object");
    }
    Ok(())
}

const fn verdict(answer: &Result<VerifyOutcome, CallError>) -> Verdict {
    match answer {
        Ok(VerifyOutcome::Accepted(_)) => Verdict::Accepted,
        Ok(VerifyOutcome::Rejected(_)) => Verdict::Rejected,
        Ok(VerifyOutcome::UnknownUser) => Verdict::UnknownUser,
        Ok(VerifyOutcome::Challenge(_)) => Verdict::Challenge,
        Err(ended) => Verdict::Error(ended.fault),
    }
}

fn reason(answer: &Result<VerifyOutcome, CallError>) -> Option<String> {
    match answer {
        Ok(VerifyOutcome::Rejected(why)) => Some(why.clone()),
        Ok(_) => None,
        Err(error) => Some(error.to_string()),
    }
}

fn outcome(backend: String, answer: Result<VerifyOutcome, CallError>) -> ChainOutcome {
    match answer {
        Ok(VerifyOutcome::Accepted(accepted)) => ChainOutcome::Accepted { backend, accepted },
        Ok(VerifyOutcome::Rejected(reason)) => ChainOutcome::Rejected { backend: Some(backend), reason },
        Ok(VerifyOutcome::UnknownUser) => ChainOutcome::UnknownEverywhere,
        Ok(VerifyOutcome::Challenge(challenge)) => ChainOutcome::Challenge { backend, challenge },
        Err(error) => ChainOutcome::Broken { backend, error },
    }
}

#[cfg(test)]
mod tests;
