//! Guessing clients' secrets (RFC 6749 §2.3.1).
//!
//! Tries count by the client *at its address*: who guesses from elsewhere locks no client out of its own server. An
//! address counts how many different clients failed there, so that one machine with a stale secret does not hold back the
//! others behind the same address, and somebody who makes up ids soon is.
//!
//! Most right secrets are known to be right in microseconds, thousands of times a second. Such a try is never in flight:
//! it only has to find that one more would be admitted. It costs no write and waits for no other right one.

use super::entry::Subject;
use super::policy::{self, Turn};
use super::{Admission, AdmitError, Lockout, LockoutRefusal};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A client's try that no delay holds back. Nothing of its secret has been looked at yet, so that a refusal takes the same
/// time for every secret.
#[must_use = "the try counts only once it is admitted"]
pub struct ClientTry {
    lockout: Arc<Lockout>,
    subjects: Vec<Subject>,
    /// Nobody to wait for, and nothing to forget.
    is_clear: bool,
}

impl Lockout {
    /// Asks for one try at the secret of `client_id` from `ip` (`None` on a unix socket).
    ///
    /// # Errors
    /// `Refused` before the delay has passed; `Unavailable` when the store fails.
    pub async fn client(self: &Arc<Self>, client_id: &str, ip: Option<IpAddr>) -> Result<ClientTry, AdmitError> {
        let address = ip.map(|ip| Subject::client_address(&self.hash, ip));
        let client = Subject::client(&self.hash, client_id, address.as_ref());
        let subjects: Vec<Subject> = std::iter::once(client).chain(address).collect();
        // Before the failures are read: a try that ends meanwhile is then counted twice, and never not at all.
        let in_flight: Vec<u32> = subjects.iter().map(|subject| self.live.in_flight(&subject.row)).collect();
        let mut is_clear = true;
        for (at, (subject, in_flight)) in subjects.iter().zip(in_flight).enumerate() {
            let failures = self.failures(subject).await?;
            match policy::turn(&self.options, failures, in_flight, self.clock.now_ms()) {
                Turn::Now => is_clear &= at > 0 || failures.count == 0,
                Turn::AfterAnother => is_clear = false,
                Turn::After(retry_after) => {
                    self.counters.refused.fetch_add(1, Ordering::Relaxed);
                    return Err(LockoutRefusal { retry_after }.into());
                }
            }
        }
        Ok(ClientTry { lockout: self.clone(), subjects, is_clear })
    }
}

impl ClientTry {
    /// The secret is known to be right: lets it through unless others' tries leave no room, and forgets the client's
    /// failures at this address.
    ///
    /// # Errors
    /// As [`ClientTry::admit`]. Where the failures cannot be forgotten they stay.
    pub async fn pass(self) -> Result<(), AdmitError> {
        if self.is_clear {
            self.lockout.counters.admitted.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        let admission = self.admit().await?;
        // Where the failures cannot be forgotten the secret is still right.
        if let Err(error) = admission.succeeded().await {
            tracing::warn!(%error, "a client's failed authentications could not be forgotten");
        }
        Ok(())
    }

    /// Waits for other tries where it must; the secret may then be checked, and is in flight until the end is known.
    ///
    /// # Errors
    /// `Refused` when others have failed meanwhile, or in a crowd; `Unavailable` when the store fails.
    pub async fn admit(self) -> Result<Admission, AdmitError> {
        self.lockout.admit_all(self.subjects).await
    }
}
