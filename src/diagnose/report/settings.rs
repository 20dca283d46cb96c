//! Which settings of a training matter, and by how much: what every change that was tried did to the error
//! on the validation records, whatever it was tried for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::diagnose::known::Known;
use crate::diagnose::looks::MORE_SEEDS;
use crate::diagnose::probe::{Change, Probe, Selection};

/// A setting, or several that were set together, and what became of the error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SettingEffect {
    /// What was set, by path.
    #[schema(value_type = BTreeMap<String, Object>)]
    pub change: BTreeMap<String, Value>,
    /// Error on the validation records with it less that without, 1 − accuracy or 1 − R²: below 0 it does
    /// better.
    pub difference: f64,
    /// Its 95 % interval, over seeds and records. Where a single training was made, what its seed adds is
    /// taken to be what the seeds of the original add.
    pub interval: [f64; 2],
    /// Trainings with it.
    pub trainings: usize,
    /// Whether the interval leaves out 0: that the setting matters is no chance. With many settings one in
    /// twenty seems to all the same.
    pub matters: bool,
}

/// What every change that was tried does, the largest effect first, those that may be chance last.
pub fn effects(known: &Known<'_>) -> Vec<SettingEffect> {
    let originals = known.at_hand(&Change::new(), MORE_SEEDS);
    if originals == 0 || known.bench.parts.validation.is_empty() {
        return Vec::new();
    }
    let of_seeds = seed_variance(known, originals);
    let tried = |probe: &Probe| {
        let other_columns = probe.change.keys().any(|path| path.starts_with("task."));
        let all = probe.records == Selection::All && !probe.range_test;
        all && !probe.change.is_empty() && !other_columns
    };
    let effect = |probe: Probe| {
        let trainings = known.at_hand(&probe.change, MORE_SEEDS);
        let gain = known.gain_over_seeds((originals, trainings), &probe.change, false)?;
        let own = if trainings == 1 { of_seeds } else { 0.0 };
        let half = 2.0 * (gain.standard_error.powi(2) + own).sqrt();
        let difference = gain.changed - gain.original;
        let interval = [difference - half, difference + half];
        let matters = interval[0] > 0.0 || interval[1] < 0.0;
        Some(SettingEffect { change: probe.change, difference, interval, trainings, matters })
    };
    let mut effects: Vec<SettingEffect> =
        known.own_probes().filter(tried).filter_map(effect).collect();
    effects.sort_by(|a, b| {
        b.matters.cmp(&a.matters).then(b.difference.abs().total_cmp(&a.difference.abs()))
    });
    effects
}

/// Variance of the error over seeds of the original; 0 for a single one.
fn seed_variance(known: &Known<'_>, originals: usize) -> f64 {
    let outcomes = known.over_seeds(originals, |_| Change::new()).unwrap_or_default();
    let errors: Vec<f64> =
        outcomes.iter().filter_map(|(_, outcome)| known.error(outcome, false)).collect();
    let n = errors.len() as f64;
    let mean = errors.iter().sum::<f64>() / n.max(1.0);
    errors.iter().map(|error| (error - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0)
}
