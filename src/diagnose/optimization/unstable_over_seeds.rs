//! Whether the result hangs on the seed: trainings that differ in nothing else differ in their validation
//! error by far more than chance explains.

use crate::diagnose::finding::{Area, Figure, Finding, FindingStatus, Measurement, Remedy, Series};
use crate::diagnose::known::Known;
use crate::diagnose::probe::Probe;
use crate::diagnose::steadiness::{SEEDS, Steadiness};
use crate::diagnose::{Diagnosis, Wanted};

/// A result that hangs on the seed.
pub struct UnstableOverSeeds;

/// The chance that it is so.
const WORTH: f64 = 0.2;
/// A setting that makes trainings unstable comes first where it is found.
const WEIGHT: f64 = 0.5;

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
        let steadiness = Steadiness::of(known)?;
        let own = *steadiness.errors.first()?;
        let Steadiness { outcomes, errors, best, worst, least } = &steadiness;
        let (best, worst, least) = (*best, *worst, *least);
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
        if !steadiness.hangs() {
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
        let points = seeds.iter().zip(errors).map(|(seed, error)| [*seed as f64, *error]);
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
