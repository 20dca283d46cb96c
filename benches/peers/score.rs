//! Scoring in process, on one thread: what a text costs up to its label, and up to the whole answer.

use std::hint::black_box;

use serde_json::{Value, json};
use whereof::clock::SystemClock;
use whereof::model::Model;
use whereof::model::criteria::{Criteria, Thresholds};
use whereof::model::encoder::{Encoded, Encoder};

use crate::support::Failure;
use crate::{Options, column, cpu_seconds};

/// Scores the column `text` of `--file` with `--artifact`, `--rounds` times; `--what` is `label` or
/// `answer`, which has every default axis of coverage and confidence.
pub fn run(options: &Options) -> Result<Value, Failure> {
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global()?;
    let model = Model::from_bytes(&std::fs::read(options.need("artifact")?)?)?;
    let texts = column(options.need("file")?, "text")?;
    let Encoder::Text(vectorizer) = &model.reader.encoder else { return Err("no texts".into()) };
    let criteria =
        Criteria::new(&model, Thresholds { top_labels: Some(1), ..Thresholds::default() });
    let encode = |text: &str| Encoded::Text(vectorizer.encode(text));
    let label = |text: &str| {
        let (_, logits) = model.reader.evaluate(&encode(text));
        let most = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        black_box(most.map(|(label, _)| label));
    };
    let answer = |text: &str| {
        black_box(model.answer(model.weigh(encode(text)), &criteria, None));
    };
    let work: &dyn Fn(&str) = match options.need("what")? {
        "label" => &label,
        "answer" => &answer,
        other => return Err(format!("{other}: label or answer").into()),
    };
    texts.iter().for_each(|text| work(text));
    let rounds = options.number("rounds", 5)?;
    let clock = SystemClock::shared();
    let (start, cpu) = (clock.monotonic(), cpu_seconds()?);
    for _ in 0..rounds {
        texts.iter().for_each(|text| work(text));
    }
    let seconds = (clock.monotonic() - start).as_secs_f64();
    let cpu = cpu_seconds()? - cpu;
    let scored = (texts.len() * rounds) as f64;
    Ok(json!({
        "seconds": seconds / scored,
        "cpu_seconds": cpu / scored,
        "texts_per_second": scored / seconds,
    }))
}
