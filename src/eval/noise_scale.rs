//! How large a batch is worth while: the gradient noise scale (McCandlish, Kaplan et al. 2018).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::bootstrap::CONFIDENCE;
use super::distribution::student_t_quantile;
use super::uncertainty::{mean, variance};

/// Draws that an interval needs.
pub const MIN_DRAWS: usize = 4;

/// The gradient's noise against its length.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NoiseScale {
    /// tr(Σ)/|G|², in records. Batches far below it are mostly noise, so that doubling them halves the
    /// steps; batches far above it waste records.
    pub noise_scale: f64,
    /// Holds it at 95 % confidence; `null` where too few draws, or draws too noisy, bound it.
    pub interval: Option<[f64; 2]>,
    /// |G|², the squared length of the gradient over all records, without bias.
    pub gradient_norm_squared: f64,
    /// tr(Σ), the variance of a single record's gradient, summed over parameters.
    pub variance_trace: f64,
    /// Pairs of batches.
    pub draws: usize,
}

/// The noise scale from squared gradient norms of batches of two sizes at the same parameters: as
/// E|G_B|² = |G|² + tr(Σ)/B,
/// |G|² = (B₂|G₂|² − B₁|G₁|²)/(B₂ − B₁) and tr(Σ) = (|G₁|² − |G₂|²)/(1/B₁ − 1/B₂),
/// each a mean over draws before their ratio is taken, which is then nearly free of bias. A draw is
/// (|G₁|², |G₂|²) of a small and a large batch. The interval is a jackknife over draws (Quenouille 1956;
/// Tukey 1958) of the logarithm, as a ratio of positive numbers is skewed, with Student's t.
///
/// `None` without draws, where sizes are not 0 < small < large, a norm is not finite, or the estimate of
/// |G|² or tr(Σ) is not above 0: more draws or larger batches are needed.
pub fn gradient_noise_scale(
    small: usize,
    large: usize,
    draws: &[(f64, f64)],
) -> Option<NoiseScale> {
    let finite = draws.iter().all(|(a, b)| a.is_finite() && b.is_finite());
    if draws.is_empty() || small == 0 || small >= large || !finite {
        return None;
    }
    let count = draws.len() as f64;
    let sums = draws.iter().fold((0.0, 0.0), |sums, draw| (sums.0 + draw.0, sums.1 + draw.1));
    let (length, trace) = parts(small, large, (sums.0 / count, sums.1 / count));
    let noise_scale = ratio(length, trace)?;
    // Leaving out each draw in turn.
    let without = |draw: &(f64, f64)| {
        let means = ((sums.0 - draw.0) / (count - 1.0), (sums.1 - draw.1) / (count - 1.0));
        let (length, trace) = parts(small, large, means);
        ratio(length, trace).map(f64::ln)
    };
    let logarithms: Option<Vec<f64>> = match draws.len() {
        ..MIN_DRAWS => None,
        _ => draws.iter().map(without).collect(),
    };
    let interval = logarithms.map(|logarithms| {
        let pseudo: Vec<f64> = logarithms
            .iter()
            .map(|without| count * noise_scale.ln() - (count - 1.0) * without)
            .collect();
        let t = student_t_quantile(0.5 + CONFIDENCE / 2.0, count - 1.0);
        let half = t * (variance(&pseudo) / count).sqrt();
        // The jackknife's own centre may leave out the estimate.
        let centre = mean(&pseudo);
        [(centre - half).exp().min(noise_scale), (centre + half).exp().max(noise_scale)]
    });
    let interval = interval.filter(|interval| interval.iter().all(|bound| bound.is_finite()));
    Some(NoiseScale {
        noise_scale,
        interval,
        gradient_norm_squared: length,
        variance_trace: trace,
        draws: draws.len(),
    })
}

