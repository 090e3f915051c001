//! The threads of one native plugin. A call that does not return keeps its thread, and is counted until it does.

use super::thrown::stopping;
use pintle_plugin_api::PluginError;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// How long a thread waits for its next job before it ends.
const IDLE: Duration = Duration::from_secs(60);

type Job = Box<dyn FnOnce() + Send>;

/// Threads that are made when needed and kept for a minute.
pub(super) struct Workers(Arc<Shared>);

struct Shared {
    name: String,
    runtime: Handle,
    idle: Mutex<Vec<(u64, Sender<Job>)>>,
    next_id: AtomicU64,
    lost: AtomicUsize,
}

/// What happens to a job whose caller is gone.
pub(super) struct Abandoned {
    /// When it should have returned, some time to answer `cancel` included.
    pub(super) deadline: Instant,
    /// Runs at once, on a thread of the plugin's.
    pub(super) cancel: Job,
    /// Runs at the deadline if the job has not returned by then.
    pub(super) overdue: Job,
}

/// Why a job has no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    /// No thread is to be had.
    #[error("no thread for the plugin: {0}")]
    NoThread(std::io::Error),
    /// The job panicked.
    #[error("the plugin's thread panicked")]
    Panicked,
    /// An exception left the library: the thread is lost.
    #[error("it let an exception out of a call")]
    Threw,
}

impl From<Failed> for PluginError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::NoThread(_) => Self::Unavailable(failed.to_string()),
            Failed::Panicked | Failed::Threw => Self::Internal(failed.to_string()),
        }
    }
}

impl Workers {
    /// Threads named `name`, for callers of `runtime`.
    pub(super) fn new(name: String, runtime: Handle) -> Self {
        let (idle, next_id, lost) = (Mutex::default(), AtomicU64::new(0), AtomicUsize::new(0));
        Self(Arc::new(Shared { name, runtime, idle, next_id, lost }))
    }

    /// Jobs of every kind that are past their deadline and have not returned, or that threw.
    pub(super) fn lost(&self) -> usize {
        self.0.lost.load(Ordering::SeqCst)
    }

    /// Runs `work` on a thread of the pool, with nobody waiting for it.
    ///
    /// - `deadline`: counted as lost from then until it returns
    ///
    /// # Errors
    /// When no thread is to be had.
    pub(super) fn leave(&self, work: impl FnOnce() + Send + 'static, deadline: Instant) -> std::io::Result<()> {
        self.0.leave(Box::new(work), deadline)
    }

    /// Runs `work` on a thread of the pool. Where this future is dropped first, `abandoned` says what happens.
    ///
    /// # Errors
    /// When no thread is to be had, or `work` panicked.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
        abandoned: Abandoned,
    ) -> Result<T, Failed> {
        let (sender, receiver) = oneshot::channel();
        let fate = Fate::new(&self.0);
        let watch = Watch { fate: Arc::clone(&fate), abandoned: Some(abandoned) };
        let started = self.0.start(Box::new(move || {
            let mut sender = Some(sender);
            // The caller may be gone.
            let mut send = |answer| sender.take().is_some_and(|sender| sender.send(answer).is_ok());
            let threw = || {
                fate.threw();
                send(Err(Failed::Threw));
            };
            let answer = stopping(work, threw);
            fate.returned();
            send(Ok(answer));
        }));
        if let Err(error) = started {
            watch.done();
            return Err(Failed::NoThread(error));
        }
        let answer = receiver.await;
        watch.done();
        answer.unwrap_or(Err(Failed::Panicked))
    }
}

