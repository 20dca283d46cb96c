//! Class-conditional likelihood of the words:
//! s = −max_c (1/L) Σ_w ln[(n_cw + μ p_w) / (n_c + μ)], with the background
//! p_w = (n_w + ½) / (N + ½(V + 1)) and μ = 10. An unknown word has n_w = 0.

use super::{Detector, Sample, Training};
use crate::arrays::{Arrays, ArraysError};
use crate::eval::exponential::largest;

const MU: f64 = 10.0;

pub(super) struct NaiveBayes {
    /// ln(μ p_w) of each word, and of an unknown one last.
    background: Vec<f64>,
    /// ln(n_c + μ) of each class.
    totals: Vec<f64>,
    /// Where each word's entries end in `classes` and `gains`.
    ends: Vec<u64>,
    /// Classes in which a word occurs.
    classes: Vec<u32>,
    /// ln(n_cw + μ p_w) − ln(μ p_w) there.
    gains: Vec<f64>,
    /// The same of every class, 0 where the word does not occur, row by row, for words of many
    /// classes: adding up a row is quicker than a quarter as many entries.
    rows: Vec<f64>,
    /// Which row is a word's; [`NO_ROW`] for words of few classes.
    row_of: Vec<u32>,
}

const NO_ROW: u32 = u32::MAX;
/// A word has a row where it occurs in at least one class of so many. Rows are then at most so many
/// times as long as what they stand for.
const SPARSE: usize = 4;

impl NaiveBayes {
    pub(super) fn fit(training: &Training<'_>) -> Self {
        // Records without a label (multi-label) form a class of their own, the last.
        let class_count = training.labels + 1;
        let mut pairs: Vec<(u32, u32)> = Vec::new();
        let mut word_counts = vec![0.0f64; training.words];
        let mut class_counts = vec![0.0f64; class_count];
        let none = [training.labels as u32];
        for (words, classes) in training.records.iter().zip(training.truth) {
            let classes = if classes.is_empty() { &none[..] } else { classes };
            // Words that the vocabulary left out count for neither.
            for &word in words.iter().filter(|&&word| (word as usize) < training.words) {
                word_counts[word as usize] += 1.0;
                for &class in classes {
                    class_counts[class as usize] += 1.0;
                    pairs.push((word, class));
                }
            }
        }
        let total: f64 = word_counts.iter().sum();
        let denominator = total + 0.5 * (training.words + 1) as f64;
        let background: Vec<f64> = word_counts
            .iter()
            .chain([&0.0])
            .map(|count| (MU * (count + 0.5) / denominator).ln())
            .collect();
        pairs.sort_unstable();
        let mut ends = vec![0; training.words];
        let (mut classes, mut gains) = (Vec::new(), Vec::new());
        for run in pairs.chunk_by(|a, b| a == b) {
            let (word, class) = run[0];
            let base = background[word as usize];
            classes.push(class);
            gains.push((run.len() as f64 + base.exp()).ln() - base);
            ends[word as usize] = classes.len() as u64;
        }
        // A word without entries ends where the one before it does.
        let mut end = 0;
        for entry in &mut ends {
            end = end.max(*entry);
            *entry = end;
        }
        // A class without a word cannot be the least surprising one.
        let totals = class_counts
            .iter()
            .map(|&n| if n > 0.0 { (n + MU).ln() } else { f64::INFINITY })
            .collect();
        Self::new(background, totals, ends, classes, gains)
    }

    /// With the rows that scoring reads.
    fn new(
        background: Vec<f64>,
        totals: Vec<f64>,
        ends: Vec<u64>,
        classes: Vec<u32>,
        gains: Vec<f64>,
    ) -> Self {
        let mut fitted =
            Self { background, totals, ends, classes, gains, rows: Vec::new(), row_of: Vec::new() };
        let width = fitted.totals.len();
        for word in 0..fitted.ends.len() {
            let entries = fitted.entries(word);
            if entries.is_empty() || entries.len() * SPARSE < width {
                fitted.row_of.push(NO_ROW);
                continue;
            }
            fitted.row_of.push((fitted.rows.len() / width) as u32);
            let start = fitted.rows.len();
            fitted.rows.resize(start + width, 0.0);
            for entry in entries {
                fitted.rows[start + fitted.classes[entry] as usize] = fitted.gains[entry];
            }
        }
        fitted
    }

    /// The entries of a known word.
    fn entries(&self, word: usize) -> std::ops::Range<usize> {
        let start = if word == 0 { 0 } else { self.ends[word - 1] as usize };
        start..self.ends[word] as usize
    }

    /// Adds to each class what a known word speaks for it.
    fn add(&self, word: usize, sums: &mut [f64]) {
        if self.row_of[word] == NO_ROW {
            let entries = self.entries(word);
            for (&class, gain) in self.classes[entries.clone()].iter().zip(&self.gains[entries]) {
                sums[class as usize] += gain;
            }
        } else {
            let start = self.row_of[word] as usize * sums.len();
            let row = &self.rows[start..start + sums.len()];
            sums.iter_mut().zip(row).for_each(|(sum, gain)| *sum += gain);
        }
    }

