//! Models: card, names and aliases, download, import, deletion, damaged files.

use axum::http::Method;
use serde_json::{Value, json};

use crate::harness::{Server, endless_request, refused, small_reviews, train_request};

async fn download(server: &Server, model: &str) -> Vec<u8> {
    let path = format!("/v1/models/{model}/artifact");
    let answer = server.send(Method::GET, &path, &[], "").await;
    assert_eq!(answer.status, 200, "{}", answer.value());
    answer.body.to_vec()
}

async fn import(server: &Server, bytes: Vec<u8>) -> whereof::client::Answer {
    server.post_as("/v1/models?name=imported", "application/octet-stream", bytes).await
}

#[tokio::test]
async fn a_card_says_what_a_model_is_made_of_and_meant_for() {
    let server = Server::start().await;
    let job = server.small_model("sentiment").await;
    let model = server.get("/v1/models/sentiment").await;
    assert_eq!(
        (&model["id"], &model["job"], &model["run"]),
        (&job["model"], &job["id"], &job["run"])
    );
    assert_eq!(model["task"], "text_classification");
    let card = server.get("/v1/models/sentiment/card").await;
    assert_eq!((&card["id"], &card["name"]), (&job["model"], &json!("sentiment")));
    assert_eq!((&card["spec"], &card["sha256"]), (&model["spec"], &model["sha256"]));
    assert_eq!(card["dataset"], json!({"id": job["dataset"], "name": "dataset"}));
    assert_eq!(card["whereof_version"], env!("CARGO_PKG_VERSION"));
    let records = &card["records"];
    assert_eq!(records["train"], 140);
    assert_eq!(card["labels"].as_array().unwrap().len(), 2);
    assert!(card["parameters"].as_u64().unwrap() > 1_000);
    let run = server.get(&format!("/v1/runs/{}", job["run"].as_str().unwrap())).await;
    assert_eq!(card["metrics"], run["metrics"]);
    let range = &card["intended_range"];
    assert!(range["known_words"].as_u64() < range["known_ngrams"].as_u64());
    assert!(range["token_coverage_p05"].as_f64().unwrap() > 0.3);
    assert_eq!(card["calibration"]["records"], records["calibration"]);
}

#[tokio::test]
async fn names_follow_the_newest_and_aliases_stay() {
    let server = Server::start().await;
    let first = server.small_model("sentiment").await;
    let answer = put_alias(&server, "sentiment@production", "sentiment").await;
    assert_eq!((answer.status.as_u16(), &answer.value()["model"]), (200, &first["model"]));
    let second = server.small_model("sentiment").await;
    assert_ne!(first["model"], second["model"]);
    assert_eq!(server.get("/v1/models/sentiment").await["id"], second["model"]);
    let aliased = server.get("/v1/models/sentiment@production").await;
    assert_eq!(aliased["id"], first["model"]);
    assert_eq!(aliased["aliases"], json!(["sentiment@production"]));

    let scored =
        server.post("/v1/models/sentiment@production/score", &json!({"text": "I love it"})).await;
    assert_eq!((scored.status.as_u16(), &scored.value()["model"]), (200, &first["model"]));

    // A model that an alias names is not deleted; the alias goes first.
    let path = format!("/v1/models/{}", first["model"].as_str().unwrap());
    refused(&server.send(Method::DELETE, &path, &[], "").await, 409, "in-use", "");
    put_alias(&server, "sentiment@production", second["model"].as_str().unwrap()).await;
    assert_eq!(server.send(Method::DELETE, &path, &[], "").await.status, 204);
    refused(&server.send(Method::GET, &path, &[], "").await, 404, "not-found", "");

    let alias = "/v1/aliases/sentiment@production";
    assert_eq!(server.get("/v1/aliases").await["items"].as_array().unwrap().len(), 1);
    assert_eq!(server.send(Method::DELETE, alias, &[], "").await.status, 204);
    refused(&server.send(Method::DELETE, alias, &[], "").await, 404, "not-found", "");
    let gone = server.send(Method::GET, "/v1/models/sentiment@production", &[], "").await;
    refused(&gone, 404, "not-found", "");
}

