//! Has the stream shifted, asked after every record without paying for asking?
//!
//! A test martingale (Vovk, Nouretdinov and Gammerman 2003; Vovk 2021) is the capital of a gambler who
//! starts with 1 and bets against valid p-values. Without a shift the capital is expected not to grow, so
//! the chance that it *ever* reaches 1/α is at most α (Ville 1939), however often one looks.
//!
//! **What is bet on.** Conformal p-values of one calibration set are not independent: they share the
//! luck of that set, and over a long stream a gambler learns it and grows rich without any shift. So each
//! is first replaced by an upper bound on P(p ≤ x | calibration set) that holds for all x at once but for a
//! share δ of calibration sets ([`ConditionalBound`]). Given a set where it holds, the bounds of independent
//! records are independent, valid p-values. So, over calibration sets and streams, the chance of ever
//! reaching 1/(α − δ) without a shift is at most α, on streams of any length. The price: shifts that are
//! smaller than what n calibration records can tell are never found.
//!
//! **How it is bet.** Each of a few bets multiplies capital by ε·p^(ε−1), whose mean over uniform p is 1;
//! small ε bets on small p-values. Most capital waits and a part enters at each step, so that a shift late
//! in a stream still finds capital: after t calm records it has lost a factor of about t^1.5, not one that
//! is exponential in t. Mixtures of starts and bets keep the expectation.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::guarantee::ConditionalBound;

/// The bets. From shifts that push every p-value to the smallest one there is, to slight ones.
const EPSILONS: [f64; 5] = [0.2, 0.4, 0.6, 0.8, 0.9];

/// Where the search for the records that are needed ends; δ would have to be below 1e-100.
const MOST_NEEDED: usize = 1_000;

/// Where a stream stands. It holds no record and no score, and goes on from its stored form with the same
/// bits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TestMartingale {
    bound: ConditionalBound,
    records: u64,
    /// ln of the capital in each bet.
    bets: Vec<f64>,
    log10_maximum: f64,
}

/// What a stream's martingale says.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StreamEvidence {
    /// Records so far.
    pub records: u64,
    /// log₁₀ of the martingale now; 0 at the start, higher is more evidence of a shift.
    pub log10_martingale: f64,
    /// The largest it ever was.
    pub log10_maximum: f64,
    /// min(1, 1/maximum + δ): at most a share α of streams without a shift ever has a value of α or less,
    /// looked at after every record. Never below δ, so alarm at an α above it.
    pub anytime_p_value: f64,
}

impl TestMartingale {
    /// A stream of p-values from `calibration_records` calibration records. `delta`, in (0, 1), is the
    /// part of the false-alarm rate that is spent on the calibration set having been an unlucky one; a
    /// fifth of the rate α that one wants to alarm at is a good choice.
    pub fn new(calibration_records: usize, delta: f64) -> Self {
        let each = (1.0 - reserve(0)) / EPSILONS.len() as f64;
        Self {
            bound: ConditionalBound::new(calibration_records, delta),
            records: 0,
            bets: vec![each.ln(); EPSILONS.len()],
            log10_maximum: 0.0,
        }
    }

    /// Takes the conformal p-value of the next record, as
    /// [`p_value`](super::conformal::CalibrationScores::p_value) gives it.
    pub fn update(&mut self, p: f64) {
        self.bet(self.bound.adjust(p));
    }

    /// Bets on a valid p-value.
    fn bet(&mut self, p: f64) {
        let ln_p = p.clamp(f64::MIN_POSITIVE, 1.0).ln();
        let entering = reserve(self.records) - reserve(self.records + 1);
        for (bet, epsilon) in self.bets.iter_mut().zip(EPSILONS) {
            *bet = bet_after(*bet, ln_p, epsilon);
            *bet = ln_sum(*bet, (entering / EPSILONS.len() as f64).ln());
        }
        self.records += 1;
        self.log10_maximum = self.log10_maximum.max(self.log10_martingale());
    }

    /// What can be said now.
    pub fn evidence(&self) -> StreamEvidence {
        StreamEvidence {
            records: self.records,
            log10_martingale: self.log10_martingale(),
            log10_maximum: self.log10_maximum,
            anytime_p_value: (10f64.powf(-self.log10_maximum) + self.bound.delta()).min(1.0),
        }
    }

    /// The part of the false-alarm rate that is spent on the calibration set, in (0, 1).
    pub fn delta(&self) -> f64 {
        self.bound.delta()
    }

    /// The least number of calibration records with which capital can grow at all: with fewer, no p-value
    /// is small enough for a bet to win, and no stream ever alarms. `delta` in (0, 1).
    pub fn records_needed(delta: f64) -> usize {
        let grows = |records: &usize| {
            let smallest = ConditionalBound::new(*records, delta).adjust(0.0).ln();
            EPSILONS.iter().any(|&epsilon| bet_after(0.0, smallest, epsilon) > 0.0)
        };
        (1..MOST_NEEDED).find(grows).unwrap_or(MOST_NEEDED)
    }

    fn log10_martingale(&self) -> f64 {
        let waiting = reserve(self.records).ln();
        self.bets.iter().fold(waiting, |sum, &bet| ln_sum(sum, bet)) / std::f64::consts::LN_10
    }
}

/// ln of what a bet is worth after a p-value.
fn bet_after(bet: f64, ln_p: f64, epsilon: f64) -> f64 {
    bet + epsilon.ln() + (epsilon - 1.0) * ln_p
}

/// The capital that still waits after `records`.
fn reserve(records: u64) -> f64 {
    1.0 / (records as f64 + 2.0).sqrt()
}

