//! From a sweep's request to the trainings it consists of: every one of them is resolved, so that a
//! sweep that is accepted has no trial that could not run.

use std::collections::BTreeMap;

use serde_json::Value;

use super::rungs::{rungs, total_epochs};
use super::space::{Setting, draw, grid, grid_size};
use super::{Grid, PlannedRun, RandomSearch, Strategy, SuccessiveHalving, SweepRequest, SweepSpec};
use crate::data::profile::Profile;
use crate::data::split::Split;
use crate::json;
use crate::learn::stopping::StoppingMetric;
use crate::model::spec::{SplitSpec, TrainSpec, Warning};
use crate::problem::{FieldError, nearest};
use crate::random;

/// Trainings of a sweep at most: settings times seeds.
pub const MAX_RUNS: usize = 1_000;
/// Fields that a sweep may vary at most.
const MAX_FIELDS: usize = 20;
/// Errors that are told at most.
const MAX_ERRORS: usize = 20;

/// What may not vary: trials must be of the same records and the same question, or they could not be
/// ranked.
const FIXED: [&str; 5] = ["dataset", "task", "split", "device", "model_name"];

/// A sweep that can be run.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The sweep.
    pub spec: SweepSpec,
    /// Its trainings, in order of trial and seed.
    pub runs: Vec<PlannedRun>,
    /// What the user should know.
    pub warnings: Vec<Warning>,
}

/// Checks a training request that is JSON, and resolves it.
pub type Resolver<'a> = &'a dyn Fn(Value) -> Result<TrainSpec, Vec<FieldError>>;

/// Plans a sweep whose `base` was resolved to `base_spec`.
pub fn plan(
    request: &SweepRequest,
    base_spec: &TrainSpec,
    profile: &Profile,
    resolver: Resolver<'_>,
) -> Result<Plan, Vec<FieldError>> {
    let metric = request.metric.unwrap_or(if base_spec.task.is_regression() {
        StoppingMetric::Mse
    } else {
        StoppingMetric::Accuracy
    });
    let mut errors = check(request, base_spec, profile, metric);
    if !errors.is_empty() {
        return Err(errors);
    }
    let base = Overlay::new(request, base_spec);
    // Draws seldom fall on the ends of a range.
    for (field, range) in &request.space {
        for value in range.extremes() {
            let setting = Setting::from([(field.clone(), value)]);
            if let Err(found) = resolver(base.with(&setting, None)) {
                errors.extend(found.into_iter().map(|error| located(error, request, &setting)));
            }
        }
    }
    if !errors.is_empty() {
        return Err(distinct(errors));
    }
    let seeds = request.seeds.unwrap_or(1);
    let mut warnings = Vec::new();
    let settings = settings(request, seeds, base_spec.training.epochs, &mut warnings)?;
    let mut runs = Vec::with_capacity(settings.len() * seeds);
    for (trial, parameters) in (1..).zip(&settings) {
        for seed in (base_spec.training.seed..).take(seeds) {
            match resolver(base.with(parameters, Some(seed))) {
                Ok(spec) => {
                    runs.push(PlannedRun { trial, parameters: parameters.clone(), spec });
                }
                Err(found) => {
                    errors.extend(found.into_iter().map(|e| located(e, request, parameters)));
                }
            }
            if errors.len() >= MAX_ERRORS {
                return Err(distinct(errors));
            }
        }
    }
    if !errors.is_empty() {
        return Err(distinct(errors));
    }
    let epochs = runs.iter().map(|run| run.spec.training.epochs).max().unwrap_or(1);
    let rungs = rungs(&request.strategy, settings.len(), epochs);
    let epochs_at_most = match rungs.as_slice() {
        [_] => runs.iter().map(|run| run.spec.training.epochs).sum(),
        several => total_epochs(several, epochs, seeds),
    };
    let spec = SweepSpec {
        space: request.space.clone(),
        strategy: request.strategy.clone(),
        metric,
        seeds,
        budget: request.budget,
        seed: request.seed.unwrap_or(1),
        trials: settings.len(),
        rungs,
        epochs_at_most,
    };
    Ok(Plan { spec, runs, warnings })
}

