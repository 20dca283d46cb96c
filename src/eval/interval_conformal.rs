//! Intervals for predicted numbers that are wider where records are harder (normalised split
//! conformal prediction; Papadopoulos, Vovk and Gammerman 2011).
//!
//! The calibration records are split in halves. One tells how hard a record is, σ(x); the other
//! gives the scores |y − ŷ| / (σ(x) + β) and their quantile q̂, the ⌈(n + 1)(1 − α)⌉-th smallest.
//! The interval ŷ ± q̂·(σ(x) + β) then holds y with probability at least 1 − α, whatever σ is
//! worth. The halves must not meet: a record that is its own neighbour makes its own error look
//! expected, and the intervals come out too narrow.
//!
//! Plain split conformal intervals, ŷ ± the quantile of all absolute errors
//! ([`CalibrationScores::quantile`]), need half the records and are as wide everywhere.

use super::Matrix;
use super::conformal::{CalibrationScores, records_needed};
use super::difficulty::{Difficulty, NEIGHBORS};
use crate::arrays::{Arrays, ArraysError};
use crate::random;

/// Records that the difficulty rests on at most, for quick answers; what a half has beyond them
/// goes to the other.
const MAX_DIFFICULTY: usize = 1_024;

/// Intervals around every target of a record, for any α.
#[derive(Debug, Clone, PartialEq)]
pub struct NormalizedIntervals {
    difficulty: Difficulty,
    /// Normalised errors of the other half, target by target.
    scores: Vec<CalibrationScores>,
}

impl NormalizedIntervals {
    /// Fits to calibration records as vectors, with the absolute error of each target, record by
    /// record. `seed` deals them to the halves. `None` below two records.
    pub fn fit(vectors: &Matrix, errors: &[Vec<f64>], seed: u64) -> Option<Self> {
        let n = vectors.len().min(errors.len());
        let mut order: Vec<usize> = (0..n).collect();
        random::shuffle(&mut order, &mut random::stream(seed, "interval.halves"));
        let (first, second) = order.split_at((n / 2).min(MAX_DIFFICULTY));
        let mut known = Matrix::new(vectors.columns());
        first.iter().for_each(|&record| known.push(vectors.row(record)));
        let known_errors: Vec<Vec<f64>> =
            first.iter().map(|&record| errors[record].clone()).collect();
        let difficulty = Difficulty::new(known, &known_errors, NEIGHBORS)?;
        Some(Self::with(difficulty, vectors, errors, second))
    }

    fn with(
        difficulty: Difficulty,
        vectors: &Matrix,
        errors: &[Vec<f64>],
        records: &[usize],
    ) -> Self {
        let mut scores = vec![Vec::with_capacity(records.len()); difficulty.targets()];
        for &record in records {
            let scale = difficulty.scale(vectors.row(record));
            for (scores, (error, scale)) in scores.iter_mut().zip(errors[record].iter().zip(scale))
            {
                scores.push(error / scale);
            }
        }
        let scores = scores.into_iter().map(CalibrationScores::new).collect();
        Self { difficulty, scores }
    }

    /// Half the width of each target's interval, in its unit, at least 0: a new record's value lies
    /// within prediction ± this with probability at least 1 − α. `None` where there are too few
    /// records for α.
    pub fn half_widths(&self, vector: &[f32], alpha: f64) -> Option<Vec<f64>> {
        let scale = self.difficulty.scale(vector);
        let width = |(scores, scale): (&CalibrationScores, f64)| {
            scores.quantile(alpha).map(|quantile| quantile * scale)
        };
        self.scores.iter().zip(scale).map(width).collect()
    }

    /// Calibration records with which intervals at error rate α can be given: 2·(⌈1/α⌉ − 1), since
    /// half of them give the quantile. `None` for α ≤ 0, which no number reaches.
    pub fn records_needed(alpha: f64) -> Option<usize> {
        records_needed(alpha).map(|needed| (2 * needed).max(2))
    }

