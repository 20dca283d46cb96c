//! `/v1/models/{model}/evaluate`: an evaluation at once. As a job it stands in [`super::evaluations`].

use std::io::BufReader;

use axum::Json;
use axum::extract::State;

use super::extract::Body;
use super::problem::Failure;
use super::query::Path;
use super::state::AppState;
use crate::data::error::DataError;
use crate::data::records;
use crate::job::evaluate::part::Part;
use crate::job::evaluate::plan::Plan;
use crate::job::evaluate::recall::Held;
use crate::job::evaluate::report::{Material, report};
use crate::job::evaluate::{EvaluateRequest, EvaluateResponse};
use crate::model::criteria::Criteria;
use crate::problem::Problem;
use crate::store::Artifacts;

/// Records that are evaluated at once.
const MAX_EVALUATED: u64 = 10_000;

/// Evaluate a model on records. With labels: accuracy beside coverage, overall, by the values of a
/// column and by coverage. Without: estimated accuracy, what is new, which records to label first. With
/// and without: whether the records have shifted from those that the model was calibrated on.
///
/// 10,000 records at most, after `only`: `POST /v1/jobs` with the kind `evaluate` takes any number.
#[utoipa::path(post, path = "/v1/models/{model}/evaluate", tag = "models",
    params(("model" = String, Path, description = "Id, name or name@alias", example = "sentiment")),
    request_body(content = EvaluateRequest, examples(
        ("with labels" = (value = json!({"dataset": "ds_74f25f4a1c310ee85af434388a95b276", "slice": "sentiment"}))),
        ("without labels" = (value = json!({"dataset": "ds_74f25f4a1c310ee85af434388a95b276", "labels": false}))))),
    responses((status = 200, description = "The evaluation", body = EvaluateResponse),
              (status = 404, description = "No such model or dataset", body = Problem),
              (status = 422, description = "Not valid", body = Problem)))]
pub async fn evaluate(
    State(state): State<AppState>,
    Path(reference): Path<String>,
    body: Body<EvaluateRequest>,
) -> Result<Json<EvaluateResponse>, Failure> {
    let request = body.value;
    let id = state.store.resolve_model(&reference).await?;
    let dataset = state.store.dataset(&request.dataset).await?;
    let model = state.scorer.model(&id).await?;
    let plan = Plan::new(&request, &model, dataset.profile())?;
    let own = match plan.is_own {
        true => Some(state.store.training_table(&model.spec).await?),
        false => None,
    };
    let file = state.store.artifacts.file(&Artifacts::dataset_key(&dataset.id)).await?;
    let of_records = model.clone();
    let read = move || -> Result<_, Problem> {
        let file = std::fs::File::open(file.path()).map_err(DataError::from)?;
        let input = BufReader::with_capacity(1 << 18, file);
        let columns = records::read_columns(input, plan.positions())?;
        let chosen = plan.choose(columns, 1);
        let count = chosen.rows.len() as u64;
        plan.check_count(count, chosen.left_out, Some(MAX_EVALUATED))?;
        let part = Part::read(&plan, &of_records, chosen)?;
        let own = own.map(|own| own.read()).transpose()?;
        Ok((plan, part, own))
    };
    let (plan, mut part, own) = state.files.run(read).await??;
    let work = move || {
        let criteria = Criteria::new(&model, plan.thresholds);
        let weighed = part.weigh(&model)?;
        let measured = part.measure(&model, &weighed, &criteria);
        let tally = std::mem::take(&mut part.tally);
        let recall = Held { records: &part.records, weighed: &weighed };
        let material = Material {
            model_id: &id,
            dataset: &dataset.id,
            plan: &plan,
            model: &model,
            criteria: &criteria,
            measured: &measured,
            tally,
            own,
        };
        report(material, &recall)
    };
    Ok(Json(state.scorer.work(work).await?))
}
