//! A training in process, from a file or a generator to the model.

use std::fs::File;
use std::sync::Arc;

use serde_json::{Value, json};
use whereof::clock::{Clock, SystemClock};
use whereof::data::generator::GeneratorSpec;
use whereof::data::profile::Column;
use whereof::data::reader::{self, Format};
use whereof::data::records::{RecordWriter, read_columns};
use whereof::data::{Cell, Limits};
use whereof::job::execute::{Event, Inputs, Output, Reporter, execute};
use whereof::learn::trainer::Interrupt;
use whereof::model::encoder::InputColumn;
use whereof::model::fit::TrainingTable;
use whereof::model::resolve::{Allowance, resolve};
use whereof::model::spec::{SplitSpec, TrainRequest, TrainSpec, Warning};
use whereof::task::MetricsReport;

use crate::support::Failure;
use crate::{Options, cpu_seconds};

/// Notes each epoch.
struct Notes {
    clock: Arc<dyn Clock>,
    epochs: Vec<Value>,
    /// Seconds of the epochs' steps alone.
    steps_seconds: f64,
    losses: Vec<f64>,
    /// CPU seconds when the phases began.
    phases: Vec<f64>,
}

impl Reporter for Notes {
    fn report(&mut self, event: Event) {
        if let Event::Phase(_) = event {
            self.phases.push(cpu_seconds().unwrap_or(f64::NAN));
        }
        let Event::Epoch(report, metrics) = event else { return };
        self.steps_seconds += report.seconds;
        self.losses.push(report.train_loss);
        let value = metrics.and_then(|metrics| match *metrics {
            MetricsReport::Classification(report) => Some(report.accuracy),
            MetricsReport::Regression(_) => None,
        });
        let at = self.clock.monotonic().as_secs_f64();
        self.epochs.push(json!({"at": at, "seconds": report.seconds, "accuracy": value}));
    }

    fn interrupt(&self) -> Interrupt {
        Interrupt::None
    }
}

/// Reads the records and checks the request against them.
fn prepare(
    options: &Options,
    request: &TrainRequest,
) -> Result<(TrainSpec, TrainingTable, Vec<Warning>), Failure> {
    let mut stored = Vec::new();
    let mut writer = RecordWriter::new(&mut stored);
    match options.get("generator") {
        Some(generator) => {
            let generator: GeneratorSpec = serde_json::from_str(generator)?;
            generator.generate(&mut writer)?;
        }
        None => {
            let file = File::open(options.need("file")?)?;
            reader::read(Format::Csv, &file, &Limits::default(), &mut writer)?;
        }
    }
    let profile = writer.finish()?.profile;
    let resolved = resolve(request, &profile, Allowance { memory_bytes: 8 << 30 });
    let resolved = resolved.map_err(|errors| format!("{errors:?}"))?;
    let spec = resolved.spec;
    let find =
        |name: &str| profile.column(name).ok_or_else(|| Failure::from(format!("no column {name}")));
    let (_, wanted) = spec.task.wanted_columns();
    let split = match &spec.split {
        SplitSpec::Column { column, .. } => Some(column.as_str()),
        SplitSpec::Shares { .. } => None,
    };
    let inputs: Vec<(usize, &Column)> =
        spec.task.input_columns().into_iter().map(find).collect::<Result<_, _>>()?;
    let mut positions: Vec<usize> = inputs.iter().map(|(position, _)| *position).collect();
    for name in wanted.iter().copied().chain(split) {
        positions.push(find(name)?.0);
    }
    let mut columns = read_columns(stored.as_slice(), &positions)?.into_iter();
    let input = |((_, column), cells): (&(usize, &Column), Vec<Cell>)| InputColumn {
        name: column.name.clone(),
        kind: column.kind,
        cells,
    };
    let table = TrainingTable {
        inputs: inputs.iter().zip(columns.by_ref()).map(input).collect(),
        wanted: columns.by_ref().take(wanted.len()).collect(),
        weights: None,
        splits: columns.next(),
    };
    Ok((spec, table, resolved.warnings))
}

/// The most memory that this process has held.
fn peak_kilobytes() -> Result<f64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = peak.and_then(|rest| rest.trim().split(' ').next()).ok_or("no VmHWM")?;
    Ok(kilobytes.parse()?)
}

/// Trains by `--request` (JSON, without `dataset`) on `--file` (CSV) or `--generator` (JSON), with
/// `--threads`; keeps the model as `--artifact`, if that is given.
pub fn run(options: &Options) -> Result<Value, Failure> {
    let threads = options.number("threads", 1)?;
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    once(options, serde_json::from_str(options.need("request")?)?)
}

/// [`run`] on the threads there are.
pub fn once(options: &Options, mut request: Value) -> Result<Value, Failure> {
    let clock = SystemClock::shared();
    let began = clock.monotonic().as_secs_f64();
    request["dataset"] = json!("ds_bench");
    let request: TrainRequest = serde_json::from_value(request)?;
    let (spec, table, warnings) = prepare(options, &request)?;
    let read = clock.monotonic().as_secs_f64() - began;
    let cpu = cpu_seconds()?;
    let start = clock.monotonic().as_secs_f64();
    let mut notes = Notes {
        clock: clock.clone(),
        epochs: Vec::new(),
        steps_seconds: 0.0,
        losses: Vec::new(),
        phases: Vec::new(),
    };
    let inputs = Inputs { spec, table, warnings, source: None, resume: None };
    let Output::Model(trained) = execute(inputs, clock.as_ref(), &mut notes)? else {
        return Err("not a training".into());
    };
    let all = cpu_seconds()? - cpu;
    let [_, training, evaluating] = notes.phases[..] else { return Err("three phases".into()) };
    if let Some(path) = options.get("artifact") {
        std::fs::write(path, &trained.artifact)?;
    }
    let test = trained.card.metrics.test.as_ref().and_then(|report| report.classification());
    let phase = |name: &str| trained.seconds.phases.get(name).copied().unwrap_or_default();
    for epoch in &mut notes.epochs {
        epoch["at"] = json!(epoch["at"].as_f64().unwrap_or_default() - start);
    }
    let epochs = notes.epochs.len();
    Ok(json!({
        "read_seconds": read,
        "vectorizing_seconds": phase("vectorizing"),
        "training_seconds": phase("training"),
        "evaluating_seconds": phase("evaluating"),
        "to_model_seconds": trained.seconds.total,
        // What a peer's `fit` does: features and epochs.
        "seconds": phase("vectorizing") + phase("training"),
        "steps_seconds": notes.steps_seconds,
        "epoch_seconds": notes.steps_seconds / epochs.max(1) as f64,
        "cpu_seconds": evaluating - cpu,
        "training_cpu_seconds": evaluating - training,
        "to_model_cpu_seconds": all,
        "epochs": epochs,
        "last_loss": notes.losses.last(),
        "validation_accuracy": notes.epochs.iter().filter_map(|e| e["accuracy"].as_f64()).fold(0.0, f64::max),
        "test_accuracy": test.map(|report| report.accuracy),
        "peak_kilobytes": peak_kilobytes()?,
        "per_epoch": notes.epochs,
    }))
}
