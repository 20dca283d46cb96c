//! Evaluations as jobs: the same report as at once, on a dataset of any size, record by record.

use axum::http::Method;
use serde_json::{Value, json};
use whereof::config::Settings;

use crate::harness::{REVIEWS, Server, refused, small_reviews};
use crate::process::Process;

/// Reviews, some of them with words of their own, and two columns to slice and choose by.
fn many(rows: usize) -> String {
    let mut reader = csv::Reader::from_reader(REVIEWS.as_bytes());
    let reviews: Vec<csv::StringRecord> = reader.records().map(|r| r.unwrap()).collect();
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["text", "sentiment", "shop", "part"]).unwrap();
    for i in 0..rows {
        let review = &reviews[i % reviews.len()];
        let text = match i % 3 {
            0 => format!("{} zither{} tuning", &review[0], i % 17),
            _ => format!("{} {i}", &review[0]),
        };
        let text = if i % 501 == 500 { String::new() } else { text };
        let (shop, part) = (["north", "south", "west"][i % 7 % 3], ["a", "b"][i % 10 / 9]);
        writer.write_record([&text, &review[1], shop, part]).unwrap();
    }
    String::from_utf8(writer.into_inner().unwrap()).unwrap()
}

/// Evaluates as a job and at once; returns the job's id and the report, which is the same.
async fn both_ways(server: &Server, model: &str, request: &Value) -> (String, Value) {
    let mut job = request.clone();
    job["kind"] = "evaluate".into();
    job["model"] = model.into();
    let job = server.submit(&job).await;
    let id = job["id"].as_str().unwrap().to_owned();
    let ended = server.ended(&id).await;
    assert_eq!((&ended["status"], &ended["progress"]), (&json!("succeeded"), &json!(1.0)));
    assert!(ended["run"].is_null() && ended["model"].is_string(), "{ended}");
    let report = server.get(&format!("/v1/jobs/{id}/evaluation")).await;
    let at_once = server.post(&format!("/v1/models/{model}/evaluate"), request).await;
    assert_eq!(at_once.status, 200, "{}", at_once.value());
    let at_once = at_once.value();
    for (part, value) in at_once.as_object().unwrap() {
        assert_eq!(&report[part], value, "{part}");
    }
    assert_eq!(report, at_once);
    assert_eq!(ended["warnings"], report["warnings"]);
    (id, report)
}

