//! Ids: a prefix that says what the thing is, and a UUID version 7, so that ids sort by time.

use std::sync::Mutex;

use rand_chacha::ChaCha8Rng;

use crate::clock::SharedClock;
use crate::random::{self, RngCore};

/// Makes ids.
pub struct Ids {
    clock: SharedClock,
    rng: Mutex<ChaCha8Rng>,
}

impl Ids {
    /// Ids from the clock and the system's randomness.
    pub fn new(clock: SharedClock) -> Self {
        Self { clock, rng: Mutex::new(random::from_system()) }
    }

    /// A new id such as `job_0199…`.
    pub fn next(&self, prefix: &str) -> String {
        let mut random = [0u8; 10];
        // A poisoned lock holds a generator that is as good as before.
        self.rng.lock().unwrap_or_else(|e| e.into_inner()).fill_bytes(&mut random);
        let millis = self.clock.now().millis().max(0).unsigned_abs();
        let uuid = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
        format!("{prefix}_{}", uuid.simple())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use std::time::Duration;

    #[test]
    fn ids_are_unique_and_sort_by_time() {
        let clock = ManualClock::at(1_000);
        let ids = Ids::new(clock.clone());
        let first = ids.next("job");
        assert_ne!(first, ids.next("job"));
        clock.advance(Duration::from_millis(1));
        assert!(first < ids.next("job"));
        assert!(first.starts_with("job_") && first.len() == 36);
    }
}
