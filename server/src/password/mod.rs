//! Password hashing: Argon2id on its own threads, so that a login neither blocks the request threads nor takes memory
//! that is not already there.
//!
//! Each thread allocates its memory at its first hash, reuses it, and frees it after a minute without one. The queue is
//! bounded, and a caller that gave up costs no hash if its job still waits. Hashes for plugins have a queue of their own,
//! behind this one.

mod phc;
mod pool;
#[cfg(test)]
mod tests;

use crate::config::model::Passwords;
use crate::entropy::{self, Entropy};
use phc::{Ceiling, Costs, OUTPUT_BYTES, Phc, SALT_BYTES};
use pool::{Job, Line, Output, Pool, PoolOptions};
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

/// How long a thread keeps its memory without a hash.
const IDLE_AFTER: Duration = Duration::from_secs(60);

/// What even a slow machine writes with Argon2 in a second on one thread, in KiB: a fifth of what the ones of today do.
const SLOW_KIB_PER_SECOND: u64 = 256 * 1024;

/// Nobody waits longer for a login.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Why there is no hash or verdict. None of them means that the password matches.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// The queue is full: trying again in a second may help.
    #[error("the hashing queue is full")]
    Busy,
    /// The string is not an Argon2 PHC string that we read; the text says what is wrong.
    #[error("malformed password hash: {0}")]
    Malformed(&'static str),
    /// The PHC string asks for more memory or time than the server gives to one login.
    #[error("the password hash costs more memory or time than allowed")]
    TooCostly,
    /// The machine has no memory for it.
    #[error("no memory to hash a password")]
    OutOfMemory,
    /// The pool is shutting down.
    #[error("the hashing threads have stopped")]
    Stopped,
}

/// Why a hasher cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Argon2 does not work with the configured costs.
    #[error("Argon2 does not take these costs (memory_kib must be at least 8 times parallelism, and at least 8)")]
    Costs,
    /// The operating system gives no thread.
    #[error("cannot start a hashing thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// What a comparison showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The password is the hashed one.
    pub matches: bool,
    /// The hash was not made with the configured costs.
    pub needs_rehash: bool,
}

/// How many callers the hashing threads take, and how long the last of them may have to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Hashes that are computed or wait.
    pub callers: usize,
    /// Until the last of a full queue is done, on a slow machine; at most a minute.
    pub longest: Duration,
}

/// See the module. Dropping it ends the threads: it waits for the hashes that are being computed, not for queued ones.
pub struct PasswordHasher {
    pool: Pool,
    costs: Costs,
    capacity: Capacity,
    entropy: Arc<dyn Entropy>,
    dummy_salt: [u8; SALT_BYTES],
}

impl PasswordHasher {
    /// Starts `options.threads` threads (at least one); no memory is taken before the first hash.
    ///
    /// # Errors
    /// When Argon2 does not take the configured costs, or there is no thread.
    pub fn start(options: &Passwords, entropy: Arc<dyn Entropy>) -> Result<Arc<Self>, StartError> {
        Self::start_with(options, entropy, IDLE_AFTER)
    }

    fn start_with(
        options: &Passwords,
        entropy: Arc<dyn Entropy>,
        idle_after: Duration,
    ) -> Result<Arc<Self>, StartError> {
        let costs = Costs::argon2id(options.memory_kib, options.iterations, options.parallelism);
        let argon2 = costs.argon2(OUTPUT_BYTES).map_err(|_| StartError::Costs)?;
        let pool = Pool::start(PoolOptions {
            threads: options.threads,
            capacity: options.queue,
            idle_after,
            keep_blocks: argon2.params().block_count(),
        })?;
        let dummy_salt = entropy::array(&*entropy);
        Ok(Arc::new(Self { pool, costs, capacity: capacity(options, &costs), entropy, dummy_salt }))
    }

    /// The PHC string of `password` with a new salt and the configured costs.
    ///
    /// # Errors
    /// `Busy`, `OutOfMemory`, `Stopped`.
    pub async fn hash(&self, password: Zeroizing<Vec<u8>>) -> Result<String, HashError> {
        let salt: [u8; SALT_BYTES] = entropy::array(&*self.entropy);
        let output = self.compute(Line::Own, self.costs, password, salt.to_vec(), OUTPUT_BYTES).await?;
        Ok(phc::write(&self.costs, &salt, &output))
    }

