//! What one call of a plugin may cost, and how many calls there may be at once.

use crate::config::model::PluginLimits;
use crate::password::Capacity;
use pintle_plugin_api::PluginError;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The largest payload of a call in either direction, in bytes.
pub const MAX_PAYLOAD_BYTES: usize = 4 * 1024 * 1024;
/// How long a call waits for its turn by default.
const MAX_WAIT: Duration = Duration::from_millis(100);
const CALLS_AT_ONCE: u32 = 32;
const CALLS_WAITING: u32 = 64;
const MEMORY_MIB: u32 = 64;
/// Calls of a linked-in plugin that may wait on tokio's blocking threads, of which there are 512 for everything.
const LINKED_CALLS_AT_ONCE: usize = 384;

/// What a plugin can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Says whether a proof is a user's.
    UserVerifier,
    /// Narrows what was requested.
    ScopePolicy,
    /// Turns claims into a token.
    TokenFormat,
    /// Finds accounts without a proof.
    Directory,
    /// Adds claims.
    Claims,
    /// Has accounts that the core keeps a copy of.
    AccountSource,
    /// Is told what happened.
    EventSink,
    /// A grant of its own.
    ExtensionGrant,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::UserVerifier,
        Self::ScopePolicy,
        Self::TokenFormat,
        Self::Directory,
        Self::Claims,
        Self::AccountSource,
        Self::EventSink,
        Self::ExtensionGrant,
    ];

    /// The name of the WIT interface.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UserVerifier => "user-verifier",
            Self::ScopePolicy => "scope-policy",
            Self::TokenFormat => "token-format",
            Self::Directory => "directory",
            Self::Claims => "claims",
            Self::AccountSource => "account-source",
            Self::EventSink => "event-sink",
            Self::ExtensionGrant => "extension-grant",
        }
    }

    /// The kind of this WIT interface.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What one call may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallLimits {
    /// Wall time.
    pub wall: Duration,
    /// CPU time; only the Wasm host can hold a plugin to it.
    pub cpu: Duration,
    /// Memory, in bytes; only the Wasm host can hold a plugin to it.
    pub memory_bytes: usize,
}

/// The limits of one plugin: the configured ones, and each kind's where none is.
#[derive(Clone, Debug)]
pub struct Limits {
    configured: PluginLimits,
    /// What the plugin's calls may wait for: of a linked-in one, which is the server's own code.
    hashing: Option<Capacity>,
}

impl Limits {
    /// The limits of an entry of the config.
    #[must_use]
    pub const fn new(configured: PluginLimits) -> Self {
        Self { configured, hashing: None }
    }

    /// The limits of a linked-in plugin: by default as wide as the hashing threads' queue, so that this one alone says
    /// when there are too many logins.
    #[must_use]
    pub const fn linked(configured: PluginLimits, hashing: Option<Capacity>) -> Self {
        Self { configured, hashing }
    }

    /// For a call of `kind`.
    #[must_use]
    pub fn of(&self, kind: Kind) -> CallLimits {
        match kind {
            Kind::UserVerifier => self.or(self.verifier_wall(), Duration::from_millis(200)),
            Kind::Directory | Kind::ExtensionGrant => self.or(Duration::from_secs(3), Duration::from_millis(200)),
            Kind::ScopePolicy | Kind::TokenFormat | Kind::Claims => {
                self.or(Duration::from_millis(500), Duration::from_millis(50))
            }
            Kind::AccountSource => self.or(Duration::from_secs(60), Duration::from_secs(2)),
            Kind::EventSink => self.or(Duration::from_secs(10), Duration::from_millis(200)),
        }
    }

    /// For describing a plugin, checking its config and asking for its health: the longer of the kinds' times.
    #[must_use]
    pub fn of_lifecycle(&self) -> CallLimits {
        let kinds = self.or(Duration::from_secs(3), Duration::from_millis(200));
        CallLimits { wall: kinds.wall.max(Duration::from_secs(3)), cpu: kinds.cpu.max(Duration::from_secs(1)), ..kinds }
    }

    /// Memory of one instance, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.configured.memory_mib.unwrap_or(MEMORY_MIB) as usize * 1024 * 1024
    }

    /// How many calls may run at once.
    #[must_use]
    pub fn concurrency(&self) -> usize {
        match (self.configured.concurrency, self.hashing) {
            (Some(configured), _) => configured.max(1) as usize,
            // Some more than the queue takes: those come and go while it is full.
            (None, Some(hashing)) => (hashing.callers + CALLS_AT_ONCE as usize).min(LINKED_CALLS_AT_ONCE),
            (None, None) => CALLS_AT_ONCE as usize,
        }
    }

    /// How many calls may wait.
    #[must_use]
    pub fn queue(&self) -> usize {
        match (self.configured.queue, self.hashing) {
            (Some(configured), _) => configured as usize,
            (None, Some(hashing)) => hashing.callers.saturating_sub(self.concurrency()).max(CALLS_WAITING as usize),
            (None, None) => CALLS_WAITING as usize,
        }
    }

    /// How long a call may wait for its turn.
    #[must_use]
    pub fn max_wait(&self) -> Duration {
        if self.hashing.is_some() { self.of(Kind::UserVerifier).wall } else { MAX_WAIT }
    }

    fn verifier_wall(&self) -> Duration {
        let usual = Duration::from_secs(3);
        self.hashing.map_or(usual, |hashing| hashing.longest.max(usual))
    }

    fn or(&self, wall: Duration, cpu: Duration) -> CallLimits {
        CallLimits {
            wall: self.configured.timeout.unwrap_or(wall),
            cpu: self.configured.cpu.unwrap_or(cpu),
            memory_bytes: self.memory_bytes(),
        }
    }
}

