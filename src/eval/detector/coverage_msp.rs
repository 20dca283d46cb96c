//! Maximum softmax probability (Hendrycks and Gimpel 2017) on coverage-aware logits: unknown
//! n-grams count as zero vectors, so little coverage shrinks the logits and with them the maximum.

use super::{Detector, Sample};
use crate::arrays::Arrays;
use crate::eval::Link;

pub(super) struct CoverageMsp {
    pub link: Link,
}

impl Detector for CoverageMsp {
    /// 1 − max softmax; for independent labels, 1 − the least certain label's certainty.
    fn score(&self, sample: &Sample<'_>) -> f64 {
        let p = self.link.probabilities(sample.logits, 1.0);
        match self.link {
            Link::Softmax => 1.0 - p.iter().copied().fold(0.0, f64::max),
            Link::Sigmoid => 1.0 - p.iter().map(|p| p.max(1.0 - p)).fold(1.0, f64::min),
        }
    }

    fn save(&self) -> Arrays {
        Arrays::default()
    }
}
