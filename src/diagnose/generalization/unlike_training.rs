//! Whether the test records are unlike those that trained, as a topic is that training never saw.

use super::{FLAGGED, Flags, SURE, does, flags, losses, rows};
use crate::diagnose::finding::{Area, Finding, FindingStatus, Measurement, Remedy};
use crate::diagnose::known::Known;
use crate::diagnose::readings::Apart;
use crate::diagnose::{Diagnosis, Wanted};
use crate::eval::interval::wilson;
use crate::task::{ClassificationReport, MetricsReport};

/// Test records that lie outside what trained.
pub struct UnlikeTraining;

/// Times the validation error that the test error must be where nothing is flagged.
const WORSE: f64 = 1.3;

/// Validation and test error, and their difference in standard errors.
struct Gap {
    validation: f64,
    test: f64,
    z: f64,
}

impl Gap {
    fn of(known: &Known<'_>) -> Option<Self> {
        let metrics = &known.bench.model.card.metrics;
        let report = |report: &Option<MetricsReport>| -> Option<(f64, f64)> {
            let ClassificationReport { accuracy, records, .. } =
                report.as_ref()?.classification()?;
            Some((1.0 - accuracy, *records as f64))
        };
        Some(Self::between(report(&metrics.validation)?, report(&metrics.test)?))
    }

    /// Between two errors, each of so many records.
    fn between((validation, n): (f64, f64), (test, m): (f64, f64)) -> Self {
        let pooled = (validation * n + test * m + 1.0) / (n + m + 2.0);
        let error = (pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m)).sqrt();
        Self { validation, test, z: (test - validation) / error }
    }

    fn is_large(&self) -> bool {
        self.z > SURE && self.test > WORSE * self.validation
    }
}

impl Diagnosis for UnlikeTraining {
    fn kind(&self) -> &'static str {
        "unlike_training"
    }

    fn area(&self) -> Area {
        Area::Generalization
    }

    fn about(&self) -> &'static str {
        "whether the test records are unlike those that trained"
    }

    fn applies(&self, known: &Known<'_>) -> bool {
        !known.bench.parts.test.is_empty()
    }

    fn wants(&self, _: &Known<'_>) -> Vec<Wanted> {
        Vec::new()
    }

    fn conclude(&self, known: &Known<'_>) -> Option<Finding> {
        let finding =
            |status, statement: String| Finding::new(self.kind(), self.area(), status, statement);
        if let Err(why) = known.bench.tested() {
            return Some(self.not_measured(why));
        }
        let gap = Gap::of(known);
        let with_gap = |finding: Finding| match &gap {
            Some(gap) => finding.measured(Measurement::new(
                "test error less the validation error",
                gap.test - gap.validation,
            )),
            None => finding,
        };
        let large = gap.as_ref().filter(|gap| gap.is_large());
        let flagged = Flags::of(known);
        let Some(seen) = flagged else {
            return Some(match large {
                None => with_gap(
                    self.not_measured("there are no calibration records to rank them among"),
                ),
                Some(gap) => with_gap(self.worse(gap)),
            });
        };
        let chosen = flags(known);
        let apart = Apart::of(&losses(known), &chosen);
        let (low, high) = wilson(seen.flagged as u64, seen.records as u64);
        let with = |finding: Finding| {
            let share = Measurement::new(
                "share of the test records that are flagged as unlike those that trained",
                seen.share(),
            );
            let mut finding =
                finding.measured(share.interval(Some([low, high])).threshold(seen.smallest));
            if let Some(apart) = &apart {
                finding = finding
                    .measured(Measurement::new("mean loss on those that are flagged", apart.inside))
                    .measured(Measurement::new("mean loss on the others", apart.outside))
                    .measured(Measurement::new(
                        "share of the errors in excess on them",
                        apart.excess,
                    ));
            }
            with_gap(finding)
        };
        let percent = 100.0 * seen.share();
        if seen.are_many() {
            let how = apart.as_ref().map_or_else(String::new, |apart| {
                let (inside, outside) = (does(known, apart.inside), does(known, apart.outside));
                format!(" It {inside} of those, and {outside} of the others.")
            });
            let statement = format!(
                "{percent:.0} % of the test records are unlike what the model was trained on, where \
                 {:.0} % would be chance.{how}",
                100.0 * FLAGGED
            );
            let rows = rows(known, &chosen);
            let advice = format!(
                "label records like these {} rows and add them to the training split; until then refuse \
                 what is flagged (max_false_alarm)",
                rows.len()
            );
            let excess = apart.map_or(0.0, |apart| apart.excess);
            let by_gap = large.map_or(0.0, |gap| 1.0 - gap.validation / gap.test);
            let found = with(finding(FindingStatus::Found, statement));
            return Some(
                found.severity(excess.max(by_gap).max(0.05)).remedy(Remedy::data(advice, rows)),
            );
        }
        if let Some(gap) = large {
            return Some(with(self.worse(gap)));
        }
        let statement = format!(
            "The test records are like those that trained: {percent:.0} % of them are flagged, where \
             {:.0} % would be chance.",
            100.0 * FLAGGED
        );
        Some(with(finding(FindingStatus::NotFound, statement)).smallest_effect(seen.smallest))
    }
}

impl UnlikeTraining {
    /// The test records are unlike, by their errors alone.
    fn worse(&self, gap: &Gap) -> Finding {
        let statement = format!(
            "The test records are unlike the others: the model is wrong on {:.0} % of them, and on \
             {:.0} % of the validation records. It does not notice.",
            100.0 * gap.test,
            100.0 * gap.validation
        );
        let advice = "look how the test records differ, and add such records to the training split";
        Finding::new(self.kind(), self.area(), FindingStatus::Found, statement)
            .severity(1.0 - gap.validation / gap.test)
            .remedy(Remedy::data(advice, Vec::new()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{self, Rng};

    /// Test records that are like the validation records are called worse in one of two hundred models at
    /// most; those with twice the errors mostly.
    #[test]
    fn like_records_are_seldom_called_worse() {
        const TRIALS: usize = 2_000;
        let called = |rate: f64, times: f64| {
            let mut rng = random::stream(9, "gap");
            let mut error = |rate: f64| {
                let wrong = (0..200).filter(|_| rng.random::<f64>() < rate).count();
                (wrong as f64 / 200.0, 200.0)
            };
            let large = (0..TRIALS)
                .filter(|_| Gap::between(error(rate), error(rate * times)).is_large())
                .count();
            large as f64 / TRIALS as f64
        };
        for rate in [0.05, 0.2, 0.4] {
            let (alike, worse) = (called(rate, 1.0), called(rate, 2.2));
            println!("{rate}: {alike} alike, {worse} worse");
            assert!(alike <= 0.005, "{rate}: {alike}");
            assert!(worse > if rate < 0.1 { 0.15 } else { 0.8 }, "{rate}: {worse}");
        }
    }
}
