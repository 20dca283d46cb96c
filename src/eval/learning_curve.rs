//! What more data would give: the error as a power law of the number of training records.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::bootstrap::{CONFIDENCE, quantile};
use super::distribution::{normal_quantile, student_t_quantile};
use super::uncertainty::{mean, variance};
use crate::random;

/// Sizes of training sets that a curve needs.
pub const MIN_SIZES: usize = 4;
/// Multiples of the largest size that a report shows.
pub const FORECAST_FACTORS: [f64; 3] = [2.0, 4.0, 10.0];
/// Exponents between which c is searched. Below the least the curve is a straight line in ln n.
const EXPONENTS: [f64; 2] = [0.01, 2.0];
/// Steps between the least and the largest exponent of a search.
const GRID: usize = 40;
const RESAMPLES: usize = 400;
/// Degrees of freedom from which the spread over seeds is used.
const MIN_DEGREES: usize = 3;
/// Chance of refusing a curve that does fall.
const REFUSAL: f64 = 0.05;

/// One training on a part of the records.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CurvePoint {
    /// Records that it was trained on.
    pub records: usize,
    /// Its error on test records; lower is better. Any loss, or the share of wrong predictions.
    pub error: f64,
    /// Standard error of `error` by its test records: √(e(1 − e)/n) for a share.
    pub standard_error: f64,
}

/// What a multiple of the records would give.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CurveForecast {
    /// Multiple of the largest size.
    pub factor: f64,
    /// Training records that this is.
    pub records: usize,
    /// The error to expect.
    pub error: f64,
    /// Holds the expected error at 95 % confidence, if the curve goes on as a power law.
    pub interval: [f64; 2],
}

/// err(n) = floor + scale · n^−exponent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LearningCurve {
    /// The error that more data of this kind will not pass, at least 0.
    pub floor: f64,
    /// Holds the floor at 95 % confidence.
    pub floor_interval: [f64; 2],
    /// What one record would add to the floor, at least 0.
    pub scale: f64,
    /// How fast the error falls, in \[0.01, 2\]; 0.5 halves what is above the floor for four times the data.
    pub exponent: f64,
    /// Sizes that it was fitted to.
    pub sizes: usize,
    /// The largest of them.
    pub largest: usize,
    /// At the multiples that were asked for.
    pub forecasts: Vec<CurveForecast>,
}

impl LearningCurve {
    /// The error to expect of `records` training records.
    pub fn at(&self, records: f64) -> f64 {
        self.floor + self.scale * records.powf(-self.exponent)
    }
}

/// Why there is no curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NoLearningCurve {
    /// There are fewer than [`MIN_SIZES`] different sizes.
    TooFewSizes {
        /// Sizes that there are.
        found: usize,
    },
    /// More records gave a worse model, by more than chance.
    NotMonotone {
        /// The size that did better.
        smaller: usize,
        /// The size that did worse.
        larger: usize,
        /// By how much its error is higher.
        rise: f64,
    },
    /// An error is not a number, or a size is 0.
    NotFinite,
}

impl fmt::Display for NoLearningCurve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFewSizes { found } => write!(
                f,
                "a learning curve needs trainings on at least {MIN_SIZES} sizes, and there are {found}"
            ),
            Self::NotMonotone { smaller, larger, rise } => write!(
                f,
                "training on {larger} records gave an error {rise:.4} above that of {smaller} \
                 records, more than chance: such a curve cannot be extrapolated"
            ),
            Self::NotFinite => f.write_str("a training has no error that is a number: it diverged"),
        }
    }
}

