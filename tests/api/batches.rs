//! Batches without labels: whether they have shifted, what is new in them, what to label first.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{REVIEWS, Server, refused};
use crate::scoring::reviews_model;

const TELESCOPES: &str = include_str!("../../demo/telescopes.csv");

async fn evaluate(server: &Server, body: Value) -> Value {
    let answer = server.post("/v1/models/sentiment/evaluate", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.value());
    answer.value()
}

/// The texts of a CSV file of the demo, without their labels.
fn without_labels(csv: &str) -> String {
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["text"]).unwrap();
    for record in reader.records() {
        writer.write_record([&record.unwrap()[0]]).unwrap();
    }
    String::from_utf8(writer.into_inner().unwrap()).unwrap()
}

#[tokio::test]
async fn a_foreign_batch_is_found_shifted_and_says_what_is_new() {
    let server = Server::start().await;
    let reviews = reviews_model(&server).await;
    let telescopes = server.upload(TELESCOPES).await;
    let id = &telescopes["id"];
    let foreign = evaluate(&server, json!({"dataset": id, "labels": false})).await;
    let drift = &foreign["drift"];
    assert_eq!((&drift["shifted"], &drift["alpha"]), (&json!(true), &json!(0.05)), "{drift}");
    let names: BTreeSet<&str> =
        drift["axes"].as_array().unwrap().iter().map(|a| a["axis"].as_str().unwrap()).collect();
    // What a detector says already is not looked at twice.
    let expected = [
        "content",
        "coverage_msp",
        "kneser_ney",
        "naive_bayes",
        "ngram_coverage",
        "prototypes",
        "texts_with_unknown",
    ];
    assert_eq!(names, BTreeSet::from(expected));
    let ngrams =
        drift["axes"].as_array().unwrap().iter().find(|a| a["axis"] == "ngram_coverage").unwrap();
    assert_eq!(ngrams["direction"], "lower", "{ngrams}");

    // The records themselves have shifted, and the words that did are named.
    let content =
        drift["axes"].as_array().unwrap().iter().find(|a| a["axis"] == "content").unwrap();
    assert_eq!(content["test"], "maximum_mean_discrepancy", "{content}");
    assert!(content["adjusted_p_value"].as_f64().unwrap() <= 0.05, "{content}");
    let changed = drift["changed"].as_array().unwrap();
    for direction in ["higher", "lower"] {
        let mut of_direction = changed.iter().filter(|change| change["direction"] == direction);
        let change = of_direction.next().unwrap();
        let share = |of: &str| change[of].as_f64().unwrap();
        assert!(share("p_value") < 0.05, "{change}");
        assert_eq!(direction == "higher", share("batch") > share("reference"), "{change}");
        let word = change["term"].as_str().unwrap();
        let holding = |text: &str| {
            let mut words = text.split(|c: char| !c.is_alphanumeric() && c != '\'');
            words.any(|w| w.to_lowercase() == word)
        };
        let texts: Vec<String> = csv::Reader::from_reader(TELESCOPES.as_bytes())
            .records()
            .map(|record| record.unwrap()[0].to_owned())
            .collect();
        let found = texts.iter().filter(|text| holding(text)).count() as f64 / texts.len() as f64;
        assert!((found - share("batch")).abs() < 1e-9, "{found} {change}");
    }

    assert_eq!((&foreign["labels"], &foreign["overall"]["metrics"]), (&json!(false), &Value::Null));
    assert!(foreign["reliability"].is_null() && foreign["coverage_bins"][0]["accuracy"].is_null());
    assert!(
        foreign["overall"]["flagged"].is_number() && foreign["overall"]["accepted"].is_number()
    );
    let report = &foreign["unlabelled"];
    let texts: Vec<String> = csv::Reader::from_reader(TELESCOPES.as_bytes())
        .records()
        .map(|record| record.unwrap()[0].to_owned())
        .collect();
    let text_of = |example: &Value| &texts[example["row"].as_u64().unwrap() as usize - 1];
    let terms = report["uncovered_terms"].as_array().unwrap();
    let counts: Vec<u64> = terms.iter().map(|term| term["records"].as_u64().unwrap()).collect();
    assert!(terms.len() == 20 && counts.is_sorted_by(|a, b| a >= b), "{terms:?}");
    for term in terms {
        let word = term["term"].as_str().unwrap();
        for example in term["examples"].as_array().unwrap() {
            let shown = example["text"].as_str().unwrap().to_lowercase();
            assert!(shown.contains(word), "{word}: {shown}");
            assert!(text_of(example).to_lowercase().contains(word), "{word}: {example}");
        }
    }
    let groups = report["groups"].as_array().unwrap();
    let flagged = foreign["overall"]["flagged"].as_f64().unwrap() * texts.len() as f64;
    let grouped: u64 = groups.iter().map(|group| group["records"].as_u64().unwrap()).sum();
    assert!((grouped as f64 - flagged).abs() < 1e-6 && grouped > 0, "{grouped} of {flagged}");
    assert!(groups[0]["terms"].as_array().is_some_and(|terms| !terms.is_empty()), "{groups:?}");
    let first = report["label_first"].as_array().unwrap();
    let rows: BTreeSet<u64> = first.iter().map(|choice| choice["row"].as_u64().unwrap()).collect();
    assert_eq!((first.len(), rows.len()), (50, 50));
    let most = |i: usize| first[i]["informativeness"].as_f64().unwrap();
    assert!((0..50).all(|i| most(i) <= most(0)), "the first teaches most: {first:?}");
    assert!(first.iter().all(|c| text_of(c).starts_with(&c["text"].as_str().unwrap()[..9])));
    // There is an estimate, or it is said in words why there is none.
    let said = foreign["unavailable"].as_array().unwrap();
    let said = said.iter().find(|u| u["statistic"] == "estimated_accuracy");
    assert_ne!(report["estimated_accuracy"].is_null(), said.is_none(), "{report}");

    // A dataset that lacks the column says the same, with a warning.
    let bare = server.upload(without_labels(TELESCOPES)).await;
    let lacking = evaluate(&server, json!({"dataset": bare["id"]})).await;
    for part in ["overall", "drift", "unlabelled", "coverage_bins", "unavailable"] {
        assert_eq!(lacking[part], foreign[part], "{part}");
    }
    assert_eq!(lacking["warnings"][0]["code"], "no_labels", "{lacking}");

    // The own test split has not shifted, and its accuracy is near its estimate.
    let only = json!({"column": "split", "value": "test"});
    let own = json!({"dataset": reviews["id"], "only": only, "labels": false});
    let own = evaluate(&server, own).await;
    assert_eq!(own["drift"]["shifted"], false, "{}", own["drift"]);
    let labelled = evaluate(&server, json!({"dataset": reviews["id"], "only": only})).await;
    assert_eq!(labelled["drift"], own["drift"]);
    let estimate = &own["unlabelled"]["estimated_accuracy"];
    let accuracy = labelled["overall"]["metrics"]["accuracy"].as_f64().unwrap();
    let [low, high] = [0, 1].map(|end| estimate["interval"][end].as_f64().unwrap());
    assert!(low <= accuracy && accuracy <= high, "{accuracy}: {estimate}");

    // A batch that holds less can be called shifted at another level.
    let p_value = own["drift"]["p_value"].as_f64().unwrap();
    if p_value < 0.9 {
        let strict = json!({"dataset": reviews["id"], "only": only, "drift_alpha": p_value + 0.05});
        assert_eq!(evaluate(&server, strict).await["drift"]["shifted"], true);
    }
}

