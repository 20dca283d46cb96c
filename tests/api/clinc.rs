//! CLINC150 over HTTP: 150 intents, trained on in-scope data alone, tested in and out of scope.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Server, shared};

fn rows(folder: &Path, file: &str, columns: &[&str]) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_path(folder.join(file)).unwrap();
    let header = reader.headers().unwrap().clone();
    let places: Vec<usize> =
        columns.iter().map(|c| header.iter().position(|h| h == *c).unwrap()).collect();
    let record = |record: csv::StringRecord| places.iter().map(|at| record[*at].into()).collect();
    reader.records().map(|row| record(row.unwrap())).collect()
}

/// Area under the ROC curve: the probability that an outside score exceeds an inside one.
fn auroc(inside: &[f64], outside: &[f64]) -> f64 {
    let mut inside = inside.to_vec();
    inside.sort_by(f64::total_cmp);
    let wins: f64 = outside
        .iter()
        .map(|score| {
            let below = inside.partition_point(|other| other < score);
            let not_above = inside.partition_point(|other| other <= score);
            (below + not_above) as f64 / 2.0
        })
        .sum();
    wins / (inside.len() * outside.len()) as f64
}

#[tokio::test]
async fn clinc150_is_learnt_and_what_lies_outside_is_told_apart() {
    let Some(folder) = shared("clinc150") else { return };
    let server = Server::start().await;
    let mut all = csv::Writer::from_writer(Vec::new());
    all.write_record(["text", "intent", "split"]).unwrap();
    for split in ["train", "validation", "test"] {
        for row in rows(&folder, &format!("{split}.csv"), &["text", "intent"]) {
            all.write_record([&row[0], &row[1], split]).unwrap();
        }
    }
    let dataset = server.upload(all.into_inner().unwrap()).await;
    assert_eq!(dataset["rows"], 22_500);
    let request = json!({
        "kind": "train", "dataset": dataset["id"], "model_name": "intents",
        "task": {"type": "text_classification", "text": "text", "label": "intent"},
        "split": {"column": "split"},
    });
    let job = server.submit(&request).await;
    let id = job["id"].as_str().unwrap();
    let job = tokio::time::timeout(Duration::from_secs(900), server.ended(id)).await.unwrap();
    assert_eq!(job["status"], "succeeded", "{job}");
    let run = server.get(&format!("/v1/runs/{}", job["run"].as_str().unwrap())).await;
    let accuracy = run["metrics"]["test"]["accuracy"].as_f64().unwrap();

    let texts = |file: &str| -> Vec<String> {
        rows(&folder, file, &["text"]).into_iter().map(|mut row| row.swap_remove(0)).collect()
    };
    let inside = scores(&server, &texts("test.csv")).await;
    let outside = scores(&server, &texts("out_of_scope_test.csv")).await;
    assert_eq!((inside.len(), outside.len()), (4_500, 1_000));
    let axis = |scored: &[Value], pick: &dyn Fn(&Value) -> Option<f64>| -> Vec<f64> {
        scored.iter().map(|s| pick(s).unwrap()).collect()
    };
    let score = |s: &Value| s["ood"]["score"].as_f64();
    let area = auroc(&axis(&inside, &score), &axis(&outside, &score));
    let flagged = |scored: &[Value]| {
        let flags = scored.iter().filter(|s| s["ood"]["p_value"].as_f64().unwrap() <= 0.05);
        flags.count() as f64 / scored.len() as f64
    };
    let (alarms, found) = (flagged(&inside), flagged(&outside));
    println!(
        "CLINC150: test accuracy {accuracy:.4}, out-of-scope AUROC {area:.4}; at 0.05: false \
         alarms {alarms:.4}, found {found:.4}"
    );
    assert!(accuracy >= 0.92, "test accuracy {accuracy}");
    assert!(area >= 0.92, "AUROC {area}");
    // The guarantee holds over draws of the calibration records; 1,500 of them make the share of
    // one draw scatter by about 0.006.
    assert!(alarms <= 0.05 + 0.02, "false alarms {alarms}");

    // The calibrated confidence means what it says, on average.
    let confidence = axis(&inside, &|s| s["confidence"].as_f64());
    let mean = confidence.iter().sum::<f64>() / confidence.len() as f64;
    assert!((mean - accuracy).abs() < 0.03, "mean confidence {mean}, accuracy {accuracy}");
}

async fn scores(server: &Server, texts: &[String]) -> Vec<Value> {
    let mut all = Vec::new();
    for chunk in texts.chunks(1_500) {
        let body = json!({"texts": chunk, "top_labels": 1});
        let answer = server.post("/v1/models/intents/score", &body).await;
        assert_eq!(answer.status, 200, "{}", answer.value());
        all.extend(answer.value()["results"].as_array().unwrap().iter().cloned());
    }
    all
}
