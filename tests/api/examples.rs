//! The examples of the API's document, run as they stand: every operation has one that works.

use std::collections::{BTreeMap, BTreeSet};

use axum::body::Bytes;
use axum::http::Method;
use serde_json::Value;
use whereof::client::Answer;

use crate::harness::{Server, small_reviews};
use crate::limitations::{circle, diagnose, too_fast};

struct Reader<'a> {
    server: &'a Server,
    document: Value,
    /// Ids that only the server can give.
    ids: BTreeMap<&'static str, String>,
    done: BTreeSet<String>,
}

impl Reader<'_> {
    /// Calls an operation with each of its examples; `path` is as in the document.
    async fn call(&mut self, method: &str, path: &str) -> Answer {
        let operation = &self.document["paths"][path][method];
        let bodies: Vec<Bytes> = match &operation["requestBody"]["content"]["application/json"] {
            Value::Null => vec![Bytes::new()],
            content => {
                let several = content["examples"].as_object().into_iter().flat_map(|e| e.values());
                let examples = several.map(|e| &e["value"]).chain([&content["example"]]);
                let examples = examples.filter(|example| !example.is_null());
                examples.map(|example| example.to_string().into()).collect()
            }
        };
        let mut last = None;
        for body in bodies {
            last = Some(self.call_with(method, path, "application/json", body).await);
        }
        last.unwrap_or_else(|| panic!("{method} {path} has no example of its body"))
    }

    async fn call_with(&mut self, method: &str, path: &str, kind: &str, body: Bytes) -> Answer {
        let operation = &self.document["paths"][path][method];
        assert!(operation.is_object(), "{method} {path} is not in the document");
        let mut filled = path.to_owned();
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            let place = format!("{{{name}}}");
            if parameter["in"] == "path" {
                let given = parameter["example"].as_str().map(str::to_owned);
                let resource = path.split('/').nth(2).unwrap();
                let value = given.or_else(|| self.ids.get(resource).cloned());
                filled = filled.replace(&place, &value.unwrap_or_else(|| panic!("{path}: {name}")));
            }
        }
        let verb = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        let headers = if body.is_empty() { vec![] } else { vec![("content-type", kind)] };
        let answer = self.server.send(verb, &filled, &headers, body).await;
        let status = answer.status.as_u16();
        assert!(status < 400, "{method} {filled}: {status} {}", answer.value());
        let documented = &operation["responses"][status.to_string()];
        assert!(documented.is_object(), "{method} {path} does not document {status}");
        self.done.insert(format!("{method} {path}"));
        answer
    }

    /// Compares the run with another one, whose ids the query names.
    async fn compare(&mut self) {
        let first = self.ids["runs"].clone();
        self.job().await;
        let ended = self.server.ended(&self.ids["jobs"]).await;
        assert_eq!(ended["status"], "succeeded", "{ended}");
        let path = format!("/v1/runs/compare?ids={first},{}", self.ids["runs"]);
        let comparison = self.server.get(&path).await;
        assert_eq!(comparison["runs"][0]["run"], first, "{comparison}");
        self.done.insert("get /v1/runs/compare".to_owned());
        let figure = path.replace("compare?", "compare/figures/training_loss?");
        let figure = self.server.get(&figure).await;
        assert_eq!(figure["data"].as_array().map(Vec::len), Some(2), "{figure}");
        self.done.insert("get /v1/runs/compare/figures/{name}".to_owned());
    }

    /// Looks at a small sweep.
    async fn sweep(&mut self) {
        let dataset = self.server.upload(small_reviews()).await;
        let mut base = crate::harness::train_request(&dataset, None);
        base.as_object_mut().unwrap().remove("kind");
        let space = serde_json::json!({"optimizer.learning_rate": {"choice": [0.01, 0.001]}});
        let request = serde_json::json!({"kind": "sweep", "base": base, "space": space});
        let job = self.server.train(&request).await;
        self.ids.insert("jobs", job["id"].as_str().unwrap().to_owned());
        self.call("get", "/v1/jobs/{id}/sweep").await;
        self.call("get", "/v1/jobs/{id}/figures/{name}").await;
    }

    /// Looks at an evaluation of the model that there is.
    async fn evaluation(&mut self) {
        let dataset = self.server.upload(small_reviews()).await;
        let request = serde_json::json!(
            {"kind": "evaluate", "model": "sentiment", "dataset": dataset["id"]}
        );
        let job = self.server.train(&request).await;
        self.ids.insert("jobs", job["id"].as_str().unwrap().to_owned());
        self.call("get", "/v1/jobs/{id}/evaluation").await;
        self.call("get", "/v1/jobs/{id}/results").await;
    }

    /// Looks for the limitations of a model that has the one which the example names.
    async fn limitations(&mut self) {
        let dataset = self.server.upload(circle()).await;
        let mut request = too_fast(&dataset);
        request["model_name"] = "sentiment".into();
        let trained = self.server.train(&request).await;
        self.call("get", "/v1/models/{model}/figures/{name}").await;
        self.ids.insert("runs", trained["run"].as_str().unwrap().to_owned());
        self.call("get", "/v1/runs/{id}/test-records").await;
        let request = diagnose(&serde_json::json!({"model": "sentiment"}));
        let first = self.server.train(&request).await;
        self.call("get", "/v1/models/{model}/limitations").await;
        self.call("post", "/v1/models/{model}/apply-remedy").await;
        let again = diagnose(&serde_json::json!({"model": "sentiment", "budget": {"runs": 1}}));
        self.server.train(&again).await;
        let with = first["id"].as_str().unwrap();
        let path = format!("/v1/models/sentiment/limitations/compare?with={with}");
        let compared = self.server.get(&path).await;
        assert!(compared["not_comparable"].is_array(), "{compared}");
        self.done.insert("get /v1/models/{model}/limitations/compare".to_owned());
    }

    async fn job(&mut self) {
        let job = self.call("post", "/v1/jobs").await.value();
        self.ids.insert("jobs", job["id"].as_str().unwrap().to_owned());
        self.ids.insert("runs", job["run"].as_str().unwrap().to_owned());
    }
}