/// |G|² and tr(Σ).
fn parts(small: usize, large: usize, (of_small, of_large): (f64, f64)) -> (f64, f64) {
    let (small, large) = (small as f64, large as f64);
    let length = (large * of_large - small * of_small) / (large - small);
    let trace = (of_small - of_large) / (1.0 / small - 1.0 / large);
    (length, trace)
}

fn ratio(length: f64, trace: f64) -> Option<f64> {
    (length > 0.0 && trace > 0.0).then(|| trace / length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    #[test]
    fn known_values() {
        // |G|² = 4, tr(Σ) = 120: batches of 10 and 40 have 4 + 12 and 4 + 3.
        let found = gradient_noise_scale(10, 40, &[(16.0, 7.0); 5]).unwrap();
        assert!((found.noise_scale - 30.0).abs() < 1e-12, "{found:?}");
        assert!((found.gradient_norm_squared - 4.0).abs() < 1e-12);
        assert!((found.variance_trace - 120.0).abs() < 1e-12);
        let [low, high] = found.interval.unwrap();
        assert!((low - 30.0).abs() < 1e-9 && (high - 30.0).abs() < 1e-9);
        assert_eq!(gradient_noise_scale(10, 40, &[(16.0, 7.0); 3]).unwrap().interval, None);
        assert_eq!(gradient_noise_scale(10, 40, &[]), None);
        assert_eq!(gradient_noise_scale(40, 10, &[(7.0, 16.0)]), None);
        assert_eq!(gradient_noise_scale(0, 10, &[(7.0, 16.0)]), None);
        // Larger batches with longer gradients, or no gradient beneath the noise: nothing to say.
        assert_eq!(gradient_noise_scale(10, 40, &[(7.0, 16.0)]), None);
        assert_eq!(gradient_noise_scale(10, 40, &[(16.0, 4.0)]), None);
        assert_eq!(gradient_noise_scale(10, 40, &[(f64::NAN, 4.0)]), None);
    }

    /// Squared norms of batches of gradients with mean g in every one of `size` parameters and variance 1.
    fn draw(batches: [usize; 2], size: usize, g: f64, count: usize, trial: u64) -> Vec<(f64, f64)> {
        let mut rng = random::stream(trial, "noise scale");
        let mut norm = |batch: usize| -> f64 {
            let spread = 1.0 / (batch as f64).sqrt();
            (0..size).map(|_| (g + spread * random::normal(&mut rng)).powi(2)).sum()
        };
        (0..count).map(|_| (norm(batches[0]), norm(batches[1]))).collect()
    }

    /// The true scale is 1/g². Over 1,000 draws the interval holds it in 95 %, within three standard errors
    /// (0.0207), and the ratio of means has hardly any bias. An interval of one standard error to either
    /// side misses too often.
    #[test]
    fn coverage_over_many_draws() {
        for (g, count) in [(0.2f64, 10), (0.1, 16)] {
            let truth = 1.0 / (g * g);
            let (trials, mut missed, mut broken, mut logs, mut found) = (1_000, 0, 0, 0.0, 0);
            for trial in 0..trials {
                let draws = draw([8, 64], 30, g, count, trial);
                let Some(scale) = gradient_noise_scale(8, 64, &draws) else { continue };
                let Some([low, high]) = scale.interval else { continue };
                found += 1;
                logs += (scale.noise_scale / truth).ln();
                missed += usize::from(truth < low || truth > high);
                let shrink = |bound: f64| {
                    ((bound / scale.noise_scale).ln() / 2.26).exp() * scale.noise_scale
                };
                broken += usize::from(truth < shrink(low) || truth > shrink(high));
            }
            let share = |count: usize| count as f64 / found as f64;
            assert!(found > 950, "{found}");
            assert!(share(missed) <= 0.05 + 0.0207, "{g}: {}", share(missed));
            assert!(share(broken) > 0.05 + 0.0207, "{g}: {}", share(broken));
            assert!((logs / found as f64).abs() < 0.1, "{g}: {}", logs / found as f64);
        }
    }
}