#[tokio::test]
async fn accuracy_stands_beside_coverage_bin_by_bin() {
    let server = Server::start().await;
    let reviews = reviews_model(&server).await;
    let only = json!({"column": "split", "value": "test"});
    let report = evaluate(&server, json!({"dataset": reviews["id"], "only": only})).await;
    assert!(report["unlabelled"].is_null() && report["labels"] == true);
    let bins = report["coverage_bins"].as_array().unwrap();
    let number = |bin: &Value, name: &str| bin[name].as_f64().unwrap();
    assert!(bins.len() > 1 && bins.is_sorted_by(|a, b| number(a, "upper") <= number(b, "lower")));
    let weighted = |name: &str| {
        bins.iter().map(|bin| number(bin, "records") * number(bin, name)).sum::<f64>() / 96.0
    };
    let overall = &report["overall"];
    for (of_bins, of_all) in [
        ("accuracy", &overall["metrics"]["accuracy"]),
        ("flagged", &overall["flagged"]),
        ("accepted", &overall["accepted"]),
    ] {
        assert!((weighted(of_bins) - of_all.as_f64().unwrap()).abs() < 1e-9, "{of_bins}");
    }
    for bin in bins {
        let [low, high] = [0, 1].map(|end| bin["accuracy_interval"][end].as_f64().unwrap());
        assert!(low <= number(bin, "accuracy") && number(bin, "accuracy") <= high, "{bin}");
        assert!((0.5..=1.0).contains(&number(bin, "raw_confidence")), "{bin}");
    }
    let before = &report["reliability"]["before"];
    assert_eq!(before["ece"], overall["metrics"]["ece"]);
    assert!(before["ece_interval"].is_array(), "{before}");
    for class in overall["metrics"]["per_class"].as_array().unwrap() {
        let [low, high] = [0, 1].map(|end| class["recall_interval"][end].as_f64().unwrap());
        assert!(low < number(class, "recall") && number(class, "recall") < high, "{class}");
    }
}

#[tokio::test]
async fn labels_that_are_asked_for_must_be_there() {
    let server = Server::start().await;
    server.small_model("sentiment").await;
    let bare = server.upload(without_labels(TELESCOPES)).await;
    let full = server.upload(REVIEWS).await;
    let (bare, full) = (&bare["id"], &full["id"]);
    for (body, field) in [
        (json!({"dataset": bare, "labels": true}), "label"),
        (json!({"dataset": bare, "label": "mood"}), "label"),
        (json!({"dataset": full, "label": "sentiment", "labels": false}), "label"),
        (json!({"dataset": full, "labels": "no"}), "labels"),
        (json!({"dataset": full, "drift_alpha": 0}), "drift_alpha"),
        (json!({"dataset": full, "drift_alpha": 1}), "drift_alpha"),
        (json!({"dataset": full, "labels": false, "text": "nope"}), "text"),
    ] {
        let answer = server.post("/v1/models/sentiment/evaluate", &body).await;
        refused(&answer, 422, "invalid-request", field);
    }
    // A column that is nearly right is named.
    let other = server.upload("text,sentiments\nlovely,positive\nawful,negative\n").await;
    let report = evaluate(&server, json!({"dataset": other["id"]})).await;
    let warning = report["warnings"][0]["message"].as_str().unwrap();
    assert!(warning.contains("did you mean \"sentiments\"?"), "{warning}");
    // Two records tell no accuracy.
    let said = report["unavailable"].as_array().unwrap().iter();
    let said = said.map(|u| u["statistic"].as_str().unwrap()).collect::<Vec<_>>();
    assert!(said.contains(&"estimated_accuracy"), "{said:?}");
}