/// What a name means is kept while the database does not change, and no longer.
#[tokio::test]
async fn scores_follow_names_at_once() {
    let server = Server::start().await;
    let first = server.small_model("sentiment").await;
    put_alias(&server, "sentiment@live", "sentiment").await;
    let scored = async |reference: &str| {
        let path = format!("/v1/models/{reference}/score");
        let body = json!({"text": "I love it", "monitor": false});
        let answer = server.post(&path, &body).await;
        (answer.status.as_u16(), answer.value()["model"].clone())
    };
    // Long enough after the last change that what is looked up is kept.
    let settled = || tokio::time::sleep(std::time::Duration::from_millis(60));
    settled().await;
    for reference in ["sentiment", "sentiment@live", "sentiment", "sentiment@live"] {
        assert_eq!(scored(reference).await, (200, first["model"].clone()));
    }
    let second = server.small_model("sentiment").await;
    assert_eq!(scored("sentiment").await, (200, second["model"].clone()));
    assert_eq!(scored("sentiment@live").await, (200, first["model"].clone()));
    settled().await;
    for _ in 0..2 {
        assert_eq!(scored("sentiment").await, (200, second["model"].clone()));
    }
    put_alias(&server, "sentiment@live", second["model"].as_str().unwrap()).await;
    assert_eq!(scored("sentiment@live").await, (200, second["model"].clone()));
    settled().await;
    assert_eq!(scored(first["model"].as_str().unwrap()).await.0, 200);
    let path = format!("/v1/models/{}", first["model"].as_str().unwrap());
    assert_eq!(server.send(Method::DELETE, &path, &[], "").await.status, 204);
    assert_eq!(scored(first["model"].as_str().unwrap()).await.0, 404);
}

async fn put_alias(server: &Server, alias: &str, model: &str) -> whereof::client::Answer {
    let kind = [("content-type", "application/json")];
    let path = format!("/v1/aliases/{alias}");
    server.send(Method::PUT, &path, &kind, json!({"model": model}).to_string()).await
}

#[tokio::test]
async fn names_that_cannot_be_names_are_refused() {
    let server = Server::start().await;
    server.small_model("sentiment").await;
    for bad in ["sentiment", "a@", "@b", "a@b@c", "model_1@x", "a%20b@c"] {
        let answer = put_alias(&server, bad, "sentiment").await;
        refused(&answer, 422, "invalid-request", "alias");
    }
    refused(&put_alias(&server, "a@b", "nothing").await, 404, "not-found", "");
    let kind = [("content-type", "application/json")];
    for bad in ["", "two words", "job_1", "ü"] {
        let body = json!({"name": bad}).to_string();
        let answer = server.send(Method::PATCH, "/v1/models/sentiment", &kind, body).await;
        refused(&answer, 422, "invalid-request", "name");
    }
    let nothing = server.send(Method::PATCH, "/v1/models/sentiment", &kind, "{}").await;
    refused(&nothing, 422, "invalid-request", "name");
    let body = json!({"name": "mood"}).to_string();
    let renamed = server.send(Method::PATCH, "/v1/models/sentiment", &kind, body).await;
    assert_eq!(renamed.value()["name"], "mood");
    assert_eq!(server.get("/v1/models?name=mood").await["items"].as_array().unwrap().len(), 1);
    let old = server.send(Method::GET, "/v1/models/sentiment", &[], "").await;
    refused(&old, 404, "not-found", "");
}

#[tokio::test]
async fn a_model_moves_to_another_server_and_answers_the_same() {
    let (here, there) = (Server::start().await, Server::idle().await);
    let job = here.small_model("sentiment").await;
    let bytes = download(&here, "sentiment").await;
    let answer = import(&there, bytes.clone()).await;
    assert_eq!(answer.status, 201, "{}", answer.value());
    let imported = answer.value();
    assert_eq!(imported["name"], "imported");
    assert!(imported["job"].is_null());
    assert_eq!(download(&there, "imported").await, bytes);

    let texts = json!({"texts": ["I love this blender", "ergonomics", "", "naïve 世界"]});
    let original = here.post("/v1/models/sentiment/score", &texts).await.value();
    let moved = there.post("/v1/models/imported/score", &texts).await.value();
    assert_eq!(original["results"], moved["results"]);
    assert_eq!(original["model"], job["model"]);
    // The card moves along; only what it is called is each server's own.
    let mut cards =
        [there.get("/v1/models/imported/card").await, here.get("/v1/models/sentiment/card").await];
    assert!(cards[0]["dataset"]["name"].is_null(), "the dataset is not stored there");
    assert_ne!(cards[0]["id"], cards[1]["id"]);
    for card in &mut cards {
        let card = card.as_object_mut().unwrap();
        for own in ["id", "name", "created_at"] {
            assert!(card.remove(own).is_some(), "{own}");
        }
        card["dataset"].as_object_mut().unwrap().remove("name");
    }
    assert_eq!(cards[0], cards[1]);
}

