//! Datasets that generators make: no file is needed.

use axum::http::Method;
use serde_json::{Value, json};
use whereof::client::Answer;

use crate::harness::{Server, refused};

async fn generate(server: &Server, generator: &Value) -> Answer {
    server.post("/v1/datasets", &json!({"generator": generator})).await
}

fn small() -> Vec<(Value, &'static [&'static str])> {
    vec![
        (json!({"type": "sine", "points": 60, "noise": 0.1}), &["x", "y"]),
        (
            json!({"type": "make_classification", "samples": 60, "features": 5}),
            &["x0", "x1", "x2", "x3", "x4", "label"],
        ),
        (json!({"type": "blobs", "samples": 60}), &["x0", "x1", "label"]),
        (json!({"type": "circles", "samples": 60, "noise": 0.1}), &["x0", "x1", "label"]),
        (json!({"type": "moons", "samples": 60, "noise": 0.1}), &["x0", "x1", "label"]),
        (json!({"type": "shapes", "images": 60}), &["image", "labels"]),
    ]
}

#[tokio::test]
async fn every_generator_makes_a_dataset_that_its_request_identifies() {
    let server = Server::idle().await;
    for (generator, columns) in small() {
        let first = generate(&server, &generator).await;
        let dataset = first.value();
        assert_eq!(first.status, 201, "{dataset}");
        let path = format!("/v1/datasets/{}", dataset["id"].as_str().unwrap());
        assert_eq!(first.headers["location"], path);
        assert_eq!((&dataset["rows"], &dataset["name"]), (&json!(60), &generator["type"]));
        let names = dataset["columns"].as_array().unwrap().iter().map(|c| &c["name"]);
        assert_eq!(names.collect::<Vec<_>>(), columns);
        // It says how it was made, with every default filled in, and so it can be made again.
        assert_eq!(dataset["generator"]["seed"], 1);
        assert!(dataset["format"].is_null());
        assert_eq!(server.get(&path).await, dataset);
        let again = generate(&server, &dataset["generator"]).await;
        assert_eq!((again.status.as_u16(), again.value()), (200, dataset.clone()));

        let mut other = generator.clone();
        other["seed"] = json!(2);
        let other = generate(&server, &other).await;
        assert_eq!(other.status, 201);
        assert_ne!(other.value()["id"], dataset["id"]);
        let records = server.get(&format!("{path}/records?limit=1")).await;
        assert_eq!(records["items"][0].as_object().unwrap().len(), columns.len());
    }
}

#[tokio::test]
async fn sine_is_exact() {
    let server = Server::idle().await;
    let generator = json!({"type": "sine", "points": 100, "low": 0, "high": 10, "noise": 0.0});
    let dataset = generate(&server, &generator).await.value();
    let path = format!("/v1/datasets/{}/records?limit=100", dataset["id"].as_str().unwrap());
    let records = server.get(&path).await["items"].as_array().unwrap().clone();
    assert_eq!((&records[0]["x"], &records[99]["x"]), (&json!(0.0), &json!(10.0)));
    assert!(records.iter().all(|r| r["y"].as_f64().unwrap() == r["x"].as_f64().unwrap().sin()));
}

#[tokio::test]
async fn records_that_are_uploaded_again_are_the_generated_dataset() {
    let server = Server::idle().await;
    for generator in
        [json!({"type": "moons", "samples": 20}), json!({"type": "shapes", "images": 20})]
    {
        let dataset = generate(&server, &generator).await.value();
        let path = format!("/v1/datasets/{}/records", dataset["id"].as_str().unwrap());
        let records = server.get(&path).await["items"].clone();
        let uploaded = server.post("/v1/datasets", &json!({"records": records})).await;
        assert_eq!((uploaded.status.as_u16(), uploaded.value()), (200, dataset));
    }
}

#[tokio::test]
async fn a_generated_dataset_takes_a_name_and_an_idempotency_key() {
    let server = Server::idle().await;
    let body = json!({"name": "mine", "generator": {"type": "moons", "samples": 10}});
    let headers = [("content-type", "application/json"), ("idempotency-key", "k")];
    let send = async |body: &Value| {
        server.send(Method::POST, "/v1/datasets", &headers, body.to_string()).await
    };
    let first = send(&body).await;
    assert_eq!((first.status.as_u16(), &first.value()["name"]), (201, &json!("mine")));
    let again = send(&body).await;
    assert_eq!(again.headers["idempotent-replay"], "true");
    assert_eq!((again.status.as_u16(), again.value()), (201, first.value()));
    let other = json!({"generator": {"type": "moons", "samples": 11}});
    refused(&send(&other).await, 409, "idempotency-mismatch", "");

    let named = server.post("/v1/datasets?name=query", &other).await;
    assert_eq!(named.value()["name"], "query");
}

