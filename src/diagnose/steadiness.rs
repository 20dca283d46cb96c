//! Whether the result of a training hangs on its seed.

use super::experiment::Outcome;
use super::known::Known;
use super::probe::Probe;

/// Trainings that it takes.
pub const SEEDS: usize = 3;
/// Standard errors between the best and the worst of three: of normal numbers, the range of three
/// exceeds 3.3 standard deviations once in twenty times, and the difference of two has √2.
const STANDARD_ERRORS: f64 = 2.4;
/// How many times the best error the worst one is at least, ...
const TIMES: f64 = 1.5;
/// ... and how much more of the variance stays unexplained, where numbers are predicted.
const OF_VARIANCE: f64 = 0.05;

/// Trainings that differ only in their seed.
pub struct Steadiness<'a> {
    /// What came of each, the model's own seed first.
    pub outcomes: Vec<&'a Outcome>,
    /// The validation error of each; a training that failed has an error of 1.
    pub errors: Vec<f64>,
    /// The least of them.
    pub best: f64,
    /// The largest.
    pub worst: f64,
    /// How far apart these must be to count.
    pub least: f64,
}

impl<'a> Steadiness<'a> {
    /// `None` before all have run, and without validation records.
    pub fn of(known: &Known<'a>) -> Option<Self> {
        let seeds = known.seeds(SEEDS);
        let probes = seeds.iter().map(|seed| Probe::original(*seed));
        let outcomes = probes.clone().map(|probe| known.of(&probe)).collect::<Option<_>>()?;
        // Of each against the first.
        let gains: Vec<_> = probes.map(|probe| known.gain(&probe)).collect::<Option<_>>()?;
        let errors: Vec<f64> = gains.iter().map(|gain| gain.changed).collect();
        let standard_error = gains.iter().map(|gain| gain.standard_error).fold(0.0, f64::max);
        let labels = known.bench.output.head().is_some();
        let (best, worst, least) = spread(&errors, standard_error, labels);
        Some(Self { outcomes, errors, best, worst, least })
    }

    /// Whether they differ by far more than chance explains.
    pub fn hangs(&self) -> bool {
        self.worst - self.best > self.least
    }
}

/// Whether the result is known to hang on the seed. Whatever may make it so is a suspect then.
pub fn is_unstable(known: &Known<'_>) -> bool {
    Steadiness::of(known).is_some_and(|steadiness| steadiness.hangs())
}

/// The best and the worst of some errors, and how far apart they must be to count, by the standard error
/// of the difference of two.
fn spread(errors: &[f64], standard_error: f64, labels: bool) -> (f64, f64, f64) {
    let ends = errors.iter().fold((f64::MAX, f64::MIN), |(l, h), e| (l.min(*e), h.max(*e)));
    let (best, worst) = ends;
    let of_variance = if labels { 0.0 } else { OF_VARIANCE };
    let least = (STANDARD_ERRORS * standard_error).max((TIMES - 1.0) * best).max(of_variance);
    (best, worst, least)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnose::gain::paired_error;
    use crate::random::{self, Rng};

    /// Share of draws of three trainings in which they count as unstable. Each gets a record wrong at a
    /// rate, times what its seed does to it.
    fn unstable(rate: f64, luck: impl Fn(f64) -> f64) -> f64 {
        const TRIALS: u64 = 1_000;
        let draw = |trial: u64| {
            let mut rng = random::stream(trial, "unstable");
            let mut run = |_| -> Vec<f64> {
                let rate = (rate * luck(rng.random())).min(1.0);
                (0..280).map(|_| f64::from(u8::from(rng.random::<f64>() < rate))).collect()
            };
            let runs: Vec<Vec<f64>> = (0..SEEDS).map(&mut run).collect();
            let errors: Vec<f64> =
                runs.iter().map(|run| run.iter().sum::<f64>() / run.len() as f64).collect();
            let of_pairs = runs.iter().map(|run| paired_error(&runs[0], run, true));
            let (best, worst, least) = spread(&errors, of_pairs.fold(0.0, f64::max), true);
            worst - best > least
        };
        (0..TRIALS).filter(|trial| draw(*trial)).count() as f64 / TRIALS as f64
    }

    /// Trainings whose seeds do nothing differ by the records that each gets wrong: one in twenty draws at
    /// most counts as more. Seeds that treble the error are seen.
    #[test]
    fn records_alone_do_not_make_seeds_unstable() {
        for rate in [0.02, 0.1, 0.3] {
            let found = unstable(rate, |_| 1.0);
            println!("{rate}: {found}");
            assert!(found <= 0.05, "{rate}: {found}");
        }
        let seen = unstable(0.15, |luck| if luck < 0.5 { 1.0 } else { 3.0 });
        assert!(seen > 0.7, "{seen}");
    }
}
