//! Whether the learning rate is too high: a smaller one does better on the validation records.

use serde_json::json;

use crate::diagnose::finding::{Area, Finding, FindingStatus, Measurement, Remedy};
use crate::diagnose::known::{Gain, Known};
use crate::diagnose::probe::Probe;
use crate::diagnose::{Diagnosis, Wanted};

/// A learning rate that is too high.
pub struct TooHigh;

/// What the rate is divided by.
const SMALLER: [f64; 2] = [10.0, 100.0];

impl TooHigh {
    fn probes(known: &Known<'_>) -> Vec<(f64, Probe)> {
        let rate = known.bench.spec().optimizer.learning_rate();
        let probe = |factor: &f64| {
            let rate = rate / factor;
            (rate, known.original_probe().with("optimizer.learning_rate", json!(rate)))
        };
        SMALLER.iter().map(probe).collect()
    }
}

impl Diagnosis for TooHigh {
    fn kind(&self) -> &'static str {
        "learning_rate_too_high"
    }

    fn area(&self) -> Area {
        Area::Optimization
    }

    fn about(&self) -> &'static str {
        "whether a smaller learning rate does better"
    }

    fn wants(&self, known: &Known<'_>) -> Vec<Wanted> {
        let mut wanted = vec![Wanted::new(known.original_probe(), 1.0)];
        wanted.extend(Self::probes(known).into_iter().map(|(_, probe)| Wanted::new(probe, 0.3)));
        wanted
    }

    fn conclude(&self, known: &Known<'_>) -> Option<Finding> {
        let gains: Option<Vec<_>> = Self::probes(known)
            .iter()
            .map(|(rate, probe)| Some((*rate, known.gain(probe)?, known.of(probe)?)))
            .collect();
        let gains = gains?;
        // Of those that do about as well as the best, the smallest: other seeds are safer with it.
        let best = gains.iter().map(|(_, gain, _)| gain.changed).reduce(f64::min)?;
        let as_good = |gain: &Gain| gain.changed <= best + gain.standard_error;
        let (rate, gain, outcome) = gains.into_iter().rev().find(|(_, gain, _)| as_good(gain))?;
        let used = known.bench.spec().optimizer.learning_rate();
        let percent = 100.0 * gain.share();
        let measured = Measurement::new(
            format!("share of the validation error that a learning rate of {rate:.1e} takes away"),
            gain.share(),
        );
        let measured = measured.runs([&outcome.run]);
        let finding = |status, statement: String| {
            Finding::new(self.kind(), self.area(), status, statement)
                .measured(measured)
                .smallest_effect(gain.smallest() / gain.original.max(1e-12))
        };
        if gain.helps() {
            let statement = format!(
                "The learning rate of {used:.1e} is too high: {rate:.1e} makes {percent:.0} % fewer \
                 validation errors."
            );
            let advice = format!("lower optimizer.learning_rate to {rate:.1e}");
            let remedy = Remedy::change(advice, [("optimizer.learning_rate", json!(rate))]);
            return Some(
                finding(FindingStatus::Found, statement).severity(gain.share()).remedy(remedy),
            );
        }
        let statement =
            format!("The learning rate of {used:.1e} is not too high: smaller ones do no better.");
        Some(finding(FindingStatus::NotFound, statement))
    }
}
