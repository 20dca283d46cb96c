//! The energy of the logits (Liu et al. 2020); of independent labels, the joint energy (Wang et al.
//! 2021).

use super::{Detector, Sample, logits};
use crate::arrays::Arrays;
use crate::eval::Link;

pub(super) struct Energy {
    pub link: Link,
}

impl Detector for Energy {
    /// −ln Σ e^z; for independent labels −Σ ln(1 + e^z).
    fn score(&self, sample: &Sample<'_>) -> f64 {
        -logits::log_partition(self.link, sample.plain_logits)
    }

    fn save(&self) -> Arrays {
        Arrays::default()
    }
}
