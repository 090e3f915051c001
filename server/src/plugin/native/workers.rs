//! The threads of one native plugin. A call that does not return keeps its thread, and is counted until it does.

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

impl Workers {
    /// Threads named `name`, for callers of `runtime`.
    pub(super) fn new(name: String, runtime: Handle) -> Self {
        let (idle, next_id, lost) = (Mutex::default(), AtomicU64::new(0), AtomicUsize::new(0));
        Self(Arc::new(Shared { name, runtime, idle, next_id, lost }))
    }

    /// Jobs that are past their deadline and have not returned.
    pub(super) fn lost(&self) -> usize {
        self.0.lost.load(Ordering::SeqCst)
    }

    /// Runs `work` on a thread of the pool. Where this future is dropped first, `abandoned` says what happens.
    ///
    /// # Errors
    /// When no thread is to be had, or `work` panicked.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
        abandoned: Abandoned,
    ) -> std::io::Result<T> {
        let (sender, receiver) = oneshot::channel();
        let fate = Arc::new(Fate { state: AtomicU8::new(Fate::RUNNING), shared: Arc::clone(&self.0) });
        let watch = Watch { fate: Arc::clone(&fate), abandoned: Some(abandoned) };
        let started = self.0.start(Box::new(move || {
            let answer = work();
            fate.returned();
            // The caller may be gone.
            let _ = sender.send(answer);
        }));
        if let Err(error) = started {
            watch.done();
            return Err(error);
        }
        let answer = receiver.await;
        watch.done();
        answer.map_err(|_| std::io::Error::other("the plugin's thread panicked"))
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

    fn returned(&self) {
        if self.state.swap(Self::RETURNED, Ordering::SeqCst) == Self::LOST {
            self.shared.lost.fetch_sub(1, Ordering::SeqCst);
        }
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
        let _ = self.fate.shared.start(cancel);
        let fate = Arc::clone(&self.fate);
        self.fate.shared.runtime.spawn(async move {
            tokio::time::sleep_until(deadline).await;
            fate.overdue(overdue);
        });
    }
}
