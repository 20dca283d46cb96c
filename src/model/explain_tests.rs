use serde_json::{Value, json};

use super::*;
use crate::arrays::Arrays;
use crate::clock::ManualClock;
use crate::data::Cell;
use crate::data::profile::ColumnKind;
use crate::learn::trainer::{EpochReport, Interrupt, StepReport};
use crate::model::encoder::{InputColumn, Record};
use crate::model::fit::{TrainingTable, fit};
use crate::model::monitor::{FitMonitor, Phase};
use crate::task::MetricsReport;

struct Quiet;

impl FitMonitor for Quiet {
    fn phase(&mut self, _: Phase) {}
    fn step(&mut self, _: &StepReport) {}
    fn epoch(&mut self, _: &EpochReport, _: Option<&MetricsReport>) {}
    fn checkpoint(&mut self, _: usize, _: u64, _: Arrays) {}
    fn interrupt(&self) -> Interrupt {
        Interrupt::None
    }
}

/// A model of a task, of columns by name and kind, and of what is wanted; `more` is laid over the
/// spec.
fn model(
    task: Value,
    columns: Vec<(&str, ColumnKind, Vec<Cell>)>,
    wanted: Vec<Cell>,
    more: Value,
) -> Model {
    let mut spec = json!({
        "dataset": "ds_1", "model_name": null, "task": task, "vectorizer": {},
        "optimizer": {"type": "adam", "learning_rate": 0.05}, "schedule": {"type": "constant"},
        "regularization": {}, "augmentation": {},
        "training": {"epochs": 15, "batch_size": 16, "seed": 3, "early_stopping": null,
            "checkpoint_seconds": 0},
        "split": {"train": 0.7, "validation": 0.0, "calibration": 0.3, "test": 0.0, "seed": 1},
        "device": "cpu",
    });
    for (name, value) in more.as_object().unwrap() {
        spec[name] = value.clone();
    }
    let inputs = columns.into_iter().map(|(name, kind, cells)| {
        let name = name.to_owned();
        InputColumn { name, kind, cells }
    });
    let table = TrainingTable {
        inputs: inputs.collect(),
        wanted: vec![wanted],
        weights: None,
        splits: None,
    };
    let spec = serde_json::from_value(spec).unwrap();
    let clock = ManualClock::at(0);
    fit(&spec, (table, None), vec![], &*clock, &mut Quiet, None).unwrap().model
}

const THINGS: [&str; 6] = ["plot", "cast", "music", "ending", "pace", "script"];
const TIMES: [&str; 5] = ["today", "again", "overall", "tonight", "mostly"];

/// Sentences of which one word decides the label.
fn reviews() -> (Vec<String>, Vec<Cell>) {
    let word = |i: usize| ["good", "bad"][i % 2];
    let text = |i: usize| {
        format!("the {} was {} {} {}", THINGS[i / 2 % 6], word(i), TIMES[i / 12 % 5], i / 60)
    };
    ((0..120).map(text).collect(), (0..120).map(|i| Cell::Text(word(i).to_owned())).collect())
}

fn text_model(more: Value) -> Model {
    let (texts, labels) = reviews();
    let texts = texts.into_iter().map(Cell::Text).collect();
    let task = json!({"type": "text_classification", "text": "text", "label": "label"});
    model(task, vec![("text", ColumnKind::Text, texts)], labels, more)
}

fn linear_bag() -> Model {
    text_model(json!({
        "vectorizer": {"word_ngrams": 1, "character_ngrams": null, "weighting": "uniform"},
        "network": {"type": "embedding_bag", "dimension": 4},
    }))
}

const ALL: Explain = Explain { contributions: true, output: None, neighbors: 3 };

fn weigh(model: &Model, record: &Record) -> Weighed {
    model.weigh(model.reader.encoder.encode(record).unwrap())
}

fn explain(model: &Model, text: &str) -> Explanation {
    model.explain(&weigh(model, &Record::Text(text.to_owned())), Some(text), &ALL)
}

#[test]
fn contributions_to_a_linear_bag_of_words_are_the_analytic_ones() {
    let model = linear_bag();
    let text = "the plot was good xylographic today!";
    let (table, values) = model.reader.network.parts();
    let weights = &values[0];
    assert_eq!(weights.len(), 4);
    let Encoder::Text(vectorizer) = &model.reader.encoder else { panic!("no texts") };
    // What each token adds to the sum over the text, of which the logit is the mean: its vector
    // times the weights, and nothing where it is unknown.
    let strength = |token: &str| -> f64 {
        let (ids, _) = vectorizer.flatten(&vectorizer.encode(token));
        let product = |id: &u32| -> f64 {
            let vector = &table[*id as usize * 4..(*id as usize + 1) * 4];
            vector.iter().zip(weights).map(|(a, b)| f64::from(a * b)).sum()
        };
        ids.iter().map(product).sum()
    };
    let tokens = ["the", "plot", "was", "good", "xylographic", "today", "!"];
    let strengths = tokens.map(strength);
    assert_eq!((strengths[4], strengths[6]), (0.0, 0.0));
    let (n, sum) = (strengths.len() as f64, strengths.iter().sum::<f64>());
    let explanation = explain(&model, text);
    // Labels are "bad" and "good", and the logit is that of the second.
    let label = explanation.label.clone().unwrap();
    let sign = if label == "good" { 1.0 } else { -1.0 };
    let found = explanation.contributions.unwrap();
    assert_eq!(found.len(), tokens.len());
    assert_eq!(explanation.not_explained, Some(0));
    let characters: Vec<char> = text.chars().collect();
    for ((found, token), strength) in found.iter().zip(tokens).zip(strengths) {
        let wanted = sign * (sum / n - (sum - strength) / (n - 1.0));
        let log_odds = f64::from(found.log_odds.unwrap());
        assert!((log_odds - wanted).abs() < 1e-5, "{token}: {log_odds} for {wanted}");
        assert_eq!(found.text.as_deref(), Some(token));
        let cut: String = characters[found.start.unwrap()..found.end.unwrap()].iter().collect();
        assert_eq!(cut, token);
        assert!(found.value.is_none() && found.column.is_none());
    }
}

