//! An attempt at an evaluation: part after part of the dataset, each on threads of its own. What came
//! of a part is on disk before the next begins, so that one that is taken up again repeats none; it
//! has the same bytes whoever computes it.

use std::io::BufReader;
use std::sync::Arc;

use super::source::parse;
use super::{Control, Failure};
use crate::arrays::{Arrays, ArraysError};
use crate::compute;
use crate::data::error::DataError;
use crate::data::writer::TableColumn;
use crate::data::{Cell, records};
use crate::job::evaluate::part::{Part, Tally};
use crate::job::evaluate::plan::Plan;
use crate::job::evaluate::recall::Stored;
use crate::job::evaluate::report::{Material, report};
use crate::job::evaluate::results::lines;
use crate::job::evaluate::{EvaluateResponse, part_rows, parts};
use crate::learn::trainer::Interrupt;
use crate::model::Model;
use crate::model::criteria::Criteria;
use crate::model::measured::Measurements;
use crate::model::spec::Warning;
use crate::problem::{Code, Problem};
use crate::store::artifacts::LocalFile;
use crate::store::evaluations::EvaluationState;
use crate::store::queue::{Claimed, Progress};
use crate::store::{Artifacts, Store};

/// What an evaluation leaves.
pub struct Evaluated {
    pub report: EvaluateResponse,
    /// Whether it was stopped before it was done.
    pub stopped: bool,
}

/// What every part needs.
struct Ground {
    plan: Plan,
    model: Model,
    criteria: Criteria,
    columns: Vec<TableColumn>,
    file: LocalFile,
    index: Vec<u64>,
}

/// What came of a part, as files.
struct Written {
    numbers: Vec<u8>,
    results: Vec<u8>,
    tally: Tally,
}

/// Runs an evaluation to its end.
pub async fn perform(
    store: &Store,
    claimed: &Claimed,
    control: &Control,
    threads: usize,
) -> Result<Evaluated, Failure> {
    let job = &claimed.job.id;
    let mut state = store.evaluation(job).await?;
    let dataset = store.dataset(&state.spec.request.dataset).await?;
    let key = store.model_artifact(&state.spec.model).await?;
    let (model, _) = parse(store.artifacts.get_hashed(&key).await?).await?;
    let plan = Plan::new(&state.spec.request, &model, dataset.profile());
    let plan = plan.map_err(Failure::Problem)?;
    let ground = Arc::new(Ground {
        criteria: Criteria::new(&model, plan.thresholds),
        columns: state.spec.columns.clone(),
        file: store.artifacts.file(&Artifacts::dataset_key(&dataset.id)).await?,
        index: store.dataset_index(&dataset.id).await?,
        plan,
        model,
    });
    let (size, all) = (part_rows(dataset.rows), parts(dataset.rows));
    store.expect_files(claimed, state.parts).await?;
    let (began, before, spent) = (store.clock.monotonic(), state.parts, state.seconds);
    let mut stopped = false;
    while state.parts < all {
        match control.interrupt() {
            Interrupt::Abort => return Err(control.aborted()),
            // There is nothing to report before the first part.
            Interrupt::Stop if state.parts > 0 => {
                stopped = true;
                break;
            }
            Interrupt::Stop | Interrupt::Prepare | Interrupt::None => {}
        }
        let (part, on) = (state.parts, ground.clone());
        let work = move || on.part(part * size, size);
        let Written { numbers, results, tally } = blocking("evaluate", threads, work).await?;
        store.artifacts.put(&Artifacts::evaluation_numbers_key(job, part), numbers).await?;
        store.artifacts.put(&Artifacts::evaluation_results_key(job, part), results).await?;
        state.parts += 1;
        state.tally.absorb(tally);
        let seconds = (store.clock.monotonic() - began).as_secs_f64();
        state.seconds = spent + seconds;
        let eta = seconds / (state.parts - before) as f64 * (all - state.parts) as f64;
        let (progress, phase) = (state.parts as f64 / all as f64, "evaluating");
        let progress = Progress { progress, phase, eta_seconds: Some(eta) };
        store.record_parts(claimed, &state, &progress).await?;
    }
    let progress = state.parts as f64 / all as f64;
    let progress = Progress { progress, phase: "reporting", eta_seconds: None };
    store.record_parts(claimed, &state, &progress).await?;
    let measured = measured(store, job, &state, &ground).await?;
    let own = match ground.plan.is_own {
        true => Some(super::table(store, &ground.model.spec).await?),
        false => None,
    };
    let EvaluationState { spec, tally, parts: done, .. } = state;
    let work = move || {
        let material = Material {
            model_id: &spec.model,
            dataset: &spec.request.dataset,
            plan: &ground.plan,
            model: &ground.model,
            criteria: &ground.criteria,
            measured: &measured,
            tally,
            own,
        };
        let read = |rows: &[u64]| ground.rows(rows);
        let (plan, model) = (&ground.plan, &ground.model);
        let recall = Stored { plan, model, measured: &measured.records, read: &read };
        report(material, &recall)
    };
    let mut report = blocking("report", threads, work).await?;
    if control.interrupt() == Interrupt::Abort {
        return Err(control.aborted());
    }
    if stopped {
        let message = format!(
            "the evaluation was stopped: it is of the first {} of {} records of the dataset",
            done * size,
            dataset.rows
        );
        report.warnings.push(Warning::new("stopped_early", message));
    }
    Ok(Evaluated { report, stopped })
}

