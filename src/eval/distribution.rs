//! Distribution functions that intervals and tests rest on, in double precision.

/// ln Γ(x) for x > 0 (Lanczos 1964, g = 7, nine coefficients; relative error below 1e-14).
pub fn ln_gamma(x: f64) -> f64 {
    const C: [f64; 9] = [
        0.999_999_999_999_809_9,
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    if x < 0.5 {
        // Γ(x) Γ(1 − x) = π / sin πx
        return (std::f64::consts::PI / (std::f64::consts::PI * x).sin()).ln() - ln_gamma(1.0 - x);
    }
    let x = x - 1.0;
    let sum = (1..9).fold(C[0], |sum, i| sum + C[i] / (x + i as f64));
    let t = x + 7.5;
    0.5 * (2.0 * std::f64::consts::PI).ln() + (x + 0.5) * t.ln() - t + sum.ln()
}

/// The regularised incomplete beta function I_x(a, b) for a, b > 0: the probability that a Beta(a, b)
/// variable is at most x. Continued fraction of Lentz's form.
pub fn beta_cdf(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    // The fraction converges fast on this side of the mean; the other side is its mirror.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta_fraction(1.0 - x, b, a);
    }
    beta_fraction(x, a, b)
}

fn beta_fraction(x: f64, a: f64, b: f64) -> f64 {
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * (-x).ln_1p()).exp();
    const TINY: f64 = 1e-300;
    let held = |v: f64| if v.abs() < TINY { TINY } else { v };
    let mut c = 1.0;
    let mut d = 1.0 / held(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for m in 1..10_000 {
        let m = f64::from(m);
        for term in [
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0)),
        ] {
            d = 1.0 / held(1.0 + term * d);
            c = held(1.0 + term / c);
            fraction *= c * d;
        }
        if (c * d - 1.0).abs() < 1e-15 {
            break;
        }
    }
    (front * fraction / a).clamp(0.0, 1.0)
}

/// The x with I_x(a, b) = p, in \[0, 1\].
pub fn beta_quantile(p: f64, a: f64, b: f64) -> f64 {
    bisect(0.0, 1.0, |x| beta_cdf(x, a, b) < p)
}

/// P(X ≤ k) for X binomial of `n` trials with chance `p`.
pub fn binomial_cdf(k: usize, n: usize, p: f64) -> f64 {
    if k >= n {
        return 1.0;
    }
    beta_cdf(1.0 - p, (n - k) as f64, (k + 1) as f64)
}

/// The upper bound of a binomial chance at confidence 1 − `delta` (Clopper and Pearson 1934): the p
/// at which `k` or fewer of `n` would happen with chance `delta`. It is below the true chance in at
/// most a share `delta` of samples. 1 for k ≥ n.
pub fn binomial_upper_bound(k: usize, n: usize, delta: f64) -> f64 {
    if k >= n {
        return 1.0;
    }
    beta_quantile(1.0 - delta, (k + 1) as f64, (n - k) as f64)
}