/// Without a token a text is scored as the text of the other tokens is, n-grams and all.
#[test]
fn contributions_are_differences_of_scores_in_every_network_of_texts() {
    for network in [
        json!({"type": "embedding_bag", "dimension": 8, "hidden": [6]}),
        json!({"type": "text_cnn", "dimension": 8, "filters": 6}),
    ] {
        let model = text_model(json!({ "network": network }));
        let text = "the plot was good quixotic today";
        let explanation = explain(&model, text);
        assert_eq!(explanation.label.as_deref(), Some("good"));
        let found = explanation.contributions.unwrap();
        let said = |text: &str| {
            let weighed = weigh(&model, &Record::Text(text.to_owned()));
            let p = model.reader.probabilities(&weighed.reading.logits)[1];
            (p, (p / (1.0 - p)).ln(), weighed.combined.unwrap().score)
        };
        let words: Vec<&str> = text.split(' ').collect();
        let with = said(text);
        for (i, found) in found.iter().enumerate() {
            let others = [&words[..i], &words[i + 1..]].concat().join(" ");
            let without = said(&others);
            let is = |a: Option<f32>, b: f64| (f64::from(a.unwrap()) - b).abs() < 1e-4;
            assert!(is(found.probability, with.0 - without.0), "{found:?}");
            assert!(is(found.log_odds, with.1 - without.1), "{found:?} {with:?} {without:?}");
            assert_eq!(found.ood, Some((with.2 - without.2) as f32), "{found:?}");
        }
        let most = |of: &dyn Fn(&Contribution) -> f32| {
            found.iter().max_by(|a, b| of(a).total_cmp(&of(b))).unwrap().text.clone().unwrap()
        };
        assert_eq!(most(&|c| c.log_odds.unwrap()), "good");
        assert_eq!(most(&|c| c.ood.unwrap()), "quixotic");
        // The other label is spoken for where this one is spoken against.
        let other = Explain { output: Some(0), ..ALL };
        let weighed = weigh(&model, &Record::Text(text.to_owned()));
        let against = model.explain(&weighed, Some(text), &other);
        assert_eq!(against.label.as_deref(), Some("bad"));
        for (a, b) in found.iter().zip(against.contributions.unwrap()) {
            assert!((a.log_odds.unwrap() + b.log_odds.unwrap()).abs() < 1e-5);
        }
    }
}

#[test]
fn long_texts_are_explained_in_part_and_cost_what_they_cost() {
    let model = linear_bag();
    let text = "good plot ".repeat(150);
    assert_eq!(model.cost_of_contributions(Some(&text)), Cost { parts: 200, tokens: 60_000 });
    let explanation = explain(&model, &text);
    assert_eq!(explanation.contributions.unwrap().len(), MAX_PARTS);
    assert_eq!(explanation.not_explained, Some(100));
    // A text of one token becomes one without any.
    let one = explain(&model, "good").contributions.unwrap();
    assert!(one.len() == 1 && one[0].log_odds.unwrap() > 0.0, "{one:?}");
}

