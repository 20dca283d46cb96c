//! HTTP: the route table, the layers that every request passes, and the API's document.

pub mod aliases;
pub mod auth;
pub mod catalog;
pub mod compare;
mod dashboard;
pub mod datasets;
mod document;
pub mod evaluate;
pub mod evaluations;
pub mod extract;
pub mod figures;
pub mod flagged_texts;
pub mod follow;
pub mod generate;
mod guard;
pub mod health;
pub mod inference;
pub mod jobs;
pub mod limitations;
pub mod media;
pub mod meters;
pub mod models;
pub mod monitoring;
pub mod observe;
pub mod page;
pub mod problem;
pub mod problems;
pub mod query;
pub mod remedies;
pub mod resume;
pub mod runs;
pub mod schema;
pub mod score;
mod sources;
pub mod state;
mod stored_records;
pub mod sweeps;
pub mod test_records;
pub mod upload;

use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use axum::{Json, Router};
use tower::ServiceBuilder;
use tower_http::cors::{AllowOrigin, CorsLayer};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::{PathItemExt, routes};
use utoipa_swagger_ui::SwaggerUi;

use crate::job::Job;
use crate::problem::{Code, Problem};
use crate::store::StoreError;
use crate::store::idempotency::{Keyed, Remembered};
pub use document::{openapi, openapi_json};
pub use state::{AppState, Shared};

/// Bytes of a JSON body, uploads apart: twice what the texts of a scoring request may have.
const MAX_JSON_BYTES: usize = 32 << 20;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Whereof",
        description = "Trains neural networks and says what their limitations are: how much of a \
                       text the model has seen, whether it comes from where the model was trained, \
                       how sure the answer is, and whether to accept it. Every error is a problem \
                       (RFC 9457) with a stable `type`.",
        // Without its identifier, which pages turn into a dead link: it names two licences.
        license(name = "MIT OR Apache-2.0")
    ),
    // A key is needed only where the server has keys.
    security((), ("api_key" = [])),
    modifiers(&ApiKey),
    components(schemas(crate::eval::detector::DetectorKind)),
    tags(
        (name = "datasets", description = "Upload records and look at them"),
        (name = "jobs", description = "Train, follow, cancel, stop"),
        (name = "runs", description = "What a training did, step by step"),
        (name = "models", description = "Score, evaluate, name, move"),
        (name = "inference", description = "The same models, for clients of the Open Inference Protocol"),
        (name = "operations", description = "Health, metrics, problems"),
    )
)]
struct Api;

/// Describes the API key, so that the page can send one.
struct ApiKey;

impl Modify for ApiKey {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let description = "A key of this server, if it was started with keys";
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
        let scheme = SecurityScheme::Http(scheme.description(Some(description)).build());
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("api_key", scheme);
    }
}

/// The whole API on one page: the handlers of each path. `$with` makes an entry of them: `served` to answer
/// requests, `routes` with what the document says of them, which takes tens of milliseconds.
macro_rules! api {
    ($router:expr, $with:ident) => {
        $router
            .routes($with!(datasets::list, datasets::upload))
            .routes($with!(datasets::get, datasets::delete))
            .routes($with!(datasets::records))
            .routes($with!(figures::of_dataset))
            .routes($with!(jobs::list, jobs::submit))
            .routes($with!(follow::get))
            .routes($with!(follow::events))
            .routes($with!(jobs::cancel))
            .routes($with!(jobs::stop))
            .routes($with!(sweeps::sweep))
            .routes($with!(figures::of_job))
            .routes($with!(evaluations::evaluation))
            .routes($with!(evaluations::results))
            .routes($with!(catalog::catalog))
            .routes($with!(runs::list))
            .routes($with!(runs::get))
            .routes($with!(compare::compare))
            .routes($with!(figures::of_comparison))
            .routes($with!(runs::metrics))
            .routes($with!(test_records::test_records))
            .routes($with!(figures::of_run))
            .routes($with!(resume::resume))
            .routes($with!(models::list, models::import))
            .routes($with!(models::get, models::rename, models::delete))
            .routes($with!(models::card))
            .routes($with!(models::download))
            .routes($with!(figures::of_model))
            .routes($with!(score::score))
            .routes($with!(evaluate::evaluate))
            .routes($with!(limitations::limitations))
            .routes($with!(remedies::apply_remedy))
            .routes($with!(limitations::compare::compare_limitations))
            .routes($with!(monitoring::monitoring, monitoring::reset))
            .routes($with!(
                flagged_texts::flagged_texts,
                flagged_texts::keep_flagged_texts,
                flagged_texts::forget_flagged_texts
            ))
            .routes($with!(aliases::list))
            .routes($with!(aliases::put, aliases::delete))
            .routes($with!(health::live))
            .routes($with!(health::ready))
            .routes($with!(health::metrics))
            .routes($with!(inference::server))
            .routes($with!(inference::live))
            .routes($with!(inference::ready))
            .routes($with!(inference::model))
            .routes($with!(inference::model_ready))
            .routes($with!(inference::infer))
            .routes($with!(problems::list))
            .routes($with!(problems::explain))
    };
}

