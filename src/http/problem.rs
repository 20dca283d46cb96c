//! Problems on the wire: `application/problem+json`, with the request's id and `Retry-After`.

use axum::Json;
use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::problem::{Code, Problem};

/// What handlers fail with: anything that becomes a [`Problem`].
#[derive(Debug)]
pub struct Failure(pub Box<Problem>);

impl<E: Into<Problem>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(Box::new(error.into()))
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        respond(&self.0)
    }
}

/// A response that carries the problem along, so that the outermost layer can add the request's id.
pub fn respond(problem: &Problem) -> Response {
    let mut response = render(problem);
    response.extensions_mut().insert(problem.clone());
    response
}

/// The response itself.
pub fn render(problem: &Problem) -> Response {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Json(problem)).into_response();
    let headers = response.headers_mut();
    let problem_json = HeaderValue::from_static("application/problem+json");
    headers.insert(header::CONTENT_TYPE, problem_json);
    if let Some(seconds) = problem.retry_after_seconds {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if problem.status == 401 {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

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
