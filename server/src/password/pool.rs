//! The hashing threads: a fixed number, each with its own reused memory, behind one bounded queue.

use super::HashError;
use argon2::{Argon2, Block};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;
use zeroize::{Zeroize, Zeroizing};

/// An output of Argon2, wiped when dropped.
pub(super) type Output = Zeroizing<Vec<u8>>;

/// One hash to compute.
pub(super) struct Job {
    pub argon2: Argon2<'static>,
    pub password: Zeroizing<Vec<u8>>,
    pub salt: Vec<u8>,
    pub output_bytes: usize,
    pub reply: oneshot::Sender<Result<Output, HashError>>,
}

impl Job {
    fn blocks(&self) -> usize {
        self.argon2.params().block_count()
    }

    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    closed: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    /// Signalled once for every job, and for all when the pool closes.
    ready: Condvar,
    capacity: usize,
    idle_after: Duration,
    /// What an ordinary hash needs; more is given back at once.
    keep_blocks: usize,
    resident_blocks: AtomicUsize,
    computed: AtomicU64,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See the module.
pub(super) struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// How a [`Pool`] is made.
pub(super) struct PoolOptions {
    pub threads: usize,
    pub capacity: usize,
    pub idle_after: Duration,
    pub keep_blocks: usize,
}

impl Pool {
    pub fn start(options: PoolOptions) -> std::io::Result<Self> {
        let PoolOptions { threads, capacity, idle_after, keep_blocks } = options;
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            ready: Condvar::new(),
            capacity,
            idle_after,
            keep_blocks,
            resident_blocks: AtomicUsize::new(0),
            computed: AtomicU64::new(0),
        });
        let mut pool = Self { shared, threads: Vec::with_capacity(threads) };
        for index in 0..threads.max(1) {
            let shared = pool.shared.clone();
            let thread = std::thread::Builder::new().name(format!("hash-{index}"));
            pool.threads.push(thread.spawn(move || work(&shared))?);
        }
        Ok(pool)
    }

    /// Queues a job.
    pub fn push(&self, job: Job) -> Result<(), HashError> {
        let mut queue = self.shared.queue();
        if queue.closed {
            return Err(HashError::Stopped);
        }
        if queue.jobs.len() >= self.shared.capacity {
            queue.jobs.retain(|job| !job.is_abandoned());
        }
        if queue.jobs.len() >= self.shared.capacity {
            return Err(HashError::Busy);
        }
        queue.jobs.push_back(job);
        drop(queue);
        self.shared.ready.notify_one();
        Ok(())
    }

    pub fn queued(&self) -> usize {
        self.shared.queue().jobs.len()
    }

    pub fn resident_blocks(&self) -> usize {
        self.shared.resident_blocks.load(Ordering::Relaxed)
    }

    pub fn computed(&self) -> u64 {
        self.shared.computed.load(Ordering::Relaxed)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let mut queue = self.shared.queue();
        queue.closed = true;
        queue.jobs.clear();
        drop(queue);
        self.shared.ready.notify_all();
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so; there is nothing to add.
            let _ = thread.join();
        }
    }
}

fn work(shared: &Shared) {
    let mut memory = Memory { blocks: Vec::new(), resident: &shared.resident_blocks };
    loop {
        match next(shared, !memory.blocks.is_empty()) {
            Next::Job(job) => {
                let result = compute(&job, &mut memory);
                shared.computed.fetch_add(1, Ordering::Relaxed);
                memory.keep(shared.keep_blocks);
                // The caller may have gone meanwhile.
                let _ = job.reply.send(result);
            }
            Next::Idle => memory.free(),
            Next::Closed => return,
        }
    }
}

enum Next {
    Job(Job),
    Idle,
    Closed,
}

/// The next job that still has a caller. Idleness is only reported to a thread that `holds_memory`.
fn next(shared: &Shared, holds_memory: bool) -> Next {
    let mut queue = shared.queue();
    loop {
        if queue.closed {
            return Next::Closed;
        }
        match queue.jobs.pop_front() {
            Some(job) if job.is_abandoned() => continue,
            Some(job) => return Next::Job(job),
            None => {}
        }
        if !holds_memory {
            queue = shared.ready.wait(queue).unwrap_or_else(PoisonError::into_inner);
            continue;
        }
        let waiting = |queue: &mut Queue| queue.jobs.is_empty() && !queue.closed;
        let waited = shared.ready.wait_timeout_while(queue, shared.idle_after, waiting);
        let (guard, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        queue = guard;
        if timeout.timed_out() && waiting(&mut queue) {
            return Next::Idle;
        }
    }
}

fn compute(job: &Job, memory: &mut Memory<'_>) -> Result<Output, HashError> {
    let blocks = memory.take(job.blocks())?;
    let mut output = Zeroizing::new(vec![0; job.output_bytes]);
    job.argon2
        .hash_password_into_with_memory(&job.password, &job.salt, &mut output, blocks)
        .map_err(|_| HashError::Malformed("parameters"))?;
    Ok(output)
}

/// A thread's blocks, counted in `resident`.
struct Memory<'a> {
    blocks: Vec<Block>,
    resident: &'a AtomicUsize,
}

impl Memory<'_> {
    fn take(&mut self, count: usize) -> Result<&mut [Block], HashError> {
        if let Some(missing) = count.checked_sub(self.blocks.len()).filter(|missing| *missing > 0) {
            self.blocks.try_reserve_exact(missing).map_err(|_| HashError::OutOfMemory)?;
            self.blocks.resize(count, Block::default());
            self.resident.fetch_add(missing, Ordering::Relaxed);
        }
        Ok(&mut self.blocks[..count])
    }

    /// Gives back what a foreign hash took beyond `count`.
    fn keep(&mut self, count: usize) {
        if self.blocks.len() > count {
            self.free();
        }
    }

    fn free(&mut self) {
        if self.blocks.is_empty() {
            return;
        }
        let mut blocks = std::mem::take(&mut self.blocks);
        blocks.iter_mut().for_each(Zeroize::zeroize);
        self.resident.fetch_sub(blocks.len(), Ordering::Relaxed);
        drop(blocks);
        return_free_pages();
    }
}

impl Drop for Memory<'_> {
    fn drop(&mut self) {
        self.free();
    }
}

/// glibc keeps a freed allocation of this size in the thread's arena from the second time on; this gives it back. (Seen
/// with two threads of 19 MiB: 5 MB resident when idle, and 44, 63, 102 MB after the second to fourth round without.)
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn return_free_pages() {
    // SAFETY: takes no pointers, and glibc's allocator is thread-safe.
    unsafe { libc::malloc_trim(0) };
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn return_free_pages() {}
