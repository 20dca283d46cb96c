//! Tables over HTTP: numbers and labels from rows, and what lies outside what training saw.

use serde_json::{Value, json};

use crate::harness::{Server, refused, shared};

#[tokio::test]
async fn a_number_outside_the_training_range_is_told_apart() {
    let server = Server::start().await;
    let row = |i: usize| {
        let x = 10.0 * (i * 7_919 % 1_000) as f64 / 1_000.0;
        format!("{x},{},{}\n", x.sin(), 3.0 * x)
    };
    let csv: String = std::iter::once("x,y,z\n".to_owned()).chain((0..1_000).map(row)).collect();
    let dataset = server.upload(csv).await;
    let request = json!({
        "kind": "train", "dataset": dataset["id"], "model_name": "curve",
        "task": {"type": "tabular_regression", "features": ["x"], "target": ["y", "z"]},
    });
    server.train(&request).await;
    let score = json!({"records": [{"x": 5.0}, {"x": 15.0}, {"x": null}, {"x": "five"}, {"w": 1}]});
    let answer = server.post("/v1/models/curve/score", &score).await;
    assert_eq!(answer.status, 200, "{}", answer.value());
    let results = answer.value()["results"].clone();
    let (inside, outside) = (&results[0], &results[1]);
    assert_eq!((&inside["accepted"], &outside["accepted"]), (&true.into(), &false.into()));
    assert_eq!(inside["coverage"]["columns"], 1.0);
    assert_eq!(outside["coverage"]["outside"][0]["column"], "x");
    assert_eq!(outside["coverage"]["outside"][0]["reason"], "above");
    assert!(outside["ood"]["p_value"].as_f64().unwrap() < 0.02, "{outside}");
    assert!(outside["reason"].as_str().unwrap().contains("outside what training saw"));
    let of = |result: &Value, target: usize, what: &str| result["values"][target][what].clone();
    assert!((of(inside, 0, "value").as_f64().unwrap() - 5f64.sin()).abs() < 0.3, "{inside}");
    assert!((of(inside, 1, "value").as_f64().unwrap() - 15.0).abs() < 1.0, "{inside}");
    let interval = of(inside, 1, "interval");
    assert!(interval[0].as_f64() < of(inside, 1, "value").as_f64(), "{inside}");
    assert_eq!(results[2]["coverage"]["outside"][0]["reason"], "missing");
    assert_eq!(results[3]["error"]["errors"][0]["field"], "records[3].x");
    assert_eq!(results[4]["error"]["errors"][0]["field"], "records[4].w");

    let texts = server.post("/v1/models/curve/score", &json!({"texts": ["five"]})).await;
    refused(&texts, 422, "invalid-request", "texts");
    let evaluated =
        server.post("/v1/models/curve/evaluate", &json!({"dataset": dataset["id"]})).await;
    let overall = &evaluated.value()["overall"];
    assert!(overall["metrics"]["r2"].as_f64().unwrap() > 0.9, "{overall}");
    assert_eq!(overall["coverage"]["columns"], 1.0, "{overall}");
    let bins = &evaluated.value()["coverage_bins"];
    assert_eq!((&bins[0]["lower"], &bins[0]["records"]), (&json!(1.0), &json!(1_000)), "{bins}");
    assert_eq!(bins[0]["mse"], overall["metrics"]["mse"]);

    // Without labels: rows outside the range have shifted, and of numbers no accuracy is estimated.
    let outside: String = (0..60).map(|i| format!("{}\n", 11.0 + 0.1 * f64::from(i))).collect();
    let outside = server.upload(format!("x\n{outside}")).await;
    let answer =
        server.post("/v1/models/curve/evaluate", &json!({"dataset": outside["id"]})).await.value();
    assert_eq!(answer["drift"]["shifted"], true, "{answer}");
    let axes = answer["drift"]["axes"].as_array().unwrap();
    let rows = axes.iter().find(|axis| axis["axis"] == "rows_with_outside").unwrap();
    assert_eq!((&rows["test"], &rows["batch"]), (&json!("fisher_exact"), &json!(1.0)), "{rows}");
    let changed = &answer["drift"]["changed"][0];
    assert_eq!((&changed["term"], &changed["direction"]), (&json!("x"), &json!("higher")));
    // The median, in the column's own unit.
    assert!((changed["batch"].as_f64().unwrap() - 13.95).abs() < 0.01, "{changed}");
    let report = &answer["unlabelled"];
    assert_eq!(report["uncovered_terms"][0]["term"], "x", "{report}");
    assert_eq!(report["uncovered_terms"][0]["records"], 60);
    assert!(report["label_first"].as_array().is_some_and(|first| !first.is_empty()), "{report}");
    let said = &answer["unavailable"][0];
    assert_eq!(said["statistic"], "estimated_accuracy", "{answer}");
    assert!(said["reason"].as_str().unwrap().starts_with("numbers are predicted"), "{said}");
}

