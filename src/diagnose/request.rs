//! What a diagnosis is asked for.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A diagnosis, as it is asked for: what are the limitations of this model, what can be done about
/// them, and does it help?
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DiagnoseRequest {
    /// The model: its id, `name`, `name@alias`, or the job or run that made it. The dataset that it
    /// was made from must still be stored.
    #[schema(min_length = 1, max_length = 200, example = "sentiment")]
    pub model: String,
    /// What it may cost.
    #[serde(default)]
    pub budget: DiagnoseBudget,
    /// Trainings of each setting that is compared, with seeds from the model's own on. Default: 3.
    #[serde(default)]
    #[schema(minimum = 3, maximum = 20)]
    pub seeds: Option<usize>,
    /// Remedies that are tried at most, the most promising first. Default: 2.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 10)]
    pub remedies: Option<usize>,
    /// Only look for these limitations. Default: all that apply; `GET /v1/catalog` lists them.
    #[serde(default)]
    #[schema(max_items = 100)]
    pub only: Option<Vec<String>>,
    /// A column of the dataset whose values are topics, such as `category`: each is left out of training
    /// to see how the model does on what it has not seen, and test records of topics that training has
    /// none of are told of. Default: topics that the texts' words show.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200, example = "category")]
    pub slice: Option<String>,
    /// Seed of what is drawn: random changes, folds, resamples. Default: 1.
    #[serde(default)]
    pub seed: Option<u64>,
}

/// What a diagnosis may cost. It ends at whichever limit it comes to first, with what it has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct DiagnoseBudget {
    /// Trainings at most, in units of the model's own: one on half the records counts half. A model's own
    /// training of fewer than 200 steps counts as so much less. Default: 20.
    #[schema(minimum = 1.0, maximum = 1000.0)]
    pub runs: Option<f64>,
    /// Epochs of all trainings together at most. Default: no limit.
    #[schema(minimum = 1, maximum = 100_000_000)]
    pub epochs: Option<u64>,
    /// Seconds from its start. Default: no limit.
    #[schema(minimum = 1, maximum = 31_536_000)]
    pub seconds: Option<u64>,
}

/// A diagnosis, resolved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DiagnoseSpec {
    /// Id of the model.
    pub model: String,
    /// What it may cost.
    pub budget: ResolvedBudget,
    /// Trainings of each setting that is compared.
    pub seeds: usize,
    /// Remedies that are tried at most.
    pub remedies: usize,
    /// Limitations that are looked for; all that apply where there is no list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<Vec<String>>,
    /// The column whose values are topics.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slice: Option<String>,
    /// Seed of what is drawn.
    pub seed: u64,
}

/// What a diagnosis may cost, resolved.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ResolvedBudget {
    /// Trainings, in units of the model's own.
    pub runs: f64,
    /// Epochs of all trainings together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epochs: Option<u64>,
    /// Seconds from its start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
}

const RUNS: f64 = 20.0;
const SEEDS: usize = 3;
const REMEDIES: usize = 2;

impl DiagnoseRequest {
    /// With every default filled in. `model` is the id that the request's reference means.
    pub fn resolve(&self, model: String) -> DiagnoseSpec {
        DiagnoseSpec {
            model,
            budget: ResolvedBudget {
                runs: self.budget.runs.unwrap_or(RUNS),
                epochs: self.budget.epochs,
                seconds: self.budget.seconds,
            },
            seeds: self.seeds.unwrap_or(SEEDS),
            remedies: self.remedies.unwrap_or(REMEDIES),
            only: self.only.clone(),
            slice: self.slice.clone(),
            seed: self.seed.unwrap_or(1),
        }
    }
}
