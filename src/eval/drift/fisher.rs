//! Is a share the same in two samples?

use super::Direction;
use crate::eval::distribution::ln_gamma;

/// How many of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Records of which it is so.
    pub count: u64,
    /// All records; at least `count`.
    pub of: u64,
}

impl Share {
    /// Of flags, one for each record.
    pub fn of_flags(flags: impl IntoIterator<Item = bool>) -> Self {
        flags.into_iter().fold(Self { count: 0, of: 0 }, |share, flag| Self {
            count: share.count + u64::from(flag),
            of: share.of + 1,
        })
    }

    /// In \[0, 1\]; 0 of no records.
    pub fn value(self) -> f64 {
        self.count as f64 / self.of.max(1) as f64
    }
}

/// The outcome of Fisher's exact test.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FisherExact {
    /// P(the batch's count is as large or larger), given all margins.
    pub higher: f64,
    /// P(the batch's count is as small or smaller).
    pub lower: f64,
    /// P(a count that is no more likely than the observed one), the two-sided p-value.
    pub two_sided: f64,
    /// Whether the batch's share is higher or lower than the reference's; `None` where they are equal.
    pub direction: Option<Direction>,
}

/// Fisher's exact test (1935) of two shares. It supposes that the counted records are independent: count
/// texts, not tokens. Tokens of one text go together, and a test on their counts raises several times
/// the false alarms that it claims.
pub fn fisher_exact(reference: Share, batch: Share) -> FisherExact {
    // A count above its total would have no table; such input reads as "all".
    let (reference_count, batch_count) =
        (reference.count.min(reference.of), batch.count.min(batch.of));
    let (count, of) = (reference_count + batch_count, reference.of + batch.of);
    let choose = |n: u64, k: u64| {
        let ln_factorial = |n: u64| ln_gamma(n as f64 + 1.0);
        ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k)
    };
    let whole = choose(of, count);
    // Hypergeometric: of all that are counted, k fell to the batch.
    let chance =
        |k: u64| (choose(batch.of, k) + choose(reference.of, count - k) - whole).exp().min(1.0);
    let (least, most) = (count.saturating_sub(reference.of), count.min(batch.of));
    let observed = chance(batch_count);
    // Equal chances may differ by rounding.
    let no_likelier = observed * (1.0 + 1e-7);
    let (mut higher, mut lower, mut two_sided) = (0.0, 0.0, 0.0);
    for k in least..=most {
        let chance = chance(k);
        higher += if k >= batch_count { chance } else { 0.0 };
        lower += if k <= batch_count { chance } else { 0.0 };
        two_sided += if chance <= no_likelier { chance } else { 0.0 };
    }
    let (here, there) = (
        u128::from(batch_count) * u128::from(reference.of),
        u128::from(reference_count) * u128::from(batch.of),
    );
    FisherExact {
        higher: f64::min(higher, 1.0),
        lower: f64::min(lower, 1.0),
        two_sided: f64::min(two_sided, 1.0),
        direction: match here.cmp(&there) {
            std::cmp::Ordering::Greater => Some(Direction::Higher),
            std::cmp::Ordering::Less => Some(Direction::Lower),
            std::cmp::Ordering::Equal => None,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{self, Rng};

    fn share(count: u64, of: u64) -> Share {
        Share { count, of }
    }

    #[test]
    fn known_values() {
        // The lady who tasted tea: 17/70, twice that, 69/70.
        let tea = fisher_exact(share(1, 4), share(3, 4));
        assert!(
            (tea.higher - 17.0 / 70.0).abs() < 1e-12 && (tea.lower - 69.0 / 70.0).abs() < 1e-12
        );
        assert!((tea.two_sided - 34.0 / 70.0).abs() < 1e-12, "{tea:?}");
        assert_eq!(tea.direction, Some(Direction::Higher));
        // By hand: C(10, k)·C(6, 9 − k) of C(16, 9) for k = 9, 8 and, less likely than 8, 3.
        let found = fisher_exact(share(1, 6), share(8, 10));
        let of = 11_440.0;
        let (nine, eight, three) = (10.0 / of, 45.0 * 6.0 / of, 120.0 / of);
        assert!((found.higher - (nine + eight)).abs() < 1e-12, "{found:?}");
        assert!((found.two_sided - (nine + eight + three)).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn edges() {
        for (a, b) in
            [(share(0, 0), share(0, 0)), (share(0, 9), share(0, 3)), (share(0, 0), share(2, 2))]
        {
            assert!((fisher_exact(a, b).two_sided - 1.0).abs() < 1e-12, "{a:?} {b:?}");
        }
        assert!(fisher_exact(share(9, 3), share(0, 5)).two_sided < 0.05);
        let far = fisher_exact(share(1_000, 100_000), share(900, 1_000));
        assert!(far.two_sided < 1e-200 && far.higher < 1e-200 && far.lower > 0.999_999);
        assert_eq!(Share::of_flags([true, false, true]), share(2, 3));
    }

    /// Texts of a dozen tokens, of which some texts are full of unknown ones. A test on texts keeps its
    /// level of 0.05 over 2,000 trials (three standard errors: 0.015) and finds a batch with more of
    /// them; the same test on tokens raises far too many false alarms.
    #[test]
    fn texts_are_independent_and_tokens_are_not() {
        let (trials, alpha) = (2_000, 0.05);
        let mut rng = random::stream(3, "clusters");
        let mut sample = |texts: u64, full: f64| {
            let (mut of_texts, mut of_tokens) = (share(0, texts), share(0, 0));
            for _ in 0..texts {
                let unknown = if rng.random::<f64>() < full { 0.5 } else { 0.02 };
                let count = (0..12).filter(|_| rng.random::<f64>() < unknown).count() as u64;
                of_texts.count += u64::from(count > 0);
                of_tokens = share(of_tokens.count + count, of_tokens.of + 12);
            }
            (of_texts, of_tokens)
        };
        let (mut texts, mut tokens, mut power) = (0, 0, 0);
        for _ in 0..trials {
            let (calibration, batch, shifted) =
                (sample(200, 0.1), sample(50, 0.1), sample(50, 0.5));
            texts += usize::from(fisher_exact(calibration.0, batch.0).two_sided <= alpha);
            tokens += usize::from(fisher_exact(calibration.1, batch.1).two_sided <= alpha);
            power += usize::from(fisher_exact(calibration.0, shifted.0).two_sided <= alpha);
        }
        let [texts, tokens, power] = [texts, tokens, power].map(|c| c as f64 / f64::from(trials));
        assert!(texts <= alpha + 0.015, "{texts}");
        assert!(tokens > 3.0 * alpha, "{tokens}");
        assert!(power > 0.95, "{power}");
    }
}
