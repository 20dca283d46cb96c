//! Do two samples of whole records come from one distribution?

use super::Kernel;
use crate::random::Quick;

/// A permutation test stops at this many permutations with a statistic as large: the p-value is then
/// known well enough.
const ENOUGH: usize = 50;
/// Permutations, the observed order counted as one: at least, and at most.
const PERMUTATIONS: [f64; 2] = [1_000.0, 10_000.0];

/// The outcome of a test of the maximum mean discrepancy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeanDiscrepancy {
    /// The distance of the two samples' means in the space of the kernel, in \[0, √2\] for similarities
    /// in \[0, 1\]. Without a shift it is not 0, but about √(1/n + 1/m).
    pub statistic: f64,
    /// The chance of a distance as large if both samples come from one distribution.
    pub p_value: f64,
}

/// Permutations for one of `axes` tests that share a level `alpha` in (0, 1) by Bonferroni: four times
/// what the least p-value takes to reject, 1,000 at least and 10,000 at most. Below `alpha` = `axes` /
/// 10,000 no p-value is small enough.
pub fn permutations(axes: usize, alpha: f64) -> usize {
    let [least, most] = PERMUTATIONS;
    (4.0 * axes as f64 / alpha).ceil().clamp(least, most) as usize - 1
}

/// The two-sample test of the maximum mean discrepancy (Gretton et al. 2012) between the first
/// `reference` records and the others, the batch.
///
/// The p-value is that of a permutation test, (1 + #{permutations with a statistic as large}) /
/// (`permutations` + 1), exact for any sizes: without a shift P(p ≤ α) ≤ α. After 50 such permutations
/// it stops at the l-th with p = 50/l, which keeps that (Besag and Clifford 1991). The same records and
/// seed give the same bits. A sample without records gives 0 and p = 1.
pub fn mean_discrepancy(
    kernel: &Kernel,
    reference: usize,
    permutations: usize,
    seed: u64,
) -> MeanDiscrepancy {
    let records = kernel.len();
    let batch = records.saturating_sub(reference);
    if reference == 0 || batch == 0 {
        return MeanDiscrepancy { statistic: 0.0, p_value: 1.0 };
    }
    // The smaller sample is summed; the other is what is left of the sum of all.
    let mut order: Vec<usize> = (0..records).collect();
    if batch <= reference {
        order.rotate_left(reference);
    }
    let size = batch.min(reference);
    let others = (records - size) as f64;
    let scale = 1.0 / size as f64 + 1.0 / others;
    let all: f64 = (0..records).map(|record| kernel.to_all(record)).sum();
    let mut room = Vec::new();
    // ‖S/size − (T − S)/others‖² for the sums S over the sample and T over all.
    let mut square = |sample: &[usize]| {
        let within = kernel.within(sample, &mut room);
        let to_all: f64 = sample.iter().map(|&record| kernel.to_all(record)).sum();
        scale * scale * within - 2.0 * scale * to_all / others + all / (others * others)
    };
    let observed = square(&order[..size]).max(0.0);
    // The same sample summed in another order differs by rounding.
    let as_large = observed * (1.0 - 1e-9) - 1e-12;
    let mut rng = Quick::stream(seed, "mean discrepancy");
    let mut found = 0;
    let mut p_value = None;
    for done in 1..=permutations {
        for place in 0..size {
            order.swap(place, place + rng.below(records - place));
        }
        found += usize::from(square(&order[..size]) >= as_large);
        if found == ENOUGH {
            p_value = Some(found as f64 / done as f64);
            break;
        }
    }
    let all_done = (1 + found) as f64 / (1 + permutations) as f64;
    MeanDiscrepancy { statistic: observed.sqrt(), p_value: p_value.unwrap_or(all_done) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::Matrix;
    use crate::random::{self, Rng};

    #[test]
    fn the_distance_of_two_means() {
        // Means (1, 0) and (0, 1): √2. Of the 20 samples of three, two are as far apart.
        let terms = |term: u32| vec![(term, 2.0)];
        let kernel = Kernel::cosine([1, 1, 1, 2, 2, 2].map(terms));
        let found = mean_discrepancy(&kernel, 3, 9_999, 1);
        assert!((found.statistic - 2f64.sqrt()).abs() < 1e-9, "{found:?}");
        // It stops at 50: a relative standard error of 14 %.
        assert!((0.05..0.2).contains(&found.p_value), "{found:?}");
        assert_eq!(found, mean_discrepancy(&kernel, 3, 9_999, 1));
        // Of unequal sizes, and turned around, it is the same distance.
        let kernel = Kernel::cosine([1, 2, 2, 2, 2].map(terms));
        let turned = Kernel::cosine([2, 2, 2, 2, 1].map(terms));
        for (kernel, reference) in [(&kernel, 1), (&turned, 4)] {
            let found = mean_discrepancy(kernel, reference, 999, 1);
            assert!((found.statistic - 2f64.sqrt()).abs() < 1e-9, "{found:?}");
            assert!((0.1..0.35).contains(&found.p_value), "one of five: {found:?}");
        }
    }

    #[test]
    fn edges() {
        let none = MeanDiscrepancy { statistic: 0.0, p_value: 1.0 };
        let same = Kernel::gaussian(&Matrix::from_values(1, vec![3.0; 9]));
        let empty = Kernel::cosine(vec![vec![]; 9]);
        for kernel in [&same, &empty] {
            assert_eq!(mean_discrepancy(kernel, 0, 999, 1), none);
            assert_eq!(mean_discrepancy(kernel, 9, 999, 1), none);
            let found = mean_discrepancy(kernel, 5, 999, 1);
            assert!(found.statistic < 1e-3 && found.p_value == 1.0, "{found:?}");
        }
        assert_eq!((permutations(9, 0.05), permutations(100, 0.05)), (999, 7_999));
        assert_eq!((permutations(7, 0.001), permutations(7, 1e-9)), (9_999, 9_999));
    }

    /// Texts of 25 draws from 400 words whose frequencies fall as in natural language; of a topic, a
    /// share of the draws comes from 12 words of its own that are rare elsewhere.
    fn text(rng: &mut impl Rng, topic: f64) -> Vec<u32> {
        let mut words: Vec<u32> = (0..25)
            .map(|_| match rng.random::<f64>() < topic {
                true => 300 + rng.random_range(0..12),
                false => (400f64.powf(rng.random()) - 1.0) as u32,
            })
            .collect();
        words.sort_unstable();
        words.dedup();
        words
    }

    /// Inverse document frequency, of the texts that are given.
    fn weigh(texts: &[Vec<u32>], of: &[Vec<u32>]) -> Vec<Vec<(u32, f64)>> {
        let mut holds = vec![0.0; 400];
        of.iter().flatten().for_each(|word| holds[*word as usize] += 1.0);
        let n = of.len() as f64;
        let weight = |&word: &u32| (word, ((1.0 + n) / (1.0 + holds[word as usize])).ln() + 1.0);
        texts.iter().map(|text| text.iter().map(weight).collect()).collect()
    }

    /// 2,000 trials of 15 texts against 60 at α = 0.05, with word weights from texts that are in neither
    /// sample: false alarms are at most α (three standard errors: 0.015), and not far below; a topical
    /// shift is found. With weights from the reference itself, which know which texts are not the
    /// batch's, the same test fails.
    #[test]
    fn false_alarms_stay_within_alpha_and_topics_are_found() {
        let (trials, alpha) = (2_000, 0.05);
        let mut rng = random::stream(8, "topics");
        let mut texts = |n: usize, topic: f64| -> Vec<Vec<u32>> {
            (0..n).map(|_| text(&mut rng, topic)).collect()
        };
        let before = texts(500, 0.0);
        let found = |reference: &[Vec<u32>], batch: &[Vec<u32>], of: &[Vec<u32>], seed| {
            let pooled: Vec<Vec<u32>> = [reference, batch].concat();
            let kernel = Kernel::cosine(weigh(&pooled, of));
            mean_discrepancy(&kernel, reference.len(), 199, seed).p_value <= alpha
        };
        let (mut alarms, mut broken, mut power) = (0, 0, 0);
        for trial in 0..trials {
            let (reference, batch) = (texts(60, 0.0), texts(15, 0.0));
            alarms += usize::from(found(&reference, &batch, &before, trial));
            broken += usize::from(found(&reference, &batch, &reference, trial));
            if trial % 10 == 0 {
                let topical = texts(15, 0.15);
                power += usize::from(found(&reference, &topical, &before, trial));
            }
        }
        let share = |count: usize| count as f64 / trials as f64;
        assert!(share(alarms) <= alpha + 0.015, "{}", share(alarms));
        assert!(share(alarms) >= alpha - 0.015, "{}", share(alarms));
        assert!(share(broken) > alpha + 0.015, "{}", share(broken));
        assert!(share(power) * 10.0 > 0.95, "{}", share(power) * 10.0);
    }

    /// Rows of two numbers, 40 against 80, 1,000 trials at α = 0.05: false alarms are at most α (three
    /// standard errors: 0.021); a batch of which each number is distributed as before, but the two go
    /// together, is found, which no test of one number after the other could do. Records that come
    /// twice are not independent, and raise too many false alarms.
    #[test]
    fn what_goes_together_is_seen() {
        let (trials, alpha) = (1_000, 0.05);
        let mut rng = random::stream(9, "rows");
        let mut rows = |n: usize, correlation: f64, copies: usize| {
            let mut values = Vec::new();
            for _ in 0..n / copies {
                let (a, b) = (random::normal(&mut rng), random::normal(&mut rng));
                let b = correlation * a + (1.0 - correlation * correlation).sqrt() * b;
                (0..copies).for_each(|_| values.extend([a as f32, b as f32]));
            }
            values
        };
        let (mut alarms, mut broken, mut power) = (0, 0, 0);
        for trial in 0..trials {
            let reference = rows(80, 0.0, 1);
            let mut found = |correlation, copies| {
                let values = [reference.clone(), rows(40, correlation, copies)].concat();
                let kernel = Kernel::gaussian(&Matrix::from_values(2, values));
                mean_discrepancy(&kernel, 80, 199, trial).p_value <= alpha
            };
            alarms += usize::from(found(0.0, 1));
            if trial % 5 == 0 {
                broken += usize::from(found(0.0, 2));
                power += usize::from(found(0.98, 1));
            }
        }
        let share = |count: usize| count as f64 / trials as f64;
        assert!(share(alarms) <= alpha + 0.021, "{}", share(alarms));
        assert!(share(broken) * 5.0 > alpha + 0.046, "{}", share(broken) * 5.0);
        assert!(share(power) * 5.0 > 0.7, "{}", share(power) * 5.0);
    }
}