    /// Its numbers.
    pub fn save(&self) -> Arrays {
        let mut arrays = Arrays::default();
        arrays.absorb("difficulty.", self.difficulty.save());
        for (target, scores) in self.scores.iter().enumerate() {
            arrays.put(&format!("scores.{target}"), scores.ascending().to_vec());
        }
        arrays
    }

    /// Takes up what [`NormalizedIntervals::save`] gave.
    pub fn load(arrays: &Arrays) -> Result<Self, ArraysError> {
        let difficulty = Difficulty::load(&arrays.under("difficulty."))?;
        let scores = (0..difficulty.targets())
            .map(|target| {
                let scores = arrays.get::<f64>(&format!("scores.{target}"))?;
                Ok(CalibrationScores::new(scores.to_vec()))
            })
            .collect::<Result<_, ArraysError>>()?;
        Ok(Self { difficulty, scores })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Rng;

    const ALPHA: f64 = 0.1;
    const TRIALS: u32 = 2_000;

    /// A record at x in \[0, 1), and its absolute error: normal noise that grows with x.
    fn draw(rng: &mut impl Rng) -> (f32, f64) {
        let x = rng.random::<f32>();
        (x, (0.1 + 2.0 * f64::from(x)) * random::normal(rng).abs())
    }

    fn records(rng: &mut impl Rng, n: usize) -> (Matrix, Vec<Vec<f64>>) {
        let (x, errors): (Vec<f32>, Vec<Vec<f64>>) =
            (0..n).map(|_| draw(rng)).map(|(x, error)| (x, vec![error])).unzip();
        (Matrix::from_values(1, x), errors)
    }

    /// Four standard errors of a share of 1 − α.
    fn chance() -> f64 {
        4.0 * (ALPHA * (1.0 - ALPHA) / f64::from(TRIALS)).sqrt()
    }

    fn covers(held: u32) -> bool {
        f64::from(held) / f64::from(TRIALS) >= 1.0 - ALPHA - chance()
    }

    /// Over 2,000 seeded calibration sets the interval holds the value in at least 1 − α of them,
    /// and in no more than ⌈(n + 1)(1 − α)⌉/(n + 1), within four standard errors. Two broken
    /// versions fail the same check: an off-by-one quantile, and a difficulty that rests on the
    /// quantile's own records.
    #[test]
    fn intervals_cover() {
        let mut rng = random::stream(1, "intervals");
        // Ten records for the quantile.
        let n = 20;
        let (mut held, mut forgetful, mut circular) = (0, 0, 0);
        for trial in 0..TRIALS {
            let (vectors, errors) = records(&mut rng, n);
            let (x, error) = draw(&mut rng);
            let fitted = NormalizedIntervals::fit(&vectors, &errors, u64::from(trial)).unwrap();
            let holds = |fitted: &NormalizedIntervals, alpha| {
                u32::from(error <= fitted.half_widths(&[x], alpha).unwrap()[0])
            };
            held += holds(&fitted, ALPHA);
            // Rank ⌈10 (1 − α)⌉ = 9 of 10 instead of ⌈11 (1 − α)⌉ = 10.
            forgetful += holds(&fitted, 1.0 - 9.0 / 11.0);
            let own = Difficulty::new(vectors.clone(), &errors, 2).unwrap();
            let all: Vec<usize> = (0..n).collect();
            circular += holds(&NormalizedIntervals::with(own, &vectors, &errors, &all), ALPHA);
        }
        assert!(covers(held), "{held}");
        assert!(!covers(forgetful) && !covers(circular), "{forgetful} {circular}");
        // Without ties the chance is 10/11, no more.
        assert!(f64::from(held) / f64::from(TRIALS) <= 10.0 / 11.0 + chance(), "{held}");
    }

    /// The same with as few neighbours as the circular version has, but from the other half.
    #[test]
    fn few_neighbours_cover_where_the_halves_do_not_meet() {
        let mut rng = random::stream(2, "neighbours");
        let held = (0..TRIALS)
            .filter(|_| {
                let (known, known_errors) = records(&mut rng, 20);
                let (vectors, errors) = records(&mut rng, 20);
                let (x, error) = draw(&mut rng);
                let difficulty = Difficulty::new(known, &known_errors, 2).unwrap();
                let all: Vec<usize> = (0..20).collect();
                let fitted = NormalizedIntervals::with(difficulty, &vectors, &errors, &all);
                error <= fitted.half_widths(&[x], ALPHA).unwrap()[0]
            })
            .count();
        assert!(covers(held as u32), "{held}");
    }

    /// Where noise grows, so do the intervals, which then cover easy and hard records alike; plain
    /// ones are as wide everywhere, too wide for the easy and too narrow for the hard.
    #[test]
    fn intervals_follow_the_noise() {
        let mut rng = random::stream(3, "adapt");
        let (vectors, errors) = records(&mut rng, 1_000);
        let fitted = NormalizedIntervals::fit(&vectors, &errors, 1).unwrap();
        let plain = CalibrationScores::new(errors.concat()).quantile(ALPHA).unwrap();
        let width = |x: f32| fitted.half_widths(&[x], ALPHA).unwrap()[0];
        assert!(width(0.9) > 3.0 * width(0.1) && width(0.1) < plain && plain < width(0.9));
        let fresh: Vec<(f32, f64)> = (0..4_000).map(|_| draw(&mut rng)).collect();
        let share = |from: f32, width: &dyn Fn(f32) -> f64| {
            let part: Vec<_> =
                fresh.iter().filter(|(x, _)| (from..from + 0.2).contains(x)).collect();
            let held = part.iter().filter(|(x, error)| *error <= width(*x)).count();
            held as f64 / part.len() as f64
        };
        for from in [0.1, 0.8] {
            let held = share(from, &width);
            assert!((held - 0.9).abs() < 0.07, "{from}: {held}");
        }
        let (easy, hard) = (share(0.1, &|_| plain), share(0.8, &|_| plain));
        assert!(easy > 0.98 && hard < 0.82, "{easy} {hard}");
    }

    #[test]
    fn sizes_and_what_they_allow() {
        let mut rng = random::stream(4, "sizes");
        for alpha in [0.05, 0.1, 0.3, 0.9] {
            let needed = NormalizedIntervals::records_needed(alpha).unwrap();
            let mut widths = |n| {
                let (vectors, errors) = records(&mut rng, n);
                NormalizedIntervals::fit(&vectors, &errors, 1)?.half_widths(&[0.5], alpha)
            };
            assert!(widths(needed).is_some() && widths(needed - 2).is_none(), "{alpha}");
        }
        assert_eq!(NormalizedIntervals::records_needed(0.0), None);
        assert_eq!(NormalizedIntervals::fit(&Matrix::default(), &[], 1), None);
        // No error at all: no width.
        let vectors = Matrix::from_values(1, vec![1.0; 40]);
        let fitted = NormalizedIntervals::fit(&vectors, &vec![vec![0.0]; 40], 1).unwrap();
        assert_eq!(fitted.half_widths(&[1.0], ALPHA), Some(vec![0.0]));
    }

    #[test]
    fn saved_and_loaded_they_are_the_same() {
        let mut rng = random::stream(5, "saved");
        let (vectors, errors) = records(&mut rng, 50);
        let two: Vec<Vec<f64>> = errors.iter().map(|e| vec![e[0], 2.0 * e[0]]).collect();
        let fitted = NormalizedIntervals::fit(&vectors, &two, 1).unwrap();
        let widths = fitted.half_widths(&[0.5], ALPHA).unwrap();
        assert!((widths[1] / widths[0] - 2.0).abs() < 1e-12);
        assert_eq!(NormalizedIntervals::load(&fitted.save()).unwrap(), fitted);
        assert_eq!(NormalizedIntervals::fit(&vectors, &two, 1).unwrap(), fitted);
        assert!(NormalizedIntervals::load(&Arrays::default()).is_err());
    }
}
