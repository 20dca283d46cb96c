//! Figures as Plotly reads them and as SVG, and the dashboard's files.

use axum::http::Method;
use serde_json::{Value, json};
use whereof::config::Settings;

use crate::harness::{Server, refused, small_reviews, train_request};

#[tokio::test]
async fn runs_and_models_are_drawn() {
    let server = Server::start().await;
    let job = server.small_model("sentiment").await;
    let run = format!("/v1/runs/{}/figures", job["run"].as_str().unwrap());
    for (name, title) in [
        ("loss", "Loss"),
        ("metrics", "Metrics on the validation records"),
        ("learning_rate", "Learning rate"),
        ("gradient_norm", "Norm of the gradient"),
    ] {
        let figure = server.get(&format!("{run}/{name}")).await;
        assert_eq!(figure["layout"]["title"]["text"], title);
        let trace = &figure["data"][0];
        assert_eq!(trace["type"], "scatter", "{name}: {figure}");
        let (x, y) = (trace["x"].as_array().unwrap(), trace["y"].as_array().unwrap());
        assert_eq!(x.len(), y.len());
        assert!(x.len() >= 4 && y.iter().all(Value::is_number), "{name}: {figure}");
        assert_eq!(figure["layout"]["annotations"][0]["text"], "best epoch", "{name}");
    }
    let histories = server.get(&format!("{}/metrics?name=train.loss", &run[..run.len() - 8])).await;
    let points = histories["metrics"][0]["points"].as_array().unwrap();
    let loss = server.get(&format!("{run}/loss")).await;
    let batches =
        loss["data"].as_array().unwrap().iter().find(|t| t["name"] == "training, each batch");
    let batches = batches.unwrap()["y"].as_array().unwrap();
    let recorded: Vec<&Value> = points.iter().map(|point| &point["value"]).collect();
    assert_eq!(batches.iter().collect::<Vec<_>>(), recorded, "the curve is not the history");
    let thinned = server.get(&format!("{run}/loss?max_points=5")).await;
    let kept = |trace: &Value| trace["x"].as_array().unwrap().len();
    assert!(thinned["data"].as_array().unwrap().iter().all(|trace| kept(trace) <= 5));

    let card = server.get("/v1/models/sentiment/card").await;
    let of = async |name: &str| server.get(&format!("/v1/models/sentiment/figures/{name}")).await;
    let confusion = of("confusion").await;
    let rows = &card["metrics"]["test"]["confusion_matrix"]["rows"];
    let drawn: Vec<Vec<u64>> =
        serde_json::from_value::<Vec<Vec<f64>>>(confusion["data"][0]["z"].clone())
            .unwrap()
            .iter()
            .map(|row| row.iter().map(|count| *count as u64).collect())
            .collect();
    assert_eq!(&json!(drawn), rows);
    let reliability = of("reliability").await;
    let bins = card["calibration"]["reliability"]["before"]["bins"].as_array().unwrap();
    assert_eq!(kept(&reliability["data"][1]), bins.len());
    // As many p-values in each bin as the card counts, of all test records, and what is expected sums to 1.
    let spread = of("p_values").await;
    let counted = &card["calibration"]["test_p_values"];
    assert_eq!(counted["records"], card["records"]["test"]);
    let names: Vec<&Value> =
        spread["data"].as_array().unwrap().iter().map(|trace| &trace["name"]).collect();
    assert_eq!(names.len(), 2 + counted["axes"].as_array().unwrap().len(), "{names:?}");
    let sum = |trace: &Value| -> f64 {
        trace["y"].as_array().unwrap().iter().take(20).map(|y| y.as_f64().unwrap()).sum()
    };
    for trace in spread["data"].as_array().unwrap() {
        assert!((sum(trace) - 1.0).abs() < 1e-9 && kept(trace) == 21, "{trace}");
        assert_eq!(trace["line"]["shape"], "hv");
    }

    // What is scored is drawn over time.
    let empty = of("monitoring_volume").await;
    assert_eq!(empty["data"], json!([]));
    let texts = json!({"texts": ["I love this purchase", "The ergonomics are poor"]});
    server.post("/v1/models/sentiment/score", &texts).await;
    let volume = of("monitoring_volume").await;
    assert_eq!(
        (&volume["layout"]["xaxis"]["type"], &volume["data"][0]["y"]),
        (&json!("date"), &json!([2.0]))
    );
    assert_eq!(of("monitoring_shares").await["data"][0]["customdata"], json!([2.0]));
    assert_eq!(of("monitoring_coverage").await["data"][0]["name"], "words");
    let total = sum(&of("monitoring_p_values").await["data"][1]);
    assert!(
        (total - 1.0 - of("monitoring_p_values").await["data"][1]["y"][9].as_f64().unwrap()).abs()
            < 1e-9
    );

    let dataset = format!("/v1/datasets/{}/figures", job["dataset"].as_str().unwrap());
    let balance = server.get(&format!("{dataset}/balance")).await;
    assert_eq!(balance, server.get(&format!("{dataset}/balance?column=sentiment")).await);
    assert_eq!(balance["data"][0]["y"].as_array().unwrap().len(), 2, "{balance}");
    let missing = server.get(&format!("{dataset}/missing")).await;
    assert!(missing["data"][0]["x"].as_array().unwrap().iter().all(|share| *share == 0.0));
    let wrong =
        server.send(Method::GET, &format!("{dataset}/balance?column=sentimen"), &[], "").await;
    let hint = refused(&wrong, 400, "invalid-query", "column")["hint"].as_str().unwrap().to_owned();
    assert!(hint.contains("did you mean \"sentiment\"?"), "{hint}");

    let risk = of("risk_coverage").await;
    let all = card["calibration"]["risk_coverage"]["curve"].as_array().unwrap().len();
    assert_eq!(kept(&risk["data"][0]), all);
    let on_model = ["confusion", "p_values", "monitoring_volume", "monitoring_p_values"];
    let on_model = on_model.map(|name| format!("/v1/models/sentiment/figures/{name}"));
    for path in [format!("{run}/loss"), format!("{dataset}/balance")].into_iter().chain(on_model) {
        let accept = [("accept", "image/svg+xml")];
        let svg = server.send(Method::GET, &path, &accept, "").await;
        assert_eq!(svg.headers["content-type"], "image/svg+xml", "{path}");
        assert!(svg.headers["vary"].to_str().unwrap().contains("accept"));
        assert!(String::from_utf8(svg.body.to_vec()).unwrap().starts_with("<svg "), "{path}");
        let other = server.send(Method::GET, &path, &[("accept", "image/png")], "").await;
        refused(&other, 406, "not-acceptable", "");
    }
}

