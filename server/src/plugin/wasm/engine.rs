//! The engine of all guests, and the thread whose ticks bound their CPU time.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

/// The length of an epoch.
const TICK: Duration = Duration::from_millis(10);
/// Guests that may be alive at once, of all plugins, kept ones included.
pub(super) const MAX_INSTANCES: u32 = 128;
/// A guest made by componentize-py is over twenty core modules.
const CORE_INSTANCES: u32 = 64;
/// A guest in JavaScript has three memories, one in Rust has one.
const MEMORIES: u32 = 8;
/// Each reserves 4 GiB of addresses, not of memory: room for every instance to be a JavaScript one, not for the worst.
const ALL_MEMORIES: u32 = MAX_INSTANCES * 3;
const TABLES: u32 = 16;
const TABLE_ELEMENTS: usize = 64 * 1024;

/// An engine for guests of at most `memory_bytes`.
pub(super) fn engine(memory_bytes: usize) -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config
        .concurrency_support(false)
        .epoch_interruption(true)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(memory_bytes)));
    Engine::new(&config)
}

/// Room for [`MAX_INSTANCES`] of any usual component.
fn pool(memory_bytes: usize) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    // With PAGEMAP_SCAN only touched pages are reset, so that more of them may stay.
    let keep_resident = if PoolingAllocationConfig::is_pagemap_scan_available() { 512 * 1024 } else { 64 * 1024 };
    pool.pagemap_scan(Enabled::Auto)
        .linear_memory_keep_resident(keep_resident)
        .table_keep_resident(64 * 1024)
        .max_memory_size(memory_bytes)
        .table_elements(TABLE_ELEMENTS)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(TABLES)
        .max_tables_per_module(TABLES)
        .max_component_instance_size(8 << 20)
        .max_core_instance_size(4 << 20)
        .total_component_instances(MAX_INSTANCES)
        .total_core_instances(MAX_INSTANCES * CORE_INSTANCES)
        .total_memories(ALL_MEMORIES)
        .total_tables(MAX_INSTANCES * TABLES)
        .total_stacks(MAX_INSTANCES);
    pool
}

/// A thread that ticks while guests run, and sleeps while none does.
pub(super) struct Ticker(Arc<Shared>);

struct Shared {
    state: Mutex<Running>,
    changed: Condvar,
}

struct Running {
    guests: usize,
    ended: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Running> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticker {
    /// Starts the thread.
    pub(super) fn start(engine: Engine) -> std::io::Result<Self> {
        let running = Running { guests: 0, ended: false };
        let shared = Arc::new(Shared { state: Mutex::new(running), changed: Condvar::new() });
        let ticking = Arc::clone(&shared);
        std::thread::Builder::new().name("plugin-epoch".to_owned()).spawn(move || tick(&engine, &ticking))?;
        Ok(Self(shared))
    }

    /// Ticks for as long as the returned value lives.
    pub(super) fn run(&self) -> Ticking {
        let mut running = self.0.lock();
        running.guests += 1;
        if running.guests == 1 {
            self.0.changed.notify_one();
        }
        Ticking(Arc::clone(&self.0))
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.0.lock().ended = true;
        self.0.changed.notify_one();
    }
}

/// One running guest.
pub(super) struct Ticking(Arc<Shared>);

impl Drop for Ticking {
    fn drop(&mut self) {
        self.0.lock().guests -= 1;
    }
}

fn tick(engine: &Engine, shared: &Shared) {
    loop {
        let idle = |running: &mut Running| running.guests == 0 && !running.ended;
        let running = shared.changed.wait_while(shared.lock(), idle).unwrap_or_else(PoisonError::into_inner);
        if running.ended {
            return;
        }
        drop(running);
        std::thread::sleep(TICK);
        engine.increment_epoch();
    }
}
