//! Waiting for a store that another command has for a moment.

use super::exit::Failure;
use pintle::app::StartError;
use pintle::clock::Clock;
use pintle::store::sled::OpenError;
use std::time::Duration;

/// For how long a store may be in use by others.
const PATIENCE: Duration = Duration::from_secs(5);

/// Between two tries, in milliseconds.
const PAUSE_MS: u64 = 50;

/// Why a try failed.
pub enum Obstacle {
    /// It may work in a moment.
    InUse(Failure),
    /// It will not.
    Lasting(Failure),
}

impl<E: Into<Failure>> From<E> for Obstacle {
    fn from(error: E) -> Self {
        Self::Lasting(error.into())
    }
}

impl Obstacle {
    /// Of a server that could not be built.
    pub fn of_start(error: StartError) -> Self {
        let in_use = matches!(error, StartError::Store(OpenError::InUse { .. }));
        if in_use { Self::InUse(error.into()) } else { Self::Lasting(error.into()) }
    }
}

/// Tries until it works, or for some seconds.
pub async fn patiently<T>(
    clock: &dyn Clock,
    mut attempt: impl AsyncFnMut() -> Result<T, Obstacle>,
) -> Result<T, Failure> {
    let end = clock.monotonic() + PATIENCE;
    loop {
        match attempt().await {
            Ok(done) => return Ok(done),
            Err(Obstacle::InUse(_)) if clock.monotonic() < end => {
                clock.sleep_until(clock.monotonic_ms().saturating_add(PAUSE_MS)).await;
            }
            Err(Obstacle::InUse(failure) | Obstacle::Lasting(failure)) => return Err(failure),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Exit;
    use pintle::clock::ManualClock;

    /// How often it was tried, and the outcome, where it works the `works_at`th time.
    async fn tried(works_at: u32, obstacle: fn(Failure) -> Obstacle) -> (u32, Result<u32, Exit>) {
        let clock = ManualClock::default();
        let mut tries = 0;
        let outcome = patiently(&clock, async || {
            tries += 1;
            if tries < works_at { Err(obstacle(Failure::unavailable("not now"))) } else { Ok(tries) }
        })
        .await;
        (tries, outcome.map_err(|failure| failure.exit))
    }

    #[tokio::test]
    async fn a_store_in_use_is_tried_again_for_some_seconds_and_no_longer() {
        assert_eq!(tried(3, Obstacle::InUse).await, (3, Ok(3)));
        let most = u32::try_from(PATIENCE.as_millis()).unwrap() / 50 + 1;
        assert_eq!(tried(most, Obstacle::InUse).await, (most, Ok(most)));
        assert_eq!(tried(u32::MAX, Obstacle::InUse).await, (most, Err(Exit::Unavailable)));
    }

    #[tokio::test]
    async fn what_will_not_pass_is_said_at_once() {
        assert_eq!(tried(2, Obstacle::Lasting).await, (1, Err(Exit::Unavailable)));
    }
}
