//! Intervals for proportions.

/// The Wilson score interval of `successes` out of `trials` at 95 % confidence (Wilson 1927);
/// (0, 1) without trials.
pub fn wilson(successes: u64, trials: u64) -> (f64, f64) {
    if trials == 0 {
        return (0.0, 1.0);
    }
    const Z: f64 = 1.959_963_984_540_054;
    let n = trials as f64;
    let p = successes as f64 / n;
    let centre = p + Z * Z / (2.0 * n);
    let spread = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    // All or none are within the interval, whatever the rounding.
    let low = if successes == 0 { 0.0 } else { ((centre - spread) / scale).max(0.0) };
    let high = if successes == trials { 1.0 } else { ((centre + spread) / scale).min(1.0) };
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{self, Rng};

    #[test]
    fn known_values() {
        // statsmodels.stats.proportion.proportion_confint(8, 10, method="wilson")
        let (low, high) = wilson(8, 10);
        assert!((low - 0.490162).abs() < 1e-6 && (high - 0.943318).abs() < 1e-6);
        assert_eq!(wilson(0, 0), (0.0, 1.0));
        assert_eq!((wilson(0, 348).0, wilson(348, 348).1), (0.0, 1.0));
    }

    /// The claim of an interval is its coverage: over many seeded draws it holds the truth about
    /// 95 times in 100.
    #[test]
    fn coverage_over_many_draws() {
        let mut rng = random::stream(1, "wilson");
        for (p, n) in [(0.9, 60), (0.5, 40), (0.97, 200)] {
            let trials = 4_000;
            let held = (0..trials)
                .filter(|_| {
                    let successes = (0..n).filter(|_| rng.random::<f64>() < p).count() as u64;
                    let (low, high) = wilson(successes, n);
                    low <= p && p <= high
                })
                .count();
            let share = held as f64 / f64::from(trials);
            // Wilson's coverage swings a little around its nominal level.
            assert!((0.925..0.985).contains(&share), "p = {p}, n = {n}: {share}");
        }
    }
}
