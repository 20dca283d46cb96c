//! Has a batch of unlabelled records shifted from the calibration records? A test for each axis, and one
//! answer for all of them.

mod change;
mod fisher;
mod kernel;
mod kolmogorov_smirnov;
mod mean_discrepancy;

pub use change::{Change, most_changed};
pub use fisher::{FisherExact, Share, fisher_exact};
pub use kernel::Kernel;
pub use kolmogorov_smirnov::{EXACT_UP_TO, KolmogorovSmirnov, kolmogorov_smirnov};
pub use mean_discrepancy::{MeanDiscrepancy, mean_discrepancy, permutations};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The side of the reference on which a batch lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The batch's values are higher.
    Higher,
    /// The batch's values are lower.
    Lower,
}

/// How an axis was tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShiftTest {
    /// Two-sample Kolmogorov-Smirnov, two-sided, of a number for each record.
    KolmogorovSmirnov,
    /// Fisher's exact test, two-sided, of the share of records for which something is so.
    FisherExact,
    /// The maximum mean discrepancy of whole records, by permutation (Gretton et al. 2012).
    MaximumMeanDiscrepancy,
}

/// What is compared: one value, one flag, or all there is, for each record. Records must be independent of one
/// another; tokens of a text are not, so give a text's mean or whether it holds any.
#[derive(Debug, Clone, Copy)]
pub enum Evidence<'a> {
    /// A number for each record.
    Values {
        /// Of the calibration records.
        reference: &'a [f64],
        /// Of the batch.
        batch: &'a [f64],
    },
    /// The share of records for which something is so.
    Shares {
        /// Of the calibration records.
        reference: Share,
        /// Of the batch.
        batch: Share,
    },
    /// Whole records.
    Records {
        /// How alike they are: the calibration records, then the batch.
        kernel: &'a Kernel,
        /// How many of them are calibration records.
        reference: usize,
        /// As [`permutations`] says.
        permutations: usize,
        /// Of the permutations.
        seed: u64,
    },
}

/// One axis of a batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AxisShift {
    /// The axis.
    pub axis: String,
    /// The test.
    pub test: ShiftTest,
    /// Kolmogorov-Smirnov: D. Fisher: the difference of the shares. Both in \[0, 1\]. Maximum mean
    /// discrepancy: the distance of the means, in \[0, √2\]; without a shift about √(1/n + 1/m).
    pub statistic: f64,
    /// The chance of a difference as large without a shift.
    pub p_value: f64,
    /// The same, for one that looks at all axes: p times their number, at most 1 (Bonferroni).
    pub adjusted_p_value: f64,
    /// On which side of the calibration records the batch lies where the two differ most; the medians
    /// may differ the other way. A detector that is `higher` finds the records farther outside, and
    /// with `confidence` or a coverage that is `lower`, or a share of unknown words or outside values
    /// that is `higher`, less of them is known; the other way, they are more alike than the
    /// calibration records. Absent where there is no difference, and of whole records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// Median of the calibration records, or their share; absent without records, and of whole
    /// ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<f64>,
    /// Median of the batch, or its share; absent without records, and of whole ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<f64>,
}

/// Whether a batch has shifted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Shift {
    /// The tests, in the order given.
    pub axes: Vec<AxisShift>,
    /// The smallest adjusted p-value; 1 without axes. At most a share α of batches from the calibration
    /// records' distribution have one of α or less, however the axes depend on one another.
    pub p_value: f64,
    /// The level of the verdict.
    pub alpha: f64,
    /// Whether `p_value` ≤ `alpha`: the records are not like those that the model was calibrated on.
    /// What the model says of confidence, risk and intervals may then not hold for them, whichever
    /// way they differ; `direction` of each axis tells which. `false` is good, but no proof: a small
    /// batch shows large differences alone.
    pub shifted: bool,
}

