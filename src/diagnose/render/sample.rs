//! A report with every status, verdict and kind of remedy, for tests; and the same with texts that would
//! do harm if they were not escaped.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Subject;
use crate::diagnose::finding::{
    Area, Figure, Finding, FindingStatus, Measurement, Remedy, SeedDifference, Series, Verdict,
    Verification,
};
use crate::diagnose::report::settings::SettingEffect;
use crate::diagnose::report::{LimitationsReport, ProbeSummary, Scope, Spent, ordered, summary};
use crate::diagnose::request::ResolvedBudget;
use crate::model::card::PartSizes;

/// What a hostile text adds to each text.
pub const HOSTILE: &str = "<script>alert(\"x\")</script> | `a` ```\n# b 'c' &lt; ${d} \\ \u{202e}";

pub fn subject() -> Subject {
    Subject {
        id: "model_019ab3c1d2e37a4f8b6c5d4e3f2a1b0c".to_owned(),
        name: Some("review-sentiment".to_owned()),
        task: "text_classification".to_owned(),
        dataset: "ds_5f0c2b".to_owned(),
        made: "2026-11-23T08:15:30.250Z".to_owned(),
        diagnosis: "job_019ab3c4e5f67a8b9c0d1e2f3a4b5c6d".to_owned(),
        server: "http://localhost:8080".to_owned(),
        needs_key: true,
    }
}

fn run(n: usize) -> String {
    format!("run_019ab3c4e5f67a8b9c0d1e2f3a4b5c{n:02}")
}

fn tried(verdict: Verdict, remedy: f64, interval: [f64; 2], p: f64) -> Verification {
    let original = 0.71;
    let against = |other: f64, p_value: f64| SeedDifference {
        difference: remedy - other,
        interval: interval.map(|end| end - (other - original)),
        p_value,
        p_value_adjusted: (p_value * 4.0).min(1.0),
    };
    let change = |rate: f64| [("optimizer.learning_rate".to_owned(), json!(rate))].into();
    Verification {
        verdict,
        metric: "accuracy".to_owned(),
        lower_is_better: false,
        seeds: vec![1, 2, 3],
        records: 1200,
        original,
        remedy,
        random_change: 0.73,
        against_original: against(original, p),
        against_random: against(0.73, p * 1.5),
        remedies_tried: 2,
        random_changes: vec![
            change(0.03),
            [("network.dropout".to_owned(), json!(0.2))].into(),
            [("network.hidden".to_owned(), json!([15, 8]))].into(),
        ],
        runs: vec![run(5), run(6), run(7)],
        lacking: Vec::new(),
        labelled: None,
    }
}

