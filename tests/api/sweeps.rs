//! Sweeps: many trainings in one job, and the best of them kept.

use axum::http::Method;
use serde_json::{Value, json};

use crate::harness::{Server, refused};
use crate::process::Process;

/// Points inside and outside of a circle, which a linear network cannot tell apart.
fn circle() -> String {
    let mut rows = String::from("x,y,label\n");
    for i in 0..400 {
        let (x, y) = (f64::from(i * 7 % 41) / 20.0 - 1.0, f64::from(i * 13 % 37) / 18.0 - 1.0);
        let label = if x * x + y * y < 0.5 { "in" } else { "out" };
        rows.push_str(&format!("{x},{y},{label}\n"));
    }
    rows
}

fn sweep(dataset: &Value, strategy: &Value) -> Value {
    json!({
        "kind": "sweep",
        "base": {
            "dataset": dataset["id"],
            "task": {"type": "tabular_classification", "label": "label"},
            "training": {"epochs": 9, "batch_size": 32, "early_stopping": null},
            "split": {"train": 0.5, "validation": 0.3, "test": 0.2},
        },
        "space": {
            "network.hidden": {"choice": [[], [16]]},
            "optimizer.learning_rate": {"log": [0.0001, 0.1]},
        },
        "strategy": strategy,
    })
}

async fn table(server: &Server, job: &Value) -> Value {
    server.get(&format!("/v1/jobs/{}/sweep", job["id"].as_str().unwrap())).await
}

/// Runs to the end; returns job and table.
async fn swept(server: &Server, request: &Value) -> (Value, Value) {
    let job = server.train(request).await;
    let table = table(server, &job).await;
    (job, table)
}

fn statuses<'a>(table: &'a Value, wanted: &str) -> Vec<&'a Value> {
    let trials = table["trials"].as_array().unwrap();
    trials.iter().filter(|trial| trial["status"] == wanted).collect()
}

#[tokio::test]
async fn halving_trains_the_best_on_and_saves_the_rest() {
    let server = Server::start().await;
    let dataset = server.upload(circle()).await;
    let strategy = json!({"type": "successive_halving", "trials": 12, "eta": 3, "min_epochs": 1});
    let (job, halved) = swept(&server, &sweep(&dataset, &strategy)).await;
    let rungs = json!([{"trials": 12, "epochs": 1}, {"trials": 4, "epochs": 3}, {"trials": 1}]);
    assert_eq!(halved["sweep"]["rungs"], rungs);
    assert_eq!((statuses(&halved, "finished").len(), statuses(&halved, "pruned").len()), (1, 11));
    // Trainings go on from where they were: 12 · 1 + 4 · 2 + 1 · 6 epochs of 7 steps each.
    assert_eq!((&halved["epochs"], &halved["sweep"]["epochs_at_most"]), (&json!(26), &json!(26)));
    assert_eq!(halved["steps"], 26 * 7);

    // The best trial's model is the job's, and its run is the run of its own.
    let best = &halved["trials"][0];
    assert_eq!(
        (&best["rank"], &best["status"], &best["rungs"]),
        (&json!(1), &json!("finished"), &json!(3))
    );
    let run_id = best["runs"][0]["run"].as_str().unwrap();
    let run = server.get(&format!("/v1/runs/{run_id}")).await;
    assert_eq!((&run["model"], &run["status"]), (&job["model"], &json!("succeeded")));
    assert_eq!(run["trial"], best["trial"]);
    assert_eq!(run["metrics"]["validation"]["accuracy"], best["value"]);
    assert_eq!(run["spec"]["network"]["hidden"], best["parameters"]["network.hidden"]);
    let of_job = server.get(&format!("/v1/runs/{}", job["run"].as_str().unwrap())).await;
    assert_eq!((&of_job["spec"], &of_job["metrics"]), (&run["spec"], &run["metrics"]));
    let history = server.get(&format!("/v1/runs/{run_id}/metrics?name=validation.accuracy")).await;
    assert_eq!(history["metrics"][0]["points"].as_array().unwrap().len(), 9);
    let pruned = halved["trials"][11]["runs"][0]["run"].as_str().unwrap();
    assert_eq!(server.get(&format!("/v1/runs/{pruned}")).await["status"], "stopped");

    // The same training by itself has the same bits: pausing between stages left no trace.
    let mut alone = sweep(&dataset, &strategy)["base"].clone();
    alone["kind"] = "train".into();
    alone["network"] = run["spec"]["network"].clone();
    alone["optimizer"] = run["spec"]["optimizer"].clone();
    let alone = server.train(&alone).await;
    let sha = async |job: &Value| {
        let model = format!("/v1/models/{}", job["model"].as_str().unwrap());
        server.get(&model).await["sha256"].clone()
    };
    assert_eq!(sha(&alone).await, sha(&job).await);
}

