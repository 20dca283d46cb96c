//! Whether one column alone tells the target: often a copy of it, or something that is known only
//! after it, which no record to be scored will have.

use std::collections::HashMap;

use super::date::Moment;
use super::{InputKind, Value};
use crate::random::keyed;

/// From this share on, a column is said to leak the target.
pub const LEAKAGE_THRESHOLD: f64 = 0.98;
/// Fewer records than this say nothing.
const MIN_RECORDS: usize = 20;
/// Nor do fewer than this outside the largest class: a good column may get all of so few right.
const MIN_OPEN: usize = 10;
const FOLDS: usize = 5;

/// The target of each record.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// The place of its class. For several labels at once, ask for each label by itself.
    Classes(&'a [u32]),
    /// Its number, finite.
    Numbers(&'a [f64]),
}

/// What a column alone says about the target.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Leakage {
    /// Share of what remains open without any column that this one settles, in [0, 1]. For classes:
    /// of the records that are not of the largest class, net of the mistakes. For numbers: of the
    /// variance. Leaking is a share of [`LEAKAGE_THRESHOLD`] and more.
    pub share: f64,
}

/// Measures what one column alone says about the target, on records that the guess was not made
/// from. `None` where there are fewer than 20 records, of classes fewer than 10 outside the largest
/// one, or nothing to tell.
///
/// - Classes: each fold's records get the commonest class among the other folds' records with the
///   same category, or with the nearest number or date. With accuracy a and the largest class's
///   share b: (a − b) / (1 − b).
/// - Numbers from a category: the mean of the other folds' records with the same category; R².
/// - Numbers from a number or a date: the square of the correlation, of the values or of their
///   ranks, whichever is larger, so that a copy in another unit or on another scale shows. A curve
///   that does not rise or fall throughout is a relation to be learnt, not a copy.
///
/// A value that is missing or cannot be read is a category of its own.
pub fn leakage(kind: InputKind, values: &[Value<'_>], target: Target<'_>) -> Option<Leakage> {
    if values.len() < MIN_RECORDS {
        return None;
    }
    let share = match (kind, target) {
        (InputKind::Categorical, Target::Classes(classes)) => {
            let keys = categories(values);
            settled(classes, |fold| {
                let known = votes(keys.iter().copied().zip(classes.iter().copied()), fold);
                keys.iter().map(|key| known.get(key).copied()).collect()
            })?
        }
        (_, Target::Classes(classes)) => {
            let numbers = numbers(kind, values);
            settled(classes, |fold| nearest(&numbers, classes, fold))?
        }
        (InputKind::Categorical, Target::Numbers(targets)) => {
            explained(&categories(values), targets)?
        }
        (_, Target::Numbers(targets)) => {
            let pairs = numbers(kind, values).into_iter().zip(targets);
            let (x, y): (Vec<f64>, Vec<f64>) = pairs.filter_map(|(x, y)| Some((x?, *y))).unzip();
            if x.len() < MIN_RECORDS {
                return None;
            }
            let of_values = correlation(&x, &y)?;
            of_values.powi(2).max(correlation(&ranks(&x), &ranks(&y))?.powi(2))
        }
    };
    Some(Leakage { share: share.clamp(0.0, 1.0) })
}

/// The fold of a record: the same for every column, and apart from the order of a sorted file.
fn fold_of(record: usize) -> usize {
    (keyed(record as u64) % FOLDS as u64) as usize
}

fn categories<'a>(values: &[Value<'a>]) -> Vec<Key<'a>> {
    let key = |value: &Value<'a>| match value {
        Value::Missing => Key::Missing,
        // Both zeros are one category.
        Value::Number(number) => Key::Number((number + 0.0).to_bits()),
        Value::Text(text) => Key::Text(text.trim()),
    };
    values.iter().map(key).collect()
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Key<'a> {
    Missing,
    Number(u64),
    Text(&'a str),
}

fn numbers(kind: InputKind, values: &[Value<'_>]) -> Vec<Option<f64>> {
    let number = |value: &Value<'_>| match value {
        Value::Missing => None,
        Value::Number(number) => Some(*number).filter(|n| n.is_finite()),
        Value::Text(text) if kind == InputKind::Date => Moment::parse(text).map(|m| m.days),
        Value::Text(text) => text.trim().parse().ok().filter(|n: &f64| n.is_finite()),
    };
    values.iter().map(number).collect()
}

/// The commonest class of each key outside a fold; of equally common ones the first.
fn votes<K: Eq + std::hash::Hash>(
    pairs: impl Iterator<Item = (K, u32)>,
    fold: usize,
) -> HashMap<K, u32> {
    let mut counts: HashMap<K, HashMap<u32, u32>> = HashMap::new();
    for (record, (key, class)) in pairs.enumerate() {
        if fold_of(record) != fold {
            *counts.entry(key).or_default().entry(class).or_default() += 1;
        }
    }
    let winner = |counts: HashMap<u32, u32>| {
        let best = counts.into_iter().max_by_key(|(class, count)| (*count, u32::MAX - class));
        best.map_or(0, |(class, _)| class)
    };
    counts.into_iter().map(|(key, counts)| (key, winner(counts))).collect()
}

