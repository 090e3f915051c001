//! The hashing threads: a fixed number, each with its own reused memory, behind two bounded queues.
//!
//! The server's own hashes come first. Those for plugins run while none of them waits, and leave one thread free.

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

/// Whom a hash is computed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// The server: logins, clients' secrets.
    Own,
    /// A plugin, by `crypto.password-verify`.
    Plugin,
}

/// One hash to compute.
pub(super) struct Job {
    pub line: Line,
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
    own: VecDeque<Job>,
    plugins: VecDeque<Job>,
    /// How many threads compute a plugin's hash.
    plugins_running: usize,
    closed: bool,
}

impl Queue {
    fn line(&mut self, line: Line) -> &mut VecDeque<Job> {
        match line {
            Line::Own => &mut self.own,
            Line::Plugin => &mut self.plugins,
        }
    }

    fn is_idle(&self, most_plugins: usize) -> bool {
        self.own.is_empty() && (self.plugins.is_empty() || self.plugins_running >= most_plugins)
    }

    /// The next job that still has a caller, a plugin's counted as running.
    fn pop(&mut self, most_plugins: usize) -> Option<Job> {
        if let Some(job) = pop_wanted(&mut self.own) {
            return Some(job);
        }
        if self.plugins_running >= most_plugins {
            return None;
        }
        let job = pop_wanted(&mut self.plugins)?;
        self.plugins_running += 1;
        Some(job)
    }
}

fn pop_wanted(jobs: &mut VecDeque<Job>) -> Option<Job> {
    std::iter::from_fn(|| jobs.pop_front()).find(|job| !job.is_abandoned())
}

struct Shared {
    queue: Mutex<Queue>,
    /// Signalled once for every job, and for all when the pool closes.
    ready: Condvar,
    /// Of each line.
    capacity: usize,
    /// Threads that may compute plugins' hashes at once.
    most_plugins: usize,
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

    fn computed(&self, line: Line) {
        self.computed.fetch_add(1, Ordering::Relaxed);
        if line == Line::Plugin {
            self.queue().plugins_running -= 1;
        }
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
            most_plugins: threads.saturating_sub(1).max(1),
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
        let line = queue.line(job.line);
        if line.len() >= self.shared.capacity {
            line.retain(|job| !job.is_abandoned());
        }
        if line.len() >= self.shared.capacity {
            return Err(HashError::Busy);
        }
        line.push_back(job);
        drop(queue);
        self.shared.ready.notify_one();
        Ok(())
    }

    pub fn queued(&self) -> usize {
        let queue = self.shared.queue();
        queue.own.len() + queue.plugins.len()
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
        queue.own.clear();
        queue.plugins.clear();
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
                shared.computed(job.line);
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
        if let Some(job) = queue.pop(shared.most_plugins) {
            return Next::Job(job);
        }
        if !holds_memory {
            queue = shared.ready.wait(queue).unwrap_or_else(PoisonError::into_inner);
            continue;
        }
        let waiting = |queue: &mut Queue| queue.is_idle(shared.most_plugins) && !queue.closed;
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

#[cfg(test)]
mod tests {
    use super::*;
    use argon2::{Algorithm, Params, Version};

    fn push(queue: &mut Queue, line: Line, name: &str) -> oneshot::Receiver<Result<Output, HashError>> {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8, 1, 1, None).unwrap());
        let (reply, answer) = oneshot::channel();
        let password = Zeroizing::new(name.as_bytes().to_vec());
        queue.line(line).push_back(Job { line, argon2, password, salt: Vec::new(), output_bytes: 32, reply });
        answer
    }

    fn pop(queue: &mut Queue, most_plugins: usize) -> Option<String> {
        queue.pop(most_plugins).map(|job| String::from_utf8(job.password.to_vec()).unwrap())
    }

    #[test]
    fn the_servers_own_hashes_overtake_those_of_plugins_which_never_have_all_threads() {
        let mut queue = Queue::default();
        let named = [(Line::Plugin, "p1"), (Line::Plugin, "p2"), (Line::Own, "o1"), (Line::Own, "o2")];
        let answers: Vec<_> = named.into_iter().map(|(line, name)| push(&mut queue, line, name)).collect();
        assert_eq!(pop(&mut queue, 1).unwrap(), "o1");
        assert_eq!(pop(&mut queue, 1).unwrap(), "o2");
        assert_eq!(pop(&mut queue, 1).unwrap(), "p1");
        assert!(queue.is_idle(1) && pop(&mut queue, 1).is_none(), "one plugin's hash at a time");
        let late = push(&mut queue, Line::Own, "o3");
        assert_eq!(pop(&mut queue, 1).unwrap(), "o3", "a thread is left for the server");
        queue.plugins_running -= 1;
        assert_eq!(pop(&mut queue, 1).unwrap(), "p2");
        drop((answers, late));
    }

    #[test]
    fn a_plugins_hash_without_a_caller_takes_no_thread() {
        let mut queue = Queue::default();
        drop(push(&mut queue, Line::Plugin, "gone"));
        assert!(pop(&mut queue, 1).is_none());
        assert_eq!(queue.plugins_running, 0);
    }
}