#[tokio::test]
async fn a_figure_that_is_not_there_is_told_with_those_that_are() {
    let server = Server::start().await;
    let job = server.small_model("sentiment").await;
    let path = format!("/v1/runs/{}/figures/los", job["run"].as_str().unwrap());
    let answer = server.send(Method::GET, &path, &[], "").await;
    let hint = refused(&answer, 404, "not-found", "name")["hint"].as_str().unwrap().to_owned();
    assert!(hint.contains("did you mean \"loss\"?") && hint.contains("gradient_norm"), "{hint}");
    let path = "/v1/models/sentiment/figures/roc";
    let answer = server.send(Method::GET, path, &[], "").await;
    let hint = refused(&answer, 404, "not-found", "name")["hint"].as_str().unwrap().to_owned();
    for name in ["confusion", "risk_coverage", "p_values", "monitoring_volume"] {
        assert!(hint.contains(name) && !hint.contains("predictions"), "{hint}");
    }
    let path = format!("/v1/jobs/{}/figures/trials", job["id"].as_str().unwrap());
    refused(&server.send(Method::GET, &path, &[], "").await, 404, "not-found", "");
    for nowhere in ["/v1/runs/run_x/figures/loss", "/v1/models/x/figures/confusion"] {
        refused(&server.send(Method::GET, nowhere, &[], "").await, 404, "not-found", "");
    }
}

#[tokio::test]
async fn a_run_that_has_not_begun_has_empty_figures() {
    let server = Server::idle().await;
    let dataset = server.upload(small_reviews()).await;
    let job = server.submit(&train_request(&dataset, None)).await;
    for name in ["loss", "metrics", "learning_rate", "gradient_norm"] {
        let path = format!("/v1/runs/{}/figures/{name}", job["run"].as_str().unwrap());
        assert_eq!(server.get(&path).await["data"], json!([]), "{name}");
        let svg = server.send(Method::GET, &path, &[("accept", "image/svg+xml")], "").await;
        assert!(String::from_utf8(svg.body.to_vec()).unwrap().contains("Nothing to show yet"));
    }
}