#[tokio::test]
async fn grids_and_draws_train_everything_to_its_end() {
    let server = Server::start().await;
    let dataset = server.upload(circle()).await;
    let mut grid = sweep(&dataset, &json!({"type": "grid", "points": 4}));
    grid["base"]["model_name"] = "circle".into();
    let (job, all) = swept(&server, &grid).await;
    assert_eq!(statuses(&all, "finished").len(), 8);
    assert_eq!(all["epochs"], 8 * 9);
    let values: Vec<f64> =
        all["trials"].as_array().unwrap().iter().map(|t| t["value"].as_f64().unwrap()).collect();
    assert!(values.windows(2).all(|pair| pair[0] >= pair[1]), "{values:?}");
    assert_eq!(all["trials"][0]["parameters"]["network.hidden"], json!([16]));
    assert_eq!(server.get("/v1/models/circle").await["id"], job["model"]);
    for field in all["importance"].as_array().unwrap() {
        let [low, high] = [0, 1].map(|i| field["interval"][i].as_f64().unwrap());
        assert!(0.0 <= low && low <= high && high <= 1.0, "{field}");
    }
    // What was kept to go on from is removed right after the end.
    let kept = server.folder.path().join("artifacts/checkpoints");
    while std::fs::read_dir(&kept).map_or(0, Iterator::count) > 0 {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }

    let mut random = sweep(&dataset, &json!({"type": "random", "trials": 6}));
    random["seeds"] = 2.into();
    random["metric"] = "log_loss".into();
    let (_, drawn) = swept(&server, &random).await;
    let trials = drawn["trials"].as_array().unwrap();
    assert_eq!((trials.len(), &drawn["lower_is_better"]), (6, &json!(true)));
    for trial in trials {
        let runs = trial["runs"].as_array().unwrap();
        assert_eq!((&runs[0]["seed"], &runs[1]["seed"]), (&json!(1), &json!(2)));
        let mean =
            (runs[0]["values"][0].as_f64().unwrap() + runs[1]["values"][0].as_f64().unwrap()) / 2.0;
        assert!((trial["value"].as_f64().unwrap() - mean).abs() < 1e-12);
        assert!(trial["standard_deviation"].is_number());
    }
}

#[tokio::test]
async fn budgets_limit_a_sweep() {
    let server = Server::start().await;
    let dataset = server.upload(circle()).await;
    let mut few = sweep(&dataset, &json!({"type": "random", "trials": 50}));
    few["budget"] = json!({"epochs": 20});
    let (job, table) = swept(&server, &few).await;
    assert_eq!(table["epochs"], 18);
    assert_eq!(job["warnings"][0]["code"], "budget_cuts_trials");
    few["budget"] = json!({"trials": 3});
    assert_eq!(swept(&server, &few).await.1["trials"].as_array().unwrap().len(), 3);
    few["budget"] = json!({"seconds": 1});
    few["base"]["training"]["epochs"] = 100_000.into();
    let job = server.submit(&few).await;
    let job = server.ended(job["id"].as_str().unwrap()).await;
    assert_eq!(job["status"], "stopped", "{job}");
    assert!(job["model"].is_string());
}

