//! How many unknown words the next records will bring, from how often the known ones occur: a vocabulary
//! with many words that stand in one record only has not seen most of its language.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::bootstrap::CONFIDENCE;
use super::distribution::{binomial_cdf, normal_quantile};
use super::uncertainty::{mean, variance};

/// Records that an estimate needs.
pub const MIN_RECORDS: usize = 20;

/// What more records of the same kind would add to a vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VocabularyGrowth {
    /// Records that were read.
    pub records: usize,
    /// Records that are to come.
    pub more: usize,
    /// Different words in the records that were read.
    pub known: usize,
    /// Different words to expect in the records to come that none of the first has.
    pub new_words: f64,
    /// Holds their number at 95 % confidence.
    pub interval: [f64; 2],
    /// Share of the words of the very next record (each counted once) that are unknown, in \[0, 1\].
    pub unseen_share: f64,
}

/// Words that the next `more` records will bring, given the words of the records read, as numbers.
///
/// With f_k words in k records and t = more/records the estimate is that of Good and Toulmin (1956),
/// −Σ (−t)^k f_k, which has no bias for words that are rare. Beyond t = 1 its terms grow without bound, and
/// each is multiplied by P(X ≥ k), X binomial with chance 2/(2 + t) (Efron and Thisted 1976), in as many
/// trials as Orlitsky, Suresh and Wu (2016) have shown best, ½·log₃(N t²/(t − 1)) for N incidences; useful up
/// to t of about ln N. Counts of records and not of occurrences are used as Chao and Colwell (2017) do: a
/// word that one record repeats says no more than once. Words in more than half of the records are no
/// guide to rare ones and are left out.
///
/// The interval is normal. Were words independent of one another, the estimate's variance would be at most
/// Σ h_k² f_k for its weights h_k, and that of the words to come at most their number. They are not: rare
/// words come together, in long records and in those of an odd subject. Both are multiplied by the index of
/// dispersion of the words that only one record has, their variance over records by their mean, where that
/// is above 1. Smoothing brings a bias: beyond t = 1 the interval is wider on both sides by the distance to
/// the estimate with two more trials, which has less bias and more variance. Records that come in another
/// order than by chance, say by date, are not what it speaks of.
///
/// The unseen share is Good's (1953) with Chao's correction for incidences,
/// f₁/Σ k f_k · (n − 1)f₁/((n − 1)f₁ + 2f₂).
///
/// `None` below [`MIN_RECORDS`] and without a word.
pub fn vocabulary_growth(words: &[Vec<u32>], more: usize) -> Option<VocabularyGrowth> {
    let records = words.len();
    let distinct = distinct(words);
    let incidences = incidences(&distinct);
    if records < MIN_RECORDS || incidences.is_empty() {
        return None;
    }
    let mut frequencies = vec![0.0; records / 2 + 1];
    for &(_, count) in &incidences {
        if let Some(frequency) = frequencies.get_mut(count) {
            *frequency += 1.0;
        }
    }
    let total: usize = incidences.iter().map(|(_, count)| count).sum();
    let ratio = more as f64 / records as f64;
    let smoothings = smoothings(ratio, total as f64);
    let (new_words, variance) = weigh(&frequencies, ratio, smoothings[0]);
    let (other, _) = weigh(&frequencies, ratio, smoothings[1]);
    let z = normal_quantile(0.5 + CONFIDENCE / 2.0);
    let dispersion = dispersion(&distinct, &incidences);
    let half = z * (dispersion * (variance + new_words)).sqrt() + (new_words - other).abs();
    let interval = [(new_words - half).max(0.0), new_words + half];
    let (once, twice) = (frequencies[1], frequencies[2]);
    let others = (records - 1) as f64 * once;
    let unseen_share = match once {
        0.0 => 0.0,
        _ => once / total as f64 * others / (others + 2.0 * twice),
    };
    Some(VocabularyGrowth {
        records,
        more,
        known: incidences.len(),
        new_words,
        interval,
        unseen_share,
    })
}

/// Each record's words once, in order.
fn distinct(words: &[Vec<u32>]) -> Vec<Vec<u32>> {
    let mut words = words.to_vec();
    for record in &mut words {
        record.sort_unstable();
        record.dedup();
    }
    words
}

