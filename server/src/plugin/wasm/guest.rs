//! Instances: made for one call, or kept for a bounded number of calls, never shared by two.

use super::engine::Ticker;
use super::room::Room;
use super::state::State;
use crate::plugin::Fault;
use crate::plugin::host::CallHost;
use crate::plugin::limits::{CallLimits, MAX_PAYLOAD_BYTES};
use crate::plugin::log_line::safe;
use pintle_plugin_api::PluginError;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OwnedSemaphorePermit;
use wasmtime::component::{Instance, InstancePre};
use wasmtime::{Store, StoreContextMut, Trap, UpdateDeadline};

/// The most calls of one instance, whatever the config says.
const MAX_REUSE: u32 = 128;
/// The most instances that a plugin keeps between calls.
const MAX_KEPT: usize = 4;
const MAX_ERROR_CHARS: usize = 300;

/// A store and the instance in it.
pub(super) struct Guest {
    pub(super) store: Store<State>,
    pub(super) instance: Instance,
}

/// A guest that may be called again.
pub(super) struct Kept {
    guest: Guest,
    calls: u32,
    _place: OwnedSemaphorePermit,
}

/// The guests of one component that wait for their next call.
#[derive(Default)]
pub(super) struct Shelf(Mutex<Vec<Kept>>);

impl Shelf {
    /// One of them.
    pub(super) fn take(&self) -> Option<Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Puts one more there, where there is space.
    fn put(&self, kept: Kept) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() < MAX_KEPT {
            all.push(kept);
        }
    }
}

/// The instances of one component.
pub(super) struct Guests {
    instance: InstancePre<State>,
    ticker: Arc<Ticker>,
    room: Arc<Room>,
    reuse: u32,
    kept: Arc<Shelf>,
}

impl Guests {
    /// - `room`: the places of all components' instances
    /// - `reuse`: calls of one instance
    pub(super) fn new(instance: InstancePre<State>, ticker: Arc<Ticker>, room: Arc<Room>, reuse: u32) -> Self {
        let kept = room.shelf();
        Self { instance, ticker, room, reuse: reuse.clamp(1, MAX_REUSE), kept }
    }

    /// Runs `work` on an instance that no other call has. Where it fails, or this future is dropped, the store goes.
    pub(super) async fn call<T>(
        &self,
        host: Arc<CallHost>,
        work: impl AsyncFnOnce(&mut Guest) -> wasmtime::Result<T>,
    ) -> Result<T, PluginError> {
        let limits = host.limits();
        let _ticking = self.ticker.run();
        let mut kept = match self.kept.take() {
            Some(mut kept) => {
                begin(&mut kept.guest.store, host);
                kept
            }
            None => self.instantiate(host).await?,
        };
        let cpu = kept.guest.store.data().cpu.clone();
        match cpu.measure(work(&mut kept.guest)).await {
            Ok(answer) => {
                self.keep(kept);
                Ok(answer)
            }
            Err(error) => Err(failure(&error, kept.guest.store.data(), limits)),
        }
    }

    async fn instantiate(&self, host: Arc<CallHost>) -> Result<Kept, PluginError> {
        let limits = host.limits();
        let place = self.room.enter().await;
        let place = place.ok_or_else(|| PluginError::Unavailable("the server is stopping".to_owned()))?;
        let mut store = Store::new(self.instance.engine(), State::new(limits.memory_bytes));
        store.limiter(|state| &mut state.memory);
        store.set_hostcall_fuel(MAX_PAYLOAD_BYTES);
        store.epoch_deadline_callback(spend_tick);
        begin(&mut store, host);
        let cpu = store.data().cpu.clone();
        match cpu.measure(self.instance.instantiate_async(&mut store)).await {
            Ok(instance) => Ok(Kept { guest: Guest { store, instance }, calls: 0, _place: place }),
            Err(error) => Err(failure(&error, store.data(), limits)),
        }
    }

    fn keep(&self, mut kept: Kept) {
        kept.calls += 1;
        kept.guest.store.data_mut().host = None;
        if kept.calls < self.reuse {
            self.kept.put(kept);
            // Only then: who comes to wait after this finds it on the shelf.
            if self.room.waiting() > 0 {
                drop(self.kept.take());
            }
        }
    }
}

/// Gives a store its call, and a CPU time of its own.
fn begin(store: &mut Store<State>, host: Arc<CallHost>) {
    store.data().cpu.reset();
    store.data_mut().memory.refused = false;
    store.data_mut().host = Some(host);
    store.set_epoch_deadline(1);
}

/// Runs when an epoch has ended: lets others run, and ends the guest once its CPU time is spent.
///
/// `Yield` alone would keep a tokio worker busy with this guest; `yield_now` puts the task at the end of the queue.
fn spend_tick(mut store: StoreContextMut<'_, State>) -> wasmtime::Result<UpdateDeadline> {
    let state = store.data_mut();
    let most = state.host.as_ref().map(|host| host.limits().cpu).unwrap_or_default();
    if state.cpu.spent() >= most {
        return Ok(UpdateDeadline::Interrupt);
    }
    Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
}

fn failure(error: &wasmtime::Error, state: &State, limits: CallLimits) -> PluginError {
    let (fault, why) = match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => {
            (Fault::TimedOut, format!("it used more than {} ms of CPU time", limits.cpu.as_millis()))
        }
        _ if state.memory.refused => {
            (Fault::Trapped, format!("it used more than {} bytes of memory", limits.memory_bytes))
        }
        _ => (Fault::Trapped, format!("it failed: {}", one_line(error))),
    };
    if let Some(host) = &state.host {
        host.blame(fault);
    }
    PluginError::Internal(why)
}

/// The innermost cause on one line, whatever its lines: what wraps it is a backtrace of the guest's.
pub(super) fn one_line(error: &wasmtime::Error) -> String {
    let cause = error.root_cause().to_string();
    safe(&cause.split_whitespace().collect::<Vec<_>>().join(" "), MAX_ERROR_CHARS)
}