#[tokio::test]
async fn files_that_are_no_intact_model_are_refused() {
    let server = Server::start().await;
    server.small_model("sentiment").await;
    let bytes = download(&server, "sentiment").await;
    let detail = async |bytes: Vec<u8>| {
        let answer = import(&server, bytes).await;
        refused(&answer, 422, "invalid-artifact", "")["detail"].as_str().unwrap().to_owned()
    };
    for keep in [0, 4, 8, 100, bytes.len() / 2, bytes.len() - 1] {
        let said = detail(bytes[..keep].to_vec()).await;
        assert!(said.contains("truncated"), "{keep} bytes: {said}");
    }
    let mut longer = bytes.clone();
    longer.extend([0; 8]);
    detail(longer).await;
    let mut altered = bytes.clone();
    let last = altered.len() - 5;
    altered[last] ^= 1;
    assert!(detail(altered).await.contains("altered"));

    // In the header: a newer format, a changed spec, another file's format.
    let replaced = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let at = bytes.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
        let mut changed = bytes.clone();
        changed[at..at + to.len()].copy_from_slice(to.as_bytes());
        changed
    };
    let newer = detail(replaced("\\\"version\\\":3", "\\\"version\\\":9")).await;
    assert!(newer.contains("version 9"), "{newer}");
    let older = detail(replaced("\\\"version\\\":3", "\\\"version\\\":1")).await;
    assert!(older.contains("version 1; this version of Whereof reads 3"), "{older}");
    assert!(detail(replaced("whereof-model", "whereof-other")).await.contains("not a model"));
    assert!(detail(replaced("negative", "negatiwe")).await.contains("altered"));
    assert!(
        detail(b"PK\x03\x04 and so on, a zip file that someone tried".to_vec()).await.len() > 9
    );

    let csv = server.post_as("/v1/models", "text/csv", bytes).await;
    refused(&csv, 415, "unsupported-media-type", "");
    assert_eq!(server.get("/v1/models").await["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_model_in_the_making_says_so() {
    let server = Server::start().await;
    let dataset = server.upload(small_reviews()).await;
    let mut request = endless_request(&dataset);
    request["model_name"] = "coming".into();
    let job = server.submit(&request).await;
    let [id, run] = ["id", "run"].map(|name| job[name].as_str().unwrap().to_owned());
    for reference in ["coming", &id, &run] {
        let path = format!("/v1/models/{reference}/score");
        let problem =
            refused(&server.post(&path, &json!({"text": "x"})).await, 409, "model-not-ready", "");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("running") || detail.contains("queued"), "{detail}");
        assert!(problem["hint"].as_str().unwrap().contains(&id), "{problem}");
    }
    server.send(Method::POST, &format!("/v1/jobs/{id}/cancel"), &[], "").await;
    server.ended(&id).await;
    let ended = server.post(&format!("/v1/models/{id}/score"), &json!({"text": "x"})).await;
    refused(&ended, 404, "not-found", "");
}

#[tokio::test]
async fn a_jobs_and_a_runs_id_find_their_model() {
    let server = Server::start().await;
    let job = server.small_model("sentiment").await;
    for reference in ["id", "run"] {
        let path = format!("/v1/models/{}", job[reference].as_str().unwrap());
        assert_eq!(server.get(&path).await["id"], job["model"]);
    }
}

#[tokio::test]
async fn a_deleted_dataset_leaves_its_models() {
    let server = Server::start().await;
    let dataset = server.upload(small_reviews()).await;
    server.train(&train_request(&dataset, Some("sentiment"))).await;
    let path = format!("/v1/datasets/{}", dataset["id"].as_str().unwrap());
    assert_eq!(server.send(Method::DELETE, &path, &[], "").await.status, 204);
    let scored = server.post("/v1/models/sentiment/score", &json!({"text": "I love it"})).await;
    assert_eq!(scored.status, 200, "{}", scored.value());
    let model: Value = server.get("/v1/models/sentiment").await;
    assert_eq!(model["dataset"], dataset["id"]);
}
