//! Jobs and runs: what is asked for, what state it is in, what it left.

pub mod compare;
pub mod evaluate;
pub mod execute;
pub mod history;
pub mod sweep;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::clock::Timestamp;
use crate::diagnose::request::{DiagnoseRequest, DiagnoseSpec};
use crate::learn::range_test::RangeTestReport;
use crate::model::card::PartMetrics;
use crate::model::estimate::Estimate;
use crate::model::spec::{RangeTestRequest, TrainRequest, TrainSpec, Warning};
use crate::problem::Problem;

/// What a job is asked to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum JobRequest {
    /// Train a model on a dataset.
    Train(TrainRequest),
    /// Find a learning rate for a training, without making a model.
    RangeTest(RangeTestRequest),
    /// Train a model many times over a space of settings, and keep the best.
    Sweep(sweep::SweepRequest),
    /// Find the limitations of a model, and try what helps.
    Diagnose(DiagnoseRequest),
    /// Evaluate a model on a dataset of any size.
    Evaluate(evaluate::EvaluateJobRequest),
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// Waiting for a worker.
    Queued,
    /// A worker is on it. If it was asked to stop, `end_requested` says so.
    Running,
    /// It was asked to cancel, and has not ended yet.
    Cancelling,
    /// It ended with a model, with the curve of a range test, or with the report of an evaluation.
    Succeeded,
    /// It was asked to stop, and kept the best model, the curve or the evaluated records that it had.
    Stopped,
    /// It was asked to cancel, and kept nothing.
    Cancelled,
    /// It ended without a model; `error` says why.
    Failed,
}

impl JobStatus {
    /// Every status.
    pub const ALL: [JobStatus; 7] = [
        Self::Queued,
        Self::Running,
        Self::Cancelling,
        Self::Succeeded,
        Self::Stopped,
        Self::Cancelled,
        Self::Failed,
    ];

    /// Its name in JSON and in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Cancelling => "cancelling",
            Self::Succeeded => "succeeded",
            Self::Stopped => "stopped",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }

    /// The status of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }

    /// Whether nothing more will happen.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Stopped | Self::Cancelled | Self::Failed)
    }
}

/// How a running job was asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndRequest {
    /// Keep the best model so far.
    Stop,
    /// Keep nothing.
    Cancel,
}

impl EndRequest {
    /// Its name in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Cancel => "cancel",
        }
    }

    /// The request of a name.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "stop" => Some(Self::Stop),
            "cancel" => Some(Self::Cancel),
            _ => None,
        }
    }
}

/// A job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Job {
    /// Its id.
    #[schema(example = "job_019ab3c1d2e37a4f8b6c5d4e3f2a1b0c")]
    pub id: String,
    /// What it does: `train`, `range_test`, `sweep`, `evaluate` or `diagnose`.
    #[schema(example = "train")]
    pub kind: String,
    /// Where it stands.
    pub status: JobStatus,
    /// The dataset it reads.
    pub dataset: String,
    /// The run it performs; absent of an evaluation, which trains nothing.
    #[schema(required = false)]
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub run: String,
    /// The model it made; there when a training succeeded or stopped. Of an evaluation or a
    /// diagnosis, the model that it looks at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Jobs that come before it; there while it is queued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_position: Option<u64>,
    /// Share of the work done, in \[0, 1\].
    pub progress: f64,
    /// What it is busy with: `vectorizing`, `training` or `evaluating`; at the end of an evaluation,
    /// `reporting`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Seconds until it ends if it takes every epoch; there while it trains.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eta_seconds: Option<f64>,
    /// How it was asked to end: one that was asked to `stop` runs on until its best model is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_requested: Option<EndRequest>,
    /// Times that a worker took it up.
    pub attempt: u32,
    /// Times that a worker may take it up before it counts as failed.
    pub max_attempts: u32,
    /// What the user should know: of the request, and while a training runs what it shows, such as
    /// `diverging`, `plateau`, `overfitting` or `dead_units`, each once.
    pub warnings: Vec<Warning>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When a worker first took it up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// When anything of it last changed.
    pub updated_at: Timestamp,
    /// Rises with every change; the `ETag`.
    #[serde(skip)]
    pub version: i64,
}

