//! Which unlabelled records to label first: those that would teach most, and no two that are alike.

use rayon::prelude::*;

use super::prototypes::{dot, unit};
use super::{Matrix, argmax};

/// Records chosen at most.
pub const MAX_CHOSEN: usize = 50;

/// A record to label.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Choice {
    /// Its position.
    pub record: usize,
    /// Its weight, as it was given.
    pub informativeness: f64,
    /// Distance 1 − cosine to the nearest record chosen before it, in \[0, 2\]; `None` for the first.
    pub distance: Option<f64>,
}

/// How much a record's label would teach, in \[0, 1\]: 1 − confidence · min(1, p / α), the chance that
/// the prediction is wrong or means nothing because the record comes from elsewhere. `p_value` is the
/// record's out-of-distribution p-value, `alpha` the level at which it would be flagged.
pub fn informativeness(confidence: f64, p_value: f64, alpha: f64) -> f64 {
    let inside = if alpha > 0.0 { (p_value / alpha).clamp(0.0, 1.0) } else { 1.0 };
    1.0 - confidence.clamp(0.0, 1.0) * inside
}

/// At most `count` and at most [`MAX_CHOSEN`] records, the first to label first. The most informative comes
/// first; each next one has the largest informativeness times distance to the nearest one chosen (greedy
/// k-centre, Gonzalez 1985, weighted). Records that have the vector of a chosen one, or no weight, are never
/// chosen. Nothing is known of a zero vector, so it lies at distance 1 from all others. Of equals the first
/// is chosen. Takes n·k·d steps; `weights` go with the rows of `vectors`.
pub fn choose(vectors: &Matrix, weights: &[f64], count: usize) -> Vec<Choice> {
    let units: Vec<Option<Vec<f32>>> = (0..vectors.len().min(weights.len()))
        .into_par_iter()
        .map(|record| unit(vectors.row(record)))
        .collect();
    // Before anything is chosen, all are as far away.
    let mut distances = vec![1.0f64; units.len()];
    let mut chosen: Vec<Choice> = Vec::new();
    while chosen.len() < count.min(MAX_CHOSEN) {
        let gains: Vec<f64> =
            distances.iter().zip(weights).map(|(distance, weight)| distance * weight).collect();
        let record = argmax(&gains);
        if gains.get(record).is_none_or(|gain| *gain <= 0.0) {
            break;
        }
        chosen.push(Choice {
            record,
            informativeness: weights[record],
            distance: (!chosen.is_empty()).then_some(distances[record]),
        });
        let first = chosen.len() == 1;
        let centre = units[record].as_deref();
        distances.par_iter_mut().zip(&units).for_each(|(nearest, other)| {
            let distance = match (centre, other) {
                (Some(centre), Some(other)) => apart(centre, other),
                _ => 1.0,
            };
            *nearest = if first { distance } else { nearest.min(distance) };
        });
        distances[record] = 0.0;
    }
    chosen
}

/// 1 − cosine of two vectors of length 1; 0 for what rounding alone tells apart.
fn apart(a: &[f32], b: &[f32]) -> f64 {
    let distance = 1.0 - f64::from(dot(a, b));
    if distance < 1e-6 { 0.0 } else { distance.min(2.0) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    fn records(choices: &[Choice]) -> Vec<usize> {
        choices.iter().map(|choice| choice.record).collect()
    }

    #[test]
    fn the_uncertain_and_the_foreign_are_informative() {
        assert_eq!(informativeness(0.9, 0.5, 0.05), 1.0 - 0.9);
        assert_eq!(informativeness(0.9, 0.025, 0.05), 1.0 - 0.45);
        assert_eq!(informativeness(1.0, 0.0, 0.05), 1.0);
        assert_eq!(informativeness(0.4, 0.0, 0.0), 0.6);
    }

    #[test]
    fn informative_first_and_then_what_is_unlike() {
        // Two directions; the second is nearly the first, the last a zero vector.
        let vectors =
            Matrix::from_values(2, vec![2.0, 0.0, 4.0, 0.1, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0]);
        let found = choose(&vectors, &[0.9, 0.8, 0.3, 1.0, 0.2], 9);
        // The first has the very direction of the fourth and is left out.
        assert_eq!(records(&found), [3, 2, 4, 1]);
        assert_eq!((found[0].distance, found[0].informativeness), (None, 1.0));
        assert_eq!(found[1].distance, Some(1.0));
        assert!(found[3].distance.unwrap() < 0.001);
        assert_eq!(records(&choose(&vectors, &[0.9, 0.8, 0.3, 1.0, 0.2], 2)), [3, 2]);
        assert_eq!(records(&choose(&vectors, &[0.0; 5], 9)), [0; 0]);
        assert_eq!(choose(&Matrix::new(2), &[], 9), []);
        let zero = Matrix::from_values(1, vec![0.0; 80]);
        assert_eq!(records(&choose(&zero, &[0.5; 80], 90)), (0..50).collect::<Vec<_>>());
    }

    /// Ten directions, one of them with most and the most informative records: every direction is among
    /// the first ten chosen, where the ten most informative are of one.
    #[test]
    fn the_chosen_are_diverse() {
        let mut rng = random::stream(1, "labeling");
        let mut vectors = Matrix::new(10);
        let mut weights = Vec::new();
        for i in 0..400 {
            let direction = if i < 300 { 0 } else { i % 10 };
            let row: Vec<f32> = (0..10)
                .map(|axis| {
                    f32::from(u8::from(axis == direction)) + 0.05 * random::normal(&mut rng) as f32
                })
                .collect();
            vectors.push(&row);
            weights.push(if i < 300 { 0.9 } else { 0.6 } + 0.0001 * f64::from(i as u32));
        }
        let direction = |record: &usize| if *record < 300 { 0 } else { record % 10 };
        let directions = |records: &[usize]| {
            records.iter().map(direction).collect::<std::collections::BTreeSet<_>>().len()
        };
        let found = records(&choose(&vectors, &weights, 10));
        assert_eq!(directions(&found), 10, "{found:?}");
        let mut order: Vec<usize> = (0..400).collect();
        order.sort_by(|&a, &b| weights[b].total_cmp(&weights[a]));
        assert_eq!(directions(&order[..10]), 1);
        assert_eq!(found, records(&choose(&vectors, &weights, 10)));
    }
}