async fn lines(server: &Server, id: &str) -> Vec<Value> {
    let answer = server.send(Method::GET, &format!("/v1/jobs/{id}/results"), &[], "").await;
    assert_eq!(answer.headers["content-type"], "application/x-ndjson");
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_job_reports_what_is_reported_at_once() {
    let server = Server::start().await;
    server.small_model("sentiment").await;
    let dataset = server.upload(many(900)).await;
    let id = &dataset["id"];
    let request = json!({"dataset": id, "slice": "shop", "max_false_alarm": 0.1});
    let (job, report) = both_ways(&server, "sentiment", &request).await;
    assert_eq!((&report["left_out"], &report["labels"]), (&json!(1), &json!(true)));
    assert_eq!(report["overall"]["records"], 899);
    assert_eq!(report["slices"].as_array().unwrap().len(), 3);
    for (name, list) in [("coverage", "coverage_bins"), ("slices", "slices")] {
        let figure = server.get(&format!("/v1/jobs/{job}/figures/{name}")).await;
        let values =
            if name == "slices" { &figure["data"][0]["x"] } else { &figure["data"][0]["y"] };
        let of = |one: &Value| {
            if name == "slices" {
                one["metrics"]["accuracy"].clone()
            } else {
                one["accuracy"].clone()
            }
        };
        let reported: Vec<Value> = report[list].as_array().unwrap().iter().map(of).collect();
        assert_eq!(*values, json!(reported), "{name}");
    }
    let drift = server.get(&format!("/v1/jobs/{job}/figures/drift")).await;
    assert_eq!(drift["data"][0]["x"][0], report["drift"]["axes"][0]["adjusted_p_value"]);
    let other = server.send(Method::GET, &format!("/v1/jobs/{job}/figures/trials"), &[], "").await;
    refused(&other, 404, "not-found", "name");

    // What each record was given is what scoring gives it.
    let records = lines(&server, &job).await;
    assert_eq!(records.len(), 899);
    assert!(records.is_sorted_by(|a, b| a["row"].as_u64() < b["row"].as_u64()));
    let right = records.iter().filter(|record| record["correct"] == true).count();
    let accuracy = report["overall"]["metrics"]["accuracy"].as_f64().unwrap();
    assert!((right as f64 / 899.0 - accuracy).abs() < 1e-12, "{right}: {accuracy}");
    let table = many(900);
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let texts: Vec<String> = reader.records().map(|r| r.unwrap()[0].to_owned()).collect();
    let some = [0, 700, 898].map(|i| &records[i]);
    let sent: Vec<&str> =
        some.iter().map(|r| texts[r["row"].as_u64().unwrap() as usize - 1].as_str()).collect();
    let body = json!({"texts": sent, "max_false_alarm": 0.1, "monitor": false});
    let scores = server.post("/v1/models/sentiment/score", &body).await.value();
    for (record, score) in some.into_iter().zip(scores["results"].as_array().unwrap()) {
        for field in
            ["label", "confidence", "raw_confidence", "prediction_set", "accepted", "reason"]
        {
            assert_eq!(record[field], score[field], "{field}: {record}");
        }
        assert_eq!(record["ood_p_value"], score["ood"]["p_value"]);
        assert_eq!(record["coverage_ngrams"], score["coverage"]["ngrams"]);
    }

    // The same records in every format, and a dataset again.
    let path = format!("/v1/jobs/{job}/results");
    let accept = [("accept", "text/csv")];
    let answer = server.send(Method::GET, &path, &accept, "").await;
    assert_eq!(answer.headers["content-type"], "text/csv; charset=utf-8");
    let csv: Vec<csv::StringRecord> = csv::Reader::from_reader(answer.body.as_ref())
        .records()
        .map(|record| record.unwrap())
        .collect();
    assert_eq!(csv.len(), records.len());
    for (row, record) in csv.iter().zip(&records).step_by(37) {
        let cells: Vec<String> = record.as_object().unwrap().values().map(shown).collect();
        assert_eq!(row.iter().collect::<Vec<_>>(), cells);
    }
    let answer = server.send(Method::GET, &format!("{path}?format=parquet"), &accept, "").await;
    let kind = "application/vnd.apache.parquet";
    assert_eq!(answer.headers["content-type"], kind);
    let again = server.post_as("/v1/datasets", kind, answer.body).await.value();
    assert_eq!(again["rows"], 899, "{again}");
    let refused_format = server.send(Method::GET, &format!("{path}?format=xml"), &[], "").await;
    assert_eq!(refused_format.status, 400);

    // Nothing is left but what is downloaded.
    let folder = server.folder.path().join("artifacts/evaluations");
    let names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(names.len() == 4 && names.iter().all(|n| n.ends_with(".jsonl")), "{names:?}");
}

/// A value as CSV shows it.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[tokio::test]
async fn without_labels_and_of_some_records() {
    let server = Server::start().await;
    server.small_model("sentiment").await;
    let dataset = server.upload(many(900)).await;
    let only = json!({"column": "part", "value": "a"});
    let request = json!({"dataset": dataset["id"], "labels": false, "only": only});
    let (_, report) = both_ways(&server, "sentiment", &request).await;
    let unlabelled = &report["unlabelled"];
    assert_eq!(unlabelled["label_first"].as_array().unwrap().len(), 50, "{unlabelled}");
    assert!(!unlabelled["uncovered_terms"].as_array().unwrap().is_empty());
    assert!(report["overall"]["records"].as_u64().unwrap() < 850);
    // Its own training data are told apart.
    let own = server.upload(small_reviews()).await;
    let (_, report) = both_ways(&server, "sentiment", &json!({"dataset": own["id"]})).await;
    assert_eq!(report["warnings"][0]["code"], "seen_records");
    assert!(report["seen"]["train"].as_u64().unwrap() > 0);
    // A value that no record holds leaves nothing to report.
    let none = json!({"kind": "evaluate", "model": "sentiment", "dataset": own["id"],
        "only": {"column": "sentiment", "value": "neither"}});
    let job = server.submit(&none).await;
    let failed = server.ended(job["id"].as_str().unwrap()).await;
    assert_eq!(failed["error"]["errors"][0]["field"], "only.value", "{failed}");
    let path = format!("/v1/jobs/{}/evaluation", failed["id"].as_str().unwrap());
    refused(&server.send(Method::GET, &path, &[], "").await, 409, "conflict", "");
}

#[tokio::test]
async fn numbers_and_rows_of_a_table() {
    let server = Server::start().await;
    let generator = json!({"generator": {"type": "sine", "points": 600, "noise": 0.1, "seed": 3}});
    let dataset = server.post("/v1/datasets", &generator).await.value();
    let train = json!({"kind": "train", "dataset": dataset["id"], "model_name": "sine",
        "task": {"type": "tabular_regression", "target": "y"}, "training": {"epochs": 3}});
    server.train(&train).await;
    let wider = json!({"generator": {"type": "sine", "points": 500, "high": 15, "seed": 4}});
    let wider = server.post("/v1/datasets", &wider).await.value();
    let request = json!({"dataset": wider["id"]});
    let (job, report) = both_ways(&server, "sine", &request).await;
    let records = lines(&server, &job).await;
    let mse = records.iter().map(|r| {
        let [truth, value] = ["truth", "value"].map(|name| r[name].as_f64().unwrap());
        (truth - value).powi(2)
    });
    let mse = mse.sum::<f64>() / records.len() as f64;
    let told = report["overall"]["metrics"]["mse"].as_f64().unwrap();
    assert!(records.len() == 500 && (mse - told).abs() < 1e-9, "{mse} {told}");
    let (_, bare) =
        both_ways(&server, "sine", &json!({"dataset": wider["id"], "labels": false})).await;
    assert!(bare["unlabelled"]["groups"].is_array());
}

#[tokio::test]
async fn what_cannot_be_evaluated_is_refused_at_submission() {
    let server = Server::start().await;
    let model = server.small_model("sentiment").await;
    let bare = server.upload("other,sentiment\na,positive\nb,negative\n").await;
    let full = server.upload(small_reviews()).await;
    let (bare, full) = (&bare["id"], &full["id"]);
    let with = |mut body: Value| {
        body["kind"] = "evaluate".into();
        if body["model"].is_null() {
            body["model"] = "sentiment".into();
        }
        body
    };
    for (body, status, code, field) in [
        (json!({"dataset": bare}), 422, "invalid-request", "text"),
        (json!({"dataset": full, "label": "mood"}), 422, "invalid-request", "label"),
        (json!({"dataset": full, "slice": "shop"}), 422, "invalid-request", "slice"),
        (json!({"dataset": full, "max_false_alarm": 1}), 422, "invalid-request", "max_false_alarm"),
        (json!({"dataset": full, "epochs": 3}), 422, "invalid-request", "epochs"),
        (json!({"dataset": "ds_none"}), 404, "not-found", "dataset"),
        (json!({"dataset": full, "model": "nobody"}), 404, "not-found", ""),
    ] {
        let at_job = server.post("/v1/jobs", &with(body.clone())).await;
        let told = refused(&at_job, status, code, field);
        if status == 422 && field != "epochs" {
            let at_once = server.post("/v1/models/sentiment/evaluate", &body).await;
            assert_eq!(refused(&at_once, status, code, field)["message"], told["message"]);
        }
    }
    let valid = server.post("/v1/jobs?validate_only=true", &with(json!({"dataset": full}))).await;
    let valid = valid.value();
    assert_eq!(valid["evaluation"]["model"], model["model"], "{valid}");
    assert!(valid["spec"].is_null());
    assert_eq!(server.get("/v1/jobs?kind=evaluate").await["items"], json!([]));
    let trained = format!("/v1/jobs/{}/evaluation", model["id"].as_str().unwrap());
    refused(&server.send(Method::GET, &trained, &[], "").await, 404, "not-found", "");
    // Too many at once: the job is named.
    let many = server.upload(many(10_100)).await;
    let at_once = json!({"dataset": many["id"]});
    let at_once = server.post("/v1/models/sentiment/evaluate", &at_once).await;
    let told = refused(&at_once, 422, "invalid-request", "dataset");
    assert!(told["hint"].as_str().unwrap().contains("kind evaluate"), "{told}");

    // What a job needs is not deleted under it.
    let folder = server.stop().await;
    let idle = Settings { workers: Some(0), ..Settings::default() };
    let server = Server::start_in(folder, idle).await;
    let job = server.submit(&with(json!({"dataset": full}))).await;
    let of_model = format!("/v1/models/{}", model["model"].as_str().unwrap());
    let of_dataset = format!("/v1/datasets/{}", full.as_str().unwrap());
    for path in [&of_model, &of_dataset] {
        refused(&server.send(Method::DELETE, path, &[], "").await, 409, "in-use", "");
    }
    let results = format!("/v1/jobs/{}/results", job["id"].as_str().unwrap());
    refused(&server.send(Method::GET, &results, &[], "").await, 409, "conflict", "");
    let cancel = format!("/v1/jobs/{}/cancel", job["id"].as_str().unwrap());
    server.send(Method::POST, &cancel, &[], "").await;
    assert_eq!(server.send(Method::DELETE, &of_model, &[], "").await.status, 204);
}

#[tokio::test]
async fn a_stopped_evaluation_keeps_what_was_evaluated() {
    let server = Server::start().await;
    server.small_model("sentiment").await;
    let dataset = server.upload(many(1_500)).await;
    let request = json!({"kind": "evaluate", "model": "sentiment", "dataset": dataset["id"]});
    for (end, status) in [("stop", "stopped"), ("cancel", "cancelled")] {
        let job = server.submit(&request).await;
        let id = job["id"].as_str().unwrap();
        server.until(id, |job| job["progress"].as_f64().unwrap() > 0.0).await;
        server.send(Method::POST, &format!("/v1/jobs/{id}/{end}"), &[], "").await;
        let ended = server.ended(id).await;
        assert_eq!(ended["status"], status, "{ended}");
        if end == "stop" {
            let report = server.get(&format!("/v1/jobs/{id}/evaluation")).await;
            let records = report["overall"]["records"].as_u64().unwrap();
            assert!((249..1_400).contains(&records), "{records}");
            let warnings = report["warnings"].as_array().unwrap();
            assert_eq!(warnings.last().unwrap()["code"], "stopped_early");
            assert_eq!(lines(&server, id).await.len() as u64, records);
        }
    }
}

/// Killed twice: the report and every byte of the results are those of a job that nobody killed.
#[tokio::test]
async fn a_killed_evaluation_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let serve = &["--workers", "1", "--max-attempts", "9"];
    let mut server = Process::start(folder.path(), serve).await;
    let reviews = server.client.post_as("/v1/datasets", "text/csv", small_reviews()).await.unwrap();
    let train = crate::harness::train_request(&reviews.value(), Some("sentiment"));
    let trained: Value = server.client.post("/v1/jobs", &train).await.unwrap();
    server.ended(trained["id"].as_str().unwrap()).await;
    let dataset = server.client.post_as("/v1/datasets", "text/csv", many(1_500)).await.unwrap();
    let request = json!({"kind": "evaluate", "model": "sentiment", "labels": false,
        "dataset": dataset.value()["id"]});
    let job: Value = server.client.post("/v1/jobs", &request).await.unwrap();
    let id = job["id"].as_str().unwrap().to_owned();
    for share in [0.1, 0.5] {
        let reached = server.reached(&id, share).await;
        server.kill();
        server = Process::start(folder.path(), serve).await;
        let again = server.get(&format!("/v1/jobs/{id}")).await["progress"].as_f64().unwrap();
        assert!(again >= reached, "{again} after {reached}");
    }
    let killed = server.ended(&id).await;
    assert_eq!((&killed["status"], &killed["attempt"]), (&json!("succeeded"), &json!(3)));
    let whole: Value = server.client.post("/v1/jobs", &request).await.unwrap();
    let whole = server.ended(whole["id"].as_str().unwrap()).await;
    let whole = whole["id"].as_str().unwrap();
    let report = async |id: &str| server.get(&format!("/v1/jobs/{id}/evaluation")).await;
    assert_eq!(report(&id).await, report(whole).await);
    let results = async |id: &str| {
        let path = format!("/v1/jobs/{id}/results");
        server.client.send(Method::GET, &path, &[], "").await.unwrap().body
    };
    let results = [results(&id).await, results(whole).await];
    assert_eq!(results[0].iter().filter(|byte| **byte == b'\n').count(), 1_500 - 1_500 / 501);
    assert!(results[0] == results[1], "the results differ");
}
