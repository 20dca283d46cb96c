//! The entropy of the predicted probabilities.

use super::{Detector, Sample, logits};
use crate::arrays::Arrays;
use crate::eval::Link;

pub(super) struct Entropy {
    pub link: Link,
}

impl Detector for Entropy {
    /// −Σ p ln p in nats; for independent labels, the sum of the labels' entropies.
    fn score(&self, sample: &Sample<'_>) -> f64 {
        logits::entropy(self.link, sample.plain_logits)
    }

    fn save(&self) -> Arrays {
        Arrays::default()
    }
}
