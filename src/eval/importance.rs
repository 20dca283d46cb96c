//! How much of the variance of scores one setting explains by itself, with its uncertainty: what a
//! sweep tells of its hyperparameters.
//!
//! A one-way analysis of variance for each setting: its categories, or the straight line and parabola
//! of its numbers. Honest with few trials, since its interval then is wide; blind to what two settings
//! do only together.

use super::distribution::{bisect, f_cdf};

/// What each trial had of a setting.
#[derive(Debug, Clone, PartialEq)]
pub enum Levels {
    /// One of several, by position.
    Categories(Vec<usize>),
    /// A number, on the scale on which it was drawn.
    Numbers(Vec<f64>),
}

/// A share of variance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VarianceShare {
    /// The share, adjusted for the degrees of freedom (Ezekiel 1930) so that a setting without effect
    /// has 0 on average; negative estimates are given as 0.
    pub share: f64,
    /// Its 95 % interval, from the noncentral F distribution (Steiger and Fouladi 1997).
    pub interval: [f64; 2],
    /// p-value of the hypothesis that the setting has no effect (F test).
    pub p_value: f64,
}

/// The share of the variance of `scores` that `levels` explain; `None` where the levels or the scores
/// do not vary, or there are fewer than three trials more than degrees of freedom.
pub fn variance_share(levels: &Levels, scores: &[f64]) -> Option<VarianceShare> {
    let n = scores.len();
    let mean = scores.iter().sum::<f64>() / n.max(1) as f64;
    let centred: Vec<f64> = scores.iter().map(|score| score - mean).collect();
    let total = dot(&centred, &centred);
    let basis = basis(levels);
    let degrees = basis.len();
    if total <= 0.0 || degrees == 0 || n < degrees + 3 {
        return None;
    }
    let explained: f64 = basis.iter().map(|axis| dot(axis, &centred).powi(2)).sum();
    // A perfect fit would be an infinite F.
    Some(of_r2((explained / total).clamp(0.0, 1.0 - 1e-9), degrees, n))
}

/// From R² of a regression with `degrees` regressors and an intercept on `n` records.
fn of_r2(r2: f64, degrees: usize, n: usize) -> VarianceShare {
    let (d1, d2) = (degrees as f64, (n - degrees - 1) as f64);
    let f = (r2 / d1) / ((1.0 - r2) / d2);
    let bound = |probability: f64| {
        let below = |noncentrality: f64| f_cdf(f, (d1, d2), noncentrality) > probability;
        if !below(0.0) {
            return 0.0;
        }
        let mut high = 1.0;
        while below(high) && high < 1e6 {
            high *= 2.0;
        }
        let noncentrality = bisect(0.0, high, below);
        noncentrality / (noncentrality + n as f64)
    };
    VarianceShare {
        share: (1.0 - (1.0 - r2) * (n - 1) as f64 / d2).max(0.0),
        interval: [bound(0.975), bound(0.025)],
        p_value: 1.0 - f_cdf(f, (d1, d2), 0.0),
    }
}

/// Ranks from 1, the smallest first; equal scores share the mean of their ranks. Ranks keep one
/// trial that went astray from being all the variance there is.
pub fn ranks(scores: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let mut ranks = vec![0.0; scores.len()];
    let mut first = 0;
    while first < order.len() {
        let equal = |&&i: &&usize| scores[i].total_cmp(&scores[order[first]]).is_eq();
        let count = order[first..].iter().take_while(equal).count();
        let rank = first as f64 + (count as f64 + 1.0) / 2.0;
        order[first..first + count].iter().for_each(|&i| ranks[i] = rank);
        first += count;
    }
    ranks
}

