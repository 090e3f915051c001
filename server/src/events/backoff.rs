//! How long to leave a sink alone that takes nothing.

use crate::entropy::{self, Entropy};
use std::time::Duration;

/// After the first failure; doubles with each.
const FIRST: Duration = Duration::from_secs(1);
/// The longest pause.
pub(super) const LONGEST: Duration = Duration::from_secs(600);

/// The pause after `failures` in a row: up to a fifth shorter, so that servers that lost one receiver together do not
/// come back together.
pub(super) fn pause(failures: u32, entropy: &dyn Entropy) -> Duration {
    let doubled = FIRST.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX)).min(LONGEST);
    let random = u32::from_be_bytes(entropy::array(entropy));
    doubled.mul_f64(1.0 - 0.2 * f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(u8);

    impl Entropy for Fixed {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    #[test]
    fn it_doubles_from_a_second_to_ten_minutes() {
        let expected = [(1, 1), (2, 2), (3, 4), (9, 256), (10, 512), (11, 600), (12, 600), (33, 600), (u32::MAX, 600)];
        for (failures, seconds) in expected {
            assert_eq!(pause(failures, &Fixed(0)), Duration::from_secs(seconds), "{failures}");
            assert_eq!(pause(failures, &Fixed(0xff)), Duration::from_secs(seconds) * 4 / 5, "{failures}");
        }
    }
}
