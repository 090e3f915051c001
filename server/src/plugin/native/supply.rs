//! The instance that calls go to. A new one is made by a task of its own, which no caller's end can interrupt: `create`
//! may take longer than a call.

use super::MAX_LOST;
use super::instance::{Instance, Reply};
use super::library::Table;
use super::workers::{Abandoned, Workers};
use crate::plugin::host::PluginHost;
use crate::plugin::log_line::safe_faults;
use pintle_plugin_api::{PluginError, abi};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

/// How long `create` may take, and the library's entry.
const CREATE_TIMEOUT: Duration = Duration::from_secs(10);
/// Instances of a plugin at once: one that is called, and as many as can be lost.
const MAX_INSTANCES: usize = MAX_LOST + 1;
/// After a failed `create`; doubles with each further one in a row.
const FIRST_DELAY: Duration = Duration::from_secs(1);
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// Why there is no instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Every fault of the config.
    Config(Vec<String>),
    /// Another one.
    Other(PluginError),
}

impl From<Failure> for PluginError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Config(faults) => Self::Internal(faults.join("; ")),
            Failure::Other(error) => error,
        }
    }
}

type Made = Result<Arc<Instance>, Failure>;

/// Makes instances, one at a time.
#[derive(Clone)]
pub(super) struct Supply(Arc<Shared>);

struct Shared {
    table: Table,
    host: Arc<PluginHost>,
    runtime: Handle,
    workers: Arc<Workers>,
    /// Of instances: those count, too, whose call or `destroy` has not returned. Bounds the threads that they hold.
    places: Arc<Semaphore>,
    state: Mutex<State>,
}

/// What calls find.
#[derive(Default)]
struct State {
    current: Option<Arc<Instance>>,
    /// Where the outcome of the `create` that runs will be.
    making: Option<watch::Receiver<Option<Made>>>,
    backoff: Backoff,
}

impl Supply {
    /// No instance yet.
    pub(super) fn new(table: Table, host: Arc<PluginHost>, runtime: Handle, workers: Arc<Workers>) -> Self {
        let (places, state) = (Arc::new(Semaphore::new(MAX_INSTANCES)), Mutex::default());
        Self(Arc::new(Shared { table, host, runtime, workers, places, state }))
    }

    /// The instance, made anew where there is none.
    ///
    /// # Errors
    /// Why there is none, at once while the next `create` is put off.
    pub(super) async fn instance(&self) -> Made {
        let mut making = {
            let mut state = self.0.state();
            if let Some(instance) = &state.current {
                return Ok(Arc::clone(instance));
            }
            match &state.making {
                // Without a sender its task has ended before its time.
                Some(making) if making.has_changed().is_ok() => making.clone(),
                _ => {
                    state.backoff.check(Instant::now()).map_err(Failure::Other)?;
                    self.make(&mut state)
                }
            }
        };
        let ended = making.wait_for(Option::is_some).await.ok().and_then(|made| made.clone());
        ended.unwrap_or_else(|| Err(Failure::Other(PluginError::Unavailable("no instance was made".to_owned()))))
    }

    /// Lets nobody call `instance` any more. It is destroyed when its last call has returned.
    pub(super) fn retire(&self, instance: &Arc<Instance>) {
        let mut state = self.0.state();
        if state.current.as_ref().is_some_and(|current| Arc::ptr_eq(current, instance)) {
            state.current = None;
        }
        drop(state);
        // Only then: who is turned away at a closed instance finds no other one in its place than a good one.
        instance.turn.close();
    }

    fn make(&self, state: &mut State) -> watch::Receiver<Option<Made>> {
        let (outcome, making) = watch::channel(None);
        state.making = Some(making.clone());
        let shared = Arc::clone(&self.0);
        self.0.runtime.spawn(async move {
            let made = shared.create().await;
            shared.settle(&made);
            // The callers may all be gone.
            let _ = outcome.send(Some(made));
        });
        making
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settle(&self, made: &Made) {
        let mut state = self.state();
        state.making = None;
        match made {
            Ok(instance) => {
                state.current = Some(Arc::clone(instance));
                state.backoff = Backoff::default();
            }
            Err(failure) => state.backoff.failed(Instant::now(), PluginError::from(failure.clone()).to_string()),
        }
    }

    async fn create(&self) -> Made {
        let (table, host, runtime) = (self.table, Arc::clone(&self.host), self.runtime.clone());
        let place = tokio::time::timeout(CREATE_TIMEOUT, Arc::clone(&self.places).acquire_owned()).await;
        let Ok(Ok(place)) = place else {
            let why = format!("{MAX_INSTANCES} instances are still being called or destroyed");
            return Err(Failure::Other(PluginError::Unavailable(why)));
        };
        let workers = Arc::clone(&self.workers);
        let create = move || Instance::create(table, host, runtime, workers, place);
        let created = in_time(&self.workers, "create", create).await.map_err(Failure::Other)?;
        created.map(Arc::new).map_err(refused)
    }
}

/// Runs `work`, which belongs to no call, on a thread of the plugin's.
///
/// # Errors
/// `Unavailable` where `what` does not return in time or no thread is to be had, `Internal` where it threw.
pub(super) async fn in_time<T: Send + 'static>(
    workers: &Workers,
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, PluginError> {
    let deadline = Instant::now() + CREATE_TIMEOUT;
    let abandoned = Abandoned { deadline, cancel: Box::new(|| ()), overdue: Box::new(|| ()) };
    match tokio::time::timeout_at(deadline, workers.run(work, abandoned)).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(PluginError::Unavailable(format!("{what} did not return in time"))),
    }
}

fn refused(reply: Reply) -> Failure {
    match reply.status {
        abi::ERROR => Failure::Config(
            serde_json::from_slice(&reply.bytes)
                .map(safe_faults)
                .unwrap_or_else(|_| vec!["the plugin refuses its config and does not say why".to_owned()]),
        ),
        status => Failure::Other(PluginError::Internal(format!("create failed with status {status}"))),
    }
}

/// Puts off the next `create` after one that failed.
#[derive(Default)]
struct Backoff {
    failures: u32,
    last: Option<(Instant, String)>,
}

impl Backoff {
    fn failed(&mut self, now: Instant, why: String) {
        let delay = FIRST_DELAY.saturating_mul(1 << self.failures.min(16)).min(LONGEST_DELAY);
        self.failures = self.failures.saturating_add(1);
        self.last = Some((now + delay, why));
    }

    fn check(&self, now: Instant) -> Result<(), PluginError> {
        match &self.last {
            Some((until, why)) if now < *until => {
                Err(PluginError::Unavailable(format!("no new instance could be made ({why}); put off for a while")))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_create_that_keeps_failing_is_tried_ever_less_often() {
        let (mut backoff, mut now) = (Backoff::default(), Instant::now());
        assert!(backoff.check(now).is_ok());
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            backoff.failed(now, "broken".to_owned());
            let delay = Duration::from_secs(seconds);
            let early = backoff.check(now + delay.saturating_sub(Duration::from_millis(1)));
            assert!(matches!(early, Err(PluginError::Unavailable(why)) if why.contains("broken")), "{seconds}");
            now += delay;
            assert!(backoff.check(now).is_ok(), "{seconds}");
        }
    }
}
