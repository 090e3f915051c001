//! When a try may be made: pure arithmetic.

use crate::clock::millis;
use crate::config::model::Lockout as Options;
use std::time::Duration;

/// The failures counted under one key, and when the last one was, in milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Failures {
    pub count: u32,
    pub last_ms: u64,
}

/// Whether one more try may be made under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Now.
    Now,
    /// Once a try in flight has ended: if they all fail, there is none left.
    AfterAnother,
    /// Not before this has passed.
    After(Duration),
}

/// How long after the last of `count` failures the next try waits: nothing while there are free tries, then
/// `base_delay`, doubling with each failure up to `max_delay`.
pub(super) fn delay(options: &Options, count: u32) -> Duration {
    match count.checked_sub(options.free_tries) {
        None => Duration::ZERO,
        Some(over) => {
            let factor = 1_u32.checked_shl(over).unwrap_or(u32::MAX);
            options.base_delay.saturating_mul(factor).min(options.max_delay)
        }
    }
}

/// How long failures are remembered after the last one: `forget_after`, but never less than the delay.
pub(super) fn memory(options: &Options, count: u32) -> Duration {
    options.forget_after.max(delay(options, count))
}

/// What is left of the delay at `now_ms`. A last failure that lies further ahead than any delay is from a clock that
/// was wrong, and does not bind.
pub(super) fn remaining(options: &Options, failures: Failures, now_ms: u64) -> Duration {
    let delay = delay(options, failures.count);
    let ahead = failures.last_ms.saturating_sub(now_ms);
    if ahead > millis(options.max_delay) {
        return Duration::ZERO;
    }
    let ready_ms = failures.last_ms.saturating_add(millis(delay));
    Duration::from_millis(ready_ms.saturating_sub(now_ms)).min(delay)
}

/// Whether a try may be made beside `in_flight` others.
pub(super) fn turn(options: &Options, failures: Failures, in_flight: u32, now_ms: u64) -> Turn {
    let remaining = remaining(options, failures, now_ms);
    // A count without free tries left admits one at a time.
    let room = options.free_tries.saturating_sub(failures.count).max(1);
    if !remaining.is_zero() {
        Turn::After(remaining)
    } else if in_flight < room {
        Turn::Now
    } else {
        Turn::AfterAnother
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub fn options() -> Options {
        Options {
            free_tries: 5,
            base_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(900),
            forget_after: Duration::from_secs(3600),
            max_entries: 100_000,
            count_client_addresses: false,
        }
    }

    #[test]
    fn the_delay_starts_after_the_free_tries_and_doubles_to_its_bound() {
        let seconds = |count| delay(&options(), count).as_secs();
        let counts = [0, 4, 5, 6, 7, 8, 14, 15, 16, 36, 37, 69, 70, u32::MAX];
        assert_eq!(counts.map(seconds), [0, 0, 1, 2, 4, 8, 512, 900, 900, 900, 900, 900, 900, 900]);
        let none_free = Options { free_tries: 0, ..options() };
        assert_eq!(delay(&none_free, 0), Duration::from_secs(1));
    }

    #[test]
    fn what_is_remembered_outlasts_the_delay() {
        let short = Options { forget_after: Duration::from_secs(10), ..options() };
        assert_eq!(memory(&short, 3), Duration::from_secs(10));
        assert_eq!(memory(&short, 10), Duration::from_secs(32));
    }

    #[test]
    fn tries_in_flight_count_as_if_they_would_fail() {
        let at = |count, in_flight, now_ms| turn(&options(), Failures { count, last_ms: 10_000 }, in_flight, now_ms);
        assert_eq!(at(0, 4, 10_000), Turn::Now);
        assert_eq!(at(0, 5, 10_000), Turn::AfterAnother);
        assert_eq!(at(3, 1, 10_000), Turn::Now);
        assert_eq!(at(3, 2, 10_000), Turn::AfterAnother);
        assert_eq!(at(5, 0, 10_999), Turn::After(Duration::from_millis(1)));
        assert_eq!(at(5, 0, 11_000), Turn::Now);
        assert_eq!(at(5, 1, 11_000), Turn::AfterAnother);
        assert_eq!(at(6, 0, 11_000), Turn::After(Duration::from_secs(1)));
    }

    #[test]
    fn without_free_tries_the_first_one_is_made_at_once() {
        let none_free = Options { free_tries: 0, ..options() };
        assert_eq!(turn(&none_free, Failures::default(), 0, 1_700_000_000_000), Turn::Now);
        assert_eq!(turn(&none_free, Failures::default(), 1, 1_700_000_000_000), Turn::AfterAnother);
    }

    #[test]
    fn a_clock_that_was_set_back_locks_nobody_out_for_long() {
        let ahead = |by_ms: u64| remaining(&options(), Failures { count: 6, last_ms: 50_000 + by_ms }, 50_000);
        assert_eq!(ahead(0), Duration::from_secs(2));
        assert_eq!(ahead(600_000), Duration::from_secs(2), "never more than the delay itself");
        assert_eq!(ahead(900_001), Duration::ZERO);
    }
}
