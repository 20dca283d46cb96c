//! `POST /v1/runs/{id}/resume`: a job that goes on from where a run ended.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use super::extract::{Body, IdempotencyKey};
use super::jobs::SubmitQuery;
use super::problem::Failure;
use super::query::{Path, Query};
use super::state::AppState;
use crate::job::{Job, JobStatus, Kept, Run, Validated};
use crate::learn::stopping::EndReason;
use crate::model::resolve::Resolved;
use crate::model::resolve::extend::{Reached, ResumeRequest, extend};
use crate::problem::{Code, Problem};
use crate::store::{Artifacts, StoreError};

/// Extend a run that has ended by more epochs.
///
/// It makes a new job with a run and a model of its own, to the same spec with more epochs; the old
/// run and its model stay as they are. The new run starts from the last state of the old one
/// (parameters, optimiser, schedule, early stopping, place in the epoch), counts epochs and steps on
/// from there, and `continues` names the old one.
///
/// N epochs extended by M give, bit for bit, the model of N + M epochs in one go, if the schedule is
/// not spread over the whole training and early stopping is the same. `linear` (the default),
/// `polynomial`, `one_cycle`, `cosine` without `t_0` and a warm-up by `share` are spread so: there the
/// rate goes on as that of a training of the new length at that step, and a warning says so. A
/// `patience` that was left to its default is a tenth of the epochs first asked for, and stays that.
///
/// A run that was stopped, or ended by a limit, within an epoch goes on within it. A limit that ended
/// the run (`max_steps`, `max_seconds`, `target`) holds no longer; after early stopping, patience
/// begins anew.
///
/// A run can be extended if it succeeded or was stopped, or failed for no fault of its own after a
/// checkpoint, and its `checkpoint` is still kept: until its model or its dataset is deleted, and not
/// with `training.keep_state` false. One that started from another model (`init_from`) needs that
/// model too.
#[utoipa::path(post, path = "/v1/runs/{id}/resume", tag = "runs",
    params(SubmitQuery, ("id" = String, Path, description = "Id of the run"),
        ("Idempotency-Key" = Option<String>, Header, description = "Repeats of a key are answered alike for a day")),
    request_body(content = ResumeRequest, example = json!({"epochs": 5})),
    responses((status = 202, description = "Accepted", body = Job),
              (status = 200, description = "Valid (`validate_only`)", body = Validated),
              (status = 404, description = "No such run", body = Problem),
              (status = 409, description = "The run cannot be extended, or the idempotency key was used with another request", body = Problem),
              (status = 422, description = "Not valid: every field at fault is listed", body = Problem),
              (status = 429, description = "The queue is full", body = Problem)))]
pub async fn resume(
    State(state): State<AppState>,
    Path(id): Path<String>,
    Query(query): Query<SubmitQuery>,
    key: IdempotencyKey,
    body: Body<ResumeRequest>,
) -> Result<Response, Failure> {
    let keyed = key.on(&format!("POST /v1/runs/{id}/resume"), body.hash());
    let keyed = keyed.as_ref().filter(|_| !query.validate_only);
    if let Some(before) = super::replayed(&state, keyed).await? {
        return Ok(before);
    }
    let run = state.store.run(&id).await?;
    let job = state.store.job(&run.job).await?;
    let kept = kept(&run, &job)?;
    let dataset = match state.store.dataset(&run.spec.dataset).await {
        Err(StoreError::NotFound { .. }) => {
            let detail = format!("the dataset of the run {id:?} has been deleted");
            return Err(Problem::new(Code::Conflict, detail).hint(TRAIN_ANEW).into());
        }
        other => other?,
    };
    if let Some(init) = &run.spec.init_from {
        match state.store.artifacts.file(&Artifacts::model_key(&init.sha256)).await {
            Err(StoreError::ArtifactMissing { .. }) => {
                let detail = format!(
                    "the run {id:?} cannot be extended: the model {:?} that it started from has \
                     been deleted, and with it how records are read",
                    init.model
                );
                return Err(Problem::new(Code::Conflict, detail).hint(TRAIN_ANEW).into());
            }
            other => other?,
        };
    }
    let reached = Reached { epochs: kept.epochs as usize, reason: run.end_reason };
    let Resolved { spec, estimate, warnings } =
        extend(&run.spec, reached, &body.value, &dataset.profile())
            .map_err(|errors| Problem::fields(Code::InvalidRequest, errors))?;
    if query.validate_only {
        let (spec, estimate) = (Some(spec), Some(estimate));
        let (sweep, evaluation, diagnosis) = (None, None, None);
        let validated =
            Validated { valid: true, spec, estimate, warnings, sweep, evaluation, diagnosis };
        return Ok(Json(validated).into_response());
    }
    let limits = (state.config.max_attempts, i64::from(state.config.max_queued));
    let store = &state.store;
    let inserted = store.insert_continuation(&id, &spec, &warnings, limits, keyed).await;
    super::accepted(&state, keyed, inserted).await
}

const TRAIN_ANEW: &str = "submit its spec as a new job, with the epochs that you want";

/// The state to go on from, or why there is none.
fn kept(run: &Run, job: &Job) -> Result<Kept, Problem> {
    let refuse = |why: &str, hint: &str| {
        let detail = format!("the run {:?} cannot be extended: {why}", run.id);
        Err(Problem::new(Code::Conflict, detail).hint(hint))
    };
    if run.trial.is_some() || job.kind == "sweep" {
        return refuse("it is part of a sweep, which keeps no states", TRAIN_ANEW);
    }
    if run.spec.range_test.is_some() {
        return refuse("it is a range test, which makes no model", "train, and extend that");
    }
    match run.status {
        JobStatus::Queued | JobStatus::Running | JobStatus::Cancelling => {
            return refuse("it has not ended", "wait for it to end, or stop its job");
        }
        JobStatus::Cancelled => {
            return refuse("it was cancelled, and kept nothing", TRAIN_ANEW);
        }
        JobStatus::Succeeded | JobStatus::Stopped | JobStatus::Failed => {}
    }
    match (run.checkpoint, run.end_reason) {
        (Some(kept), _) => Ok(kept),
        (None, Some(EndReason::Diverged)) => {
            refuse("it diverged", "train anew with a lower optimizer.learning_rate")
        }
        (None, None) => refuse("it failed and left no state to go on from", TRAIN_ANEW),
        (None, Some(_)) if !run.spec.training.keep_state => {
            refuse("training.keep_state is false, so that its last state was not kept", TRAIN_ANEW)
        }
        (None, Some(_)) => {
            refuse("its last state was deleted, with its model or its dataset", TRAIN_ANEW)
        }
    }
}