#[tokio::test]
async fn tables_that_cannot_be_learnt_are_refused_with_the_field() {
    let server = Server::start().await;
    let row = |i: usize| format!("{i},c{},{},{}\n", i % 3, i % 2, i as f64 / 7.0);
    let csv: String =
        std::iter::once("a,b,label,y\n".to_owned()).chain((0..100).map(row)).collect();
    let dataset = server.upload(csv).await;
    let refuse = async |task: Value, more: Value, field: &str| {
        let mut request = json!({"kind": "train", "dataset": dataset["id"], "task": task});
        for (name, value) in more.as_object().unwrap() {
            request[name] = value.clone();
        }
        refused(&server.post("/v1/jobs", &request).await, 422, "invalid-spec", field);
    };
    let regression = |target: Value| json!({"type": "tabular_regression", "target": target});
    let named = |features: Value| json!({"type": "tabular_classification", "label": "label", "features": features});
    refuse(regression("b".into()), json!({}), "task.target").await;
    refuse(regression("nothing".into()), json!({}), "task.target").await;
    refuse(regression(json!([])), json!({}), "task.target").await;
    refuse(regression(json!(["y", "y"])), json!({}), "task.target").await;
    refuse(named(json!(["a", "label"])), json!({}), "task.features[1]").await;
    refuse(named(json!(["a", "q"])), json!({}), "task.features[1]").await;
    refuse(named(json!(["a", "a"])), json!({}), "task.features[1]").await;
    refuse(named(json!([])), json!({}), "task.features").await;
    let y = || regression("y".into());
    for warmup in [json!({}), json!({"steps": 3, "share": 0.3})] {
        let schedule = json!({"schedule": {"type": "linear", "warmup": warmup}});
        refuse(y(), schedule, "schedule.warmup").await;
    }
    refuse(y(), json!({"loss": {"type": "cross_entropy"}}), "loss.type").await;
    refuse(y(), json!({"network": {"type": "embedding_bag"}}), "network.type").await;
    let stopping = json!({"training": {"early_stopping": {"metric": "accuracy"}}});
    refuse(y(), stopping, "training.early_stopping.metric").await;
    let precise = json!({"training": {"target": {"metric": "mean_average_precision", "value": 1}}});
    refuse(named(json!(["a"])), precise, "training.target.metric").await;
    for (kind, setting) in [("text", json!({"typos": 0.1})), ("image", json!({"flip": 0.5}))] {
        let other = json!({"augmentation": {kind: setting, "tabular": {"noise": 0.1}}});
        refuse(y(), other, &format!("augmentation.{kind}")).await;
    }
    refuse(named(json!(["a"])), json!({"loss": {"type": "mae"}}), "loss.type").await;
    let weighted = json!({"type": "tabular_regression", "target": "y", "weight": "b"});
    refuse(weighted, json!({}), "task.weight").await;

    // A number whose square is none fails the job, and nothing that lists it.
    let huge: String = (0..60).map(|i| format!("{i},{i}e160\n")).collect();
    let dataset = server.upload(format!("x,y\n{huge}")).await;
    let request = json!({"kind": "train", "dataset": dataset["id"], "task": y()});
    let job = server.submit(&request).await;
    let job = server.ended(job["id"].as_str().unwrap()).await;
    assert_eq!(
        (&job["status"], &job["error"]["errors"][0]["field"]),
        (&json!("failed"), &json!("task.target"))
    );
    assert_eq!(server.get("/v1/runs").await["items"].as_array().unwrap().len(), 1);
}

/// Nine different rows cannot be shared out as 70, 10, 10 and 10 %.
#[tokio::test]
async fn rows_that_repeat_are_said_to_have_changed_the_split() {
    let server = Server::start().await;
    let row = |i: usize| format!("c{},{}\n", i % 9, i % 2);
    let csv: String = std::iter::once("c,label\n".to_owned()).chain((0..900).map(row)).collect();
    let dataset = server.upload(csv).await;
    let request = json!({"kind": "train", "dataset": dataset["id"],
        "task": {"type": "tabular_classification", "label": "label"}, "training": {"epochs": 1}});
    let job = server.train(&request).await;
    let warnings = job["warnings"].as_array().unwrap();
    assert!(warnings.iter().any(|warning| warning["code"] == "uneven_split"), "{job}");
}

