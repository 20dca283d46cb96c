//! An estimate whose error has several independent sources, such as the seeds of a training and the
//! records that it is measured on. With three seeds the first is known to two degrees of freedom, and
//! hardly at all, the second to as many as there are records: one t-interval fits neither.

use super::distribution::{bisect, f_cdf, student_t_cdf, student_t_quantile};

/// Chance with which the smallest visible effect is found.
const POWER: f64 = 0.8;

/// A part of an estimate's error.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Source {
    /// Its variance, estimated.
    pub variance: f64,
    /// Degrees of freedom of that estimate.
    pub degrees: f64,
}

/// A value and the sources of its error.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Uncertain {
    pub value: f64,
    pub sources: Vec<Source>,
}

impl Uncertain {
    /// √Σ t²·variance with the t of each source at its own degrees of freedom (after Howe 1974): Student's
    /// interval where one source is alone, at least the confidence where several are alike.
    pub fn half_width(&self, confidence: f64) -> f64 {
        let squares = self.sources.iter().filter(|source| source.variance > 0.0).map(|source| {
            student_t_quantile(0.5 + confidence / 2.0, source.degrees).powi(2) * source.variance
        });
        squares.sum::<f64>().sqrt()
    }

    /// The interval at a confidence in (0, 1).
    pub fn interval(&self, confidence: f64) -> [f64; 2] {
        let half = self.half_width(confidence);
        [self.value - half, self.value + half]
    }

    /// Two-sided p-value of the value 0: one minus the confidence at which the interval just holds it.
    pub fn p_value(&self) -> f64 {
        if self.value == 0.0 {
            return 1.0;
        }
        match self.sources.iter().filter(|source| source.variance > 0.0).collect::<Vec<_>>()[..] {
            [] => 0.0,
            [only] => {
                let t = -(self.value.abs() / only.variance.sqrt());
                2.0 * student_t_cdf(t, only.degrees)
            }
            // ln p, as p itself may be tiny.
            _ => bisect(-35.0, 0.0, |ln| self.half_width(1.0 - ln.exp()) > self.value.abs()).exp(),
        }
    }

    /// The true value, of either sign, that would lie outside the interval of 0 in 80 % of repetitions, if
    /// the sources are as large as estimated: each as a noncentral t with its own degrees of freedom.
    pub fn smallest_effect(&self, confidence: f64) -> f64 {
        let squares = self.sources.iter().filter(|source| source.variance > 0.0).map(|source| {
            let t = student_t_quantile(0.5 + confidence / 2.0, source.degrees);
            let missed = |effect: f64| f_cdf(t * t, (1.0, source.degrees), effect * effect);
            bisect(0.0, 4.0 * t + 4.0, |effect| missed(effect) > 1.0 - POWER).powi(2)
                * source.variance
        });
        squares.sum::<f64>().sqrt()
    }
}

/// What runs of several seeds on the same records say: every run has one value a record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Crossed {
    /// Mean of all values.
    pub mean: f64,
    /// Variance of a run's mean, over runs; 0 for a single one.
    pub between_runs: f64,
    /// Variance of what is left beside run and record; 0 for a single run.
    pub residual: f64,
}

impl Crossed {
    /// From runs of equal length, at least one, with at least two values.
    pub fn of(runs: &[&[f64]]) -> Self {
        let (count, records) = (runs.len(), runs[0].len());
        let means: Vec<f64> = runs.iter().map(|run| mean(run)).collect();
        let mean = mean(&means);
        if count == 1 {
            return Self { mean, between_runs: 0.0, residual: 0.0 };
        }
        let between_runs = variance(&means);
        let by_record = record_means(runs);
        let left = runs.iter().zip(&means).flat_map(|(run, own)| {
            run.iter().zip(&by_record).map(move |(value, of)| (value - own - of + mean).powi(2))
        });
        let residual = left.sum::<f64>() / ((count - 1) * (records - 1)) as f64;
        Self { mean, between_runs, residual }
    }

    /// The share of the variance of record means over `runs` runs that is due to the runs.
    pub fn within_records(&self, runs: usize) -> f64 {
        self.residual / runs as f64
    }
}

/// Means over runs, record by record.
pub(super) fn record_means(runs: &[&[f64]]) -> Vec<f64> {
    let sum = |record: usize| runs.iter().map(|run| run[record]).sum::<f64>();
    (0..runs[0].len()).map(|record| sum(record) / runs.len() as f64).collect()
}

pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Σ(x − mean)²/(n − 1); 0 for fewer than two values.
pub(super) fn variance(values: &[f64]) -> f64 {
    let mean = mean(values);
    values.iter().map(|value| (value - mean).powi(2)).sum::<f64>()
        / (values.len().max(2) - 1) as f64
}

