//! Maximum softmax probability (Hendrycks and Gimpel 2017) on plain logits.

use super::{Detector, Sample, logits};
use crate::arrays::Arrays;
use crate::eval::Link;

pub(super) struct Msp {
    pub link: Link,
}

impl Detector for Msp {
    /// 1 − max softmax; for independent labels, 1 − the least certain label's certainty.
    fn score(&self, sample: &Sample<'_>) -> f64 {
        logits::uncertainty(self.link, sample.plain_logits)
    }

    fn save(&self) -> Arrays {
        Arrays::default()
    }
}