/// What was measured in all parts, read one after the other.
async fn measured(
    store: &Store,
    job: &str,
    state: &EvaluationState,
    ground: &Arc<Ground>,
) -> Result<Measurements, Failure> {
    let mut measured = Measurements::default();
    for part in 0..state.parts {
        let key = Artifacts::evaluation_numbers_key(job, part);
        let bytes = store.artifacts.get(&key).await?;
        let on = ground.clone();
        let work = move || {
            let arrays = Arrays::from_bytes(&bytes).map_err(|error| damaged(&key, &error))?;
            let reader = &on.model.reader;
            let (output, detectors) = (&reader.output, reader.detectors.len());
            let next = Measurements::load(&arrays, output, detectors, on.plan.labels);
            measured.absorb(next.map_err(|error| damaged(&key, &error))?);
            Ok(measured)
        };
        measured = blocking("load", 1, work).await?;
    }
    Ok(measured)
}

fn damaged(key: &str, error: &ArraysError) -> Problem {
    tracing::error!(key, %error, "what an evaluation measured cannot be read again");
    Problem::new(Code::ArtifactMissing, "a part of what was measured cannot be read again")
}

async fn blocking<T: Send + 'static>(
    name: &'static str,
    threads: usize,
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Failure> {
    let done = compute::run_apart(name, threads, work).await;
    done.map_err(|error| Failure::Problem(error.into()))?.map_err(Failure::Problem)
}

impl Ground {
    /// Evaluates the records from one on, counted from 0.
    fn part(&self, first: u64, count: u64) -> Result<Written, Problem> {
        let input = self.open()?;
        let page = records::read_page(input, &self.index, first, count as usize)?;
        let mut columns: Vec<Vec<Cell>> = vec![Vec::new(); self.plan.positions().len()];
        for (cells, row) in page.iter().zip(first + 1..) {
            for (column, &position) in columns.iter_mut().zip(self.plan.positions()) {
                column.push(cells.get(position).cloned().ok_or(DataError::Damaged { row })?);
            }
        }
        drop(page);
        let chosen = self.plan.choose(columns, first + 1);
        let part = Part::read(&self.plan, &self.model, chosen)?;
        let weighed = part.weigh(&self.model)?;
        let measured = part.measure(&self.model, &weighed, &self.criteria);
        let numbers = measured.save().and_then(|arrays| arrays.to_bytes());
        let numbers = numbers.map_err(|e| Problem::new(Code::Internal, e.to_string()))?;
        let (plan, columns) = (&self.plan, self.columns.as_slice());
        let records = (measured.records.as_slice(), weighed);
        let results = lines((plan, columns), &self.model, &part, records, &self.criteria);
        let results = results.map_err(|e| Problem::new(Code::Internal, e.to_string()))?;
        Ok(Written { numbers, results, tally: part.tally })
    }

    /// Reads single records again.
    fn rows(&self, rows: &[u64]) -> Result<Vec<Vec<Cell>>, Problem> {
        Ok(records::read_rows(self.open()?, &self.index, rows)?)
    }

    fn open(&self) -> Result<BufReader<std::fs::File>, DataError> {
        let file = std::fs::File::open(self.file.path())?;
        Ok(BufReader::with_capacity(1 << 18, file))
    }
}