    pub(super) fn load(arrays: &Arrays) -> Result<Self, ArraysError> {
        let ends = arrays.get::<u64>("ends")?.to_vec();
        let classes = arrays.get::<u32>("classes")?.to_vec();
        let totals = arrays.get::<f64>("totals")?.to_vec();
        let gains = arrays.get_exact::<f64>("gains", classes.len())?.to_vec();
        let background = arrays.get_exact::<f64>("background", ends.len() + 1)?.to_vec();
        let ordered = ends.is_sorted() && ends.last().is_none_or(|&e| e == classes.len() as u64);
        if !ordered || classes.iter().any(|&class| class as usize >= totals.len()) {
            return Err(ArraysError::Format("the word counts contradict one another".to_owned()));
        }
        Ok(Self::new(background, totals, ends, classes, gains))
    }
}

impl Detector for NaiveBayes {
    fn score(&self, sample: &Sample<'_>) -> f64 {
        let unknown = self.background.len() - 1;
        let mut sums = vec![0.0; self.totals.len()];
        let mut base = 0.0;
        // A text without words is as surprising as a word that was never seen.
        let words = if sample.words.is_empty() { &[u32::MAX][..] } else { sample.words };
        for &word in words {
            let word = (word as usize).min(unknown);
            base += self.background[word];
            if word < unknown {
                self.add(word, &mut sums);
            }
        }
        let per_word = 1.0 / words.len() as f64;
        for (sum, total) in sums.iter_mut().zip(&self.totals) {
            *sum = (base + *sum) * per_word - total;
        }
        let best = largest(&sums, f64::NEG_INFINITY);
        // Without a single class with words, nothing is known: every text is equally far.
        if best.is_finite() { -best } else { 0.0 }
    }

    fn save(&self) -> Arrays {
        let mut arrays = Arrays::default();
        arrays.put("background", self.background.clone());
        arrays.put("totals", self.totals.clone());
        arrays.put("ends", self.ends.clone());
        arrays.put("classes", self.classes.clone());
        arrays.put("gains", self.gains.clone());
        arrays
    }
}

#[cfg(test)]
mod tests {
    use super::super::UNKNOWN_WORD;
    use super::super::test_data::blank;
    use super::*;

    const RECORDS: [&[u32]; 3] = [&[0, 1, 1], &[2, 1], &[2, 2]];

    fn fitted() -> NaiveBayes {
        let records: Vec<Vec<u32>> = RECORDS.iter().map(|r| r.to_vec()).collect();
        let truth = [vec![0], vec![1], vec![1]];
        NaiveBayes::fit(&Training {
            labels: 2,
            words: 3,
            records: &records,
            truth: &truth,
            ..blank()
        })
    }

    /// The formula, word by word and class by class.
    fn reference(words: &[u32]) -> f64 {
        let truth = [0, 1, 1];
        let count = |class: Option<u32>, word: Option<u32>| {
            let hits = RECORDS.iter().zip(truth).filter(|(_, c)| class.is_none_or(|k| k == *c));
            hits.flat_map(|(r, _)| r.iter()).filter(|w| word.is_none_or(|x| x == **w)).count()
                as f64
        };
        let per_class = |class: u32| {
            let sum: f64 = words
                .iter()
                .map(|&word| {
                    let p = (count(None, Some(word)) + 0.5) / (count(None, None) + 0.5 * 4.0);
                    let joint = count(Some(class), Some(word)) + MU * p;
                    (joint / (count(Some(class), None) + MU)).ln()
                })
                .sum();
            sum / words.len() as f64
        };
        -per_class(0).max(per_class(1))
    }

    #[test]
    fn follows_the_formula() {
        let detector = fitted();
        for words in [&[0u32, 1][..], &[2, 2, 1], &[UNKNOWN_WORD], &[0, UNKNOWN_WORD]] {
            let score = detector.score(&Sample { words, ..Sample::default() });
            assert!((score - reference(words)).abs() < 1e-12, "{words:?}: {score}");
        }
    }

    #[test]
    fn unknown_words_are_further_away_and_no_words_are_no_panic() {
        let detector = fitted();
        let score = |words: &[u32]| detector.score(&Sample { words, ..Sample::default() });
        assert!(score(&[UNKNOWN_WORD, UNKNOWN_WORD]) > score(&[2, 1]));
        assert_eq!(score(&[]), score(&[UNKNOWN_WORD]));
    }

    #[test]
    fn what_is_saved_scores_the_same_and_damage_is_refused() {
        let detector = fitted();
        let saved = detector.save();
        let loaded = NaiveBayes::load(&saved).unwrap();
        let sample = Sample { words: &[0, 2, UNKNOWN_WORD], ..Sample::default() };
        assert_eq!(loaded.score(&sample), detector.score(&sample));
        let mut damaged = saved.clone();
        damaged.put("classes", vec![9u32; detector.classes.len()]);
        assert!(NaiveBayes::load(&damaged).is_err());
    }
}
