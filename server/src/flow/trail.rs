//! What a request leaves for the audit log, gathered while it runs.

use crate::oauth::family::Subject;
use crate::oauth::handle::FamilyId;
use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// One plugin's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginVerdict {
    /// The plugin's name in the configuration.
    pub plugin: String,
    /// What it said, in a word.
    pub verdict: String,
    /// How long it took.
    pub took: Duration,
    /// Why it refused, or has no answer.
    pub reason: Option<String>,
}

/// The facts known so far; none of them is a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The client, once it is authenticated.
    pub client: Option<String>,
    /// The client that a request was refused as: who it said it was, where there is such a client.
    pub claimed_client: Option<String>,
    /// The name that was typed, where an account has it.
    pub username: Option<String>,
    /// `sub`.
    pub sub: Option<String>,
    /// The family of tokens that a request began, used or asked about; the id of a token that has none.
    pub family: Option<String>,
    /// What was found out about a token.
    pub verdict: Option<&'static str>,
    /// A revocation found nothing to end.
    pub not_revoked: bool,
    /// The grant.
    pub grant: Option<Cow<'static, str>>,
    /// What was granted.
    pub scope: Option<String>,
    /// A used code or refresh token came again.
    pub replayed: bool,
    /// Who was asked.
    pub plugins: Vec<PluginVerdict>,
}

/// Gathers facts from wherever they come to light.
#[derive(Debug, Default)]
pub struct Trail(Mutex<Facts>);

impl Trail {
    /// Adds what `note` sets.
    pub fn note(&self, note: impl FnOnce(&mut Facts)) {
        note(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Adds whose the token is that came with the request. An operator's command is from no client: then it is the
    /// token's.
    pub fn token_of(&self, id: FamilyId, client_id: &str, subject: Option<&Subject>) {
        self.note(|facts| {
            facts.family = Some(id.to_string());
            facts.client.get_or_insert_with(|| client_id.to_owned());
            if let Some(subject) = subject {
                facts.sub = Some(subject.sub.clone());
                facts.username = Some(subject.username.clone());
            }
        });
    }

    /// Adds a plugin's answer.
    pub fn verdict(&self, plugin: &str, verdict: &str, took: Duration) {
        self.reasoned_verdict(plugin, verdict, took, None);
    }

    /// Adds a plugin's answer and why it is no other.
    pub fn reasoned_verdict(&self, plugin: &str, verdict: &str, took: Duration, reason: Option<String>) {
        let verdict = PluginVerdict { plugin: plugin.to_owned(), verdict: verdict.to_owned(), took, reason };
        self.note(|facts| facts.plugins.push(verdict));
    }

    /// What is known.
    #[must_use]
    pub fn facts(&self) -> Facts {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
