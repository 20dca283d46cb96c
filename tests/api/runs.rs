//! Runs and metrics: what a training did, step by step.

use std::path::Path;

use axum::http::Method;
use serde_json::{Value, json};

use crate::harness::{Server, refused, small_reviews, train_request};

async fn trained(server: &Server) -> (Value, String) {
    let dataset = server.upload(small_reviews()).await;
    let job = server.train(&train_request(&dataset, None)).await;
    let path = format!("/v1/runs/{}", job["run"].as_str().unwrap());
    (server.get(&path).await, path)
}

#[tokio::test]
async fn a_run_records_what_it_takes_to_repeat_it() {
    let server = Server::start().await;
    let (run, _) = trained(&server).await;
    let environment = &run["environment"];
    assert_eq!(environment["whereof_version"], env!("CARGO_PKG_VERSION"));
    assert_eq!((&environment["device"], &environment["threads"]), (&json!("cpu"), &json!(1)));
    // This checkout has a commit; a tree without git has none, and says nothing.
    let git = std::process::Command::new("git").args(["rev-parse", "HEAD"]).output();
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/.git");
    if let Some(output) = git.ok().filter(|o| o.status.success() && Path::new(own).exists()) {
        let head = String::from_utf8(output.stdout).unwrap();
        let commit = environment["commit"].as_str().unwrap();
        assert_eq!(commit.trim_end_matches("-altered"), head.trim());
    }
    assert_eq!(environment["seed"], run["spec"]["training"]["seed"]);
    assert!(environment["cpu_features"].is_array() && environment["platform"].is_string());
    assert_eq!((&run["epochs"], &run["end_reason"]), (&json!(4), &json!("epochs")));
    assert!(run["seconds"]["total"].as_f64().unwrap() > 0.0);
    assert!(run["seconds"]["phases"]["training"].as_f64().unwrap() > 0.0);

    let sizes: u64 = ["train", "validation", "test"]
        .iter()
        .map(|part| {
            let metrics = &run["metrics"][part];
            let number = |name: &str| metrics[name].as_f64().unwrap();
            for name in ["accuracy", "macro_f1", "micro_f1", "ece"] {
                assert!((0.0..=1.0).contains(&number(name)), "{part} {name}: {metrics}");
            }
            assert!(number("log_loss") > 0.0 && number("brier") > 0.0);
            let records = metrics["records"].as_u64().unwrap();
            let rows = metrics["confusion_matrix"]["rows"].as_array().unwrap();
            let cells = rows.iter().flat_map(|row| row.as_array().unwrap());
            assert_eq!(cells.map(|cell| cell.as_u64().unwrap()).sum::<u64>(), records);
            let support = metrics["per_class"].as_array().unwrap().iter();
            assert_eq!(support.map(|c| c["support"].as_u64().unwrap()).sum::<u64>(), records);
            let [low, high] = [0, 1].map(|i| metrics["accuracy_interval"][i].as_f64().unwrap());
            assert!(low <= number("accuracy") && number("accuracy") <= high);
            records
        })
        .sum();
    assert!((150..200).contains(&sizes), "the calibration records are in none of these: {sizes}");
}

#[tokio::test]
async fn every_step_and_epoch_is_in_the_history() {
    let server = Server::start().await;
    let (run, path) = trained(&server).await;
    let steps = run["steps"].as_u64().unwrap() as usize;
    let all = server.get(&format!("{path}/metrics")).await;
    let history = |name: &str| {
        let metrics = all["metrics"].as_array().unwrap();
        let found = metrics.iter().find(|metric| metric["name"] == name);
        let found = found.unwrap_or_else(|| panic!("{name} is not among {metrics:?}"));
        found["points"].as_array().unwrap().clone()
    };
    for name in
        ["train.loss", "train.learning_rate", "train.gradient_norm", "train.records_per_second"]
    {
        assert_eq!(history(name).len(), steps, "{name}");
    }
    for name in ["accuracy", "macro_f1", "micro_f1", "log_loss", "brier", "ece"] {
        assert_eq!(history(&format!("validation.{name}")).len(), 4, "{name}");
    }
    assert_eq!(history("epoch.train_loss").len(), 4);
    let points: Vec<u64> =
        history("train.loss").iter().map(|point| point["step"].as_u64().unwrap()).collect();
    assert_eq!(points, (1..=steps as u64).collect::<Vec<_>>());

    let few = format!("{path}/metrics?name=train.loss&max_points=5");
    let few = server.get(&few).await["metrics"][0].clone();
    assert_eq!(few["recorded"], steps);
    let few = few["points"].as_array().unwrap();
    assert!(few.len() <= 5, "{few:?}");
    let full = history("train.loss");
    assert_eq!((few.first(), few.last()), (full.first(), full.last()));

    let late = format!("{path}/metrics?name=train.loss&from_step={steps}");
    assert_eq!(server.get(&late).await["metrics"][0]["points"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn histories_come_as_csv_too() {
    let server = Server::start().await;
    let (run, path) = trained(&server).await;
    let path = format!("{path}/metrics?name=train.loss,validation.accuracy");
    let by_query = server.send(Method::GET, &format!("{path}&format=csv"), &[], "").await;
    let by_header = server.send(Method::GET, &path, &[("accept", "text/csv")], "").await;
    assert_eq!(by_query.body, by_header.body);
    assert_eq!(by_query.headers["content-type"], "text/csv; charset=utf-8");
    let text = String::from_utf8(by_query.body.to_vec()).unwrap();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("name,step,epoch,value,time"));
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), run["steps"].as_u64().unwrap() as usize + 4);
    assert!(rows.iter().all(|row| row.len() == 5 && row[3].parse::<f64>().is_ok()));
}

