//! Which server is asked first.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long a server that did not answer is asked last.
const COOL_DOWN: Duration = Duration::from_secs(30);

/// The servers by their place in the config, and when those that failed are preferred again.
pub(crate) struct Hosts(Mutex<Vec<Option<Instant>>>);

impl Hosts {
    pub(crate) fn new(count: usize) -> Self {
        Self(Mutex::new(vec![None; count]))
    }

    /// All of them: first those that answer, as configured, then those that did not.
    pub(crate) fn order(&self, now: Instant) -> Vec<usize> {
        let down = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_down = |host: &usize| down[*host].is_some_and(|until| now < until);
        let (last, mut first): (Vec<usize>, Vec<usize>) = (0..down.len()).partition(is_down);
        first.extend(last);
        first
    }

    pub(crate) fn failed(&self, host: usize, now: Instant) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[host] = Some(now + COOL_DOWN);
    }

    pub(crate) fn answered(&self, host: usize) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[host] = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_failed_is_asked_last_until_it_has_cooled_down_or_answered() {
        let (hosts, now) = (Hosts::new(3), Instant::now());
        assert_eq!(hosts.order(now), [0, 1, 2]);
        hosts.failed(0, now);
        assert_eq!(hosts.order(now), [1, 2, 0]);
        assert_eq!(hosts.order(now + COOL_DOWN), [0, 1, 2]);
        hosts.failed(1, now);
        hosts.answered(0);
        assert_eq!(hosts.order(now), [0, 2, 1]);
    }
}
