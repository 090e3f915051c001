//! The circuit breaker of one plugin: while its backend is down, calls are answered at once instead of each waiting for
//! its time-out.
//!
//! It counts time-outs and `unavailable` as a share of calls. What a request can bring about by itself, a trap or spent CPU
//! time, is not counted: a hostile request must not shut a backend for everyone.

use crate::clock::millis;
use crate::config::model::BreakerLimits;
use std::collections::VecDeque;
use std::time::Duration;

/// Calls longer ago are forgotten.
const WINDOW: Duration = Duration::from_secs(10);
/// Calls that are remembered, as a multiple of those that it takes to open.
const REMEMBERED: usize = 5;

/// Whether calls get through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// All do.
    Closed,
    /// None does.
    Open,
    /// One does, and decides.
    HalfOpen,
}

impl BreakerState {
    /// For the log, the metrics and the operator.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        }
    }
}

/// What a call says about the plugin's backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// It answered, whatever it said.
    Up,
    /// It did not answer in time, or said that it cannot.
    Down,
    /// Nothing: the call trapped, was not made, or was given up by its caller.
    None,
}

/// A call that was let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// As one of many.
    Ordinary,
    /// As the one whose answer decides.
    Probe,
}

/// The breaker. Pure: times are milliseconds of one monotonic clock, passed in.
#[derive(Clone, Debug)]
pub struct Breaker {
    limits: BreakerLimits,
    /// When a call ended, and whether it was [`Sign::Down`]; the oldest first.
    window: VecDeque<(u64, bool)>,
    state: BreakerState,
    /// While it is open.
    until_ms: u64,
}

impl Breaker {
    /// A closed one.
    #[must_use]
    pub const fn new(limits: BreakerLimits) -> Self {
        Self { limits, window: VecDeque::new(), state: BreakerState::Closed, until_ms: 0 }
    }

    /// One that goes on where this is. What a probe shows this one does not reach the other, so that it probes itself.
    #[must_use]
    pub fn successor(&self) -> Self {
        let state = if self.state == BreakerState::HalfOpen { BreakerState::Open } else { self.state };
        Self { state, ..self.clone() }
    }

    /// Whether calls get through now.
    #[must_use]
    pub const fn state(&self) -> BreakerState {
        self.state
    }

    /// Lets a call through, or not: `None`. Every pass comes back in [`Self::record`].
    pub fn admit(&mut self, now_ms: u64) -> Option<Pass> {
        match self.state {
            BreakerState::Closed => Some(Pass::Ordinary),
            BreakerState::Open if now_ms >= self.until_ms => {
                self.state = BreakerState::HalfOpen;
                Some(Pass::Probe)
            }
            BreakerState::Open | BreakerState::HalfOpen => None,
        }
    }

    /// Takes what a call that was let through showed.
    pub fn record(&mut self, now_ms: u64, pass: Pass, sign: Sign) {
        match (self.state, pass, sign) {
            (BreakerState::HalfOpen, Pass::Probe, Sign::Up) => {
                self.window.clear();
                self.state = BreakerState::Closed;
            }
            (BreakerState::HalfOpen, Pass::Probe, Sign::Down) => self.open(now_ms, self.limits.open_for),
            // The next call probes.
            (BreakerState::HalfOpen, Pass::Probe, Sign::None) => self.open(now_ms, Duration::ZERO),
            (BreakerState::Closed, _, Sign::Up | Sign::Down) => self.count(now_ms, sign == Sign::Down),
            // A call from before it opened.
            _ => {}
        }
    }

    fn count(&mut self, now_ms: u64, down: bool) {
        self.window.push_back((now_ms, down));
        let oldest = now_ms.saturating_sub(millis(WINDOW));
        let most = self.limits.calls as usize * REMEMBERED;
        while self.window.len() > most || self.window.front().is_some_and(|(at, _)| *at < oldest) {
            self.window.pop_front();
        }
        let failed = self.window.iter().filter(|(_, down)| *down).count();
        let enough = self.window.len() >= self.limits.calls as usize;
        if down && enough && failed * 100 >= self.window.len() * usize::from(self.limits.share) {
            self.open(now_ms, self.limits.open_for);
        }
    }

    fn open(&mut self, now_ms: u64, for_: Duration) {
        self.window.clear();
        self.state = BreakerState::Open;
        self.until_ms = now_ms.saturating_add(millis(for_));
    }
}

#[cfg(test)]
mod tests;
