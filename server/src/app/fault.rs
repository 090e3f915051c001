//! What keys of the configuration point at and cannot be used: collected, so that all of it is shown at once.

use crate::config::{Place, Places};
use std::fmt::{self, Display};

/// One of them. Its text holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where the key is written.
    pub place: Place,
    /// The key's path.
    pub key: String,
    /// What is wrong, and what to do.
    pub text: String,
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.place, self.key, self.text)
    }
}

/// Collects faults.
pub(super) struct Faults<'a> {
    places: &'a Places,
    found: Vec<Fault>,
}

impl<'a> Faults<'a> {
    pub(super) const fn new(places: &'a Places) -> Self {
        Self { places, found: Vec::new() }
    }

    /// Notes what is wrong with what `key` points at.
    pub(super) fn add(&mut self, key: &str, text: impl Display) {
        self.found.push(Fault { place: self.places.locate(key), key: key.to_owned(), text: text.to_string() });
    }

    /// The value, or `None` once its error is noted.
    pub(super) fn take<T, E: Display>(&mut self, key: &str, outcome: Result<T, E>) -> Option<T> {
        outcome.map_err(|error| self.add(key, error)).ok()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(super) fn into_found(self) -> Vec<Fault> {
        self.found
    }
}