/// What the document is made of.
fn documented() -> OpenApiRouter<AppState> {
    api!(OpenApiRouter::with_openapi(Api::openapi()), routes)
}

/// A path and what answers there.
macro_rules! served {
    ($first:path $(, $other:path)* $(,)?) => {{
        let methods = served!(@on axum::routing::MethodRouter::new(), $first);
        $(let methods = served!(@on methods, $other);)*
        (utoipa_axum::paste! { routes!(@path [path()] of $first) }, methods)
    }};
    (@on $methods:expr, $handler:path) => {
        utoipa_axum::paste! { routes!(@path [methods()] of $handler) }
            .iter()
            .fold($methods, |methods, kind| methods.on(kind.to_method_filter(), $handler))
    };
}

/// Paths that are answered.
struct Served(Router<AppState>);

impl Served {
    fn routes(self, (path, methods): (String, MethodRouter<AppState>)) -> Self {
        Self(self.0.route(&path, methods))
    }
}

/// The service.
pub fn router(state: AppState) -> Router {
    let Served(router) = api!(Served(Router::new()), served);
    let docs = SwaggerUi::new("/docs").config(docs_page());
    // Without a list, every request is spared the look.
    let origins = Some(&state.config.cors_origins).filter(|origins| !origins.is_empty());
    let layers = ServiceBuilder::new()
        .layer(observe::Observe(state.clone()))
        .option_layer(origins.map(|origins| cors(origins)))
        .layer(guard::Guard(state.clone()))
        .layer(DefaultBodyLimit::max(MAX_JSON_BYTES));
    router
        .merge(docs)
        .route("/openapi.json", get(document::document))
        .route("/", get(dashboard::page))
        .route("/assets/{name}", get(dashboard::asset))
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .layer(layers)
        .with_state(state)
}

/// How the API's page looks. It asks nothing of other hosts.
fn docs_page() -> utoipa_swagger_ui::Config<'static> {
    utoipa_swagger_ui::Config::new(["/openapi.json"])
        // Elsewhere than on localhost it would send the document's address to a validator.
        .validator_url("none")
        // No bar on top: it has another product's name and loads documents of other hosts.
        .use_base_layout()
        // Schemas are shown where they are used; the list of all stays folded.
        .default_models_expand_depth(0)
        .default_model_expand_depth(3)
        .display_request_duration(true)
}

async fn unknown_path(uri: axum::http::Uri) -> Response {
    let problem = Problem::not_found("path", uri.path()).hint("GET /docs lists the paths");
    problem::respond(&problem)
}

async fn unknown_method(method: Method, uri: axum::http::Uri) -> Response {
    let detail = format!("{} does not accept {method}", uri.path());
    problem::respond(&Problem::new(Code::MethodNotAllowed, detail))
}

/// Pages of other origins may call only if they are on the list.
fn cors(origins: &[String]) -> CorsLayer {
    let origins: Vec<HeaderValue> = origins.iter().filter_map(|o| o.parse().ok()).collect();
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::CONTENT_TYPE,
            header::AUTHORIZATION,
            header::IF_NONE_MATCH,
            HeaderName::from_static("x-api-key"),
            HeaderName::from_static("idempotency-key"),
            HeaderName::from_static("last-event-id"),
        ])
        .expose_headers([header::LOCATION, header::ETAG, header::RETRY_AFTER, observe::REQUEST_ID])
}

/// The answer that a request with the same key was given before, if there was one.
async fn replayed(
    state: &AppState,
    keyed: Option<&Keyed>,
) -> Result<Option<Response>, problem::Failure> {
    let Some(keyed) = keyed else { return Ok(None) };
    Ok(state.store.recall(keyed).await?.map(replay))
}

/// The answer to a request with the same key that came first at the same moment, or the error.
async fn replay_taken(
    state: &AppState,
    keyed: Option<&Keyed>,
    error: StoreError,
) -> Result<Response, problem::Failure> {
    let before = match error {
        StoreError::KeyTaken => replayed(state, keyed).await?,
        _ => None,
    };
    before.ok_or_else(|| error.into())
}

/// 202, and where the job is that was inserted.
async fn accepted(
    state: &AppState,
    keyed: Option<&Keyed>,
    inserted: Result<Job, StoreError>,
) -> Result<Response, problem::Failure> {
    let job = match inserted {
        Ok(job) => job,
        Err(error) => return replay_taken(state, keyed, error).await,
    };
    let location = format!("/v1/jobs/{}", job.id);
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(job)).into_response())
}

/// An answer that was given before, given again.
fn replay(before: Remembered) -> Response {
    let status = StatusCode::from_u16(before.status).unwrap_or(StatusCode::OK);
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (header::LOCATION, before.location),
        (HeaderName::from_static("idempotent-replay"), "true".to_owned()),
    ];
    (status, headers, before.answer).into_response()
}