/// Degrees of freedom of a sum of two estimated variances (Welch 1947), at least the smaller of theirs.
pub(super) fn welch(a: f64, a_count: usize, b: f64, b_count: usize) -> f64 {
    let (a_degrees, b_degrees) = ((a_count - 1) as f64, (b_count - 1) as f64);
    let parts = a * a / a_degrees + b * b / b_degrees;
    let degrees = if parts > 0.0 { (a + b) * (a + b) / parts } else { a_degrees + b_degrees };
    degrees.clamp(a_degrees.min(b_degrees), a_degrees + b_degrees)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    fn near(found: f64, expected: f64) -> bool {
        (found - expected).abs() < 1e-6 * expected.abs().max(1.0)
    }

    #[test]
    fn known_values() {
        // A single source is Student's: t(0.975; 2) = 4.302653, p = 0.0742 for t = 3.464102.
        let source = |variance, degrees| Source { variance, degrees };
        let one = Uncertain { value: 2.0, sources: vec![source(1.0 / 3.0, 2.0)] };
        assert!(near(one.half_width(0.95), 4.302_652_73 / 3f64.sqrt()));
        assert!((one.p_value() - 0.0742).abs() < 5e-5, "{}", one.p_value());
        let two = Uncertain { value: 2.0, sources: vec![source(0.04, 2.0), source(0.09, 1e6)] };
        let expected = (0.04 * 4.302_652_73f64.powi(2) + 0.09 * 1.959_966f64.powi(2)).sqrt();
        assert!((two.half_width(0.95) - expected).abs() < 1e-5);
        // At the confidence 1 − p the interval just holds 0.
        assert!(near(two.half_width(1.0 - two.p_value()), 2.0));
        assert_eq!(Uncertain { value: 0.0, ..two.clone() }.p_value(), 1.0);
        let none = Uncertain { value: 0.1, sources: vec![source(0.0, 2.0)] };
        assert_eq!((none.p_value(), none.interval(0.95)), (0.0, [0.1, 0.1]));
        // 1.96 + 0.84 standard errors where the error is known (Cohen 1988).
        let known = Uncertain { value: 0.0, sources: vec![source(1.0, 1e6)] };
        assert!((known.smallest_effect(0.95) - 2.8016).abs() < 1e-3);
        let crossed = Crossed::of(&[&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0]]);
        assert_eq!(crossed, Crossed { mean: 3.0, between_runs: 2.0, residual: 0.5 });
        assert_eq!(record_means(&[&[1.0, 2.0], &[3.0, 6.0]]), [2.0, 4.0]);
    }

    /// Over 4,000 draws of an error of two sources, the first known to two degrees of freedom: the
    /// interval holds the truth in at least 95 %, within three standard errors (0.0103), whatever the
    /// sources' shares, and the smallest effect is found in 80 %, or more where sources mix. A normal
    /// interval with the summed variance falls short.
    #[test]
    fn coverage_and_power_over_many_draws() {
        let trials = 4_000;
        let t = student_t_quantile(0.975, 2.0);
        for share in [0.0f64, 0.3, 0.6, 1.0] {
            let sources = |first: f64| {
                vec![
                    Source { variance: first, degrees: 2.0 },
                    Source { variance: 1.0 - share, degrees: 1e6 },
                ]
            };
            let effect = Uncertain { value: 0.0, sources: sources(share) }.smallest_effect(0.95);
            let (mut missed, mut broken, mut found) = (0, 0, 0);
            for trial in 0..trials {
                let mut rng = random::stream(trial, "sources");
                let error = random::normal(&mut rng);
                let first = share
                    * (random::normal(&mut rng).powi(2) + random::normal(&mut rng).powi(2))
                    / 2.0;
                // What `half_width` gives, without its search for t in every draw.
                let half = (t * t * first + 3.841_46 * (1.0 - share)).sqrt();
                if trial < 20 {
                    let uncertain = Uncertain { value: 0.0, sources: sources(first) };
                    assert!((uncertain.half_width(0.95) - half).abs() < 1e-4);
                }
                missed += usize::from(error.abs() > half);
                broken += usize::from(error.abs() > 1.96 * (first + 1.0 - share).sqrt());
                found += usize::from((error + effect).abs() > half);
            }
            let of = |count: usize| count as f64 / trials as f64;
            assert!(of(missed) <= 0.05 + 0.0103, "{share}: {}", of(missed));
            assert!(share < 0.5 || of(broken) > 0.05 + 0.0103, "{share}: {}", of(broken));
            // Three standard errors of 0.8 are 0.019.
            assert!((0.78..0.92).contains(&of(found)), "{share}: {}", of(found));
        }
    }
}