#[tokio::test]
async fn every_operation_has_an_example_that_works() {
    let server = Server::start().await;
    let document = server.get("/openapi.json").await;
    let mut reader =
        Reader { server: &server, document, ids: BTreeMap::new(), done: BTreeSet::new() };
    for path in ["/healthz", "/readyz", "/metrics", "/problems", "/problems/{code}", "/v1/catalog"]
    {
        reader.call("get", path).await;
    }
    reader.call("post", "/v1/datasets").await;
    for path in [
        "/v1/datasets",
        "/v1/datasets/{id}",
        "/v1/datasets/{id}/records",
        "/v1/datasets/{id}/figures/{name}",
    ] {
        reader.call("get", path).await;
    }
    reader.job().await;
    let ended = server.ended(&reader.ids["jobs"]).await;
    assert_eq!(ended["status"], "succeeded", "{ended}");
    for path in ["/v1/jobs", "/v1/jobs/{id}", "/v1/jobs/{id}/events", "/v1/runs", "/v1/runs/{id}"] {
        reader.call("get", path).await;
    }
    reader.call("get", "/v1/runs/{id}/metrics").await;
    reader.call("get", "/v1/runs/{id}/figures/{name}").await;
    reader.call("post", "/v1/runs/{id}/resume").await;
    reader.compare().await;
    reader.call("get", "/v1/models").await;
    reader.call("patch", "/v1/models/{model}").await;
    reader.call("get", "/v1/models/{model}").await;
    reader.call("get", "/v1/models/{model}/card").await;
    reader.call("post", "/v1/models/{model}/score").await;
    reader.call("post", "/v1/models/{model}/evaluate").await;
    for path in ["", "/health/live", "/health/ready", "/models/{model}", "/models/{model}/ready"] {
        reader.call("get", &format!("/v2{path}")).await;
    }
    reader.call("post", "/v2/models/{model}/infer").await;
    reader.call("get", "/v1/models/{model}/monitoring").await;
    for method in ["put", "get", "delete"] {
        reader.call(method, "/v1/models/{model}/monitoring/texts").await;
    }
    reader.call("delete", "/v1/models/{model}/monitoring").await;
    reader.call("put", "/v1/aliases/{alias}").await;
    reader.call("get", "/v1/aliases").await;
    reader.call("delete", "/v1/aliases/{alias}").await;
    let file = reader.call("get", "/v1/models/{model}/artifact").await.body;
    reader.call("delete", "/v1/models/{model}").await;
    reader.call_with("post", "/v1/models", "application/octet-stream", file).await;

    reader.sweep().await;
    reader.evaluation().await;
    reader.limitations().await;

    // What can be ended has to last.
    let dataset = server.upload(small_reviews()).await;
    for end in ["/v1/jobs/{id}/cancel", "/v1/jobs/{id}/stop"] {
        let job = server.submit(&crate::harness::endless_request(&dataset)).await;
        let id = job["id"].as_str().unwrap().to_owned();
        server.until(&id, |job| job["phase"] == "training").await;
        reader.ids.insert("jobs", id.clone());
        reader.call("post", end).await;
        server.ended(&id).await;
    }
    reader.call("delete", "/v1/datasets/{id}").await;

    let mut all = BTreeSet::new();
    for (path, item) in reader.document["paths"].as_object().unwrap() {
        all.extend(item.as_object().unwrap().keys().map(|method| format!("{method} {path}")));
    }
    assert_eq!(reader.done, all, "operations without an example here");
}