/// Words in order, each with the number of records that hold it.
fn incidences(distinct: &[Vec<u32>]) -> Vec<(u32, usize)> {
    let mut all = distinct.concat();
    all.sort_unstable();
    all.chunk_by(|a, b| a == b).map(|same| (same[0], same.len())).collect()
}

/// Variance by mean of the number of words that a record has alone, at least 1: 1 where words come
/// independently of one another.
fn dispersion(distinct: &[Vec<u32>], incidences: &[(u32, usize)]) -> f64 {
    let is_alone = |word: &&u32| incidences.binary_search(&(**word, 1)).is_ok();
    let alone = |record: &Vec<u32>| record.iter().filter(is_alone).count() as f64;
    let alone: Vec<f64> = distinct.iter().map(alone).collect();
    let mean = mean(&alone);
    if mean > 0.0 { (variance(&alone) / mean).max(1.0) } else { 1.0 }
}

/// Trials and chance of binomial weights.
type Smoothing = (usize, f64);

/// The smoothing of the estimate, and one with less bias and more variance; none up to t = 1.
fn smoothings(ratio: f64, incidences: f64) -> [Option<Smoothing>; 2] {
    if ratio <= 1.0 {
        return [None; 2];
    }
    let trials = 0.5 * (incidences * ratio * ratio / (ratio - 1.0)).ln() / 3f64.ln();
    let trials = trials.floor().max(1.0) as usize;
    [trials, trials + 2].map(|trials| Some((trials, 2.0 / (2.0 + ratio))))
}