/// What `?validate_only=true` answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Validated {
    /// Always `true`: a request that is not valid is answered with a problem.
    pub valid: bool,
    /// The request with every default filled in; absent of an evaluation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<TrainSpec>,
    /// What it will cost; absent of an evaluation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<Estimate>,
    /// What the user should know.
    pub warnings: Vec<Warning>,
    /// The sweep, where it is one; `spec` and `estimate` are then of its base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<sweep::SweepSpec>,
    /// The diagnosis, where it is one; `spec` is then its model's, and `estimate` that of all it may
    /// train.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diagnosis: Option<DiagnoseSpec>,
    /// The evaluation, where it is one, with the id of its model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluation: Option<evaluate::EvaluateJobRequest>,
}

/// Where and with what a run was computed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Environment {
    /// Version of Whereof.
    pub whereof_version: String,
    /// Commit that it was built from, where the build knew it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Operating system and processor architecture.
    pub platform: String,
    /// Where tensors were.
    pub device: String,
    /// Threads that the run could use.
    pub threads: usize,
    /// Vector extensions of the processor that the kernels ask for.
    pub cpu_features: Vec<String>,
    /// Seed of the run.
    pub seed: u64,
}

/// Seconds spent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Seconds {
    /// Over all attempts. Of one that was killed, up to what it last recorded.
    pub total: f64,
    /// In each phase, over all attempts.
    pub phases: BTreeMap<String, f64>,
}

impl Seconds {
    /// These seconds and others.
    pub fn plus(&self, other: &Self) -> Self {
        let mut phases = self.phases.clone();
        for (phase, seconds) in &other.phases {
            *phases.entry(phase.clone()).or_default() += seconds;
        }
        Self { total: self.total + other.total, phases }
    }
}

/// One training or range test, with its spec and its outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Run {
    /// Its id.
    pub id: String,
    /// The job that performs it.
    pub job: String,
    /// Which setting of a sweep it trains, or which probe of a diagnosis it is, from 1; absent where
    /// it is part of neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trial: Option<u64>,
    /// Where it stands.
    pub status: JobStatus,
    /// The resolved spec: enough to repeat it. A probe of a diagnosis may train on part of the records
    /// that this names; the report says which.
    pub spec: TrainSpec,
    /// Where and with what it was computed; there once it started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// Metrics of each part; there once it ended with a model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<PartMetrics>,
    /// The epoch whose parameters were kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_epoch: Option<u64>,
    /// Epochs trained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs: Option<u64>,
    /// Steps trained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u64>,
    /// Why training ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_reason: Option<crate::learn::stopping::EndReason>,
    /// What a range test found: curve and suggestion; there once it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range_test: Option<RangeTestReport>,
    /// Time spent so far; there once it started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<Seconds>,
    /// The model it made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What the user should know; grows while it trains. Of a setting of a sweep, there once it
    /// ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
    /// The run that it goes on from, whose history comes before its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continues: Option<String>,
    /// The last state that is kept. Once the run has ended, `POST /v1/runs/{id}/resume` goes on from
    /// there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Kept>,
    /// When it was accepted.
    pub created_at: Timestamp,
}

/// A state of a training that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Kept {
    /// Whole epochs done.
    pub epochs: u64,
    /// Steps done.
    pub steps: u64,
}

/// A value of a metric at a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetricPoint {
    /// Steps done.
    pub step: u64,
    /// Epoch, from 1.
    pub epoch: u32,
    /// The value; may be NaN or infinite.
    pub value: f64,
    /// When.
    pub time: Timestamp,
}