/// ln(eᵃ + eᵇ).
fn ln_sum(a: f64, b: f64) -> f64 {
    let (low, high) = (a.min(b), a.max(b));
    if low == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::conformal::CalibrationScores;
    use crate::random::{self, Rng};

    fn capital(martingale: &TestMartingale) -> f64 {
        10f64.powf(martingale.evidence().log10_martingale)
    }

    /// Every start and every bet, written out for two steps.
    #[test]
    fn known_values() {
        let mut martingale = TestMartingale::new(100, 0.01);
        assert!((capital(&martingale) - 1.0).abs() < 1e-12);
        let p = [1.0 / 101.0, 30.0 / 101.0];
        let adjusted = p.map(|p| martingale.bound.adjust(p));
        p.iter().for_each(|&p| martingale.update(p));
        let bet = |p: f64, epsilon: f64| epsilon * p.powf(epsilon - 1.0);
        let [w0, w1, w2] = [0, 1, 2].map(reserve);
        let expected: f64 = EPSILONS
            .iter()
            .map(|&e| {
                let [first, second] = adjusted.map(|p| bet(p, e));
                ((1.0 - w0) * first * second + (w0 - w1) * second + (w1 - w2)) / 5.0
            })
            .sum::<f64>()
            + w2;
        assert!((capital(&martingale) - expected).abs() < 1e-12 * expected);
        assert_eq!(martingale.evidence().records, 2);
    }

    #[test]
    fn stored_and_read_again_it_goes_on_with_the_same_bits() {
        let mut martingale = TestMartingale::new(50, 0.01);
        let mut rng = random::stream(1, "stored");
        for i in 0..4_000 {
            let p = if i < 500 { rng.random() } else { 0.02 };
            martingale.update(p);
            if i % 300 == 0 {
                let stored = serde_json::to_string(&martingale).unwrap();
                let read: TestMartingale = serde_json::from_str(&stored).unwrap();
                assert_eq!(read, martingale);
                martingale = read;
            }
        }
        // Far beyond what a double holds as a number.
        let found = martingale.evidence();
        assert!(found.log10_martingale > 320.0 && found.anytime_p_value == 0.01, "{found:?}");
        for p in [0.0, -1.0, 7.0, f64::INFINITY] {
            martingale.update(p);
            assert!(martingale.evidence().log10_martingale.is_finite());
        }
        let mut none = TestMartingale::new(0, 0.01);
        (0..100).for_each(|_| none.update(1.0));
        assert!(none.evidence().log10_maximum == 0.0 && none.evidence().anytime_p_value == 1.0);
    }

    /// With one calibration record fewer not even the smallest p-values, for ever, raise the capital.
    #[test]
    fn how_many_records_are_needed() {
        for delta in [0.1, 0.01, 0.001] {
            let needed = TestMartingale::records_needed(delta);
            let highest = |records: usize| {
                let mut martingale = TestMartingale::new(records, delta);
                (0..20_000).for_each(|_| martingale.update(1.0 / (records + 1) as f64));
                martingale.evidence().log10_maximum
            };
            assert!(highest(needed) > 10.0, "{delta}: {needed}");
            assert_eq!(highest(needed - 1), 0.0, "{delta}: {needed}");
        }
    }

    /// A calibration set, then a stream of which the records from `shift_at` on lie `moved` higher: the
    /// martingale of adjusted and that of plain p-values, and when each first alarmed at 0.05.
    fn stream(
        trial: u64,
        (records, length): (usize, usize),
        (shift_at, moved): (usize, f64),
    ) -> [Option<usize>; 2] {
        let mut rng = random::stream(trial, "martingale");
        let mut normal = || random::normal(&mut rng);
        let calibration = CalibrationScores::new((0..records).map(|_| normal()).collect());
        let mut adjusted = TestMartingale::new(records, 0.01);
        let mut plain = adjusted.clone();
        let mut alarms = [None; 2];
        for i in 0..length {
            let p = calibration.p_value(normal() + if i >= shift_at { moved } else { 0.0 });
            adjusted.update(p);
            plain.bet(p);
            // Looked at after every record.
            for (alarm, martingale) in alarms.iter_mut().zip([&adjusted, &plain]) {
                let alarmed = martingale.evidence().anytime_p_value <= 0.05;
                *alarm = alarm.or(alarmed.then_some(i));
            }
        }
        alarms
    }

    /// Of 1,000 streams without a shift, each with one calibration set and many times as long as that, at
    /// most a share α ever alarms (three standard errors: 0.021). Bets on the plain p-values fail.
    #[test]
    fn false_alarms_ever_stay_within_alpha() {
        let trials = 1_000;
        let mut alarms = [0; 2];
        for trial in 0..trials {
            let found = stream(trial, (60, 1_200), (usize::MAX, 0.0));
            alarms
                .iter_mut()
                .zip(found)
                .for_each(|(count, at)| *count += usize::from(at.is_some()));
        }
        let [adjusted, plain] = alarms.map(|count| count as f64 / trials as f64);
        assert!(adjusted <= 0.05 + 0.021, "{adjusted}");
        assert!(plain > 0.05 + 0.021, "{plain}");
    }

    /// A shift is found soon, early and late in a stream.
    #[test]
    fn a_shift_is_found() {
        for shift_at in [0, 300, 3_000] {
            let mut delays: Vec<usize> = (0..40)
                .map(|trial| {
                    let length = shift_at + 300;
                    let [at, _] = stream(trial, (500, length), (shift_at, 1.5));
                    at.map_or(usize::MAX, |at| at.saturating_sub(shift_at))
                })
                .collect();
            delays.sort_unstable();
            assert!(delays[38] < 150, "{shift_at}: {delays:?}");
        }
    }
}
