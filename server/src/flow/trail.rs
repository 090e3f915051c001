//! What a request leaves for the audit log, gathered while it runs.

use std::sync::{Mutex, PoisonError};

/// One plugin's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginVerdict {
    /// The plugin's name in the configuration.
    pub plugin: String,
    /// What it said, in a word.
    pub verdict: String,
    /// Milliseconds it took.
    pub millis: u64,
}

/// The facts known so far; none of them is a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The client, once it is authenticated.
    pub client: Option<String>,
    /// The name that was typed, where an account has it.
    pub username: Option<String>,
    /// `sub`.
    pub sub: Option<String>,
    /// The grant.
    pub grant: Option<&'static str>,
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

    /// Adds a plugin's answer.
    pub fn verdict(&self, plugin: &str, verdict: &str, millis: u64) {
        let verdict = PluginVerdict { plugin: plugin.to_owned(), verdict: verdict.to_owned(), millis };
        self.note(|facts| facts.plugins.push(verdict));
    }

    /// What is known.
    #[must_use]
    pub fn facts(&self) -> Facts {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
