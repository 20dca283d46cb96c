//! Regression targets on one scale, so that no target drowns another and one learning rate fits all.

use serde::{Deserialize, Serialize};

use super::EncoderError;
use super::moments::Moments;

/// Shifts and scales each target to mean 0 and standard deviation 1 over the training records. A
/// constant target keeps its unit: it is only shifted. Stored as its JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored")]
pub struct TargetScaler {
    means: Vec<f64>,
    scales: Vec<f64>,
}

#[derive(Deserialize)]
struct Stored {
    means: Vec<f64>,
    scales: Vec<f64>,
}

impl TryFrom<Stored> for TargetScaler {
    type Error = EncoderError;

    fn try_from(Stored { means, scales }: Stored) -> Result<Self, EncoderError> {
        let fine = means.len() == scales.len()
            && !means.is_empty()
            && means.iter().all(|mean| mean.is_finite())
            && scales.iter().all(|scale| scale.is_finite() && *scale > 0.0);
        if fine { Ok(Self { means, scales }) } else { Err(EncoderError::Scaler) }
    }
}

impl TargetScaler {
    /// Learns from training values, records × `targets` in rows, all finite.
    ///
    /// # Panics
    /// If there is no target, or the values are no whole rows.
    pub fn fit(targets: usize, values: &[f64]) -> Self {
        assert!(targets > 0 && values.len().is_multiple_of(targets), "whole rows of targets");
        let moments = (0..targets).map(|target| {
            let mut column: Vec<f64> =
                values.iter().skip(target).step_by(targets).copied().collect();
            match Moments::of(&mut column) {
                Some(Moments { mean, std, .. }) if std > 0.0 => (mean, std),
                Some(Moments { mean, .. }) => (mean, 1.0),
                None => (0.0, 1.0),
            }
        });
        let (means, scales) = moments.unzip();
        Self { means, scales }
    }

    /// Targets of a record.
    pub fn targets(&self) -> usize {
        self.means.len()
    }

    /// The standard deviation of each target in its own unit: what a scaled error of 1 means. 1 for
    /// a constant target.
    pub fn scales(&self) -> &[f64] {
        &self.scales
    }

    /// The mean of each target.
    pub fn means(&self) -> &[f64] {
        &self.means
    }

    /// Values in rows of targets, scaled. What leaves the range of `f32` is cut to it.
    pub fn scale(&self, values: &[f64]) -> Vec<f32> {
        let scaled = |(value, target): (&f64, usize)| {
            let scaled = (value - self.means[target]) / self.scales[target];
            scaled.clamp(f64::from(f32::MIN), f64::from(f32::MAX)) as f32
        };
        values.iter().zip((0..self.targets()).cycle()).map(scaled).collect()
    }

    /// Scaled values in rows of targets, in their own units again.
    pub fn restore(&self, scaled: &[f32]) -> Vec<f64> {
        let value = |(scaled, target): (&f32, usize)| {
            f64::from(*scaled).mul_add(self.scales[target], self.means[target])
        };
        scaled.iter().zip((0..self.targets()).cycle()).map(value).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_each_target_and_back() {
        let values = [1.0, 100.0, 7.0, 3.0, 300.0, 7.0];
        let scaler = TargetScaler::fit(3, &values);
        assert_eq!(
            (scaler.means(), scaler.scales()),
            (&[2.0, 200.0, 7.0][..], &[1.0, 100.0, 1.0][..])
        );
        let scaled = scaler.scale(&values);
        assert_eq!(scaled, [-1.0, -1.0, 0.0, 1.0, 1.0, 0.0]);
        assert_eq!(scaler.restore(&scaled), values);
    }

    #[test]
    fn huge_targets_stay_finite() {
        let scaler = TargetScaler::fit(1, &[f64::MAX, f64::MIN, 0.0]);
        assert!(scaler.scale(&[f64::MAX, f64::MIN]).iter().all(|value| value.is_finite()));
    }

    #[test]
    fn stored_and_damaged() {
        let scaler = TargetScaler::fit(2, &[0.1, 0.2, 0.3, 0.5]);
        let stored = serde_json::to_string(&scaler).unwrap();
        assert_eq!(serde_json::from_str::<TargetScaler>(&stored).unwrap(), scaler);
        for damaged in [
            r#"{"means": [1.0], "scales": []}"#,
            r#"{"means": [], "scales": []}"#,
            r#"{"means": [1.0], "scales": [0.0]}"#,
            r#"{"means": [1.0], "scales": [-1.0]}"#,
        ] {
            let error = serde_json::from_str::<TargetScaler>(damaged).unwrap_err();
            assert!(error.to_string().contains("target scaler"), "{error}");
        }
    }
}
