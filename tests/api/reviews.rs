//! Product reviews over HTTP: general categories against a niche that training never saw.

use std::path::Path;

use axum::http::Method;
use serde_json::{Value, json};
use whereof::job::evaluate::recall::Held;
use whereof::model::criteria::{Criteria, Thresholds};
use whereof::model::encoder::Record;
use whereof::model::measured::{Measured, Recall, Recalled};
use whereof::model::{Model, Weighed};
use whereof::problem::Problem;
use whereof::random;

use crate::harness::{Server, shared};

#[tokio::test]
async fn reviews_are_learnt_and_the_niche_stands_beside_them() {
    let Some(folder) = shared("reviews") else { return };
    let server = Server::start().await;
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let train = server.upload(read("general_train.csv")).await;
    let general = server.upload(read("general_test.csv")).await;
    let niche = server.upload(read("niche_baby_test.csv")).await;
    let request = json!({
        "kind": "train", "dataset": train["id"], "model_name": "reviews",
        "task": {"type": "text_classification", "text": "text", "label": "sentiment"},
        "split": {"train": 0.8, "validation": 0.1, "calibration": 0.1, "test": 0.0},
    });
    let job = server.train(&request).await;
    // One record of these data has no text: it is left out, and said so.
    assert_eq!(job["warnings"][0]["code"], "records_left_out", "{}", job["warnings"]);
    assert!(job["warnings"][0]["message"].as_str().unwrap().contains("row 9119"));
    let run = server.get(&format!("/v1/runs/{}", job["run"].as_str().unwrap())).await;
    assert!(run["metrics"]["test"].is_null());
    let card = server.get("/v1/models/reviews/card").await;
    let unavailable = card["unavailable"].as_array().unwrap();
    assert!(unavailable.iter().any(|u| u["statistic"] == "metrics.test"), "{unavailable:?}");

    let evaluate = async |dataset: &Value| {
        let body = json!({"dataset": dataset["id"], "slice": "category"});
        let answer = server.post("/v1/models/reviews/evaluate", &body).await;
        assert_eq!(answer.status, 200, "{}", answer.value());
        answer.value()
    };
    let niche_id = niche["id"].clone();
    let (general, niche) = (evaluate(&general).await, evaluate(&niche).await);
    for report in [&general, &niche] {
        let mut rows = vec![("all".to_owned(), &report["overall"])];
        let slices = report["slices"].as_array().unwrap().iter();
        rows.extend(slices.map(|s| (s["slice"].as_str().unwrap().to_owned(), s)));
        for (name, row) in rows {
            let coverage = &row["coverage"];
            println!(
                "{name:>12}: {:>5} records, accuracy {:.3}, tokens {:.3}, n-grams {:.3}, \
                 representation {:.3}, with unknown words {:.3}, flagged {:.3}",
                row["records"],
                row["metrics"]["accuracy"].as_f64().unwrap(),
                coverage["tokens"].as_f64().unwrap(),
                coverage["ngrams"].as_f64().unwrap(),
                coverage["representation"].as_f64().unwrap(),
                coverage["texts_with_unknown"].as_f64().unwrap(),
                row["flagged"].as_f64().unwrap(),
            );
        }
    }
    let accuracy = general["overall"]["metrics"]["accuracy"].as_f64().unwrap();
    assert!(accuracy >= 0.86, "general accuracy {accuracy}");
    // Accuracy and coverage of the niche stand side by side, with the interval of each accuracy.
    // That they are lower is a matter of these data, which the numbers above show.
    assert_eq!(niche["slices"][0]["slice"], "baby");
    assert!(niche["slices"][0]["metrics"]["accuracy_interval"].is_array());

    // The accuracy on the niche, estimated without its labels.
    let body = json!({"dataset": niche_id, "labels": false});
    let answer = server.post("/v1/models/reviews/evaluate", &body).await;
    assert_eq!(answer.status, 200, "{}", answer.value());
    let unlabelled = &answer.value()["unlabelled"];
    let estimate = &unlabelled["estimated_accuracy"];
    let truth = niche["overall"]["metrics"]["accuracy"].as_f64().unwrap();
    println!("niche: accuracy {truth:.4}, estimated without labels {estimate}");
    println!("niche: groups {}", unlabelled["groups"]);
    println!("niche: changed {}", answer.value()["drift"]["changed"]);
    let estimated = estimate["accuracy"].as_f64().unwrap();
    assert!((estimated - truth).abs() <= 0.05, "{estimated} against {truth}");
    let [low, high] = [0, 1].map(|end| estimate["interval"][end].as_f64().unwrap());
    assert!(low <= truth && truth <= high, "{truth} in {low} to {high}");

    // Batches of 50, drawn 200 times from each test set; each text is read once.
    let artifact = server.send(Method::GET, "/v1/models/reviews/artifact", &[], "").await.body;
    let model = Model::from_bytes(&artifact).unwrap();
    let [general, niche] =
        ["general_test.csv", "niche_baby_test.csv"].map(|name| shifted(&model, &folder.join(name)));
    println!("shifted at 5 %: {niche:.3} of niche batches, {general:.3} of general ones");
    assert!(niche >= 0.95, "power {niche}");
    assert!((0.03..=0.07).contains(&general), "false alarms {general}");
}

/// A batch drawn from texts that were read.
struct Drawn<'a> {
    held: Held<'a>,
    order: &'a [usize],
}

impl Recall for Drawn<'_> {
    fn recall(&self, positions: &[usize]) -> Result<Vec<Recalled<'_>>, Problem> {
        let drawn: Vec<usize> = positions.iter().map(|position| self.order[*position]).collect();
        self.held.recall(&drawn)
    }
}

/// The share of 200 batches of 50 texts of a file that are found to have shifted at 5 %.
fn shifted(model: &Model, path: &Path) -> f64 {
    let text = |record: csv::StringRecord| Record::Text(record[0].to_owned());
    let records = csv::Reader::from_path(path).unwrap().into_records();
    let records: Vec<Record> = records.map(|record| text(record.unwrap())).collect();
    let weigh = |record: &Record| model.weigh(model.reader.encoder.encode(record).unwrap());
    let weighed: Vec<Weighed> = records.iter().map(weigh).collect();
    let criteria = Criteria::new(model, Thresholds::default());
    let rows: Vec<u64> = (1..).take(weighed.len()).collect();
    let measured = model.measure(&weighed, &rows, None, &criteria).records;
    let mut rng = random::stream(1, "batches");
    let mut order: Vec<usize> = (0..measured.len()).collect();
    let (mut found, mut axes) = (0, std::collections::BTreeMap::<String, usize>::new());
    for _ in 0..200 {
        random::shuffle(&mut order, &mut rng);
        let batch: Vec<Measured> = order[..50].iter().map(|&at| measured[at].clone()).collect();
        let held = Held { records: &records, weighed: &weighed };
        let drawn = Drawn { held, order: &order };
        let shift = model.drift(&batch, 0.05, &drawn).unwrap().unwrap().shift;
        found += usize::from(shift.shifted);
        for axis in shift.axes.iter().filter(|axis| axis.adjusted_p_value <= 0.05) {
            *axes.entry(axis.axis.clone()).or_default() += 1;
        }
    }
    println!("{}: {found} of 200 batches, by axis {axes:?}", path.display());
    f64::from(found as u32) / 200.0
}
