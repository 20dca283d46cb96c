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
    let risk = of("risk_coverage").await;
    let all = card["calibration"]["risk_coverage"]["curve"].as_array().unwrap().len();
    assert_eq!(kept(&risk["data"][0]), all);
    for path in [format!("{run}/loss"), "/v1/models/sentiment/figures/confusion".to_owned()] {
        let accept = [("accept", "image/svg+xml")];
        let svg = server.send(Method::GET, &path, &accept, "").await;
        assert_eq!(svg.headers["content-type"], "image/svg+xml", "{path}");
        let varies = svg.headers.get_all("vary");
        assert!(varies.iter().any(|by| by == "accept"), "{path}: {:?}", svg.headers);
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
    assert!(hint.contains("confusion") && hint.contains("risk_coverage"), "{hint}");
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