#[tokio::test]
async fn a_sweep_is_drawn() {
    let server = Server::start().await;
    let dataset = server.upload(small_reviews()).await;
    let mut base = train_request(&dataset, None);
    base.as_object_mut().unwrap().remove("kind");
    base["training"] = json!({"epochs": 1});
    let job = server
        .train(&json!({"kind": "sweep", "base": base, "space": {
            "optimizer.learning_rate": {"log": [0.001, 0.1]},
            "network.pooling": {"choice": ["mean", "sqrt_n"]},
        }, "strategy": {"type": "random", "trials": 4}}))
        .await;
    let path = format!("/v1/jobs/{}/figures", job["id"].as_str().unwrap());
    let trials = server.get(&format!("{path}/trials")).await;
    let dimensions = trials["data"][0]["dimensions"].as_array().unwrap();
    let labels: Vec<&str> = dimensions.iter().map(|d| d["label"].as_str().unwrap()).collect();
    assert_eq!(labels[..2], ["network.pooling", "optimizer.learning_rate"], "{labels:?}");
    assert!(dimensions.iter().all(|d| d["values"].as_array().unwrap().len() == 4), "{trials}");
    // Rates were drawn by their logarithm, and stand so.
    let rates = dimensions[1]["values"].as_array().unwrap();
    assert!(rates.iter().all(|v| (-3.0..=-1.0).contains(&v.as_f64().unwrap())), "{trials}");
    let table = server.get(&path.replace("/figures", "/sweep")).await;
    for trial in table["trials"].as_array().unwrap() {
        let id = &trials["data"][0]["ids"][trial["rank"].as_u64().unwrap() as usize - 1];
        assert_eq!(*id, trial["runs"][0]["run"], "a line leads to another run");
    }
    let importance = server.get(&format!("{path}/importance")).await;
    assert_eq!(importance["layout"]["xaxis"]["range"], json!([0.0, 1.0]));
}

#[tokio::test]
async fn the_dashboard_is_served_with_a_strict_policy_and_checked_again() {
    let server = Server::idle().await;
    let page = server.send(Method::GET, "/", &[], "").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    for rule in
        ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"]
    {
        assert!(policy.contains(rule), "{policy}");
    }
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    let html = String::from_utf8(page.body.to_vec()).unwrap();
    let linked = html.split("/assets/").skip(1).filter_map(|rest| rest.split('"').next());
    for name in linked {
        let path = format!("/assets/{name}");
        let asset = server.send(Method::GET, &path, &[], "").await;
        assert_eq!(asset.status, 200, "{name}");
        let kind = asset.headers["content-type"].to_str().unwrap().to_owned();
        let wanted = match name.rsplit('.').next().unwrap() {
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            _ => "image/svg+xml",
        };
        assert_eq!(kind, wanted, "{name}");
        assert_eq!(asset.headers["x-content-type-options"], "nosniff");
        let tag = asset.headers["etag"].to_str().unwrap();
        let again = server.send(Method::GET, &path, &[("if-none-match", tag)], "").await;
        assert_eq!((again.status.as_u16(), again.body.len()), (304, 0), "{name}");
    }
    for nowhere in ["/assets/nothing.js", "/assets/index.html", "/assets/..%2Fapp.js"] {
        refused(&server.send(Method::GET, nowhere, &[], "").await, 404, "not-found", "");
    }
}

#[tokio::test]
async fn the_page_needs_no_key_and_what_it_shows_does() {
    let key = vec!["0123456789abcdef".to_owned()];
    let settings = Settings { api_key: Some(key), workers: Some(0), ..Settings::default() };
    let server = Server::start_with(settings).await;
    for open in ["/", "/assets/app.js", "/assets/style.css"] {
        assert_eq!(server.send(Method::GET, open, &[], "").await.status, 200, "{open}");
    }
    for closed in ["/v1/jobs", "/v1/runs/run_x/figures/loss", "/v1/models/x/figures/confusion"] {
        refused(&server.send(Method::GET, closed, &[], "").await, 401, "unauthorized", "");
    }
}
