//! A server that reads the same body and answers a constant: the most that this stack of HTTP gives.

use axum::body::Bytes;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::Value;

use crate::Options;
use crate::support::Failure;

/// The parts of a request that the load sends.
#[derive(Deserialize)]
struct Asked {
    text: Option<String>,
    texts: Option<Vec<String>>,
    top_labels: Option<usize>,
    detail: Option<String>,
}

/// Listens on `--address` and answers with the bytes of `--answer`, until it is killed.
pub fn run(options: &Options) -> Result<Value, Failure> {
    let answer = Bytes::from(std::fs::read(options.need("answer")?)?);
    let address = options.need("address")?.to_owned();
    let respond = move |Json(asked): Json<Asked>| {
        let answer = answer.clone();
        async move {
            std::hint::black_box((&asked.text, &asked.texts, asked.top_labels, &asked.detail));
            ([(header::CONTENT_TYPE, "application/json")], answer).into_response()
        }
    };
    // As many threads as the service has: one for each core it may use.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(&address).await?;
        axum::serve(listener, Router::new().route("/score", post(respond))).await?;
        Ok::<_, Failure>(())
    })?;
    Ok(Value::Null)
}
