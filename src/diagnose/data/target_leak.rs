//! Whether a column gives the target away, as a copy of it does, or what is known only afterwards.

use serde_json::json;

use crate::diagnose::finding::{Area, Finding, FindingStatus, Measurement, Remedy};
use crate::diagnose::known::Known;
use crate::diagnose::probe::Probe;
use crate::diagnose::{Diagnosis, Wanted};
use crate::tabular::LEAKAGE_THRESHOLD;
use crate::task::Input;

/// Columns that give the target away.
pub struct TargetLeak;

/// What shuffling a column must add to the error for the model to go by it.
const RELIES: f64 = 0.1;

/// The columns that alone tell a target, each once.
fn leaking(known: &Known<'_>) -> Vec<String> {
    let mut columns: Vec<String> =
        known.bench.leaks().iter().map(|leak| leak.column.clone()).collect();
    columns.dedup();
    columns
}

/// The columns that are left without those that leak.
fn others(known: &Known<'_>) -> Vec<String> {
    let leaking = leaking(known);
    let names = known.bench.table.inputs.iter().map(|column| column.name.clone());
    names.filter(|name| !leaking.contains(name)).collect()
}

/// The training without the columns that leak; `None` where that leaves none, or nothing validates.
fn without(known: &Known<'_>) -> Option<Probe> {
    let others = others(known);
    let possible = !others.is_empty() && !known.bench.parts.validation.is_empty();
    possible.then(|| known.original_probe().with("task.features", json!(others)))
}

/// Whether each leaking column holds no more values than the target: a copy, not a measurement.
fn is_copy(known: &Known<'_>) -> bool {
    let leaking = leaking(known);
    let labels = known.bench.output.names().len().max(known.bench.output.label_names().len());
    let few = |name: &String| {
        let column = known.bench.table.inputs.iter().find(|column| column.name == *name);
        column.is_some_and(|column| {
            let values = known.bench.parts.train.iter().map(|i| column.cells[*i].to_text());
            values.collect::<std::collections::BTreeSet<_>>().len() <= labels + 1
        })
    };
    known.bench.output.head().is_some() && leaking.iter().any(few)
}

impl Diagnosis for TargetLeak {
    fn kind(&self) -> &'static str {
        "target_leak"
    }

    fn area(&self) -> Area {
        Area::Data
    }

    fn about(&self) -> &'static str {
        "whether a column gives the target away"
    }

    fn applies(&self, known: &Known<'_>) -> bool {
        matches!(known.bench.spec().task.input(), Input::Table(_))
    }

    fn wants(&self, known: &Known<'_>) -> Vec<Wanted> {
        if known.bench.leaks().is_empty() {
            return Vec::new();
        }
        let without = without(known).map(|probe| Wanted::new(probe, 1.0));
        [Wanted::new(known.original_probe(), 1.0)].into_iter().chain(without).collect()
    }

    fn conclude(&self, known: &Known<'_>) -> Option<Finding> {
        let finding =
            |status, statement: String| Finding::new(self.kind(), self.area(), status, statement);
        let leaks = known.bench.leaks();
        let Some(most) = leaks.iter().map(|leak| leak.share).reduce(f64::max) else {
            let statement =
                "No column gives the target away: none alone settles more than 98 % of it.";
            let measured =
                Measurement::new("columns that alone settle more than 98 % of the target", 0.0);
            return Some(
                finding(FindingStatus::NotFound, statement.to_owned())
                    .measured(measured.threshold(1.0))
                    .smallest_effect(LEAKAGE_THRESHOLD),
            );
        };
        let columns = leaking(known);
        let names: Vec<String> = columns.iter().map(|name| format!("{name:?}")).collect();
        let names = names.join(", ");
        let leak_share = Measurement::new(
            "share of the target that the column alone settles, of what is open without any",
            most,
        );
        let leak_share = leak_share.threshold(LEAKAGE_THRESHOLD);
        let advice = format!(
            "leave {names} out of task.features, unless records to be scored will have it, and train \
             again"
        );
        let leak = |statement: String| {
            finding(FindingStatus::Found, statement).severity(1.0).measured(leak_share.clone())
        };
        let Some(probe) = without(known) else {
            let statement = format!("{names} gives the target away: alone it settles all of it.");
            return Some(leak(statement).remedy(Remedy::data(advice, Vec::new())));
        };
        let (gain, outcome) = (known.gain(&probe)?, known.of(&probe)?);
        let honest = Measurement::new("validation error without it", gain.changed);
        let honest = honest.runs([&outcome.run]);
        let [with, changed] = [gain.original, gain.changed].map(|error| 100.0 * error);
        let reliance = known.bench.reliance(&columns);
        let relies = reliance.filter(|reliance| reliance.shuffled - reliance.plain >= RELIES);
        let measured = |finding: Finding| match reliance {
            Some(reliance) => finding.measured(honest.clone()).measured(Measurement::new(
                "validation error of the model where its values are shuffled",
                reliance.shuffled,
            )),
            None => finding.measured(honest.clone()),
        };
        if gain.harms() || is_copy(known) {
            let statement = format!(
                "{names} gives the target away: without it the model leaves {changed:.0} % of the \
                 validation records unexplained, not {with:.0} %. What was measured so far is of no \
                 use if records to be scored lack it."
            );
            let change = [("task.features", json!(others(known)))];
            return Some(measured(leak(statement)).remedy(Remedy::change(advice, change)));
        }
        if let Some(reliance) = relies {
            let statement = format!(
                "{names} alone tells the target, and the model goes by it: where its values are \
                 shuffled, the error is {:.0} %, not {with:.1} %. Without it the other columns do about \
                 as well ({changed:.1} %), also where records to be scored lack it.",
                100.0 * reliance.shuffled.min(1.0)
            );
            let change = [("task.features", json!(others(known)))];
            return Some(measured(leak(statement)).remedy(Remedy::change(advice, change)));
        }
        let statement = format!(
            "{names} alone tells the target, and so do the other columns: without it the model errs as \
             little ({changed:.1} % against {with:.1} %)."
        );
        Some(
            finding(FindingStatus::NotFound, statement)
                .measured(leak_share)
                .measured(honest.clone())
                .smallest_effect(gain.smallest()),
        )
    }
}