/// A guess for each record from the records outside a fold that lie nearest.
fn nearest(numbers: &[Option<f64>], classes: &[u32], fold: usize) -> Vec<Option<u32>> {
    let keys = numbers.iter().map(|number| number.map(|n| (n + 0.0).to_bits()));
    let known = votes(keys.zip(classes.iter().copied()), fold);
    let mut sorted: Vec<(f64, u32)> =
        known.iter().filter_map(|(key, class)| Some((f64::from_bits((*key)?), *class))).collect();
    sorted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let guess = |number: &Option<f64>| {
        let Some(number) = number else { return known.get(&None).copied() };
        let after = sorted.partition_point(|(other, _)| other < number);
        let above = sorted.get(after);
        let below = after.checked_sub(1).and_then(|before| sorted.get(before));
        match (below, above) {
            (Some(below), Some(above)) => {
                Some(if number - below.0 < above.0 - number { below.1 } else { above.1 })
            }
            (one, other) => one.or(other).map(|(_, class)| *class),
        }
    };
    numbers.iter().map(guess).collect()
}

/// Share of the records outside the largest class that guesses settle.
fn settled(classes: &[u32], guesses: impl Fn(usize) -> Vec<Option<u32>>) -> Option<f64> {
    let mut counts: HashMap<u32, usize> = HashMap::new();
    classes.iter().for_each(|class| *counts.entry(*class).or_default() += 1);
    let open = classes.len() - counts.values().max()?;
    if open < MIN_OPEN {
        return None;
    }
    let wrong: usize = (0..FOLDS)
        .map(|fold| {
            let guesses = guesses(fold);
            let held = (0..classes.len()).filter(|&record| fold_of(record) == fold);
            held.filter(|&record| guesses[record] != Some(classes[record])).count()
        })
        .sum();
    Some(1.0 - wrong as f64 / open as f64)
}

/// R² of the mean of the other folds' records with the same category.
fn explained(keys: &[Key<'_>], targets: &[f64]) -> Option<f64> {
    // One scale, so that no square overflows.
    let largest = targets.iter().fold(0.0f64, |largest, target| largest.max(target.abs()));
    if largest == 0.0 {
        return None;
    }
    let targets: Vec<f64> = targets.iter().map(|target| target / largest).collect();
    let mean = targets.iter().sum::<f64>() / targets.len() as f64;
    let total: f64 = targets.iter().map(|target| (target - mean).powi(2)).sum();
    if total == 0.0 {
        return None;
    }
    let mut left = 0.0;
    for fold in 0..FOLDS {
        let mut sums: HashMap<&Key<'_>, (f64, f64)> = HashMap::new();
        let mut all = (0.0, 0.0);
        for (record, (key, target)) in keys.iter().zip(&targets).enumerate() {
            if fold_of(record) != fold {
                let (sum, count) = sums.entry(key).or_default();
                (*sum, *count) = (*sum + target, *count + 1.0);
                all = (all.0 + target, all.1 + 1.0);
            }
        }
        for (record, (key, target)) in keys.iter().zip(&targets).enumerate() {
            if fold_of(record) == fold {
                let (sum, count) = sums.get(key).copied().unwrap_or(all);
                left += (target - sum / count.max(1.0)).powi(2);
            }
        }
    }
    Some(1.0 - left / total)
}

/// Pearson's correlation; `None` of what does not vary.
fn correlation(x: &[f64], y: &[f64]) -> Option<f64> {
    let centred = |values: &[f64]| -> Option<Vec<f64>> {
        let largest = values.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
        let scaled: Vec<f64> = values.iter().map(|value| value / largest).collect();
        let mean = scaled.iter().sum::<f64>() / scaled.len() as f64;
        let centred: Vec<f64> = scaled.iter().map(|value| value - mean).collect();
        let norm = centred.iter().map(|value| value * value).sum::<f64>().sqrt();
        (norm > 0.0).then(|| centred.iter().map(|value| value / norm).collect())
    };
    Some(centred(x)?.iter().zip(centred(y)?).map(|(x, y)| x * y).sum())
}

/// The rank of each value; equal ones share their mean rank.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    for equal in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let below = order.partition_point(|&other| values[other] < values[equal[0]]);
        let rank = below as f64 + (equal.len() - 1) as f64 / 2.0;
        equal.iter().for_each(|&place| ranks[place] = rank);
    }
    ranks
}

#[cfg(test)]
#[path = "leakage_tests.rs"]
mod tests;
