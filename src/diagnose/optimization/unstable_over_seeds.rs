//! Whether the result hangs on the seed: trainings that differ in nothing else differ in their validation
//! error by far more than chance explains.

use crate::diagnose::finding::{Area, Figure, Finding, FindingStatus, Measurement, Remedy, Series};
use crate::diagnose::known::Known;
use crate::diagnose::probe::Probe;
use crate::diagnose::{Diagnosis, Wanted};

/// A result that hangs on the seed.
pub struct UnstableOverSeeds;

/// Trainings that it takes.
const SEEDS: usize = 3;
/// Standard errors between the best and the worst of three: of normal numbers, the range of three
/// exceeds 3.3 standard deviations once in twenty times, and the difference of two has √2.
const STANDARD_ERRORS: f64 = 2.4;
/// How many times the best error the worst one is at least, ...
const TIMES: f64 = 1.5;
/// ... and how much more of the variance stays unexplained, where numbers are predicted.
const OF_VARIANCE: f64 = 0.05;
/// The chance that it is so.
const WORTH: f64 = 0.2;
/// A setting that makes trainings unstable comes first where it is found.
const WEIGHT: f64 = 0.5;

/// The best and the worst of some errors, and how far apart they must be to count, by the standard error
/// of the difference of two.
fn spread(errors: &[f64], standard_error: f64, labels: bool) -> (f64, f64, f64) {
    let ends = errors.iter().fold((f64::MAX, f64::MIN), |(l, h), e| (l.min(*e), h.max(*e)));
    let (best, worst) = ends;
    let of_variance = if labels { 0.0 } else { OF_VARIANCE };
    let least = (STANDARD_ERRORS * standard_error).max((TIMES - 1.0) * best).max(of_variance);
    (best, worst, least)
}

/// Whether the result is known to hang on the seed. Whatever may make it so is a suspect then.
pub(in crate::diagnose) fn is_unstable(known: &Known<'_>) -> bool {
    let found = |finding: Finding| finding.status == FindingStatus::Found;
    UnstableOverSeeds.applies(known) && UnstableOverSeeds.conclude(known).is_some_and(found)
}

impl Diagnosis for UnstableOverSeeds {
    fn kind(&self) -> &'static str {
        "unstable_over_seeds"
    }

    fn area(&self) -> Area {
        Area::Optimization
    }

    fn about(&self) -> &'static str {
        "whether the result hangs on the seed"
    }

    fn applies(&self, known: &Known<'_>) -> bool {
        !known.bench.parts.validation.is_empty()
    }

    fn wants(&self, known: &Known<'_>) -> Vec<Wanted> {
        // What other trainings are compared with, so that they are done for most reports anyway.
        let seeds = known.seeds(SEEDS).into_iter();
        seeds.map(|seed| Wanted::new(Probe::original(seed), WORTH)).collect()
    }

    fn conclude(&self, known: &Known<'_>) -> Option<Finding> {
        let seeds = known.seeds(SEEDS);
        let outcomes: Vec<_> =
            seeds.iter().map(|seed| known.of(&Probe::original(*seed))).collect::<Option<_>>()?;
        // Of each against the first; a training that failed has an error of 1.
        let gains: Vec<_> =
            seeds.iter().filter_map(|seed| known.gain(&Probe::original(*seed))).collect();
        let errors: Vec<f64> = gains.iter().map(|gain| gain.changed).collect();
        let own = *errors.first()?;
        let standard_error = gains.iter().map(|gain| gain.standard_error).fold(0.0, f64::max);
        let labels = known.bench.output.head().is_some();
        let (best, worst, least) = spread(&errors, standard_error, labels);
        let measured = Measurement::new(
            format!("worst minus best validation error of {SEEDS} seeds"),
            worst - best,
        )
        .threshold(least)
        .runs(outcomes.iter().map(|outcome| &outcome.run));
        let (low, high) = (100.0 * best, 100.0 * worst);
        let finding = |status, statement: String| {
            Finding::new(self.kind(), self.area(), status, statement)
                .measured(measured.clone())
                .measured(Measurement::new("validation error of the model's own seed", own))
                .smallest_effect(least)
        };
        if worst - best <= least {
            let statement = format!(
                "The result does not hang on the seed: {SEEDS} trainings that differ only in it have \
                 validation errors of {low:.1} % to {high:.1} %."
            );
            return Some(finding(FindingStatus::NotFound, statement));
        }
        let mean = errors.iter().sum::<f64>() / errors.len() as f64;
        let statement = format!(
            "The result hangs on the seed: {SEEDS} trainings that differ only in it have validation \
             errors of {low:.1} % to {high:.1} %; that of the model's own seed is {:.1} %.",
            100.0 * own
        );
        let points = seeds.iter().zip(&errors).map(|(seed, error)| [*seed as f64, *error]);
        let figure = Figure {
            title: "Validation error by seed".to_owned(),
            x: "seed".to_owned(),
            y: "validation error".to_owned(),
            log_x: false,
            series: vec![Series { name: "as it is".to_owned(), points: points.collect() }],
        };
        let advice = "train with several seeds (a sweep over training.seed) and keep the one that does \
                      best on the validation records; where another finding here names a cause, begin \
                      with that";
        let severity = WEIGHT * (mean - best) / mean.max(1e-12);
        Some(
            finding(FindingStatus::Found, statement)
                .severity(severity)
                .figure(figure)
                .remedy(Remedy::data(advice, Vec::new())),
        )
    }
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