/// Fits err(n) = a + b·n^−c with a ≥ 0, b ≥ 0 and c in (0, 2\] by least squares (Cortes et al. 1994;
/// Hestness et al. 2017), each size weighted by the inverse variance of its mean error. Points of one size
/// are trainings of several seeds; their spread, pooled over sizes, is that variance. Without at
/// least three degrees of freedom of it (trainings − sizes) it is the test records'.
///
/// The intervals of the floor and of the forecasts at `factors` times the largest size come from a
/// parametric bootstrap (Efron and Tibshirani 1993, 6.5): 400 curves are fitted to errors drawn around the
/// fitted curve, with the sizes' variance or, where that is larger, the variance with which they lie
/// beside the curve. Where the spread over seeds is used all errors of a draw are moved together by the test
/// records' standard error, too: other test records would move the whole curve. The intervals suppose that
/// the power law goes on; where the error stays on a plateau before it falls, it does not.
///
/// Refused below four sizes, and where a larger size did worse by more than chance (5 % over all pairs).
pub fn fit_learning_curve(
    points: &[CurvePoint],
    factors: &[f64],
    seed: u64,
) -> Result<LearningCurve, NoLearningCurve> {
    let bad = |p: &CurvePoint| {
        p.records == 0 || !(p.error + p.standard_error).is_finite() || p.standard_error < 0.0
    };
    if points.iter().any(bad) {
        return Err(NoLearningCurve::NotFinite);
    }
    let (sizes, degrees) = by_size(points);
    if sizes.len() < MIN_SIZES {
        return Err(NoLearningCurve::TooFewSizes { found: sizes.len() });
    }
    refuse_rise(&sizes, degrees)?;
    let (fitted, grid) = Fit::refined(&sizes);
    let largest = sizes.last().map_or(0, |size| size.records);
    let at: Vec<f64> = factors.iter().map(|factor| (largest as f64 * factor).round()).collect();
    let (floors, forecasts) = resample(&sizes, &fitted, &at, &grid, seed);
    // As far to either side as the draws lie to one: where the floor is near its bound of 0, they are
    // all on one side of a truth that may be on the other.
    let interval = |mut values: Vec<f64>, estimate: f64| {
        values.sort_by(f64::total_cmp);
        let tail = (1.0 - CONFIDENCE) / 2.0;
        let (low, high) = (quantile(&values, tail), quantile(&values, 1.0 - tail));
        let reach = (estimate - low).max(high - estimate);
        [(estimate - reach).max(0.0), estimate + reach]
    };
    let forecasts = factors.iter().zip(&at).zip(forecasts).map(|((&factor, &at), values)| {
        let error = fitted.at(at);
        CurveForecast { factor, records: at as usize, error, interval: interval(values, error) }
    });
    Ok(LearningCurve {
        floor: fitted.floor,
        floor_interval: interval(floors, fitted.floor),
        scale: fitted.scale,
        exponent: fitted.exponent,
        sizes: sizes.len(),
        largest,
        forecasts: forecasts.collect(),
    })
}

/// All trainings on one size.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Size {
    records: usize,
    /// Mean error.
    error: f64,
    /// Variance of that mean which has nothing to do with other sizes.
    variance: f64,
    /// Standard error of that mean which other sizes share: that of the test records.
    common: f64,
}

/// Means by size, the smallest first, and the degrees of freedom of their variance; `None` where it is that
/// of the test records alone.
fn by_size(points: &[CurvePoint]) -> (Vec<Size>, Option<usize>) {
    let mut points = points.to_vec();
    points.sort_by(|a, b| a.records.cmp(&b.records).then(a.error.total_cmp(&b.error)));
    let groups: Vec<&[CurvePoint]> = points.chunk_by(|a, b| a.records == b.records).collect();
    let errors = |group: &[CurvePoint]| group.iter().map(|p| p.error).collect::<Vec<_>>();
    // The spread over seeds, pooled over sizes: each has too few seeds to tell its own.
    let degrees: usize = groups.iter().map(|group| group.len() - 1).sum();
    let squares: f64 =
        groups.iter().map(|group| variance(&errors(group)) * (group.len() - 1) as f64).sum();
    let size = |group: &&[CurvePoint]| {
        let count = group.len() as f64;
        let tested = group.iter().map(|p| p.standard_error.powi(2)).sum::<f64>() / count;
        let (variance, common) = match degrees {
            ..MIN_DEGREES => (tested, 0.0),
            _ => (squares / degrees as f64 / count, tested.sqrt()),
        };
        Size { records: group[0].records, error: mean(&errors(group)), variance, common }
    };
    (groups.iter().map(size).collect(), (degrees >= MIN_DEGREES).then_some(degrees))
}

fn refuse_rise(sizes: &[Size], degrees: Option<usize>) -> Result<(), NoLearningCurve> {
    let pairs = sizes.len() * (sizes.len() - 1) / 2;
    let level = 1.0 - REFUSAL / pairs as f64;
    let z = match degrees {
        Some(degrees) => student_t_quantile(level, degrees as f64),
        None => normal_quantile(level),
    };
    for (i, larger) in sizes.iter().enumerate() {
        for smaller in &sizes[..i] {
            let rise = larger.error - smaller.error;
            if rise > z * (larger.variance + smaller.variance).sqrt() && rise > 0.0 {
                let (smaller, larger) = (smaller.records, larger.records);
                return Err(NoLearningCurve::NotMonotone { smaller, larger, rise });
            }
        }
    }
    Ok(())
}

/// A fitted curve and how far the sizes lie beside it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Fit {
    floor: f64,
    scale: f64,
    exponent: f64,
    /// Σ weight · distance².
    distance: f64,
}

impl Fit {
    /// The best curve over all exponents, and the grid on which it was first sought.
    fn refined(sizes: &[Size]) -> (Self, Vec<Powers>) {
        let mut grid = Powers::grid(sizes, EXPONENTS);
        let mut fit = Self::best(sizes, &grid);
        let coarse = grid.clone();
        for _ in 0..3 {
            let place = grid.iter().position(|powers| powers.exponent == fit.exponent).unwrap_or(0);
            let [low, high] = [place.saturating_sub(1), (place + 1).min(grid.len() - 1)];
            grid = Powers::grid(sizes, [grid[low].exponent, grid[high].exponent]);
            let next = Self::best(sizes, &grid);
            if next.distance > fit.distance {
                break;
            }
            fit = next;
        }
        (fit, coarse)
    }