/// Tests each named axis, and all of them at level `alpha` by Bonferroni.
pub fn shift(axes: &[(&str, Evidence<'_>)], alpha: f64) -> Shift {
    let tested: Vec<AxisShift> =
        axes.iter().map(|(name, evidence)| test(name, evidence, axes.len() as f64)).collect();
    let p_value = tested.iter().map(|axis| axis.adjusted_p_value).fold(1.0, f64::min);
    Shift { axes: tested, p_value, alpha, shifted: p_value <= alpha }
}

fn test(name: &str, evidence: &Evidence<'_>, axes: f64) -> AxisShift {
    let (test, statistic, p_value, direction, values) = match *evidence {
        Evidence::Values { reference, batch } => {
            let found = kolmogorov_smirnov(reference, batch);
            let medians = [median(reference), median(batch)];
            (ShiftTest::KolmogorovSmirnov, found.statistic, found.p_value, found.direction, medians)
        }
        Evidence::Shares { reference, batch } => {
            let found = fisher_exact(reference, batch);
            let shares = [reference, batch].map(|share| (share.of > 0).then(|| share.value()));
            let difference = match shares {
                [Some(reference), Some(batch)] => (reference - batch).abs(),
                _ => 0.0,
            };
            (ShiftTest::FisherExact, difference, found.two_sided, found.direction, shares)
        }
        Evidence::Records { kernel, reference, permutations, seed } => {
            let found = mean_discrepancy(kernel, reference, permutations, seed);
            let test = ShiftTest::MaximumMeanDiscrepancy;
            (test, found.statistic, found.p_value, None, [None, None])
        }
    };
    AxisShift {
        axis: name.to_owned(),
        test,
        statistic,
        p_value,
        adjusted_p_value: (p_value * axes).min(1.0),
        direction,
        reference: values[0],
        batch: values[1],
    }
}

/// The middle value, or the mean of the two in the middle.
fn median(values: &[f64]) -> Option<f64> {
    let mut ascending = values.to_vec();
    ascending.sort_by(f64::total_cmp);
    let upper = ascending.get(values.len() / 2)?;
    let lower = &ascending[(values.len() - 1) / 2];
    Some(0.5 * lower + 0.5 * upper)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{self, Rng};

    #[test]
    fn the_report_names_the_axis_that_moved() {
        let reference: Vec<f64> = (0..100).map(f64::from).collect();
        let batch: Vec<f64> = (0..30).map(|i| f64::from(i) * 3.0 + 0.5).collect();
        let lower: Vec<f64> = batch.iter().map(|value| value - 60.0).collect();
        let counts = |count, of| Share { count, of };
        let found = shift(
            &[
                ("same", Evidence::Values { reference: &reference, batch: &batch }),
                ("moved", Evidence::Values { reference: &reference, batch: &lower }),
                ("share", Evidence::Shares { reference: counts(5, 100), batch: counts(9, 30) }),
                ("empty", Evidence::Values { reference: &reference, batch: &[] }),
            ],
            0.05,
        );
        assert!(found.shifted && found.p_value == found.axes[1].adjusted_p_value);
        assert_eq!(found.axes[1].direction, Some(Direction::Lower));
        assert_eq!(found.axes[2].direction, Some(Direction::Higher));
        assert_eq!((found.axes[2].reference, found.axes[2].batch), (Some(0.05), Some(0.3)));
        assert_eq!((found.axes[0].reference, found.axes[3].batch), (Some(49.5), None));
        assert_eq!(found.axes[0].adjusted_p_value, (found.axes[0].p_value * 4.0).min(1.0));
        assert_eq!(found.axes[3].p_value, 1.0);
        let none = shift(&[], 0.05);
        assert!(!none.shifted && none.p_value == 1.0);
    }

    /// A batch of 40 against 150: false alarms over 2,000 trials on three axes that depend on one
    /// another, one of them with many ties, are at most α (three standard errors: 0.015); shifted batches
    /// are found. The least p-value without Bonferroni fails the same test.
    #[test]
    fn false_alarms_stay_within_alpha_and_shifts_are_found() {
        let (trials, alpha) = (2_000, 0.05);
        let mut rng = random::stream(4, "drift");
        let mut sample = |n: usize, moved: f64| {
            let mut axes = [Vec::new(), Vec::new(), Vec::new()];
            let mut flags = Vec::new();
            for _ in 0..n {
                let first = random::normal(&mut rng) + moved;
                let second = 0.3 * first + random::normal(&mut rng) + moved;
                axes[0].push(first);
                axes[1].push(second);
                axes[2].push((first.max(second) * 2.0).floor().max(0.0));
                flags.push(rng.random::<f64>() < if first > 1.0 { 0.5 } else { 0.1 });
            }
            (axes, Share::of_flags(flags))
        };
        let (mut alarms, mut unadjusted, mut power) = (0, 0, 0);
        for trial in 0..trials {
            let reference = sample(150, 0.0);
            let mut run = |moved: f64| {
                let batch = sample(40, moved);
                let of = |axis: usize| Evidence::Values {
                    reference: &reference.0[axis],
                    batch: &batch.0[axis],
                };
                let shares = Evidence::Shares { reference: reference.1, batch: batch.1 };
                shift(&[("a", of(0)), ("b", of(1)), ("c", of(2)), ("d", shares)], alpha)
            };
            let found = run(0.0);
            alarms += usize::from(found.shifted);
            unadjusted += usize::from(found.axes.iter().any(|axis| axis.p_value <= alpha));
            if trial % 10 == 0 {
                power += usize::from(run(0.8).shifted);
            }
        }
        let share = |count: usize| count as f64 / f64::from(trials);
        assert!(share(alarms) <= alpha + 0.015, "{}", share(alarms));
        assert!(share(unadjusted) > alpha + 0.015, "{}", share(unadjusted));
        assert!(share(power) * 10.0 > 0.9, "{}", share(power) * 10.0);
    }
}
