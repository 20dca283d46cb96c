//! A tracking server of MLflow, over its REST API 2.0.

use axum::body::Bytes;
use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::Written;
use super::entry::Entry;
use crate::cli::Failure;
use crate::client::Client;
use crate::diagnose::render::path_part;
use crate::http::runs::number;

/// Metrics of one request at most.
const METRICS: usize = 1_000;
/// Parameters, and tags, of one request at most.
const PARAMETERS: usize = 100;

/// A server, and an experiment on it.
pub struct Tracking {
    client: Client,
    experiment: String,
}

/// What a server knows of a run.
struct Known {
    id: String,
    ended: bool,
}

impl Tracking {
    /// Finds an experiment, or makes it.
    pub async fn open(
        address: &str,
        token: Option<String>,
        experiment: &str,
    ) -> Result<Self, Failure> {
        let client = Client::new(crate::cli::target::address(address)?);
        let client = match token {
            Some(token) => client.with_key(token),
            None => client,
        };
        let mut server = Self { client, experiment: String::new() };
        let name = path_part(experiment);
        let found = server.get(&format!("experiments/get-by-name?experiment_name={name}")).await?;
        let id = match found {
            Some(found) => found["experiment"]["experiment_id"].clone(),
            None => {
                let made =
                    server.post("experiments/create", &json!({ "name": experiment })).await?;
                made["experiment_id"].clone()
            }
        };
        server.experiment = text(&id)?;
        Ok(server)
    }

    /// Writes a run. One that is there and has ended is left as it is; one that an export began and did
    /// not end is written again.
    pub async fn write(&mut self, entry: &Entry) -> Result<Written, Failure> {
        let id = match self.find(&entry.run).await? {
            Some(Known { id, ended: true }) => return Ok(Written { id, kept: true }),
            Some(Known { id, ended: false }) => id,
            None => self.create(entry).await?,
        };
        for batch in entry.parameters.chunks(PARAMETERS) {
            let parameters: Vec<Value> = batch.iter().map(pair).collect();
            self.log(&id, "params", &parameters).await?;
        }
        let metrics: Vec<Value> = entry
            .metrics
            .iter()
            .flat_map(|(name, values)| {
                values.iter().map(move |m| {
                    json!({"key": name, "value": number(m.value), "step": m.step,
                        "timestamp": m.time.millis()})
                })
            })
            .collect();
        for batch in metrics.chunks(METRICS) {
            self.log(&id, "metrics", batch).await?;
        }
        let ended = json!({"run_id": id, "status": entry.status.name(),
            "end_time": entry.ended.millis()});
        self.post("runs/update", &ended).await?;
        Ok(Written { id, kept: false })
    }

    async fn create(&self, entry: &Entry) -> Result<String, Failure> {
        let mut tags: Vec<Value> = entry.tags.iter().map(pair).collect();
        if let Some(parent) = &entry.parent
            && let Some(known) = self.find(parent).await?
        {
            tags.push(json!({"key": "mlflow.parentRunId", "value": known.id}));
        }
        let request = json!({"experiment_id": self.experiment, "run_name": entry.name,
            "user_id": "whereof", "start_time": entry.started.millis(), "tags": tags});
        let made = self.post("runs/create", &request).await?;
        text(&made["run"]["info"]["run_id"])
    }

    async fn log(&self, id: &str, what: &str, values: &[Value]) -> Result<(), Failure> {
        let mut request = json!({ "run_id": id });
        request[what] = values.into();
        self.post("runs/log-batch", &request).await?;
        Ok(())
    }

    /// The run that was made of one of ours.
    async fn find(&self, run: &str) -> Result<Option<Known>, Failure> {
        let request = json!({"experiment_ids": [self.experiment], "max_results": 1,
            "filter": format!("tags.`whereof.run` = '{run}'")});
        let found = self.post("runs/search", &request).await?;
        let Some(info) = found["runs"].get(0).map(|run| &run["info"]) else { return Ok(None) };
        let ended = info["status"].as_str().is_some_and(|s| !matches!(s, "RUNNING" | "SCHEDULED"));
        Ok(Some(Known { id: text(&info["run_id"])?, ended }))
    }

    /// What stands at a path; nothing where the server does not know it.
    async fn get(&self, path: &str) -> Result<Option<Value>, Failure> {
        match self.send(Method::GET, path, Bytes::new()).await? {
            (StatusCode::NOT_FOUND, value) if value["error_code"] == "RESOURCE_DOES_NOT_EXIST" => {
                Ok(None)
            }
            answer => self.checked(path, answer).map(Some),
        }
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        let answer = self.send(Method::POST, path, body.to_string().into()).await?;
        self.checked(path, answer)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Value), Failure> {
        let path = format!("/api/2.0/mlflow/{path}");
        let headers = [("content-type", "application/json")];
        let answer = self.client.send(method, &path, &headers, body).await?;
        Ok((answer.status, answer.value()))
    }

    fn checked(&self, path: &str, (status, value): (StatusCode, Value)) -> Result<Value, Failure> {
        if status.is_success() {
            return Ok(value);
        }
        let why = value["message"].as_str().unwrap_or("without a reason that MLflow would give");
        let server = self.client.base();
        Err(format!("{server} refuses {path} with {status}: {why}").into())
    }
}

/// A parameter or a tag.
fn pair((name, value): &(String, String)) -> Value {
    json!({"key": name, "value": value})
}

fn text(id: &Value) -> Result<String, Failure> {
    let id = id.as_str().map(str::to_owned);
    Ok(id.ok_or("the tracking server's answer has no id: is it MLflow's?")?)
}
