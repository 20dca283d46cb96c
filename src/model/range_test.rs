//! From records and a resolved spec to a learning rate: as much of a training as that takes.

use super::changed_texts::ChangedTexts;
use super::fit::{TrainingTable, prepare, trainer_spec};
use super::monitor::{FitMonitor, Phase};
use super::spec::{TrainSpec, Warning};
use super::{FitError, Model};
use crate::clock::Clock;
use crate::learn::range_test::{self, RangeMonitor, RangeTestSpec, RangeTested};
use crate::learn::rows::Source;
use crate::learn::trainer::{Interrupt, StepReport};

/// Runs a range test of a training, on its training records. Adds to `warnings` what the user should
/// know.
pub fn range_test(
    (spec, range): (&TrainSpec, &RangeTestSpec),
    (table, source): (TrainingTable, Option<&Model>),
    warnings: &mut Vec<Warning>,
    clock: &dyn Clock,
    monitor: &mut dyn FitMonitor,
) -> Result<RangeTested, FitError> {
    let prepared = prepare(spec, table, source, warnings, monitor)?;
    monitor.phase(Phase::Training);
    let shape = prepared.encoder.shape(spec.network.text_form());
    let trainer = trainer_spec(spec, prepared.loss, prepared.start.map(|(start, _)| start));
    let changed =
        ChangedTexts::new(spec, &prepared.encoder, &prepared.records, &prepared.parts.train);
    let rows = changed.as_ref().map_or(&prepared.rows as &dyn Source, |changed| changed);
    let data = (rows, &prepared.targets);
    let mut watch = Watch(monitor);
    Ok(range_test::range_test((&trainer, range), data, shape, clock, &mut watch)?)
}

struct Watch<'a>(&'a mut dyn FitMonitor);

impl RangeMonitor for Watch<'_> {
    fn step(&mut self, report: &StepReport) {
        self.0.step(report);
    }

    fn interrupt(&self) -> Interrupt {
        self.0.interrupt()
    }
}
