//! What a text costs a model on one core, stage by stage.

use std::hint::black_box;

use whereof::clock::SystemClock;
use whereof::model::Model;
use whereof::model::criteria::{Criteria, Thresholds};
use whereof::model::encoder::{Encoded, Encoder};

/// Passes over all texts.
const ROUNDS: usize = 15;
/// Texts that are timed together: few enough that most are timed without an interruption, also where
/// other work waits for the core.
const TOGETHER: usize = 20;

/// Microseconds of a text on one thread: for each few texts, the median and the least of the rounds;
/// their means.
fn cost(texts: &[String], mut work: impl FnMut(&str)) -> [f64; 2] {
    let clock = SystemClock::shared();
    let mut times = vec![Vec::with_capacity(ROUNDS); texts.len().div_ceil(TOGETHER)];
    for _ in 0..ROUNDS {
        for (texts, times) in texts.chunks(TOGETHER).zip(&mut times) {
            let start = clock.monotonic();
            texts.iter().for_each(|text| work(text));
            times.push((clock.monotonic() - start).as_secs_f64() * 1e6);
        }
    }
    let mut sums = [0.0; 2];
    for times in &mut times {
        times.sort_by(f64::total_cmp);
        sums[0] += times[ROUNDS / 2];
        sums[1] += times[0];
    }
    sums.map(|sum| sum / texts.len() as f64)
}

/// Prints what a text costs up to and with each stage.
pub fn print(model: &Model, texts: &[String]) {
    let Encoder::Text(vectorizer) = &model.reader.encoder else { return };
    let criteria =
        |top_labels| Criteria::new(model, Thresholds { top_labels, ..Thresholds::default() });
    let (top, all) = (criteria(Some(1)), criteria(None));
    let encode = |text: &str| Encoded::Text(vectorizer.encode(text));
    let answer = |text: &str, criteria| model.answer(model.weigh(encode(text)), criteria, None);
    let stages: [(&str, [f64; 2]); 7] = [
        ("encoding", cost(texts, |text| drop(black_box(encode(text))))),
        ("the network", cost(texts, |text| drop(black_box(model.reader.evaluate(&encode(text)))))),
        ("every axis", cost(texts, |text| drop(black_box(model.reader.read(encode(text)))))),
        ("p-values", cost(texts, |text| drop(black_box(model.weigh(encode(text)))))),
        ("the answer with the top label", cost(texts, |text| drop(black_box(answer(text, &top))))),
        ("the answer with every label", cost(texts, |text| drop(black_box(answer(text, &all))))),
        (
            "that answer as JSON",
            cost(texts, |text| drop(black_box(serde_json::to_vec(&answer(text, &all))))),
        ),
    ];
    println!("\n| a text on one core, up to and with | median of {ROUNDS} rounds, µs | least |");
    println!("|---|---|---|");
    for (stage, [median, least]) in stages {
        println!("| {stage} | {median:.1} | {least:.1} |");
    }
}
