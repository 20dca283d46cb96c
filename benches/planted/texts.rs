//! Short texts in made-up words that are for or against what they are about.

use whereof::data::Cell;
use whereof::random::{self, Rng};

use super::data::Rows;

/// What texts are about.
const TOPICS: usize = 4;
/// Words of each kind: without meaning, of a topic, for, and against.
const FILLERS: usize = 80;
const TOPICAL: usize = 40;
const LEANING: usize = 15;
/// Share of the words that say for or against which say what the label says.
const HONEST: f64 = 0.93;

/// So many texts. With `own` every topic has words of its own for and against.
pub fn rows(count: usize, own: bool, seed: u64) -> Rows {
    let mut rng = random::stream(seed, "planted.texts");
    let (mut records, mut topics) = (Vec::new(), Vec::new());
    for record in 0..count {
        let topic = rng.random_range(0..TOPICS as u64) as usize;
        let positive = record % 2 == 0;
        let length = rng.random_range(14..24u64);
        let mut words = Vec::new();
        for _ in 0..length {
            let kind: f64 = rng.random();
            let any =
                |rng: &mut dyn random::RngCore, of: usize| (rng.next_u64() % of as u64) as usize;
            words.push(if kind < 0.45 {
                word(any(&mut rng, FILLERS))
            } else if kind < 0.75 {
                word(1_000 + topic * TOPICAL + any(&mut rng, TOPICAL))
            } else {
                let lean = (rng.random::<f64>() < HONEST) == positive;
                let vocabulary = if own { topic } else { TOPICS };
                let first = 2_000 + (2 * vocabulary + usize::from(lean)) * LEANING;
                word(first + any(&mut rng, LEANING))
            });
        }
        let label = if positive { "for" } else { "against" };
        records.push(vec![Cell::Text(words.join(" ")), Cell::Text(label.to_owned())]);
        topics.push(topic);
    }
    Rows { names: vec!["text".to_owned(), "label".to_owned()], records, topics: Some(topics) }
}

/// A word for a number, another for another.
fn word(number: usize) -> String {
    const BEGIN: [&str; 16] = [
        "ba", "de", "fi", "go", "ku", "la", "me", "ni", "po", "ru", "sa", "te", "vi", "wo", "xu",
        "za",
    ];
    [number / 256 % 16, number / 16 % 16, number % 16].map(|at| BEGIN[at]).concat()
}
