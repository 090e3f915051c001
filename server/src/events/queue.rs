//! What waits to be stored for sinks that are not strict: requests do not wait for the disk, and many events share one
//! commit.

use super::outbox::{New, Outbox};
use super::sink::Sink;
use crate::store::CommitError;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc};

/// Events that wait in memory; one is about 1 KiB.
const QUEUE: usize = 8192;
/// Events of one commit.
const GROUP: usize = 256;
/// After a commit that failed.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) struct Queue {
    sender: mpsc::Sender<New>,
    intake: Mutex<Intake>,
}

struct Intake {
    receiver: mpsc::Receiver<New>,
    /// Taken, and perhaps not stored.
    taken: Vec<New>,
}

impl Queue {
    pub fn new() -> Self {
        Self::with_room(QUEUE)
    }

    pub fn with_room(room: usize) -> Self {
        let (sender, receiver) = mpsc::channel(room);
        Self { sender, intake: Mutex::new(Intake { receiver, taken: Vec::new() }) }
    }

    /// Never waits: an event that finds no room is lost.
    pub fn offer(&self, new: New) {
        if let Err(mpsc::error::TrySendError::Full(new) | mpsc::error::TrySendError::Closed(new)) =
            self.sender.try_send(new)
        {
            new.sink.lost();
        }
    }

    /// Stores what comes, for ever.
    pub async fn run(&self, outbox: &Outbox) {
        let mut intake = self.intake.lock().await;
        loop {
            if intake.taken.is_empty() {
                let Intake { receiver, taken } = &mut *intake;
                receiver.recv_many(taken, GROUP).await;
            }
            if let Err(error) = intake.store(outbox).await {
                tracing::error!(%error, "events could not be stored yet");
                let clock = &outbox.clock;
                clock.sleep_until(clock.monotonic_ms().saturating_add(PAUSE.as_millis() as u64)).await;
            }
        }
    }

    /// Stores what is there; nothing else may run meanwhile.
    pub async fn flush(&self, outbox: &Outbox) -> Result<(), CommitError> {
        let mut intake = self.intake.lock().await;
        loop {
            intake.store(outbox).await?;
            while intake.taken.len() < GROUP
                && let Ok(new) = intake.receiver.try_recv()
            {
                intake.taken.push(new);
            }
            if intake.taken.is_empty() {
                return Ok(());
            }
        }
    }
}

impl Intake {
    async fn store(&mut self, outbox: &Outbox) -> Result<(), CommitError> {
        let mut room: Vec<(Arc<Sink>, u64)> = Vec::new();
        self.taken.retain(|new| {
            let known = room.iter_mut().find(|(sink, _)| Arc::ptr_eq(sink, &new.sink));
            let ahead = match known {
                Some((_, ahead)) => ahead,
                None => {
                    room.push((new.sink.clone(), 0));
                    let Some((_, ahead)) = room.last_mut() else { return true };
                    ahead
                }
            };
            let fits = new.sink.waiting().saturating_add(*ahead) < outbox.limits.max_entries;
            *ahead += u64::from(fits);
            if !fits {
                new.sink.lost();
            }
            fits
        });
        outbox.append(&self.taken).await?;
        self.taken.clear();
        Ok(())
    }
}
