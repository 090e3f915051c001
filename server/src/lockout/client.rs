//! Guessing clients' secrets (RFC 6749 §2.3.1).
//!
//! Tries count by the client *at its address*: who guesses from elsewhere locks no client out of its own server. An
//! address counts how many different clients have failed there and not succeeded since, so that one machine with a stale
//! secret does not hold back the others behind the same address, and somebody who makes up ids soon is.
//!
//! Most right secrets are known to be right in microseconds, thousands of times a second. Such a try is never in flight:
//! where nobody guesses at this client or address, it only has to find that no delay holds it back. It costs no write and
//! waits for no other right one. But where others try, or wait to, it takes its place among them: a right secret in a
//! burst of guesses is one of the guesses.

use super::entry::{Row, Subject, client_label, network};
use super::live::Doubt;
use super::policy::{self, Failures};
use super::{Admission, AdmitError, Lockout, LockoutRefusal};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A client's try that no delay holds back. Nothing of its secret has been looked at yet, so that a refusal takes the same
/// time for every secret.
#[must_use = "the try counts only once it is admitted"]
pub struct ClientTry<'a> {
    lockout: Arc<Lockout>,
    id: &'a str,
    ip: Option<IpAddr>,
    client: Row,
    address: Option<Row>,
    /// There is nothing to forget, and was nobody to wait for.
    is_clear: bool,
}

impl Lockout {
    /// Asks for one try at the secret of `client_id` from `ip` (`None` on a unix socket).
    ///
    /// # Errors
    /// `Refused` before the delay has passed; `Unavailable` when the store fails.
    pub async fn client<'a>(
        self: &Arc<Self>,
        client_id: &'a str,
        ip: Option<IpAddr>,
    ) -> Result<ClientTry<'a>, AdmitError> {
        let address = ip.map(|ip| Row::client_address(&self.hash, ip));
        let client = Row::client(&self.hash, client_id, address.as_ref());
        // Before the failures are read: so a try that ends meanwhile is not missed.
        let is_alone = !self.live.is_guessed_at([&client].into_iter().chain(&address));
        let failures = self.failures(&client).await?;
        let of_address = match &address {
            Some(address) => self.failures(address).await?,
            None => Failures::default(),
        };
        let now_ms = self.clock.now_ms();
        let remaining = |failures| policy::remaining(&self.options, failures, now_ms);
        let retry_after = remaining(failures).max(remaining(of_address));
        if !retry_after.is_zero() {
            self.counters.refused.fetch_add(1, Ordering::Relaxed);
            return Err(LockoutRefusal { retry_after }.into());
        }
        let is_clear = is_alone && failures.count == 0;
        Ok(ClientTry { lockout: self.clone(), id: client_id, ip, client, address, is_clear })
    }
}

impl ClientTry<'_> {
    /// The secret is known to be right: lets it through unless others' tries leave no room, and forgets the client's
    /// failures at this address.
    ///
    /// # Errors
    /// As [`ClientTry::admit`]. Where the failures cannot be forgotten they stay.
    pub async fn pass(self) -> Result<(), AdmitError> {
        // Looked at again: a store that is slow to answer lets others begin meanwhile.
        if self.is_clear && !self.lockout.live.is_guessed_at([&self.client].into_iter().chain(&self.address)) {
            self.lockout.counters.admitted.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        let admission = self.admit_as(Doubt::None).await?;
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
        self.admit_as(Doubt::Guess).await
    }

    async fn admit_as(self, doubt: Doubt) -> Result<Admission, AdmitError> {
        let client = Subject { row: self.client, label: client_label(self.id, self.ip) };
        let address = self.address.zip(self.ip).map(|(row, ip)| Subject { row, label: network(ip) });
        let subjects = [client].into_iter().chain(address);
        let places = subjects.map(|subject| self.lockout.live.enter(subject, doubt)).collect();
        self.lockout.admit_at(places).await
    }
}