    /// The best curve over the exponents of a grid.
    fn best(sizes: &[Size], grid: &[Powers]) -> Self {
        // An error that happens to be known exactly must not outweigh all others.
        let typical = sizes.iter().map(|size| size.variance).sum::<f64>() / sizes.len() as f64;
        let least = if typical > 0.0 { typical * 1e-3 } else { 1.0 };
        let weighted: Vec<[f64; 2]> =
            sizes.iter().map(|size| [size.error, size.variance.max(least).recip()]).collect();
        let fits = grid.iter().map(|powers| powers.fit(&weighted));
        let none = Self { floor: 0.0, scale: 0.0, exponent: 1.0, distance: f64::INFINITY };
        fits.fold(none, |best, next| if next.distance < best.distance { next } else { best })
    }

    fn at(&self, records: f64) -> f64 {
        self.floor + self.scale * records.powf(-self.exponent)
    }
}

/// An exponent and what it makes of each size.
#[derive(Debug, Clone)]
struct Powers {
    exponent: f64,
    /// (n / the smallest n)^−exponent: relative, so that nothing overflows or vanishes.
    values: Vec<f64>,
    smallest: f64,
}

impl Powers {
    /// Exponents between two, evenly by their logarithm.
    fn grid(sizes: &[Size], [low, high]: [f64; 2]) -> Vec<Self> {
        let smallest = sizes[0].records as f64;
        let powers = |step: usize| {
            let exponent = low * (high / low).powf(step as f64 / GRID as f64);
            let power = |size: &Size| (size.records as f64 / smallest).powf(-exponent);
            Self { exponent, values: sizes.iter().map(power).collect(), smallest }
        };
        (0..=GRID).map(powers).collect()
    }

    /// The best floor and scale, given errors and their weights.
    fn fit(&self, weighted: &[[f64; 2]]) -> Fit {
        let (mut w, mut wx, mut wy, mut wxx, mut wxy) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for (&x, &[y, weight]) in self.values.iter().zip(weighted) {
            w += weight;
            wx += weight * x;
            wy += weight * y;
            wxx += weight * x * x;
            wxy += weight * x * y;
        }
        let spread = w * wxx - wx * wx;
        let mut scale = if spread > 0.0 { (w * wxy - wx * wy) / spread } else { 0.0 };
        let mut floor = (wy - scale * wx) / w;
        if scale < 0.0 {
            (floor, scale) = (wy / w, 0.0);
        }
        if floor < 0.0 {
            (floor, scale) = (0.0, (wxy / wxx).max(0.0));
        }
        let square = |(&x, &[y, weight]): (&f64, &[f64; 2])| {
            weight * (y - floor - scale * x) * (y - floor - scale * x)
        };
        let distance = self.values.iter().zip(weighted).map(square).sum();
        let scale = scale * self.smallest.powf(self.exponent);
        Fit { floor, scale, exponent: self.exponent, distance }
    }
}

/// Floors, and errors at each of `at` records, of curves through errors drawn around the fitted one.
fn resample(
    sizes: &[Size],
    fitted: &Fit,
    at: &[f64],
    grid: &[Powers],
    seed: u64,
) -> (Vec<f64>, Vec<Vec<f64>>) {
    // How many times larger the distances are than the sizes' own variance explains. Without any known
    // variance the weights are 1, and the distances are all there is.
    let beside = fitted.distance / (sizes.len() - 3) as f64;
    let known = sizes.iter().any(|size| size.variance > 0.0);
    let mut rng = random::stream(seed, "learning curve");
    let mut floors = Vec::with_capacity(RESAMPLES);
    let mut errors = vec![Vec::with_capacity(RESAMPLES); at.len()];
    for _ in 0..RESAMPLES {
        let together = random::normal(&mut rng);
        let mut draw = |size: &Size| {
            let variance = if known { size.variance * beside.max(1.0) } else { beside };
            let own = variance.sqrt() * random::normal(&mut rng);
            let error = fitted.at(size.records as f64) + own + size.common * together;
            Size { error: error.max(0.0), ..*size }
        };
        let drawn: Vec<Size> = sizes.iter().map(&mut draw).collect();
        let fit = Fit::best(&drawn, grid);
        floors.push(fit.floor);
        errors.iter_mut().zip(at).for_each(|(errors, &records)| errors.push(fit.at(records)));
    }
    (floors, errors)
}

#[cfg(test)]
#[path = "learning_curve_tests.rs"]
mod tests;
