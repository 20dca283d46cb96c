//! A small client of the API, for the demo and the tests: JSON, uploads, server-sent events.

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::problem::Problem;

/// Why a call did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server answered with a problem.
    #[error("{0}")]
    Problem(Box<Problem>),
    /// The server did not answer.
    #[error("{0} does not answer: {1}")]
    Unreachable(String, String),
    /// The answer is not what the API promises.
    #[error("unexpected answer: {0}")]
    Unexpected(String),
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl Answer {
    /// The body as a type, or the problem that it is.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        if !self.status.is_success() {
            return Err(match serde_json::from_slice(&self.body) {
                Ok(problem) => ClientError::Problem(Box::new(problem)),
                Err(_) => ClientError::Unexpected(format!("{}: {:?}", self.status, self.body)),
            });
        }
        serde_json::from_slice(&self.body).map_err(|e| ClientError::Unexpected(e.to_string()))
    }

    /// The body as JSON, whatever the status.
    pub fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// A client of one server.
#[derive(Clone)]
pub struct Client {
    base: String,
    key: Option<String>,
    http: HyperClient<HttpConnector, Full<Bytes>>,
}

impl Client {
    /// A client of `base`, such as `http://127.0.0.1:8080`.
    pub fn new(base: impl Into<String>) -> Self {
        let http = HyperClient::builder(TokioExecutor::new()).build_http();
        Self { base: base.into(), key: None, http }
    }

    /// The same with an API key.
    pub fn with_key(self, key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..self }
    }

    /// Where the server is.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Sends a request; `path` starts with a slash.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Answer, ClientError> {
        let response = self.open(method, path, headers, body.into()).await?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(|e| self.unreachable(&e))?.to_bytes();
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }

    async fn open(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Result<axum::http::Response<hyper::body::Incoming>, ClientError> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(key) = &self.key {
            request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        }
        let request = request
            .body(Full::new(body))
            .map_err(|e| ClientError::Unexpected(format!("not a request: {e}")))?;
        self.http.request(request).await.map_err(|e| self.unreachable(&e))
    }

    fn unreachable(&self, error: &dyn std::error::Error) -> ClientError {
        let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        ClientError::Unreachable(self.base.clone(), cause)
    }

    /// `GET` as a type.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.send(Method::GET, path, &[], Bytes::new()).await?.json()
    }

    /// `POST` of JSON as a type.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &Value,
    ) -> Result<T, ClientError> {
        self.post_as(path, "application/json", body.to_string()).await?.json()
    }

    /// `POST` of a body with a content type.
    pub async fn post_as(
        &self,
        path: &str,
        content_type: &str,
        body: impl Into<Bytes>,
    ) -> Result<Answer, ClientError> {
        self.send(Method::POST, path, &[("content-type", content_type)], body).await
    }

    /// Follows server-sent events until the stream ends or `visit` returns `false`. `visit` is given
    /// the kind and the data of each.
    pub async fn events(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        mut visit: impl FnMut(&SentEvent) -> bool,
    ) -> Result<(), ClientError> {
        let response = self.open(Method::GET, path, headers, Bytes::new()).await?;
        let (parts, mut body) = response.into_parts();
        if !parts.status.is_success() {
            let body = body.collect().await.map_err(|e| self.unreachable(&e))?.to_bytes();
            let answer = Answer { status: parts.status, headers: parts.headers, body };
            return answer.json::<Value>().map(|_| ());
        }
        let mut buffer = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|e| self.unreachable(&e))?;
            buffer.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
            while let Some(end) = buffer.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = buffer.drain(..end + 2).collect();
                let event = SentEvent::parse(&String::from_utf8_lossy(&block));
                if !event.kind.is_empty() && !visit(&event) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

/// A server-sent event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SentEvent {
    /// Its id.
    pub id: String,
    /// Its kind; empty for a comment that keeps the connection alive.
    pub kind: String,
    /// Its data.
    pub data: String,
}

impl SentEvent {
    fn parse(block: &str) -> Self {
        let mut event = Self::default();
        for line in block.lines() {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match name {
                "id" => value.clone_into(&mut event.id),
                "event" => value.clone_into(&mut event.kind),
                "data" if event.data.is_empty() => value.clone_into(&mut event.data),
                "data" => {
                    event.data.push('\n');
                    event.data.push_str(value);
                }
                _ => {}
            }
        }
        event
    }

    /// The data as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or(Value::Null)
    }
}