#[tokio::test]
async fn every_option_of_a_table_changes_the_model() {
    let server = Server::start().await;
    let row = |i: usize| {
        let x = (i * 37 % 101) as f64 / 10.0;
        let c = ["red", "green", "blue", "rare"][if i.is_multiple_of(50) { 3 } else { i % 3 }];
        let w = 1 + i % 4;
        let gap = if i.is_multiple_of(9) {
            String::new()
        } else {
            (x * 2.0 + (i % 5) as f64).to_string()
        };
        let y = x.sin() + (i % 3) as f64 + (i * 17 % 11) as f64 / 11.0;
        format!("{x},{c},{gap},2026-{:02}-11,{w},{y}\n", 1 + i % 12)
    };
    let head = "x,c,gap,day,w,y\n".to_owned();
    let csv: String = std::iter::once(head).chain((0..400).map(row)).collect();
    let dataset = server.upload(csv).await;
    let base = json!({
        "kind": "train", "dataset": dataset["id"],
        "task": {"type": "tabular_regression", "target": "y", "features": ["x", "c", "gap", "day"]},
        "network": {"type": "mlp", "hidden": [8, 8]},
        "training": {"epochs": 3},
    });
    let sha = async |change: Value| {
        let mut request = base.clone();
        for (name, value) in change.as_object().unwrap() {
            request[name] = value.clone();
        }
        let job = server.train(&request).await;
        let model = server.get(&format!("/v1/models/{}", job["model"].as_str().unwrap())).await;
        model["sha256"].as_str().map_or_else(|| model["artifact"].to_string(), str::to_owned)
    };
    let mut seen = vec![sha(json!({})).await];
    let task = |more: Value| {
        let mut task = base["task"].clone();
        task.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "task": task })
    };
    let mlp = |more: Value| {
        let mut network = json!({"type": "mlp", "hidden": [8, 8]});
        network.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "network": network })
    };
    for change in [
        task(json!({"features": ["x", "c"]})),
        task(json!({"weight": "w"})),
        task(json!({"target": ["y", "w"]})),
        mlp(json!({"hidden": []})),
        mlp(json!({"activation": "gelu"})),
        mlp(json!({"activation": "sigmoid"})),
        mlp(json!({"activation": "leaky_relu"})),
        mlp(json!({"normalization": "batch"})),
        mlp(json!({"normalization": "layer"})),
        mlp(json!({"dropout": 0.2})),
        mlp(json!({"residual": true})),
        json!({"loss": {"type": "mae"}}),
        json!({"loss": {"type": "huber", "delta": 0.5}}),
        json!({"tabular": {"standardize": false}}),
        json!({"tabular": {"max_categories": 2}}),
        json!({"tabular": {"min_category_count": 30}}),
        json!({"tabular": {"numeric_clip": 1.0}}),
    ] {
        let found = sha(change.clone()).await;
        assert!(found.len() > 10 && !seen.contains(&found), "{change} changes nothing");
        seen.push(found);
    }
    assert_eq!(sha(json!({})).await, seen[0], "the same again gives the same bits");
}

/// The columns that a job's warnings say tell the target.
fn leaks(job: &Value) -> Vec<&str> {
    let warnings = job["warnings"].as_array().unwrap().iter();
    let leaks = warnings.filter(|warning| warning["code"] == "target_leakage");
    leaks.map(|w| w["message"].as_str().unwrap().split('"').nth(1).unwrap()).collect()
}