#[tokio::test]
async fn bad_settings_are_refused_with_their_field() {
    let server = Server::idle().await;
    let cases = [
        (json!({}), "generator.type"),
        (json!({"type": "sinus"}), "generator.type"),
        (json!("sine"), "generator"),
        (json!({"type": "sine", "point": 5}), "generator.point"),
        (json!({"type": "sine", "points": 1}), "generator.points"),
        (json!({"type": "sine", "points": 2.5}), "generator.points"),
        (json!({"type": "sine", "points": 1_000_001}), "generator.points"),
        (json!({"type": "sine", "noise": -0.1}), "generator.noise"),
        (json!({"type": "sine", "seed": -1}), "generator.seed"),
        (json!({"type": "sine", "low": 10, "high": 10}), "generator.high"),
        (json!({"type": "make_classification", "redundant": 19}), "generator.features"),
        (json!({"type": "make_classification", "classes": 3}), "generator.informative"),
        (
            json!({"type": "make_classification", "samples": 2, "classes": 4, "informative": 3}),
            "generator.samples",
        ),
        (json!({"type": "make_classification", "samples": 1_000_000}), "generator.samples"),
        (json!({"type": "make_classification", "flip_y": 1.1}), "generator.flip_y"),
        (json!({"type": "blobs", "centers": 1001}), "generator.centers"),
        (json!({"type": "blobs", "samples": 5, "centers": 6}), "generator.samples"),
        (json!({"type": "blobs", "std": -1}), "generator.std"),
        (json!({"type": "circles", "factor": 1}), "generator.factor"),
        (json!({"type": "moons", "samples": 1}), "generator.samples"),
        (json!({"type": "shapes", "size": 15}), "generator.size"),
        (json!({"type": "shapes", "size": 129}), "generator.size"),
        (json!({"type": "shapes", "channels": 2}), "generator.channels"),
        (json!({"type": "shapes", "max_shapes": 5}), "generator.max_shapes"),
        (json!({"type": "shapes", "images": 100_000, "channels": 3}), "generator.images"),
    ];
    for (generator, field) in cases {
        refused(&generate(&server, &generator).await, 422, "invalid-request", field);
    }
    // Everything that is wrong at once.
    let two = generate(&server, &json!({"type": "moons", "samples": 0, "noise": -1})).await;
    assert_eq!(
        refused(&two, 422, "invalid-request", "generator.noise")["field"],
        "generator.noise"
    );
    refused(&two, 422, "invalid-request", "generator.samples");

    let misspelt = server.post("/v1/datasets", &json!({"generatr": {"type": "sine"}})).await;
    let error = refused(&misspelt, 422, "invalid-request", "generatr");
    let hint = error["hint"].as_str().unwrap();
    assert!(hint.starts_with("did you mean \"generator\"? known fields: "), "{hint}");
    let extra = json!({"generator": {"type": "sine"}, "nmae": "x"});
    refused(&server.post("/v1/datasets", &extra).await, 422, "invalid-request", "nmae");
    let long = json!({"generator": {"type": "sine"}, "name": "x".repeat(201)});
    refused(&server.post("/v1/datasets", &long).await, 422, "invalid-request", "name");
    let list = server.get("/v1/datasets").await;
    assert!(list["items"].as_array().unwrap().is_empty(), "something was stored: {list}");
}

/// A record may have a column of that name.
#[tokio::test]
async fn records_with_a_column_named_generator_are_records() {
    let server = Server::idle().await;
    let records = json!([{"generator": "diesel", "kw": 3}, {"generator": "wind", "kw": 5}]);
    let answer = server.post("/v1/datasets", &records).await;
    assert_eq!((answer.status.as_u16(), &answer.value()["format"]), (201, &json!("json")));
    let answer = server.post("/v1/datasets", &json!({"records": records})).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn the_catalogue_lists_generators_with_ranges_and_defaults() {
    let server = Server::idle().await;
    let catalog = server.get("/v1/catalog").await;
    let generators = catalog["generators"].as_array().unwrap();
    let names: Vec<&str> = generators.iter().map(|g| g["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["sine", "make_classification", "blobs", "circles", "moons", "shapes"]);
    for generator in generators {
        assert!(!generator["description"].as_str().unwrap().is_empty());
        for (name, field) in generator["fields"].as_object().unwrap() {
            assert!(field["description"].is_string() && !field["default"].is_null(), "{name}");
            assert!(field["minimum"].is_number(), "{name} has no range");
        }
    }
    assert_eq!(generators[0]["fields"]["points"]["default"], 100);
}

/// Labels as they are made can be learnt, and lists of labels.
#[tokio::test]
async fn generated_columns_are_columns_that_tasks_take() {
    let server = Server::idle().await;
    let label = json!({"type": "tabular_classification", "label": "label"});
    for (generator, task) in [
        (json!({"type": "make_classification", "informative": 15, "redundant": 5}), label.clone()),
        (json!({"type": "blobs"}), label.clone()),
        (json!({"type": "circles"}), label.clone()),
        (json!({"type": "moons"}), label),
        (
            json!({"type": "shapes", "images": 200, "size": 16}),
            json!({"type": "image_classification", "image": "image", "label": "labels", "multi_label": true}),
        ),
    ] {
        let dataset = generate(&server, &generator).await.value();
        let request = json!({"kind": "train", "dataset": dataset["id"], "task": task});
        let answer = server.post("/v1/jobs?validate_only=true", &request).await;
        assert!(answer.status.is_success(), "{generator}: {}", answer.value());
        assert_eq!(answer.value()["warnings"], json!([]), "{generator}");
    }
}