/// Orthonormal columns, orthogonal to a constant, that span what the levels can explain.
fn basis(levels: &Levels) -> Vec<Vec<f64>> {
    let columns: Vec<Vec<f64>> = match levels {
        Levels::Categories(of) => {
            let most = of.iter().max().map_or(0, |most| most + 1);
            let column =
                |category| of.iter().map(|c| f64::from(u8::from(*c == category))).collect();
            (0..most).map(column).collect()
        }
        Levels::Numbers(of) => {
            // On one scale, so that squares neither overflow nor vanish.
            let (low, high) =
                of.iter().fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
            let unit = |v: &f64| if high > low { (v - low) / (high - low) - 0.5 } else { 0.0 };
            let line: Vec<f64> = of.iter().map(unit).collect();
            vec![line.clone(), line.iter().map(|v| v * v).collect()]
        }
    };
    let n = columns.first().map_or(0, Vec::len);
    let mut basis = vec![vec![1.0 / (n.max(1) as f64).sqrt(); n]];
    for mut column in columns {
        let length = dot(&column, &column).sqrt();
        // Twice, since once leaves rounding errors behind (Gram and Schmidt).
        for _ in 0..2 {
            for axis in &basis {
                let along = dot(axis, &column);
                column.iter_mut().zip(axis).for_each(|(v, a)| *v -= along * a);
            }
        }
        let left = dot(&column, &column).sqrt();
        if left > 1e-9 * length && left > 0.0 {
            column.iter_mut().for_each(|v| *v /= left);
            basis.push(column);
        }
    }
    basis.remove(0);
    basis
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{self, Rng};

    fn normals(rng: &mut impl Rng, n: usize) -> Vec<f64> {
        let mut normal = || {
            let (u, v): (f64, f64) = (rng.random(), rng.random());
            (-2.0 * (1.0 - u).ln()).sqrt() * (2.0 * std::f64::consts::PI * v).cos()
        };
        (0..n).map(|_| normal()).collect()
    }

    /// Two groups of three: means 2 and 5, sums of squares 4 within and 13.5 between.
    #[test]
    fn known_values() {
        let levels = Levels::Categories(vec![0, 0, 0, 1, 1, 1]);
        let found = variance_share(&levels, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
        let r2 = 13.5 / 17.5;
        assert!((found.share - (1.0 - (1.0 - r2) * 5.0 / 4.0)).abs() < 1e-12);
        // F = 13.5 with (1, 4) degrees of freedom: the t test of 3.674235.
        assert!((found.p_value - 0.021_311_6).abs() < 1e-6, "{found:?}");
        assert!(found.interval[0] > 0.0 && found.interval[1] < 0.95, "{found:?}");
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0]), [3.5, 1.0, 3.5, 2.0]);
    }

    #[test]
    fn a_parabola_is_explained_and_constants_are_not() {
        let numbers: Vec<f64> = (0..20).map(f64::from).collect();
        let scores: Vec<f64> = numbers.iter().map(|v| (v - 9.0).powi(2)).collect();
        assert!(variance_share(&Levels::Numbers(numbers.clone()), &scores).unwrap().share > 0.999);
        assert_eq!(variance_share(&Levels::Numbers(vec![1.0; 20]), &scores), None);
        assert_eq!(variance_share(&Levels::Numbers(numbers), &[1.0; 20]), None);
        assert_eq!(variance_share(&Levels::Categories(vec![0, 1, 2, 3]), &scores[..4]), None);
    }

    /// Over many sweeps: no effect is "found" in at most 5 % of them, the interval holds the true
    /// share in at least 95 %, and the estimate is right on average; each within three standard errors.
    #[test]
    fn claims_hold_over_many_draws() {
        let (n, trials) = (45, 400u32);
        let of: Vec<usize> = (0..n).map(|i| i % 3).collect();
        let error = 3.0 * (0.05 * 0.95 / f64::from(trials)).sqrt();
        for effect in [0.0, 0.7] {
            let means: [f64; 3] = [-effect, 0.0, effect];
            let noncentrality: f64 = of.iter().map(|c| means[*c].powi(2)).sum();
            let truth = noncentrality / (noncentrality + n as f64);
            let (mut found, mut held, mut sum) = (0, 0, 0.0);
            for trial in 0..trials {
                let mut rng = random::stream(u64::from(trial), "importance");
                let noise = normals(&mut rng, n);
                let scores: Vec<f64> = noise.iter().zip(&of).map(|(e, c)| e + means[*c]).collect();
                let share = variance_share(&Levels::Categories(of.clone()), &scores).unwrap();
                found += usize::from(share.p_value <= 0.05);
                held += usize::from(share.interval[0] <= truth && truth <= share.interval[1]);
                sum += share.share;
            }
            let [found, held] = [found, held].map(|count| count as f64 / f64::from(trials));
            assert!(held >= 0.95 - error, "{effect}: {held}");
            if effect == 0.0 {
                assert!(found <= 0.05 + error, "{found}");
            } else {
                assert!(found > 0.9 && (sum / f64::from(trials) - truth).abs() < 0.03);
            }
        }
    }
}