#[tokio::test]
async fn unknown_runs_metrics_and_formats_are_named() {
    let server = Server::start().await;
    let (_, path) = trained(&server).await;
    let get = async |path: String| server.send(Method::GET, &path, &[], "").await;
    refused(&get("/v1/runs/run_0/metrics".into()).await, 404, "not-found", "");
    let error =
        refused(&get(format!("{path}/metrics?name=train.los")).await, 404, "not-found", "name");
    let hint = error["hint"].as_str().unwrap();
    assert!(hint.starts_with("did you mean \"train.loss\"? measured: "), "{hint}");
    let xml = get(format!("{path}/metrics?format=xml")).await;
    refused(&xml, 400, "invalid-query", "format");
    let none = get(format!("{path}/metrics?max_points=0")).await;
    refused(&none, 400, "invalid-query", "max_points");
}

/// Every record of every cell of the confusion matrix, and no other.
#[tokio::test]
async fn the_records_behind_the_confusion_matrix() {
    let server = Server::start().await;
    let (run, path) = trained(&server).await;
    let matrix = &run["metrics"]["test"]["confusion_matrix"];
    let labels: Vec<&str> =
        matrix["labels"].as_array().unwrap().iter().map(|label| label.as_str().unwrap()).collect();
    let path = format!("{path}/test-records");
    let mut seen = std::collections::BTreeSet::new();
    for (r, truth) in labels.iter().enumerate() {
        for (c, predicted) in labels.iter().enumerate() {
            let asked = format!("{path}?label={truth}&predicted={predicted}");
            let page = server.get(&asked).await;
            assert_eq!(page["total"], matrix["rows"][r][c]);
            assert_eq!(
                page["items"].as_array().unwrap().len() as u64,
                page["total"].as_u64().unwrap()
            );
            for item in page["items"].as_array().unwrap() {
                assert_eq!(
                    (&item["label"], &item["predicted"]),
                    (&json!(truth), &json!(predicted))
                );
                assert_eq!(item["record"]["sentiment"], *truth, "{item}");
                assert!(seen.insert(item["row"].as_u64().unwrap()), "{item}");
            }
        }
    }
    assert_eq!(seen.len() as u64, run["metrics"]["test"]["records"].as_u64().unwrap());

    // Page by page, the worst first.
    let (mut losses, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = server.get(&format!("{path}?limit=7{cursor}")).await;
        assert_eq!(page["total"], seen.len());
        losses.extend(
            page["items"].as_array().unwrap().iter().map(|i| i["log_loss"].as_f64().unwrap()),
        );
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(losses.len(), seen.len());
    assert!(losses.is_sorted_by(|a, b| a >= b), "{losses:?}");
    let mean = losses.iter().sum::<f64>() / losses.len() as f64;
    assert!((mean - run["metrics"]["test"]["log_loss"].as_f64().unwrap()).abs() < 1e-9);
    let wrong = server.get(&format!("{path}?wrong=true")).await;
    let accuracy = run["metrics"]["test"]["accuracy"].as_f64().unwrap();
    let share = wrong["total"].as_f64().unwrap() / seen.len() as f64;
    assert!((1.0 - accuracy - share).abs() < 1e-9);

    let answer = server.send(Method::GET, &format!("{path}?label=postive"), &[], "").await;
    let hint = refused(&answer, 400, "invalid-query", "label")["hint"].as_str().unwrap().to_owned();
    assert!(hint.contains("did you mean \"positive\"?"), "{hint}");
    // Without the dataset, rows and labels remain.
    let dataset = run["spec"]["dataset"].as_str().unwrap();
    let gone = server.send(Method::DELETE, &format!("/v1/datasets/{dataset}"), &[], "").await;
    assert_eq!(gone.status, 204, "{}", gone.value());
    let bare = server.get(&format!("{path}?limit=1")).await["items"][0].clone();
    assert!(bare["record"].is_null() && bare["label"].is_string(), "{bare}");
}

#[tokio::test]
async fn a_run_that_has_not_ended_has_no_test_records() {
    let server = Server::idle().await;
    let dataset = server.upload(small_reviews()).await;
    let job = server.submit(&train_request(&dataset, None)).await;
    let path = format!("/v1/runs/{}/test-records", job["run"].as_str().unwrap());
    refused(&server.send(Method::GET, &path, &[], "").await, 409, "conflict", "");
    let nowhere = "/v1/runs/run_x/test-records";
    refused(&server.send(Method::GET, nowhere, &[], "").await, 404, "not-found", "");
}
