//! Ids of events: in the order of time, and no two alike.

use crate::clock::Clock;
use crate::entropy::{self, Entropy};
use std::sync::{Arc, Mutex, PoisonError};

/// Makes ids of 32 hexadecimal digits: 12 of milliseconds, 4 that count within one, 16 of randomness.
pub(super) struct Ids {
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    /// Milliseconds, times 65,536, plus the count within one.
    last: Mutex<u64>,
}

impl Ids {
    pub fn new(clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { clock, entropy, last: Mutex::new(0) }
    }

    /// The next id, larger than any before in this process, also when the clock is set back.
    pub fn next(&self) -> String {
        let at = {
            let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
            *last = (self.clock.now_ms() << 16).max(last.saturating_add(1));
            *last
        };
        format!("{at:016x}{:016x}", u64::from_be_bytes(entropy::array(&*self.entropy)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{ManualClock, UnixTime};
    use crate::entropy::SystemEntropy;
    use std::time::Duration;

    #[test]
    fn ids_are_in_order_within_a_millisecond_and_beyond() {
        let clock = Arc::new(ManualClock::at(UnixTime(1_700_000_000)));
        let ids = Ids::new(clock.clone(), Arc::new(SystemEntropy));
        let mut made: Vec<String> = (0..70_000).map(|_| ids.next()).collect();
        clock.advance(Duration::from_millis(10));
        made.push(ids.next());
        assert!(made.windows(2).all(|pair| pair[0] < pair[1]) && made.iter().all(|id| id.len() == 32));
    }
}
