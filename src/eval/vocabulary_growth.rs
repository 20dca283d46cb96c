//! How many unknown words the next records will bring, from how often the known ones occur: a vocabulary
//! with many words that stand in one record only has not seen most of its language.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::bootstrap::CONFIDENCE;
use super::distribution::{binomial_cdf, normal_quantile};

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

/// Words that the next `more` records will bring, given for every known word the number of records that
/// hold it (at least 1) and the number of records read.
///
/// With f_k words in k records and t = more/records the estimate is that of Good and Toulmin (1956),
/// −Σ (−t)^k f_k, which has no bias for words that are rare. Beyond t = 1 its terms grow without bound, and
/// each is multiplied by P(X ≥ k), X binomial with chance 2/(2 + t) (Efron and Thisted 1976), in as many
/// trials as Orlitsky, Suresh and Wu (2016) have shown best, ½·log₃(N t²/(t − 1)) for N incidences; useful up
/// to t of about ln N. Counts of records and not of occurrences are used as Chao and Colwell (2017) do: a
/// word that one record repeats says no more than once. Words in more than half of the records are no
/// guide to rare ones and are left out.
///
/// The interval is normal, with the variance of the estimate, at most Σ h_k² f_k for its weights h_k, and
/// that of the words to come, at most their number; it supposes that words come independently of one
/// another. Smoothing brings a bias: beyond t = 1 the interval is wider on both sides by the distance to
/// the estimate with two more trials, which has less bias and more variance. The unseen share is Good's (1953) with Chao's correction for incidences,
/// f₁/Σ k f_k · (n − 1)f₁/((n − 1)f₁ + 2f₂).
///
/// `None` below [`MIN_RECORDS`], without a known word, or where a count is 0 or above the records.
pub fn vocabulary_growth(
    incidences: &[usize],
    records: usize,
    more: usize,
) -> Option<VocabularyGrowth> {
    let possible = incidences.iter().all(|&count| (1..=records).contains(&count));
    if records < MIN_RECORDS || incidences.is_empty() || !possible {
        return None;
    }
    let mut frequencies = vec![0.0; records / 2 + 1];
    for &count in incidences {
        if let Some(frequency) = frequencies.get_mut(count) {
            *frequency += 1.0;
        }
    }
    let total: usize = incidences.iter().sum();
    let ratio = more as f64 / records as f64;
    let smoothings = smoothings(ratio, total as f64);
    let (new_words, variance) = weigh(&frequencies, ratio, smoothings[0]);
    let (other, _) = weigh(&frequencies, ratio, smoothings[1]);
    let z = normal_quantile(0.5 + CONFIDENCE / 2.0);
    let half = z * (variance + new_words).sqrt() + (new_words - other).abs();
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

    #[test]
    fn known_values() {
        // f₁ = 6, f₂ = 3, f₃ = 1 in 40 records, 20 more: ½·6 − ¼·3 + ⅛·1 = 2.375.
        let incidences = [1, 1, 1, 1, 1, 1, 2, 2, 2, 3];
        let found = vocabulary_growth(&incidences, 40, 20).unwrap();
        assert!((found.new_words - 2.375).abs() < 1e-12, "{found:?}");
        let variance = 6.0 / 4.0 + 3.0 / 16.0 + 1.0 / 64.0 + 2.375f64;
        assert!((found.interval[1] - 2.375 - 1.959_964 * variance.sqrt()).abs() < 1e-5);
        assert_eq!(found.interval[0], 0.0);
        let share = 6.0 / 15.0 * (39.0 * 6.0) / (39.0 * 6.0 + 6.0);
        assert!((found.unseen_share - share).abs() < 1e-12);
        // Twice as many more: ½·log₃(15·4/1) = 1.86, so one trial with chance ½: 2·6·½.
        let far = vocabulary_growth(&incidences, 40, 80).unwrap();
        assert!((far.new_words - 6.0).abs() < 1e-9, "{far:?}");
        let none = vocabulary_growth(&incidences, 40, 0).unwrap();
        assert_eq!((none.new_words, none.interval), (0.0, [0.0, 0.0]));
        // A vocabulary that is complete.
        let full = vocabulary_growth(&[9; 30], 40, 20).unwrap();
        assert_eq!((full.unseen_share, full.known), (0.0, 30));
        assert!(full.interval[1] < 1.0, "{full:?}");
        assert_eq!(vocabulary_growth(&incidences, 19, 5), None);
        assert_eq!(vocabulary_growth(&[], 40, 5), None);
        assert_eq!(vocabulary_growth(&[0, 1], 40, 5), None);
        assert_eq!(vocabulary_growth(&[41], 40, 5), None);
    }

    /// Words of a law of Zipf, each in a record by itself: the incidences in `records`, the new words of
    /// `more`, and the share of unknown words in them.
    fn draw(records: usize, more: usize, trial: u64) -> (Vec<usize>, f64, [f64; 2]) {
        let mut rng = random::stream(trial, "zipf");
        let (mut incidences, mut new) = (Vec::new(), 0.0);
        let (mut unseen, mut all) = (0.0, 0.0);
        for rank in 0..3_000 {
            let chance = 1.0 / (f64::from(rank) + 2.0);
            all += chance;
            // From one record with the word to the next.
            let mut place = 0.0;
            let (mut count, mut later) = (0, false);
            loop {
                place += 1.0 + ((1.0 - rng.random::<f64>()).ln() / (-chance).ln_1p()).floor();
                if place > (records + more) as f64 {
                    break;
                }
                count += usize::from(place <= records as f64);
                if place > records as f64 {
                    later = true;
                    break;
                }
            }
            match count {
                0 => {
                    new += f64::from(u8::from(later));
                    unseen += chance;
                }
                _ => incidences.push(count),
            }
        }
        (incidences, new, [unseen, all])
    }

    /// Over 1,000 draws from a law of Zipf: the interval holds the number of new words in 95 %, within three
    /// standard errors (0.0207), for a quarter as many records, as many, and twice as many. One that takes
    /// the expected number for sure does not.
    #[test]
    fn coverage_over_many_draws() {
        for (records, more) in [(200, 50), (200, 200), (200, 400)] {
            let trials = 1_000;
            let (mut missed, mut broken, mut bias, mut share) = (0, 0, 0.0, 0.0);
            for trial in 0..trials {
                let (incidences, new, [unseen, all]) = draw(records, more, trial);
                let found = vocabulary_growth(&incidences, records, more).unwrap();
                let [low, high] = found.interval;
                missed += usize::from(new < low || new > high);
                let half = 1.96 * found.new_words.sqrt();
                broken += usize::from((new - found.new_words).abs() > half);
                bias += (found.new_words / new - 1.0) / trials as f64;
                share += (found.unseen_share / (unseen / all) - 1.0) / trials as f64;
            }
            let of = |count: usize| count as f64 / trials as f64;
            assert!(of(missed) <= 0.05 + 0.0207, "{more}: {}", of(missed));
            assert!(more == 50 || of(broken) > 0.05 + 0.0207, "{more}: {}", of(broken));
            assert!(bias.abs() < 0.05, "{more}: {bias}");
            assert!(share.abs() < 0.05, "{share}");
        }
    }
}