/// Lets a bounded number of calls in, and a bounded number wait for a bounded time.
#[derive(Debug)]
pub struct Gate {
    running: Arc<Semaphore>,
    waiting: AtomicUsize,
    max_waiting: usize,
    max_wait: Duration,
}

/// The right to run one call; given back when dropped.
#[derive(Debug)]
pub struct Permit(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

impl Gate {
    /// A gate for one plugin.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            running: Arc::new(Semaphore::new(limits.concurrency().min(Semaphore::MAX_PERMITS))),
            waiting: AtomicUsize::new(0),
            max_waiting: limits.queue(),
            max_wait: limits.max_wait(),
        }
    }

    /// Waits for a turn, at most [`Limits::max_wait`].
    ///
    /// # Errors
    /// `Unavailable` when too many wait already, or too long.
    pub async fn enter(&self) -> Result<Permit, PluginError> {
        if let Ok(permit) = Arc::clone(&self.running).try_acquire_owned() {
            return Ok(Permit(permit));
        }
        let _waiting = self.wait()?;
        match tokio::time::timeout(self.max_wait, Arc::clone(&self.running).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Permit(permit)),
            _ => Err(busy()),
        }
    }

    fn wait(&self) -> Result<Waiting<'_>, PluginError> {
        let waiting = Waiting(&self.waiting);
        if self.waiting.fetch_add(1, Ordering::SeqCst) >= self.max_waiting {
            return Err(busy());
        }
        Ok(waiting)
    }
}

/// Counts one waiting call, also when its future is dropped.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn busy() -> PluginError {
    PluginError::Unavailable("too many calls at once".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(concurrency: u32, queue: u32) -> Gate {
        Gate::new(&Limits::new(PluginLimits {
            concurrency: Some(concurrency),
            queue: Some(queue),
            ..PluginLimits::default()
        }))
    }

    #[test]
    fn a_configured_limit_replaces_the_kinds() {
        let limits = Limits::new(PluginLimits { timeout: Some(Duration::from_secs(9)), ..PluginLimits::default() });
        assert_eq!(limits.of(Kind::UserVerifier).wall, Duration::from_secs(9));
        assert_eq!(limits.of(Kind::ScopePolicy).cpu, Duration::from_millis(50));
        assert_eq!(limits.memory_bytes(), 64 * 1024 * 1024);
    }

    #[test]
    fn a_linked_in_plugin_is_not_limited_below_the_hashing_queue() {
        let linked = |callers, secs| {
            let hashing = Some(Capacity { callers, longest: Duration::from_secs(secs) });
            Limits::linked(PluginLimits::default(), hashing)
        };
        let usual = linked(258, 19);
        assert!(usual.concurrency() > 258, "{}", usual.concurrency());
        assert_eq!(
            (usual.of(Kind::UserVerifier).wall, usual.max_wait()),
            (Duration::from_secs(19), Duration::from_secs(19))
        );
        let long = linked(10_000, 60);
        assert_eq!(long.concurrency() + long.queue(), 10_000);
        assert!(long.concurrency() < 512, "as many blocking threads as tokio has");
        assert_eq!(linked(2, 0).of(Kind::UserVerifier).wall, Duration::from_secs(3));
        let configured = PluginLimits { concurrency: Some(7), queue: Some(8), ..PluginLimits::default() };
        let configured = Limits::linked(configured, Some(Capacity { callers: 258, longest: Duration::ZERO }));
        assert_eq!((configured.concurrency(), configured.queue()), (7, 8));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_waits_too_long_is_turned_away() {
        let gate = gate(1, 1);
        let _running = gate.enter().await.unwrap();
        assert_eq!(gate.enter().await.unwrap_err(), busy());
        assert_eq!(gate.waiting.load(Ordering::SeqCst), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_turns_away_at_once() {
        let gate = gate(1, 0);
        let _running = gate.enter().await.unwrap();
        let before = tokio::time::Instant::now();
        assert!(gate.enter().await.is_err());
        assert_eq!(before.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_finished_call_lets_the_next_in() {
        let gate = gate(1, 1);
        let running = gate.enter().await.unwrap();
        let (entered, ()) = tokio::join!(gate.enter(), async { drop(running) });
        assert!(entered.is_ok());
    }
}