    /// Whether `password` is the one hashed in `phc`: Argon2id, Argon2i or Argon2d of any costs up to 256 MiB of memory
    /// and 1 GiB written over all iterations (or the configured costs, if larger). Compares in constant time.
    ///
    /// # Errors
    /// As [`Self::hash`]; `Malformed` and `TooCostly` before anything is computed.
    pub async fn verify(&self, phc: &str, password: Zeroizing<Vec<u8>>) -> Result<Verdict, HashError> {
        let phc = Phc::parse(phc, &self.costs, &Ceiling::IMPORTED)?;
        let needs_rehash = phc.is_outdated(&self.costs);
        Ok(Verdict { matches: self.matches(Line::Own, phc, password).await?, needs_rehash })
    }

    /// Whether `password` is the one hashed in `phc`, for a plugin: as [`Self::verify`], but up to 64 MiB of memory and
    /// 256 MiB over all iterations, and behind the server's own hashes.
    ///
    /// # Errors
    /// As [`Self::verify`].
    pub async fn verify_for_plugin(&self, phc: &str, password: Zeroizing<Vec<u8>>) -> Result<bool, HashError> {
        let phc = Phc::parse(phc, &self.costs, &Ceiling::PLUGIN)?;
        self.matches(Line::Plugin, phc, password).await
    }

    /// Spends what a comparison with one of our own hashes costs, for a login that cannot match.
    ///
    /// # Errors
    /// As [`Self::hash`]: an unknown user is told `Busy` as a known one is.
    pub async fn verify_dummy(&self, password: Zeroizing<Vec<u8>>) -> Result<(), HashError> {
        self.compute(Line::Own, self.costs, password, self.dummy_salt.to_vec(), OUTPUT_BYTES).await.map(drop)
    }

    /// Whether `phc` could be verified here: for hashes that are imported or configured.
    ///
    /// # Errors
    /// `Malformed`, `TooCostly`.
    pub fn check(&self, phc: &str) -> Result<(), HashError> {
        Phc::parse(phc, &self.costs, &Ceiling::IMPORTED).map(drop)
    }

    /// How many callers may hash at once, for limits that must not be narrower.
    #[must_use]
    pub const fn capacity(&self) -> Capacity {
        self.capacity
    }

    /// Jobs that wait for a thread, for the metrics.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.pool.queued()
    }

    /// Hashes computed since the start, for the metrics.
    #[must_use]
    pub fn computed(&self) -> u64 {
        self.pool.computed()
    }

    /// Memory that the threads hold now, in KiB, for the metrics.
    #[must_use]
    pub fn resident_kib(&self) -> usize {
        self.pool.resident_blocks()
    }

    async fn matches(&self, line: Line, phc: Phc, password: Zeroizing<Vec<u8>>) -> Result<bool, HashError> {
        let computed = self.compute(line, phc.costs, password, phc.salt, phc.output.len()).await?;
        Ok(computed.as_slice().ct_eq(&phc.output).into())
    }

    async fn compute(
        &self,
        line: Line,
        costs: Costs,
        password: Zeroizing<Vec<u8>>,
        salt: Vec<u8>,
        output_bytes: usize,
    ) -> Result<Output, HashError> {
        let (reply, answer) = oneshot::channel();
        let argon2 = costs.argon2(output_bytes)?;
        self.pool.push(Job { line, argon2, password, salt, output_bytes, reply })?;
        answer.await.unwrap_or(Err(HashError::Stopped))
    }
}

/// Two hashes for each thread come on top of the queue: the one that it computes, and a rehash after it.
fn capacity(options: &Passwords, costs: &Costs) -> Capacity {
    let threads = options.threads.max(1);
    let in_a_row = u64::try_from(options.queue.div_ceil(threads) + 2).unwrap_or(u64::MAX);
    let longest_ms = in_a_row.saturating_mul(costs.passes_kib()).saturating_mul(1000) / SLOW_KIB_PER_SECOND;
    Capacity { callers: options.queue + threads, longest: Duration::from_millis(longest_ms).min(LONGEST_WAIT) }
}

impl std::fmt::Debug for PasswordHasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PasswordHasher").field("costs", &self.costs).finish_non_exhaustive()
    }
}
