//! What stands before a plugin's calls beside its limits: the operator's switch and the circuit breaker.

use super::breaker::{Breaker, BreakerState, Pass, Sign};
use super::shadow::{Ledgers, Observer as ShadowObserver};
use super::{CallError, Fault, HostServices};
use crate::config::model::BreakerLimits;
use pintle_plugin_api::PluginError;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Which plugins the operator has switched off. A clone is a handle on the same switches: they outlive reloads.
#[derive(Clone, Debug, Default)]
pub struct Switches(Arc<Mutex<HashMap<String, Arc<AtomicBool>>>>);

impl Switches {
    /// Whether the plugin of this name is off.
    #[must_use]
    pub fn is_off(&self, plugin: &str) -> bool {
        self.of(plugin).load(Ordering::SeqCst)
    }

    /// Switches calls of this plugin off, or on again.
    pub fn set_off(&self, plugin: &str, off: bool) {
        self.of(plugin).store(off, Ordering::SeqCst);
    }

    fn of(&self, plugin: &str) -> Arc<AtomicBool> {
        let mut switches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        switches.entry(plugin.to_owned()).or_default().clone()
    }
}

/// Told of a plugin's name and what its breaker has become.
pub type BreakerObserver = Arc<dyn Fn(&str, BreakerState) + Send + Sync>;

/// What all plugins of a server are supervised with.
#[derive(Clone)]
pub struct Supervision {
    /// The operator's switches.
    pub switches: Switches,
    /// Called at each change of a breaker.
    pub observer: BreakerObserver,
    /// What the answers of plugins in shadow came to.
    pub ledgers: Ledgers,
    /// Told of each of these answers.
    pub compared: ShadowObserver,
}

impl Default for Supervision {
    /// All are on, and nobody is told.
    fn default() -> Self {
        Self {
            switches: Switches::default(),
            observer: Arc::new(|_, _| {}),
            ledgers: Ledgers::default(),
            compared: Arc::new(|_, _| {}),
        }
    }
}

/// One plugin's.
pub struct Guard {
    plugin: String,
    off: Arc<AtomicBool>,
    breaker: Option<Mutex<Breaker>>,
    observer: BreakerObserver,
    services: Arc<dyn HostServices>,
    calls: AtomicU64,
    failures: AtomicU64,
}

/// What a plugin's calls came to since it was loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Calls let through.
    pub calls: u64,
    /// Those of them that ended without an answer.
    pub failures: u64,
}

impl Guard {
    /// For the plugin of this name; without `breaker` it has none.
    #[must_use]
    pub fn new(
        plugin: &str,
        breaker: Option<BreakerLimits>,
        supervision: &Supervision,
        services: Arc<dyn HostServices>,
    ) -> Self {
        Self {
            plugin: plugin.to_owned(),
            off: supervision.switches.of(plugin),
            breaker: breaker.map(|limits| Mutex::new(Breaker::new(limits))),
            observer: supervision.observer.clone(),
            services,
            calls: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        }
    }

    /// Goes on with what `before`, of the same plugin, has seen.
    pub fn succeed(&self, before: &Self) {
        if let (Some(own), Some(former)) = (&self.breaker, &before.breaker) {
            *lock(own) = lock(former).successor();
        }
        self.calls.store(before.calls.load(Ordering::Relaxed), Ordering::Relaxed);
        self.failures.store(before.failures.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Tells how the breaker is.
    pub fn announce(&self) {
        if let Some(state) = self.breaker() {
            (self.observer)(&self.plugin, state);
        }
    }

    /// Lets a call through.
    ///
    /// # Errors
    /// `Unavailable` while the plugin is switched off, or its breaker open.
    pub fn admit(&self) -> Result<Ticket<'_>, CallError> {
        if self.off.load(Ordering::SeqCst) {
            return Err(withheld("the plugin is disabled", Fault::Disabled));
        }
        let pass = match &self.breaker {
            None => Pass::Ordinary,
            Some(breaker) => self
                .change(breaker, |breaker, now_ms| breaker.admit(now_ms))
                .ok_or_else(|| withheld("its circuit breaker is open", Fault::Open))?,
        };
        self.calls.fetch_add(1, Ordering::Relaxed);
        Ok(Ticket { guard: self, pass, sign: Sign::None })
    }

    /// Whether calls get through; `None` without a breaker.
    #[must_use]
    pub fn breaker(&self) -> Option<BreakerState> {
        self.breaker.as_ref().map(|breaker| lock(breaker).state())
    }

    /// The calls so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        Tally { calls: self.calls.load(Ordering::Relaxed), failures: self.failures.load(Ordering::Relaxed) }
    }

    fn change<T>(&self, breaker: &Mutex<Breaker>, step: impl FnOnce(&mut Breaker, u64) -> T) -> T {
        let now_ms = self.services.monotonic_ms();
        let (before, done, after) = {
            let mut breaker = lock(breaker);
            (breaker.state(), step(&mut breaker, now_ms), breaker.state())
        };
        if before != after {
            match after {
                BreakerState::Open => tracing::warn!(plugin = self.plugin, "the circuit breaker opens"),
                _ => tracing::info!(plugin = self.plugin, state = after.name(), "the circuit breaker changes"),
            }
            (self.observer)(&self.plugin, after);
        }
        done
    }
}

fn lock(breaker: &Mutex<Breaker>) -> MutexGuard<'_, Breaker> {
    breaker.lock().unwrap_or_else(PoisonError::into_inner)
}

fn withheld(why: &str, fault: Fault) -> CallError {
    CallError { error: PluginError::Unavailable(why.to_owned()), fault }
}

/// A call that was let through; what it showed is recorded when it is dropped, nothing where its caller gave up.
pub struct Ticket<'a> {
    guard: &'a Guard,
    pass: Pass,
    sign: Sign,
}

impl Ticket<'_> {
    /// The plugin came to an end by itself.
    pub fn ended<T>(&mut self, answer: &Result<T, CallError>) {
        self.sign = match answer {
            Ok(_) => Sign::Up,
            Err(CallError { error: PluginError::Unavailable(_), fault: Fault::Failed }) => Sign::Down,
            Err(CallError { fault: Fault::Failed, .. }) => Sign::Up,
            Err(_) => Sign::None,
        };
        self.count(answer.is_err());
    }

    /// It did not within its wall time. That says something of its backend only where it may have waited for that: many
    /// calls that compute at once, as hostile requests may make them, have no time to end by themselves.
    pub fn timed_out(&mut self, may_have_waited: bool) {
        self.sign = if may_have_waited { Sign::Down } else { Sign::None };
        self.count(true);
    }

    fn count(&self, failed: bool) {
        self.guard.failures.fetch_add(u64::from(failed), Ordering::Relaxed);
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if let Some(breaker) = &self.guard.breaker {
            self.guard.change(breaker, |breaker, now_ms| breaker.record(now_ms, self.pass, self.sign));
        }
    }
}