pub fn report() -> LimitationsReport {
    let curve = |name: &str, values: [f64; 5]| Series {
        name: name.to_owned(),
        points: values.iter().zip(1..).map(|(y, at)| [10_f64.powi(at - 6), *y]).collect(),
    };
    let rates = Figure {
        title: "Errors by learning rate".to_owned(),
        x: "Learning rate".to_owned(),
        y: "Share of validation records that are answered wrongly".to_owned(),
        log_x: true,
        series: vec![
            curve("Seed 1", [0.42, 0.24, 0.15, 0.18, 0.31]),
            curve("Seed 2", [0.44, 0.26, 0.14, 0.17, 0.28]),
            curve("Seed 3", [0.41, 0.23, 0.15, 0.19, 0.33]),
        ],
    };
    let learning = Figure {
        title: "Accuracy by number of training records".to_owned(),
        x: "Training records".to_owned(),
        y: "Accuracy on the validation records".to_owned(),
        log_x: false,
        series: vec![
            Series {
                name: "Measured".to_owned(),
                points: vec![[960.0, 0.66], [2400.0, 0.73], [4800.0, 0.78], [9598.0, 0.815]],
            },
            Series {
                name: "Forecast".to_owned(),
                points: vec![[9598.0, 0.815], [19196.0, 0.842], [38392.0, 0.861]],
            },
        ],
    };
    let new = Finding::new;
    let rate = |rate: f64| [("optimizer.learning_rate", json!(rate))];
    let mut too_high = new(
        "learning_rate_too_high",
        Area::Optimization,
        FindingStatus::Found,
        "The learning rate of 0.1 is too high: 0.001 makes 52 % fewer validation errors.",
    )
    .severity(0.52)
    .measured(
        Measurement::new("share of the validation error that a rate of 0.001 takes away", 0.52)
            .interval(Some([0.44, 0.6]))
            .threshold(0.1)
            .runs([&run(1), &run(2)]),
    )
    .measured(Measurement::new("validation error of the model itself", 0.31))
    .measured(Measurement::new("validation error at a rate of 0.001", f64::NAN))
    .figure(rates)
    .remedy(Remedy::change("lower optimizer.learning_rate to 0.001", rate(0.001)));
    too_high.verification = Some(tried(Verdict::Verified, 0.86, [0.09, 0.21], 0.0002));
    let few = new(
        "too_little_data",
        Area::Data,
        FindingStatus::Found,
        "There are too few training records: twice as many would make about 15 % fewer errors.",
    )
    .severity(0.27)
    .measured(
        Measurement::new("share of errors that twice the records would take away", 0.146)
            .interval(Some([0.08, 0.21]))
            .threshold(0.1),
    )
    .figure(learning)
    .remedy(Remedy::data(
        "label more records; those of which the model is least sure teach it most",
        (1..=60).map(|n| n * 137 % 9001).collect(),
    ));
    let mut small = new(
        "network_too_small",
        Area::Capacity,
        FindingStatus::Found,
        "The network is too small for these records.",
    )
    .severity(0.12)
    .measured(Measurement::new("error that twice the width takes away", 0.04))
    .remedy(Remedy::change("widen the hidden layers", [("network.hidden", json!([64, 32]))]));
    small.verification = Some(tried(Verdict::Inconclusive, 0.72, [-0.02, 0.04], 0.4));
    let mut dropout = new(
        "too_much_dropout",
        Area::Capacity,
        FindingStatus::Found,
        "Dropout of 0.5 keeps the network from learning the training records.",
    )
    .severity(0.004)
    .remedy(Remedy::change("lower network.dropout to 0", [("network.dropout", json!(0.0))]));
    dropout.verification = Some(tried(Verdict::Refuted, 0.66, [-0.08, -0.02], 0.001));
    let leak = new(
        "target_leak",
        Area::Data,
        FindingStatus::Found,
        "The column “stars” gives the label away.",
    )
    .severity(1.0);
    let sound = new(
        "label_noise",
        Area::Data,
        FindingStatus::NotFound,
        "About 2 % of the labels look wrong, which is too few to hold the model back.",
    )
    .measured(Measurement::new("share of labels that look wrong", 0.02).interval(Some([0.0, 0.04])))
    .smallest_effect(0.05);
    let stable = new(
        "spread_over_seeds",
        Area::Optimization,
        FindingStatus::NotFound,
        "The three seeds end within 0.01 of one another.",
    );
    let waits = new(
        "unfamiliar_topics",
        Area::Generalization,
        FindingStatus::Pending,
        "Not known yet: whether topics that it has not seen are answered worse",
    );
    let unmeasured = new(
        "overconfident",
        Area::Confidence,
        FindingStatus::NotMeasured,
        "Not measured: whether stated confidence is too high (the budget does not reach)",
    );
    let probe = |n: usize| ProbeSummary {
        run: run(n),
        change: match n {
            1 => [].into(),
            n => {
                [("optimizer.learning_rate".to_owned(), json!(0.1 / 10_f64.powi(n as i32)))].into()
            }
        },
        records: if n == 4 { "share of 0.5" } else { "all" }.to_owned(),
        seed: n as u64 % 3 + 1,
        validation_error: (n != 3).then_some(0.31 / n as f64),
        failure: (n == 3).then(|| "the loss became infinite".to_owned()),
        cost: if n == 4 { 0.5 } else { 1.0 },
    };
    let scope = Scope {
        budget: ResolvedBudget { runs: 20.0, epochs: None, seconds: Some(5400) },
        spent: Spent { runs: 12.5, epochs: 371, seconds: 754.2 },
        seeds: vec![1, 2, 3],
        records: PartSizes {
            train: 9598,
            validation: 1200,
            calibration: 1200,
            test: 1200,
            excluded: 14,
            lacking: 0,
        },
        metric: "accuracy".to_owned(),
        test: Some(0.7125),
        probes: (1..=8).map(probe).collect(),
        not_looked_at: vec![
            "overconfident: the budget does not reach for trainings worth 2.0 of the model's own"
                .to_owned(),
            "more seeds for this: widen the hidden layers (the budget does not reach)".to_owned(),
        ],
    };
    let findings = [few, sound, stable, waits, unmeasured, small, dropout, leak, too_high];
    let findings = ordered(findings.to_vec());
    LimitationsReport {
        model: subject().id,
        complete: false,
        summary: summary(&findings, false, &scope),
        settings: vec![
            SettingEffect {
                change: BTreeMap::from([("optimizer.learning_rate".to_owned(), json!(0.01))]),
                difference: -0.12,
                interval: [-0.16, -0.08],
                trainings: 3,
                matters: true,
            },
            SettingEffect {
                change: BTreeMap::from([("network.dropout".to_owned(), json!(0.5))]),
                difference: 0.01,
                interval: [-0.01, 0.03],
                trainings: 1,
                matters: false,
            },
        ],
        findings,
        scope,
    }
}

/// Adds what is hostile to every text, and to names of fields that are data.
fn poison(value: &mut Value, within: &str) {
    match value {
        // A metric's own name decides how numbers are read.
        Value::String(text) if !["status", "area", "verdict", "metric"].contains(&within) => {
            // What was not looked at begins with the kind that it is about.
            *text = text.replace("overconfident:", &format!("overconfident{HOSTILE}:"));
            text.push_str(HOSTILE);
        }
        Value::Array(items) => items.iter_mut().for_each(|item| match item {
            Value::Object(fields) if within == "random_changes" => poison_keys(fields),
            item => poison(item, within),
        }),
        Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                match value {
                    Value::Object(changes) if name == "change" => poison_keys(changes),
                    value => poison(value, name),
                }
            }
        }
        _ => {}
    }
}

fn poison_keys(fields: &mut serde_json::Map<String, Value>) {
    let before = std::mem::take(fields);
    for (name, mut value) in before {
        poison(&mut value, "value");
        fields.insert(format!("{name}{HOSTILE}"), value);
    }
}

/// The report and its subject with a hostile text in every place.
pub fn hostile() -> (LimitationsReport, Subject) {
    let mut value = serde_json::to_value(report()).unwrap();
    poison(&mut value, "");
    let mut subject = subject();
    for text in [
        &mut subject.id,
        &mut subject.task,
        &mut subject.dataset,
        &mut subject.made,
        &mut subject.diagnosis,
        &mut subject.server,
        subject.name.get_or_insert_default(),
    ] {
        text.push_str(HOSTILE);
    }
    (serde_json::from_value(value).unwrap(), subject)
}