#[tokio::test]
async fn a_sweep_can_be_stopped_and_cancelled() {
    let server = Server::start().await;
    let dataset = server.upload(circle()).await;
    let strategy = json!({"type": "successive_halving", "trials": 6, "eta": 3, "min_epochs": 2});
    let mut endless = sweep(&dataset, &strategy);
    endless["base"]["training"]["epochs"] = 100_000.into();
    for (end, status) in [("stop", "stopped"), ("cancel", "cancelled")] {
        let job = server.submit(&endless).await;
        let id = job["id"].as_str().unwrap();
        loop {
            let table = table(&server, &job).await;
            let begun = |run: &Value| run["values"].as_array().is_some_and(|v| !v.is_empty());
            if table["trials"].as_array().unwrap().iter().any(|trial| begun(&trial["runs"][0])) {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        let asked = server.send(Method::POST, &format!("/v1/jobs/{id}/{end}"), &[], "").await;
        assert_eq!(asked.status, 202, "{}", asked.value());
        let ended = server.ended(id).await;
        assert_eq!(ended["status"], status, "{ended}");
        assert_eq!(ended["model"].is_string(), end == "stop");
        let table = table(&server, &job).await;
        assert!(statuses(&table, "running").is_empty() || end == "cancel", "{table}");
    }
}

/// A server that is killed goes on with the sweep and repeats no training; the table and the model
/// are those of a sweep that was never disturbed.
#[tokio::test]
async fn a_killed_sweep_ends_as_if_nothing_had_happened() {
    const SERVE: &[&str] = &["--workers", "1", "--max-attempts", "100"];
    let folder = tempfile::tempdir().unwrap();
    let mut server = Process::start(folder.path(), SERVE).await;
    let answer = server.client.post_as("/v1/datasets", "text/csv", circle()).await.unwrap();
    let strategy = json!({"type": "successive_halving", "trials": 9, "eta": 3, "min_epochs": 20});
    let mut request = sweep(&answer.value(), &strategy);
    request["base"]["training"]["epochs"] = 180.into();
    request["base"]["training"]["checkpoint_seconds"] = 0.into();
    let submit = async |server: &Process| -> String {
        let job: Value = server.client.post("/v1/jobs", &request).await.unwrap();
        job["id"].as_str().unwrap().to_owned()
    };
    let id = submit(&server).await;
    for share in [0.1, 0.4, 0.8] {
        server.reached(&id, share).await;
        server.kill();
        server = Process::start(folder.path(), SERVE).await;
    }
    let killed = server.ended(&id).await;
    assert_eq!(killed["status"], "succeeded", "{killed}");
    assert!(killed["attempt"].as_u64().unwrap() > 1, "{killed}");
    let whole = submit(&server).await;
    let whole = server.ended(&whole).await;

    let outcome = async |job: &Value| {
        let table = server.get(&format!("/v1/jobs/{}/sweep", job["id"].as_str().unwrap())).await;
        let trials = table["trials"].as_array().unwrap().iter();
        let row =
            |t: &Value| (t["trial"].clone(), t["status"].clone(), t["runs"][0]["values"].clone());
        let rows: Vec<_> = trials.map(row).collect();
        let model = server.get(&format!("/v1/models/{}", job["model"].as_str().unwrap())).await;
        let run = model["run"].as_str().unwrap();
        let history = server.get(&format!("/v1/runs/{run}/metrics?name=epoch.train_loss")).await;
        let points = history["metrics"][0]["points"].as_array().unwrap().iter();
        let points: Vec<_> = points.map(|p| (p["step"].clone(), p["value"].clone())).collect();
        (rows, table["epochs"].clone(), model["sha256"].clone(), points)
    };
    assert_eq!(outcome(&killed).await, outcome(&whole).await);
}

#[tokio::test]
async fn a_sweep_that_could_not_run_is_refused_at_its_field() {
    let server = Server::idle().await;
    let dataset = server.upload(circle()).await;
    let strategy = json!({"type": "random", "trials": 4});
    let plain = sweep(&dataset, &strategy);
    let with = async |change: &dyn Fn(&mut Value)| {
        let mut request = plain.clone();
        change(&mut request);
        server.post("/v1/jobs", &request).await
    };
    let space = |name: &str, range: Value| {
        let name = name.to_owned();
        move |request: &mut Value| request["space"] = json!({name.clone(): range.clone()})
    };
    let field = async |name: &str, range: Value, at: &str| {
        let answer = with(&space(name, range)).await;
        let code = answer.value()["code"].as_str().unwrap_or("").to_owned();
        refused(&answer, 422, &code, at)
    };
    let lr = "optimizer.learning_rate";
    field(lr, json!({"log": [0.0, 1.0]}), "space.optimizer.learning_rate").await;
    field(lr, json!({"log": [-1.0, 1.0]}), "space.optimizer.learning_rate").await;
    field(lr, json!({"linear": [0.1, 1e300]}), "space.optimizer.learning_rate").await;
    field(lr, json!({"lag": [0.1, 1.0]}), "space.optimizer.learning_rate").await;
    field(lr, json!({"choice": [0.1, "fast"]}), "space.optimizer.learning_rate").await;
    field("optimizer.learning_rat", json!({"log": [0.1, 1.0]}), "space.optimizer.learning_rat")
        .await;
    field("network.hidden", json!({"choice": [[10], [0]]}), "space.network.hidden").await;
    field("training.batch_size", json!({"integer": [0, 8]}), "space.training.batch_size").await;
    field("training.batch_size", json!({"linear": [1, 8]}), "space.training.batch_size").await;
    field("training.seed", json!({"integer": [1, 8]}), "space.training.seed").await;
    field("split.train", json!({"linear": [0.1, 0.8]}), "space.split.train").await;
    field("task.label", json!({"choice": ["x", "y"]}), "space.task.label").await;

    let answer = with(&|r| r["base"]["training"]["epochs"] = "many".into()).await;
    refused(&answer, 422, "invalid-request", "base.training.epochs");
    let answer = with(&|r| r["base"]["task"]["label"] = "z".into()).await;
    refused(&answer, 422, "invalid-spec", "base.task.label");
    let answer = with(&|r| r["base"]["split"] = json!({"train": 0.8, "test": 0.2})).await;
    refused(&answer, 422, "invalid-spec", "base.split.validation");
    let answer = with(&|r| r["metric"] = "mse".into()).await;
    refused(&answer, 422, "invalid-spec", "metric");
    let answer = with(&|r| r["space"] = json!({})).await;
    refused(&answer, 422, "invalid-spec", "space");
    let answer = with(&|r| r["seeds"] = 0.into()).await;
    refused(&answer, 422, "invalid-request", "seeds");
    let answer = with(&|r| r["budget"] = json!({"epochs": 5})).await;
    refused(&answer, 422, "invalid-spec", "budget.epochs");
    let answer = with(&|r| {
        r["strategy"] = json!({"type": "successive_halving"});
        r["space"] = json!({"training.epochs": {"integer": [1, 9]}});
    })
    .await;
    refused(&answer, 422, "invalid-spec", "space.training.epochs");
    let answer = with(&|r| r["strategy"] = json!({"type": "bayes"})).await;
    refused(&answer, 422, "invalid-request", "strategy.type");

    // A plain job has no table.
    let train = crate::harness::train_request(&dataset, None);
    let mut train = train.clone();
    train["task"] = plain["base"]["task"].clone();
    let job = server.submit(&train).await;
    let path = format!("/v1/jobs/{}/sweep", job["id"].as_str().unwrap());
    refused(&server.send(Method::GET, &path, &[], "").await, 404, "not-found", "");

    // What a sweep would do is told without doing it.
    let answer = server.post("/v1/jobs?validate_only=true", &plain).await;
    assert_eq!(answer.status, 200, "{}", answer.value());
    assert_eq!(answer.value()["sweep"]["epochs_at_most"], 36);
}