/// P(Z ≤ z) for the standard normal distribution: the series Φ(z) = ½ + φ(z) Σ z^(2k+1) / (2k+1)!!
/// (Marsaglia 2004), exact to about 1e-15; 0 and 1 beyond nine standard deviations.
pub fn normal_cdf(z: f64) -> f64 {
    if z.abs() > 9.0 {
        return if z > 0.0 { 1.0 } else { 0.0 };
    }
    let (mut sum, mut term, mut odd) = (z, z, 1.0);
    while term.abs() > 1e-17 * sum.abs() {
        odd += 2.0;
        term *= z * z / odd;
        sum += term;
    }
    0.5 + sum * (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt()
}

/// The z with P(Z ≤ z) = p for the standard normal distribution, 0 < p < 1.
pub fn normal_quantile(p: f64) -> f64 {
    bisect(-9.0, 9.0, |z| normal_cdf(z) < p)
}

/// P(T ≤ t) for Student's t with `degrees` of freedom.
pub fn student_t_cdf(t: f64, degrees: f64) -> f64 {
    let tail = 0.5 * beta_cdf(degrees / (degrees + t * t), degrees / 2.0, 0.5);
    if t > 0.0 { 1.0 - tail } else { tail }
}

/// The t with P(T ≤ t) = p for Student's t with `degrees` of freedom, 0 < p < 1.
pub fn student_t_quantile(p: f64, degrees: f64) -> f64 {
    if p < 0.5 {
        return -student_t_quantile(1.0 - p, degrees);
    }
    let mut high = 1.0;
    while student_t_cdf(high, degrees) < p && high < 1e12 {
        high *= 2.0;
    }
    bisect(0.0, high, |t| student_t_cdf(t, degrees) < p)
}

/// P(F ≤ f) for Fisher's F with (d1, d2) degrees of freedom and noncentrality λ ≥ 0: a Poisson(λ/2)
/// mixture of betas. λ = 0 is the central distribution.
pub fn f_cdf(f: f64, (d1, d2): (f64, f64), noncentrality: f64) -> f64 {
    if f <= 0.0 {
        return 0.0;
    }
    let x = d1 * f / (d1 * f + d2);
    let half = noncentrality / 2.0;
    if half == 0.0 {
        return beta_cdf(x, d1 / 2.0, d2 / 2.0);
    }
    // Terms that matter lie around the Poisson's mean.
    let reach = 12.0 * half.sqrt() + 30.0;
    let (first, last) = ((half - reach).max(0.0) as u64, (half + reach) as u64);
    let term = |j: u64| {
        let j = j as f64;
        (j * half.ln() - half - ln_gamma(j + 1.0)).exp() * beta_cdf(x, d1 / 2.0 + j, d2 / 2.0)
    };
    (first..=last).map(term).sum::<f64>().min(1.0)
}

/// Where a predicate that holds at first stops holding, between `low` and `high`.
pub fn bisect(mut low: f64, mut high: f64, below: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if below(middle) { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn near(found: f64, expected: f64, tolerance: f64) {
        assert!((found - expected).abs() < tolerance, "{found} is not {expected}");
    }

    /// Values of tables that stand in every book.
    #[test]
    fn known_values() {
        near(ln_gamma(5.0), 24f64.ln(), 1e-12);
        near(normal_cdf(1.0), 0.841_344_746_068_543, 1e-14);
        near(normal_cdf(-3.0), 0.001_349_898_031_630, 1e-14);
        near(normal_quantile(0.975), 1.959_963_984_540_054, 1e-12);
        near(normal_quantile(0.2), -0.841_621_233_572_914, 1e-12);
        near(ln_gamma(0.5), std::f64::consts::PI.sqrt().ln(), 1e-12);
        // I_x(2, 3) = 6x² − 8x³ + 3x⁴
        near(beta_cdf(0.3, 2.0, 3.0), 0.3483, 1e-12);
        near(beta_cdf(0.9, 2.0, 3.0), 0.9963, 1e-12);
        for (degrees, quantile) in [
            (1.0, 12.706_204_736),
            (4.0, 2.776_445_105),
            (9.0, 2.262_157_163),
            (30.0, 2.042_272_456),
        ] {
            near(student_t_quantile(0.975, degrees), quantile, 1e-8);
            near(student_t_quantile(0.025, degrees), -quantile, 1e-8);
        }
        near(beta_quantile(0.3483, 2.0, 3.0), 0.3, 1e-12);
        // 1 + 10 + 45 of 1,024
        near(binomial_cdf(2, 10, 0.5), 56.0 / 1_024.0, 1e-14);
        assert_eq!((binomial_cdf(3, 3, 0.2), binomial_upper_bound(3, 3, 0.1)), (1.0, 1.0));
        // No error in n: 1 − δ^(1/n). Two in twenty, by tables of exact limits.
        near(binomial_upper_bound(0, 45, 0.1), 1.0 - 0.1f64.powf(1.0 / 45.0), 1e-13);
        near(binomial_upper_bound(2, 20, 0.025), 0.316_983, 1e-6);
        // 95 % points of F
        near(f_cdf(4.256_494_729, (2.0, 9.0), 0.0), 0.95, 1e-9);
        near(f_cdf(3.098_391_224, (3.0, 20.0), 0.0), 0.95, 1e-9);
    }

    /// A noncentral F is the ratio of a noncentral and a central χ², each by its degrees.
    #[test]
    fn the_noncentral_f_is_what_draws_give() {
        use crate::random::{self, Rng};
        let mut rng = random::stream(1, "noncentral f");
        let mut normal = || {
            let (u, v): (f64, f64) = (rng.random(), rng.random());
            (-2.0 * (1.0 - u).ln()).sqrt() * (2.0 * std::f64::consts::PI * v).cos()
        };
        let (d1, d2, lambda) = (2usize, 12usize, 6.0f64);
        let trials = 40_000;
        let mut below = 0;
        for _ in 0..trials {
            let top = (normal() + lambda.sqrt()).powi(2) + normal().powi(2);
            let bottom: f64 = (0..d2).map(|_| normal().powi(2)).sum();
            below += usize::from((top / d1 as f64) / (bottom / d2 as f64) <= 4.0);
        }
        let share = below as f64 / f64::from(trials);
        let p = f_cdf(4.0, (d1 as f64, d2 as f64), lambda);
        assert!(
            (share - p).abs() < 3.0 * (p * (1.0 - p) / f64::from(trials)).sqrt(),
            "{share} {p}"
        );
    }
}
