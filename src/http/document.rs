//! The API's document, OpenAPI 3.1: what the macros leave open is added here.

use std::sync::OnceLock;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response as Answer};
use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::{Content, ContentBuilder, OpenApi, Ref, RefOr, Response, ResponseBuilder};

use super::problem::Failure;
use super::state::AppState;
use super::{auth, documented};

/// The API's document, OpenAPI 3.1.
pub fn openapi() -> OpenApi {
    finished(documented().to_openapi())
}

/// The document as it is served. It is made when it is first asked for, apart from the executor.
pub(super) async fn document(State(state): State<AppState>) -> Result<Answer, Failure> {
    static TEXT: OnceLock<String> = OnceLock::new();
    // A document that was built can be written as JSON.
    let text = || TEXT.get_or_init(|| serde_json::to_string(&openapi()).unwrap_or_default());
    let text = state.files.run(move || text().as_str()).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], text).into_response())
}

/// The same as text, as it is checked in.
pub fn openapi_json() -> String {
    let document = serde_json::to_value(openapi()).unwrap_or_default();
    format!("{document:#}")
}

/// Handlers of several resources share names, which clients' generators do not take; problems have a
/// content type of their own; and some can happen wherever there is a body, a query or a key.
fn finished(mut document: OpenApi) -> OpenApi {
    for (path, item) in &mut document.paths.paths {
        let resource = path.trim_start_matches("/v1").split('/').nth(1).unwrap_or("").to_owned();
        let operations = [
            (&mut item.get, false),
            (&mut item.put, true),
            (&mut item.post, true),
            (&mut item.patch, true),
            (&mut item.delete, true),
        ];
        for (operation, changes) in operations {
            let Some(operation) = operation else { continue };
            let handler = operation.operation_id.take().unwrap_or_default();
            operation.operation_id = Some(format!("{resource}_{handler}"));
            for (status, description) in shared(path, operation, changes) {
                let responses = &mut operation.responses.responses;
                responses.entry(status.to_owned()).or_insert_with(|| problem(description));
            }
            for (status, response) in &mut operation.responses.responses {
                let RefOr::T(response) = response else { continue };
                if status.starts_with(['4', '5', 'd']) {
                    let content = std::mem::take(&mut response.content);
                    // Errors of another protocol stay what they are.
                    let is_problem = |content: &RefOr<Content>| match content {
                        RefOr::T(Content { schema: Some(RefOr::Ref(schema)), .. }) => {
                            schema.ref_location.ends_with("/Problem")
                        }
                        _ => false,
                    };
                    let problem = |(kind, content)| match is_problem(&content) {
                        true => ("application/problem+json".to_owned(), content),
                        false => (kind, content),
                    };
                    response.content = content.into_iter().map(problem).collect();
                }
            }
        }
    }
    document
}

/// The problems that an operation shares with others of its shape.
fn shared(path: &str, operation: &Operation, changes: bool) -> Vec<(&'static str, &'static str)> {
    let mut shared = vec![("default", "Any other problem, such as 405, 408, 500 or 503")];
    let parameters = operation.parameters.iter().flatten();
    // None here are references.
    let place = |parameter| match parameter {
        &RefOr::T(Parameter { ref parameter_in, .. }) => Some(parameter_in),
        RefOr::Ref(_) => None,
    };
    let mut places = parameters.filter_map(place);
    let body = operation.request_body.as_ref();
    let json =
        matches!(body, Some(RefOr::T(body)) if body.content.contains_key("application/json"));
    if json {
        shared.push(("400", "Not JSON, or a parameter that is unknown or out of range"));
    } else if places.any(|place| matches!(place, ParameterIn::Query | ParameterIn::Path)) {
        shared.push(("400", "A parameter is unknown, out of range or not UTF-8"));
    }
    if !auth::is_open(path) {
        shared.push(("401", "The server has API keys, and the request has none of them"));
    }
    if changes {
        shared.push(("403", "Sent by a page of another origin that is not on the list"));
    }
    if body.is_some() {
        shared.push(("413", "The body is too large, or asks for too much at once"));
        shared.push(("415", "The body's content type, character set or encoding is not supported"));
    }
    shared
}

fn problem(description: &str) -> RefOr<Response> {
    let schema = Ref::from_schema_name("Problem");
    let content = ContentBuilder::new().schema(Some(schema)).build();
    let response = ResponseBuilder::new().description(description);
    response.content("application/json", content).build().into()
}
