//! The largest logit (Hendrycks et al. 2022), of classes or of independent labels.

use super::{Detector, Sample};
use crate::arrays::Arrays;

pub(super) struct MaxLogit;

impl Detector for MaxLogit {
    /// −max z; 0 without logits.
    fn score(&self, sample: &Sample<'_>) -> f64 {
        sample.plain_logits.iter().map(|&z| -f64::from(z)).reduce(f64::min).unwrap_or(0.0)
    }

    fn save(&self) -> Arrays {
        Arrays::default()
    }
}