#[test]
fn a_training_record_is_its_own_neighbor_and_artifacts_keep_that() {
    let (texts, labels) = reviews();
    let model = linear_bag();
    let loaded = Model::from_bytes(&model.to_bytes().unwrap()).unwrap();
    assert_eq!(loaded.reader.training_records, model.reader.training_records);
    let records = model.reader.training_records.as_ref().unwrap();
    let mut own = 0;
    for (i, text) in texts.iter().enumerate() {
        let neighbors = explain(&model, text).neighbors.unwrap();
        assert_eq!(explain(&loaded, text).neighbors.unwrap(), neighbors);
        assert_eq!(neighbors.len(), 3);
        assert!(neighbors.is_sorted_by(|a, b| a.similarity >= b.similarity));
        let row = i as u64 + 1;
        let nearest = &neighbors[0];
        if nearest.row == row {
            own += 1;
            assert_eq!(nearest.similarity, 1.0);
            let Cell::Text(label) = &labels[i] else { panic!("no label") };
            assert_eq!(nearest.label.as_ref(), Some(label));
            assert!(nearest.labels.is_none() && nearest.values.is_none());
        }
    }
    assert_eq!(own, model.card.records.train);
    assert_eq!(records.nearest(&[0.0; 4], 3), []);
    // Nothing of this text is known: it is like no other.
    assert_eq!(explain(&model, "ξύλον").neighbors.unwrap(), []);
    let private = text_model(json!({
        "network": {"type": "embedding_bag", "dimension": 4}, "keep_training_vectors": false,
        "training": {"epochs": 1, "batch_size": 16, "seed": 3, "early_stopping": null,
            "checkpoint_seconds": 0},
    }));
    assert!(private.reader.training_records.is_none() && private.calibration.content.is_none());
    let asked = ExplainRequest { neighbors: 1, ..ExplainRequest::default() };
    assert!(asked.resolve(&private).is_err() && asked.resolve(&model).is_ok());
    let loaded = Model::from_bytes(&private.to_bytes().unwrap()).unwrap();
    assert!(loaded.reader.training_records.is_none() && loaded.calibration.content.is_none());
}

/// A linear model of a row: what its columns contribute sums to what sets it apart from the mean of
/// the training records.
#[test]
fn columns_contribute_what_sets_them_apart_from_the_mean() {
    let a = |i: usize| (i * 7 % 50) as f64 / 5.0;
    let kind = |i: usize| ["x", "y", "z"][i * i % 7 % 3];
    let y = |i: usize| 3.0 * a(i) + if kind(i) == "y" { 10.0 } else { 0.0 };
    let (rows, number) = (100, ColumnKind::Number);
    let model = model(
        json!({"type": "tabular_regression", "features": ["a", "kind", "same"], "target": "y"}),
        vec![
            ("a", number, (0..rows).map(|i| Cell::Number(a(i))).collect()),
            ("kind", ColumnKind::Category, (0..rows).map(|i| Cell::Text(kind(i).into())).collect()),
            ("same", number, (0..rows).map(|_| Cell::Number(1.0)).collect()),
        ],
        (0..rows).map(|i| Cell::Number(y(i))).collect(),
        json!({"network": {"type": "mlp", "hidden": []},
            "training": {"epochs": 150, "batch_size": 16, "seed": 3, "early_stopping": null,
                "checkpoint_seconds": 0}}),
    );
    let row = |a: f64, kind: &str| {
        Record::Row(vec![Cell::Number(a), Cell::Text(kind.to_owned()), Cell::Number(1.0)])
    };
    let predicted = |weighed: &Weighed| model.reader.values(&weighed.reading.logits)[0];
    let weighed = weigh(&model, &row(9.0, "y"));
    let explanation = model.explain(&weighed, None, &ALL);
    assert_eq!(explanation.label.as_deref(), Some("y"));
    let found = explanation.contributions.unwrap();
    let names: Vec<&str> = found.iter().map(|c| c.column.as_deref().unwrap()).collect();
    assert_eq!(names[..2], ["a", "kind"]);
    let values: Vec<f64> = found.iter().map(|c| c.value.unwrap()).collect();
    let train: Vec<usize> = model
        .reader
        .training_records
        .as_ref()
        .unwrap()
        .nearest(&vec![0.0; model.reader.vector_width()], 1_000)
        .iter()
        .map(|alike| alike.row as usize - 1)
        .collect();
    assert_eq!(train.len(), model.card.records.train);
    let mean =
        |of: &dyn Fn(usize) -> f64| train.iter().map(|&i| of(i)).sum::<f64>() / train.len() as f64;
    let at_mean = predicted(&weigh(&model, &row(mean(&a), "y")));
    assert!((values[0] - (predicted(&weighed) - at_mean)).abs() < 1e-4, "{values:?}");
    let of_mean = mean(&|i| predicted(&weigh(&model, &row(a(i), kind(i)))));
    assert!((values.iter().sum::<f64>() - (predicted(&weighed) - of_mean)).abs() < 1e-4);
    // 3 × (9 − mean of a), and 10 less its share among the records.
    assert!((values[0] - 3.0 * (9.0 - mean(&a))).abs() < 1.0, "{values:?}");
    assert!(values[1] > 3.0, "{values:?}");
    assert!(found.iter().all(|c| c.log_odds.is_none() && c.text.is_none()));

    let nearest = &explanation.neighbors.unwrap()[0];
    assert!(nearest.similarity > 0.0 && nearest.similarity <= 1.0);
    let row_of = nearest.row as usize - 1;
    assert_eq!(nearest.values.as_ref().unwrap()["y"], y(row_of));
    let again = model.explain(&weigh(&model, &row(a(row_of), kind(row_of))), None, &ALL);
    assert_eq!(again.neighbors.unwrap()[0].similarity, 1.0);

    // A number far outside makes the row out-of-distribution, and its column says so.
    let far = model.explain(&weigh(&model, &row(500.0, "y")), None, &ALL).contributions.unwrap();
    assert!(far[0].ood.unwrap() > 0.0 && far[0].ood > far[1].ood, "{far:?}");
}
