//! Runs beside one another: what differs, by how much, and whether that is more than chance.

use axum::http::Method;
use serde_json::{Value, json};

use crate::harness::{Server, endless_request, refused, small_reviews, train_request};

/// Points of a line with a bend, which a linear network cannot follow.
fn bent_line() -> String {
    let row = |i: i32| {
        let x = f64::from(i - 100) / 50.0;
        format!("{x},{}\n", x.abs() + 0.1 * f64::from(i % 7))
    };
    let rows: String = (0..200).map(row).collect();
    format!("x,y\n{rows}")
}

fn regression(dataset: &Value, hidden: &[usize], seed: u64) -> Value {
    json!({
        "kind": "train", "dataset": dataset["id"],
        "task": {"type": "tabular_regression", "target": "y"},
        "network": {"type": "mlp", "hidden": hidden},
        "optimizer": {"type": "adam", "learning_rate": 0.02},
        "training": {"epochs": 30, "batch_size": 20, "seed": seed},
        "split": {"train": 0.6, "validation": 0.1, "test": 0.3},
    })
}

async fn compare(server: &Server, jobs: &[Value]) -> Value {
    let ids: Vec<&str> = jobs.iter().map(|job| job["run"].as_str().unwrap()).collect();
    server.get(&format!("/v1/runs/compare?ids={}", ids.join(","))).await
}

fn row<'a>(rows: &'a Value, part: &str, metric: &str) -> &'a Value {
    let rows = rows.as_array().unwrap();
    let found = rows.iter().find(|row| row["part"] == part && row["metric"] == metric);
    found.unwrap_or_else(|| panic!("no {metric} of {part} among {rows:?}"))
}

/// Figures of the first two runs, and of what one of them predicts.
async fn drawn_beside_one_another(server: &Server, jobs: &[Value]) {
    let ids = [0, 1].map(|at| jobs[at]["run"].as_str().unwrap());
    let path = |name: &str| format!("/v1/runs/compare/figures/{name}?ids={},{}", ids[0], ids[1]);
    for (name, curve) in
        [("validation_loss", "validation"), ("training_loss", "training, mean of an epoch")]
    {
        let figure = server.get(&path(name)).await;
        for (at, id) in ids.iter().enumerate() {
            let own = server.get(&format!("/v1/runs/{id}/figures/loss")).await;
            let own = own["data"].as_array().unwrap().iter().find(|t| t["name"] == curve).unwrap();
            assert_eq!(figure["data"][at]["y"], own["y"], "{name}");
        }
        assert_eq!(
            (&figure["data"][0]["name"], &figure["data"][1]["name"]),
            (&json!("A"), &json!("B"))
        );
    }
    let test = server.get(&path("test")).await;
    let run = server.get(&format!("/v1/runs/{}", ids[0])).await;
    let r2 = run["metrics"]["test"]["r2"].as_f64().unwrap();
    assert_eq!(test["data"][0]["x"][0].as_f64().unwrap(), r2.max(0.0));
    let answer = server.send(Method::GET, &path("tests"), &[], "").await;
    refused(&answer, 404, "not-found", "name");
    let one = format!("/v1/runs/compare/figures/test?ids={}", ids[0]);
    refused(&server.send(Method::GET, &one, &[], "").await, 400, "invalid-query", "ids");

    let model = jobs[0]["model"].as_str().unwrap();
    let figure = server.get(&format!("/v1/models/{model}/figures/predictions")).await;
    let points = &figure["data"][1];
    assert_eq!(points["x"].as_array().unwrap().len(), 60);
    // The same as the records behind it, which come with the largest error first.
    let worst = server.get(&format!("/v1/runs/{}/test-records?limit=60", ids[0])).await;
    let items = worst["items"].as_array().unwrap();
    let error = |item: &Value| {
        let [truth, given] =
            ["true_values", "predicted_values"].map(|of| item[of]["y"].as_f64().unwrap());
        (truth - given).powi(2)
    };
    assert!(items.is_sorted_by(|a, b| error(a) >= error(b)));
    let rows = points["customdata"].as_array().unwrap();
    for item in items {
        let at = rows.iter().position(|row| row.as_f64() == item["row"].as_f64()).unwrap();
        assert_eq!(points["y"][at], item["predicted_values"]["y"]);
        // What the file holds is text.
        let held: f64 = item["record"]["y"].as_str().unwrap().parse().unwrap();
        assert_eq!(points["x"][at].as_f64(), Some(held), "{item}");
    }
}