/// The base's JSON, and what it resolves to.
struct Overlay {
    base: Value,
    resolved: Value,
}

impl Overlay {
    fn new(request: &SweepRequest, base_spec: &TrainSpec) -> Self {
        // Both came as JSON or can be stored as such.
        let base = serde_json::to_value(&request.base).unwrap_or_default();
        Self { base, resolved: serde_json::to_value(base_spec).unwrap_or_default() }
    }

    /// The request of a setting. Whole objects are set before fields of them.
    fn with(&self, setting: &Setting, seed: Option<u64>) -> Value {
        let mut value = self.base.clone();
        let mut fields: Vec<_> = setting.iter().collect();
        fields.sort_by_key(|(field, _)| field.split('.').count());
        for (field, to) in fields {
            json::set(&mut value, field, to, &self.resolved);
        }
        if let Some(seed) = seed {
            json::set(&mut value, "training.seed", &seed.into(), &self.resolved);
        }
        value
    }
}

fn check(
    request: &SweepRequest,
    base: &TrainSpec,
    profile: &Profile,
    metric: StoppingMetric,
) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut fail = |field: &str, message: String, hint: &str| {
        errors.push(FieldError::new(field, message).hint(hint));
    };
    if request.space.is_empty() || request.space.len() > MAX_FIELDS {
        let message = format!("varies {} fields", request.space.len());
        fail("space", message, "name 1 to 20 fields, each with its range");
    }
    if !base.task.measures(metric) {
        let message = format!("is not measured in a {}", base.task.name());
        fail("metric", message, "leave it out, or choose one of the task's metrics");
    }
    if !has_validation(&base.split, profile) {
        let hint = "give base.split.validation a share; the test split is not looked at to choose";
        let message = "no record is set aside to rank trials by".to_owned();
        fail("base.split.validation", message, hint);
    }
    let halves = matches!(request.strategy, Strategy::SuccessiveHalving(_));
    for field in request.space.keys() {
        let path = format!("space.{field}");
        let top = field.split('.').next().unwrap_or("");
        if FIXED.contains(&top) {
            let hint = "trials are ranked on the same records; submit a sweep for each";
            fail(&path, "cannot vary within a sweep".to_owned(), hint);
        } else if field == "training.seed" {
            let hint = "set seeds to train each setting several times";
            fail(&path, "is not a setting to be tuned".to_owned(), hint);
        } else if halves && (field == "training" || field == "training.epochs") {
            let hint = "leave it out, or choose the strategy grid or random";
            fail(&path, "is what successive halving shares out".to_owned(), hint);
        } else if field.split('.').any(str::is_empty) {
            fail(&path, "is no path".to_owned(), "join the names of fields by single dots");
        }
    }
    let ranges = request.space.iter();
    errors.extend(ranges.filter_map(|(field, range)| range.check(&format!("space.{field}"))));
    errors
}

/// Whether records steer the training.
fn has_validation(split: &SplitSpec, profile: &Profile) -> bool {
    match split {
        SplitSpec::Shares { validation, .. } => *validation > 0.0,
        SplitSpec::Column { column, validation, .. } => {
            let values = profile.column(column).and_then(|(_, column)| column.values.as_ref());
            let named = |value: &str| Split::parse(value) == Some(Split::Validation);
            *validation > 0.0 || values.into_iter().flatten().any(|v| named(&v.value))
        }
    }
}