impl Shared {
    fn idle(&self) -> MutexGuard<'_, Vec<(u64, Sender<Job>)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(self: &Arc<Self>, job: Job) -> std::io::Result<()> {
        let mut job = job;
        loop {
            let Some((_, thread)) = self.idle().pop() else { return self.spawn(job) };
            match thread.send(job) {
                Ok(()) => return Ok(()),
                Err(unsent) => job = unsent.0,
            }
        }
    }

    fn leave(self: &Arc<Self>, work: Job, deadline: Instant) -> std::io::Result<()> {
        let fate = Fate::new(self);
        let watched = Arc::clone(&fate);
        self.start(Box::new(move || {
            stopping(work, || fate.threw());
            fate.returned();
        }))?;
        watched.watch(deadline, Box::new(|| ()));
        Ok(())
    }

    fn spawn(self: &Arc<Self>, job: Job) -> std::io::Result<()> {
        let (shared, id) = (Arc::downgrade(self), self.next_id.fetch_add(1, Ordering::Relaxed));
        std::thread::Builder::new().name(self.name.clone()).spawn(move || work(id, job, &shared))?;
        Ok(())
    }
}

fn work(id: u64, first: Job, shared: &Weak<Shared>) {
    let mut job = first;
    loop {
        // The answer's channel is dropped with the job, which tells the caller.
        let _ = catch_unwind(AssertUnwindSafe(job));
        // A channel for each wait: the pool has its only sender, so that the end of the pool ends the wait.
        let (sender, jobs) = channel::<Job>();
        match shared.upgrade() {
            Some(shared) => shared.idle().push((id, sender)),
            None => return,
        }
        match next(id, &jobs, shared) {
            Some(next) => job = next,
            None => return,
        }
    }
}

fn next(id: u64, jobs: &Receiver<Job>, shared: &Weak<Shared>) -> Option<Job> {
    match jobs.recv_timeout(IDLE) {
        Ok(job) => Some(job),
        Err(RecvTimeoutError::Disconnected) => None,
        Err(RecvTimeoutError::Timeout) => {
            shared.upgrade()?.idle().retain(|(other, _)| *other != id);
            // A job is on its way if somebody took this thread off the list just before; otherwise no sender is left.
            jobs.recv().ok()
        }
    }
}

/// Whether a job returned, and in time.
struct Fate {
    state: AtomicU8,
    shared: Arc<Shared>,
}

impl Fate {
    const RUNNING: u8 = 0;
    const LOST: u8 = 1;
    const RETURNED: u8 = 2;

    fn new(shared: &Arc<Shared>) -> Arc<Self> {
        Arc::new(Self { state: AtomicU8::new(Self::RUNNING), shared: Arc::clone(shared) })
    }

    /// Runs `overdue` at the deadline if the job has not returned by then.
    fn watch(self: &Arc<Self>, deadline: Instant, overdue: Job) {
        let fate = Arc::clone(self);
        self.shared.runtime.spawn(async move {
            tokio::time::sleep_until(deadline).await;
            fate.overdue(overdue);
        });
    }

    fn returned(&self) {
        if self.state.swap(Self::RETURNED, Ordering::SeqCst) == Self::LOST {
            self.shared.lost.fetch_sub(1, Ordering::SeqCst);
        }
    }

    /// Its thread is lost for good.
    fn threw(&self) {
        if self.state.swap(Self::LOST, Ordering::SeqCst) == Self::RUNNING {
            self.shared.lost.fetch_add(1, Ordering::SeqCst);
        }
        tracing::error!(target: "pintle::plugin", thread = self.shared.name, "a plugin threw out of a call: its thread is lost");
    }

    fn overdue(&self, then: Job) {
        // Counted before it shows as lost, so that a return at this moment does not subtract first.
        self.shared.lost.fetch_add(1, Ordering::SeqCst);
        match self.state.compare_exchange(Self::RUNNING, Self::LOST, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) => then(),
            Err(_) => {
                self.shared.lost.fetch_sub(1, Ordering::SeqCst);
            }
        }
    }
}

/// Notices that the caller is gone.
struct Watch {
    fate: Arc<Fate>,
    abandoned: Option<Abandoned>,
}

impl Watch {
    fn done(mut self) {
        self.abandoned = None;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let Some(Abandoned { deadline, cancel, overdue }) = self.abandoned.take() else { return };
        // Where no thread is to be had, the call is not cancelled, only waited for.
        let _ = self.fate.shared.leave(cancel, deadline);
        self.fate.watch(deadline, overdue);
    }
}
