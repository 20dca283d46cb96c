//! `/problems`: what every kind of problem means and what to do about it.

use axum::Json;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::Failure;
use super::query::Path;
use crate::problem::{Code, Problem};

/// A kind of problem, explained.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ProblemKind {
    /// The `type` of problems of this kind.
    #[serde(rename = "type")]
    #[schema(example = "/problems/invalid-dataset")]
    pub kind: String,
    /// Its stable name.
    pub code: String,
    /// HTTP status.
    pub status: u16,
    /// Short summary.
    pub title: String,
    /// What it means and what to do about it.
    pub meaning: String,
}

fn explained(code: Code) -> ProblemKind {
    ProblemKind {
        kind: format!("/problems/{}", code.slug()),
        code: code.slug().to_owned(),
        status: code.status(),
        title: code.title().to_owned(),
        meaning: code.meaning().to_owned(),
    }
}

/// Every kind of problem.
#[utoipa::path(get, path = "/problems", tag = "operations",
    responses((status = 200, description = "All kinds of problem", body = Vec<ProblemKind>)))]
pub async fn list() -> Json<Vec<ProblemKind>> {
    Json(Code::ALL.iter().map(|code| explained(*code)).collect())
}

/// A kind of problem, explained.
#[utoipa::path(get, path = "/problems/{code}", tag = "operations",
    params(("code" = String, Path, description = "Stable name of the kind", example = "invalid-dataset")),
    responses((status = 200, description = "The kind of problem", body = ProblemKind),
              (status = 404, description = "No such kind", body = Problem)))]
pub async fn explain(Path(slug): Path<String>) -> Result<Json<ProblemKind>, Failure> {
    let code = Code::ALL.iter().find(|code| code.slug() == slug);
    Ok(Json(explained(*code.ok_or_else(|| Problem::not_found("kind of problem", &slug))?)))
}