/// The settings to try, within the budget.
fn settings(
    request: &SweepRequest,
    seeds: usize,
    epochs: usize,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Setting>, Vec<FieldError>> {
    let seed = request.seed.unwrap_or(1);
    let most = request.budget.trials.unwrap_or(usize::MAX);
    let (wanted, mut settings) = match &request.strategy {
        Strategy::Grid(Grid { points }) => {
            let size = grid_size(&request.space, *points).unwrap_or(usize::MAX);
            if size.min(most).saturating_mul(seeds) > MAX_RUNS {
                return Err(vec![too_many(size.min(most), seeds)]);
            }
            // A budget below the grid takes a random part of it.
            if size > most.saturating_mul(100).max(MAX_RUNS) {
                let hint = "draw settings with the strategy random, or name fewer points";
                let message = format!("the grid has {size} settings");
                return Err(vec![FieldError::new("space", message).hint(hint)]);
            }
            let mut all = grid(&request.space, *points);
            if all.len() > most {
                random::shuffle(&mut all, &mut random::stream(seed, "sweep.grid"));
                all.truncate(most);
            }
            (all.len(), all)
        }
        Strategy::Random(RandomSearch { trials })
        | Strategy::SuccessiveHalving(SuccessiveHalving { trials, .. }) => {
            let trials = (*trials).min(most);
            if trials.saturating_mul(seeds) > MAX_RUNS {
                return Err(vec![too_many(trials, seeds)]);
            }
            (trials, draw(&request.space, trials, seed))
        }
    };
    if settings.len() < wanted {
        let message = format!(
            "the space has no more than {} settings, so that many are tried, not {wanted}",
            settings.len()
        );
        warnings.push(Warning::new("space_used_up", message));
    }
    if let Some(budget) = request.budget.epochs {
        let cost =
            |trials: usize| total_epochs(&rungs(&request.strategy, trials, epochs), epochs, seeds);
        let affordable = (1..=settings.len()).rev().find(|trials| cost(*trials) <= budget);
        let Some(affordable) = affordable else {
            let message = format!("one setting takes {} epochs", cost(1));
            let hint = "raise it, or lower base.training.epochs or seeds";
            return Err(vec![FieldError::new("budget.epochs", message).hint(hint)]);
        };
        if affordable < settings.len() {
            let message =
                format!("{budget} epochs suffice for {affordable} of {} settings", settings.len());
            warnings.push(Warning::new("budget_cuts_trials", message));
            settings.truncate(affordable);
        }
    }
    Ok(settings)
}

fn too_many(settings: usize, seeds: usize) -> FieldError {
    let message = format!("{settings} settings with {seeds} seeds are too many trainings");
    FieldError::new("strategy", message).hint(format!(
        "a sweep has {MAX_RUNS} trainings at most: name fewer points, trials or seeds, or set \
         budget.trials"
    ))
}

/// An error of a trial's request as one of the sweep's: at the varied field that it is about.
fn located(error: FieldError, request: &SweepRequest, setting: &Setting) -> FieldError {
    let within = |inner: &str, outer: &str| {
        inner
            .strip_prefix(outer)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    let about = |path: &&String| within(&error.field, path) || within(path, &error.field);
    let path = setting.keys().find(about).or_else(|| match setting.len() {
        1 => setting.keys().next(),
        _ => None,
    });
    let told: BTreeMap<&String, &Value> = match path {
        Some(path) => setting.iter().filter(|(field, _)| *field == path).collect(),
        None => setting.iter().collect(),
    };
    let told: Vec<String> =
        told.iter().map(|(field, value)| format!("{field} = {value}")).collect();
    let field = path.map_or_else(|| "space".to_owned(), |path| format!("space.{path}"));
    let message = format!("with {}: {} {}", told.join(", "), error.field, error.message);
    let unknown = error.message == "is not a known field";
    let near = unknown.then(|| nearest(&error.field, request.space.keys().map(String::as_str)));
    let hint = error.hint.or_else(|| near.flatten().map(|near| format!("did you mean {near:?}?")));
    FieldError::new(field, message)
        .hint(hint.unwrap_or_else(|| "change the range so that every setting can run".to_owned()))
}

/// The first error of each field.
fn distinct(errors: Vec<FieldError>) -> Vec<FieldError> {
    let mut kept: Vec<FieldError> = Vec::new();
    for error in errors {
        if !kept.iter().any(|known| known.field == error.field) {
            kept.push(error);
        }
    }
    kept.truncate(MAX_ERRORS);
    kept
}