#[tokio::test]
async fn a_column_that_tells_the_target_is_warned_of() {
    let server = Server::start().await;
    let row = |i: usize| {
        let x = (i * 7_919 % 1_000) as f64 / 1_000.0;
        let noise = (i * 104_729 % 997) as f64 / 997.0;
        let y = 5.0 * x + noise;
        let label = ["low", "high"][usize::from(y > 3.0)];
        let reason = if label == "high" { ["b", "c"][i % 2] } else { "a" };
        let tags = if i.is_multiple_of(3) { "red;blue" } else { "blue" };
        let red = i.is_multiple_of(3);
        format!("{x},{noise},{y},{},{label},{reason},7,{tags},{red}\n", (y / 2.0).exp())
    };
    let head = "x,noise,y,grown,label,reason,same,tags,red\n".to_owned();
    let csv: String = std::iter::once(head).chain((0..600).map(row)).collect();
    let dataset = server.upload(csv).await;
    let trained = async |task: Value, kind: &str| {
        let training = json!({"epochs": 1});
        let request =
            json!({"kind": kind, "dataset": dataset["id"], "task": task, "training": training});
        server.train(&request).await
    };
    let numbers = json!({"type": "tabular_regression", "target": "y",
        "features": ["x", "noise", "grown", "reason", "same"]});
    let job = trained(numbers.clone(), "train").await;
    assert_eq!(leaks(&job), ["grown"], "{}", job["warnings"]);
    let card = server.get(&format!("/v1/models/{}/card", job["model"].as_str().unwrap())).await;
    assert_eq!(card["warnings"], job["warnings"]);
    // It says what training saw in each column that is looked at.
    let ranges = card["intended_range"]["ranges"].as_array().unwrap();
    let columns: Vec<&Value> = ranges.iter().map(|range| &range["column"]).collect();
    assert_eq!(columns, ["x", "noise", "grown", "reason", "same"]);
    let [min, max] = ["min", "max"].map(|end| ranges[0][end].as_f64().unwrap());
    assert!((0.0..0.1).contains(&min) && (0.9..1.0).contains(&max), "{}", ranges[0]);
    assert_eq!(ranges[3]["categories"], json!(["a", "b", "c"]));
    assert_eq!((&ranges[3]["may_be_missing"], ranges[3].get("min")), (&json!(false), None));
    // What else is said of a column names it too.
    let constant = |w: &&Value| w["code"] == "column";
    let constant = job["warnings"].as_array().unwrap().iter().find(constant).unwrap();
    assert!(constant["message"].as_str().unwrap().starts_with("the column \"same\""), "{constant}");
    let job = trained(numbers, "range_test").await;
    assert_eq!(leaks(&job), ["grown"], "{}", job["warnings"]);

    let labels = json!({"type": "tabular_classification", "label": "label",
        "features": ["x", "noise", "y", "grown", "reason", "same"]});
    let job = trained(labels, "train").await;
    assert_eq!(leaks(&job), ["y", "grown", "reason"], "{}", job["warnings"]);
    let several = json!({"type": "tabular_classification", "label": "tags", "multi_label": true,
        "label_separator": ";", "features": ["x", "red", "reason"]});
    let job = trained(several, "train").await;
    assert_eq!(leaks(&job), ["red"], "{}", job["warnings"]);
    assert!(job["warnings"].to_string().contains("alone tells \\\"red\\\""), "{}", job["warnings"]);
}

/// The mean, worst and best of what defaults reach is not tuned here: the data only judge.
#[tokio::test]
async fn wine_and_adult_are_learnt_with_defaults() {
    let Some(folder) = shared("tabular") else { return };
    let server = Server::start().await;
    let dataset = server.upload(std::fs::read(folder.join("wine_white.csv")).unwrap()).await;
    let job = server
        .train(&json!({
            "kind": "train", "dataset": dataset["id"],
            "task": {"type": "tabular_regression", "target": "quality"},
            "split": {"train": 0.6, "validation": 0.1, "calibration": 0.1, "test": 0.2},
        }))
        .await;
    let run = server.get(&format!("/v1/runs/{}", job["run"].as_str().unwrap())).await;
    let r2 = run["metrics"]["test"]["r2"].as_f64().unwrap();
    let model = server.get(&format!("/v1/models/{}", job["model"].as_str().unwrap())).await;
    println!("wine_white: R² {r2:.3}; {}", model["card"]["calibration"]["intervals"]);
    assert_eq!(leaks(&job), [""; 0], "{}", job["warnings"]);
    assert!(r2 >= 0.35, "{r2}");

    let mut csv = String::new();
    for split in ["train", "test"] {
        let file = std::fs::read_to_string(folder.join(format!("adult_{split}.csv"))).unwrap();
        let mut lines = file.lines();
        let head = lines.next().unwrap();
        if csv.is_empty() {
            csv = format!("{head},split\n");
        }
        lines.for_each(|line| csv.extend([line, ",", split, "\n"]));
    }
    let dataset = server.upload(csv).await;
    let job = server
        .train(&json!({
            "kind": "train", "dataset": dataset["id"],
            "task": {"type": "tabular_classification", "label": "income"},
            "split": {"column": "split"},
        }))
        .await;
    let run = server.get(&format!("/v1/runs/{}", job["run"].as_str().unwrap())).await;
    let accuracy = run["metrics"]["test"]["accuracy"].as_f64().unwrap();
    println!("adult: accuracy {accuracy:.4}, {} s", run["seconds"]["total"]);
    assert_eq!(leaks(&job), [""; 0], "{}", job["warnings"]);
    assert!(accuracy >= 0.85, "{accuracy}");
}