/// The estimate, at least 0, and the most that its variance can be.
fn weigh(frequencies: &[f64], ratio: f64, smoothing: Option<Smoothing>) -> (f64, f64) {
    let (mut sum, mut variance) = (0.0, 0.0);
    let mut power = -1.0;
    for (k, &frequency) in frequencies.iter().enumerate().skip(1) {
        power *= -ratio;
        let weight = match smoothing {
            None => power,
            Some((trials, _)) if k > trials => break,
            Some((trials, chance)) => power * (1.0 - binomial_cdf(k - 1, trials, chance)),
        };
        sum += weight * frequency;
        variance += weight * weight * frequency;
    }
    (sum.max(0.0), variance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{self, Rng};

    /// Records with words of which as many stand in k records as the k-th number says, each in records of
    /// their own.
    fn records(frequencies: &[usize], count: usize) -> Vec<Vec<u32>> {
        let mut records = vec![Vec::new(); count];
        let (mut word, mut next) = (0, 0);
        for (k, &words) in frequencies.iter().enumerate() {
            for _ in 0..words {
                for _ in 0..=k {
                    // Repeated in the record, which is to make no difference.
                    records[next % count].extend([word, word]);
                    next += 1;
                }
                word += 1;
            }
        }
        records
    }

    #[test]
    fn known_values() {
        // f₁ = 6, f₂ = 3, f₃ = 1 in 40 records, 20 more: ½·6 − ¼·3 + ⅛·1 = 2.375.
        let words = records(&[6, 3, 1], 40);
        let found = vocabulary_growth(&words, 20).unwrap();
        assert_eq!((found.records, found.more, found.known), (40, 20, 10));
        assert!((found.new_words - 2.375).abs() < 1e-12, "{found:?}");
        let variance = 6.0 / 4.0 + 3.0 / 16.0 + 1.0 / 64.0 + 2.375f64;
        assert!((found.interval[1] - 2.375 - 1.959_964 * variance.sqrt()).abs() < 1e-5);
        assert_eq!(found.interval[0], 0.0);
        let share = 6.0 / 15.0 * (39.0 * 6.0) / (39.0 * 6.0 + 6.0);
        assert!((found.unseen_share - share).abs() < 1e-12);
        // Twice as many more: ½·log₃(15·4/1) = 1.86, so one trial with chance ½: 2·6·½.
        let far = vocabulary_growth(&words, 80).unwrap();
        assert!((far.new_words - 6.0).abs() < 1e-9, "{far:?}");
        let none = vocabulary_growth(&words, 0).unwrap();
        assert_eq!((none.new_words, none.interval), (0.0, [0.0, 0.0]));
        // A vocabulary that is complete.
        let full = vocabulary_growth(&records(&[0, 0, 0, 0, 0, 0, 0, 0, 30], 40), 20).unwrap();
        assert_eq!((full.unseen_share, full.known), (0.0, 30));
        assert!(full.interval[1] < 1.0, "{full:?}");
        // The six words all in one record: mean 0.15, variance 36/39·(1 − 1/40), six times the mean.
        let mut together = records(&[0, 3, 1], 40);
        together[39].extend(100..106);
        let together = vocabulary_growth(&together, 20).unwrap();
        let wider = (together.interval[1] - 2.375) / (found.interval[1] - 2.375);
        assert!((wider - 6f64.sqrt()).abs() < 0.02 && together.new_words == found.new_words);
        assert_eq!(vocabulary_growth(&words[..19], 5), None);
        assert_eq!(vocabulary_growth(&vec![vec![]; 30], 5), None);
    }

    /// Records of about eight words from a law of Zipf over 3,000, their lengths spread by e to the power
    /// of `spread` times a normal: those read, the new words of the others, and how many words the others
    /// have and do not share with those read, and have at all.
    fn draw(sizes: [usize; 2], spread: f64, trial: u64) -> (Vec<Vec<u32>>, f64, [f64; 2]) {
        let mut rng = random::stream(trial, "zipf");
        let mut ends = Vec::with_capacity(3_000);
        let mut total = 0.0;
        for rank in 0..3_000 {
            total += 1.0 / (f64::from(rank) + 2.0);
            ends.push(total);
        }
        let mut records: Vec<Vec<u32>> = Vec::new();
        for _ in 0..sizes[0] + sizes[1] {
            let length = 8.0 * (spread * random::normal(&mut rng)).exp();
            // A Poisson number of words: as many as fit into the length at waits of mean 1.
            let mut words = Vec::new();
            let mut waited = -(1.0 - rng.random::<f64>()).ln();
            while waited < length {
                let place = rng.random::<f64>() * total;
                words.push(ends.partition_point(|end| *end <= place) as u32);
                waited -= (1.0 - rng.random::<f64>()).ln();
            }
            records.push(words);
        }
        let later = records.split_off(sizes[0]);
        let mut known = vec![false; 3_000];
        records.iter().flatten().for_each(|word| known[*word as usize] = true);
        let later = distinct(&later);
        let words: usize = later.iter().map(Vec::len).sum();
        let mut unknown = later.concat();
        unknown.retain(|word| !known[*word as usize]);
        let shares = [unknown.len() as f64, words as f64];
        (records, incidences(&[unknown]).len() as f64, shares)
    }

    /// Over 1,000 draws from a law of Zipf: the interval holds the number of new words in 95 %, within three
    /// standard errors (0.0207), for a quarter as many records, as many, and twice as many, in records of
    /// like and of unlike length. One that takes the estimate for sure does not, nor one that takes words
    /// to be independent where they are not.
    #[test]
    fn coverage_over_many_draws() {
        for (more, spread) in [(25, 0.0), (100, 0.0), (200, 0.0), (100, 1.0)] {
            let trials = 1_000;
            let (mut missed, mut sure, mut independent) = (0, 0, 0);
            let (mut bias, mut share, mut unseen) = (0.0, 0.0, [0.0; 2]);
            for trial in 0..trials {
                let (words, new, shares) = draw([100, more], spread, trial);
                let found = vocabulary_growth(&words, more).unwrap();
                let [low, high] = found.interval;
                let off = (new - found.new_words).abs();
                missed += usize::from(new < low || new > high);
                sure += usize::from(off > 1.96 * found.new_words.sqrt());
                let words = distinct(&words);
                let dispersion = dispersion(&words, &incidences(&words));
                independent += usize::from(off > (high - found.new_words) / dispersion.sqrt());
                bias += (found.new_words / new - 1.0) / trials as f64;
                share += found.unseen_share / trials as f64;
                unseen = [unseen[0] + shares[0], unseen[1] + shares[1]];
            }
            let of = |count: usize| count as f64 / trials as f64;
            assert!(of(missed) <= 0.05 + 0.0207, "{more}, {spread}: {}", of(missed));
            assert!(more == 25 || of(sure) > 0.05 + 0.0207, "{more}: {}", of(sure));
            assert!(spread == 0.0 || of(independent) > 0.05 + 0.0207, "{}", of(independent));
            assert!(bias.abs() < 0.07, "{more}, {spread}: {bias}");
            let ratio = share / (unseen[0] / unseen[1]);
            assert!((ratio - 1.0).abs() < 0.05, "{more}, {spread}: {ratio}");
        }
    }
}