#[tokio::test]
async fn two_specs_over_seeds() {
    let server = Server::start().await;
    let dataset = server.upload(bent_line()).await;
    let mut jobs = Vec::new();
    for hidden in [&[][..], &[10, 10]] {
        for seed in 1..=5 {
            jobs.push(server.submit(&regression(&dataset, hidden, seed)).await);
        }
    }
    for job in &mut jobs {
        *job = server.ended(job["id"].as_str().unwrap()).await;
        assert_eq!(job["status"], "succeeded", "{job}");
    }
    let comparison = compare(&server, &jobs).await;
    assert_eq!(comparison["unavailable"], json!([]));
    drawn_beside_one_another(&server, &jobs).await;
    let fields: Vec<&Value> = comparison["differences"].as_array().unwrap().iter().collect();
    let names: Vec<&str> = fields.iter().map(|f| f["field"].as_str().unwrap()).collect();
    assert_eq!(names, ["network.hidden", "training.seed"]);

    // Each run against the first, on the same sixty records.
    let paired = comparison["paired"].as_array().unwrap();
    assert_eq!(paired.len(), 9 * 2, "mse and mae of nine runs");
    let deep: Vec<&Value> =
        paired.iter().filter(|p| p["run"] == jobs[5]["run"] && p["metric"] == "mse").collect();
    let [deep] = deep.as_slice() else { panic!("{paired:?}") };
    assert_eq!((&deep["records"], &deep["test"]), (&json!(60), &json!("sign_flip")));
    let difference = deep["difference"].as_f64().unwrap();
    assert!(difference < 0.0 && deep["interval"][1].as_f64().unwrap() < 0.0, "{deep}");
    assert!(deep["p_value_adjusted"].as_f64().unwrap() < 0.05, "{deep}");
    // It is the difference of what the runs report.
    let mse = row(&comparison["metrics"], "test", "mse");
    let value = |i: usize| mse["values"][i]["value"].as_f64().unwrap();
    assert!((value(5) - value(0) - difference).abs() < 1e-9);
    let [low, high] = [0, 1].map(|i| mse["values"][0]["interval"][i].as_f64().unwrap());
    assert!(low < value(0) && value(0) < high);

    // Two groups of five seeds, and the difference of their means with its interval.
    let groups = comparison["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 2);
    assert_eq!(groups[1]["spec_difference"], json!({"network.hidden": [10, 10]}));
    assert_eq!(groups[1]["seeds"], json!([1, 2, 3, 4, 5]));
    for part in ["train", "test"] {
        let row = row(&comparison["group_metrics"], part, "mse");
        let mean = |i: usize| row["means"][i]["mean"].as_f64().unwrap();
        let difference = &row["differences"][0];
        assert!((mean(1) - mean(0) - difference["difference"].as_f64().unwrap()).abs() < 1e-12);
        assert!(difference["interval"][1].as_f64().unwrap() < 0.0, "{part}: {row}");
        assert!(row["means"][0]["standard_deviation"].is_number(), "{row}");
    }
}

#[tokio::test]
async fn classifications_and_runs_on_other_records() {
    let server = Server::start().await;
    let dataset = server.upload(small_reviews()).await;
    let mut jobs = Vec::new();
    for change in [json!({}), json!({"seed": 7}), json!({"train": 0.6, "test": 0.4})] {
        let mut request = train_request(&dataset, None);
        if change["train"].is_number() {
            request["split"] = change;
        } else if change["seed"].is_number() {
            request["training"]["seed"] = change["seed"].clone();
        }
        jobs.push(server.train(&request).await);
    }
    let comparison = compare(&server, &jobs).await;
    let paired = comparison["paired"].as_array().unwrap();
    let metrics: Vec<&str> = paired.iter().map(|p| p["metric"].as_str().unwrap()).collect();
    assert_eq!(metrics, ["accuracy", "log_loss"], "of the second run; the third is left out");
    assert_eq!(paired[0]["test"], "mcnemar_mid_p");
    let unavailable = comparison["unavailable"].as_array().unwrap();
    let other =
        unavailable.iter().find(|u| u["reason"].as_str().unwrap().contains("other records"));
    let third = jobs[2]["run"].as_str().unwrap();
    assert!(other.unwrap()["statistic"].as_str().unwrap().contains(third), "{unavailable:?}");
    let accuracy = &row(&comparison["metrics"], "test", "accuracy")["values"][0];
    assert_eq!(accuracy["interval_method"], "wilson");
    for (metric, method) in [("log_loss", "bootstrap_t"), ("macro_f1", "bootstrap_percentile")] {
        let value = &row(&comparison["metrics"], "test", metric)["values"][0];
        assert_eq!(value["interval_method"], method, "{value}");
    }
    // The model may go; what it gave for each test record stays with the run.
    let model = format!("/v1/models/{}", jobs[1]["model"].as_str().unwrap());
    let gone = server.send(Method::DELETE, &model, &[], "").await;
    assert_eq!(gone.status, 204);
    assert_eq!(compare(&server, &jobs).await["paired"], comparison["paired"]);
}

#[tokio::test]
async fn what_cannot_be_compared_is_named() {
    let server = Server::idle().await;
    let dataset = server.upload(small_reviews()).await;
    let [a, b] = [
        server.submit(&endless_request(&dataset)).await,
        server.submit(&train_request(&dataset, None)).await,
    ];
    let (a_run, b_run) = (a["run"].as_str().unwrap(), b["run"].as_str().unwrap());
    let get = async |query: String| {
        server.send(Method::GET, &format!("/v1/runs/compare{query}"), &[], "").await
    };
    refused(&get(String::new()).await, 400, "invalid-query", "ids");
    refused(&get(format!("?ids={a_run}")).await, 400, "invalid-query", "ids");
    refused(&get(format!("?ids={a_run},{b_run},{a_run}")).await, 400, "invalid-query", "ids");
    refused(&get(format!("?ids={a_run},run_0")).await, 404, "not-found", "");
    refused(&get(format!("?ids={a_run},{b_run}&id=1")).await, 400, "invalid-query", "id");
    // Runs that have not ended have specs, and no metrics yet.
    let queued = get(format!("?ids={a_run},{b_run}")).await.value();
    assert!(
        queued["differences"].as_array().unwrap().iter().any(|d| d["field"] == "training.epochs")
    );
    assert_eq!((&queued["metrics"], &queued["paired"]), (&json!([]), &json!([])));
    assert_eq!(queued["unavailable"][0]["reason"], "the run is queued");
}
