//! Whether a model's stream of scored records has drifted, asked after every record.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::clock::Timestamp;
use crate::eval::martingale::{StreamEvidence, TestMartingale};

/// The part of α that is spent on the calibration split having been an unlucky one.
const DELTA_SHARE: f64 = 0.2;

/// δ at a level α.
pub fn share_of_alpha(alpha: f64) -> f64 {
    alpha * DELTA_SHARE
}

/// Where a model's stream stands: a test martingale on the records' combined p-values, and when it
/// alarmed. It goes on from its stored form with the same bits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stream {
    alpha: f64,
    started_at: Timestamp,
    martingale: TestMartingale,
    first_found: Option<DriftFound>,
}

/// Where drift was first found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DriftFound {
    /// The record of the stream that decided it, from 1.
    pub record: u64,
    /// When that record was scored.
    pub at: Timestamp,
}

/// Whether the stream of all records that were scored since `started_at` has drifted from the
/// calibration records: a test martingale on their combined p-values (Vovk, Nouretdinov and Gammerman
/// 2003), each replaced by an upper bound that allows for the luck of the calibration split. Without
/// drift, the chance that it ever alarms is at most `alpha`, however often one looks, for records
/// that are independent of one another: the same record sent again and again is not. Drift that is
/// smaller than what the calibration records can tell is never found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StreamReport {
    /// When the first record was scored.
    pub started_at: Timestamp,
    /// What the records say.
    #[serde(flatten)]
    pub evidence: StreamEvidence,
    /// The part of `alpha` that is spent on the calibration split having been an unlucky one: a fifth.
    pub delta: f64,
    /// The chance of an alarm without drift, ever. That of the server when the stream began.
    pub alpha: f64,
    /// Whether `anytime_p_value` ≤ `alpha`. Once found it stays so, until monitoring is reset.
    pub drift: bool,
    /// Where it was first found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_found: Option<DriftFound>,
}

impl Stream {
    /// A stream at the level `alpha`, in (0, 1), of p-values from `calibration_records` records.
    pub fn new(calibration_records: usize, alpha: f64, started_at: Timestamp) -> Self {
        let martingale = TestMartingale::new(calibration_records, share_of_alpha(alpha));
        Self { alpha, started_at, martingale, first_found: None }
    }

    /// Takes the combined p-values of records that were scored at a moment, in order.
    pub fn extend(&mut self, p_values: &[f64], at: Timestamp) {
        for &p in p_values {
            self.martingale.update(p);
            if self.first_found.is_none() {
                let StreamEvidence { records, anytime_p_value, .. } = self.martingale.evidence();
                let found = anytime_p_value <= self.alpha;
                self.first_found = found.then_some(DriftFound { record: records, at });
            }
        }
    }

    /// What can be said now.
    pub fn report(&self) -> StreamReport {
        let Self { alpha, started_at, ref martingale, first_found } = *self;
        StreamReport {
            started_at,
            evidence: martingale.evidence(),
            delta: martingale.delta(),
            alpha,
            drift: first_found.is_some(),
            first_found,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{self, Rng};

    #[test]
    fn it_says_when_drift_was_found_and_keeps_saying_so() {
        let moment = |second: i64| Timestamp::from_millis(second * 1_000);
        let mut stream = Stream::new(200, 0.05, moment(0));
        let mut rng = random::stream(3, "stream");
        let calm: Vec<f64> = (0..300).map(|_| rng.random()).collect();
        stream.extend(&calm, moment(1));
        assert!(!stream.report().drift && stream.report().first_found.is_none());
        // Stored in between, as over a restart.
        let stored = serde_json::to_string(&stream).unwrap();
        let mut again: Stream = serde_json::from_str(&stored).unwrap();
        for stream in [&mut stream, &mut again] {
            (2..60).for_each(|second| stream.extend(&[1.0 / 201.0; 2], moment(second)));
        }
        assert_eq!(again, stream);
        let found = stream.report();
        let first = found.first_found.unwrap();
        assert!(found.drift && found.evidence.anytime_p_value <= 0.05, "{found:?}");
        assert_eq!(first.at, moment(2 + (first.record as i64 - 301) / 2), "{found:?}");
        stream.extend(&[1.0; 2_000], moment(70));
        assert!(stream.report().drift && stream.report().evidence.log10_martingale < 0.0);
        assert_eq!(stream.report().first_found, Some(first));
        assert_eq!((found.alpha, found.delta), (0.05, 0.010000000000000002));
    }
}
