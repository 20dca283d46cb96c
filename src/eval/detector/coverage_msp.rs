//! Maximum softmax probability (Hendrycks and Gimpel 2017) on coverage-aware logits: unknown
//! n-grams count as zero vectors, so little coverage shrinks the logits and with them the maximum.

use super::{Detector, Sample, logits};
use crate::arrays::Arrays;
use crate::eval::Link;

pub(super) struct CoverageMsp {
    pub link: Link,
}

impl Detector for CoverageMsp {
    /// 1 − max softmax; for independent labels, 1 − the least certain label's certainty.
    fn score(&self, sample: &Sample<'_>) -> f64 {
        logits::uncertainty(self.link, sample.logits)
    }

    fn save(&self) -> Arrays {
        Arrays::default()
    }
}
