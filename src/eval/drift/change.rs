//! What has shifted: the terms that differ most between two samples.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{AxisShift, Direction, Evidence, ShiftTest, test};

/// A term that the batch's records hold more or less often than the calibration records, or a column
/// whose values have moved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// The word, in the form in which words are compared; or the column, as in `colour = red` where
    /// it holds categories.
    pub term: String,
    /// The test: Fisher's of the share of records that hold the term, Kolmogorov-Smirnov of a column's
    /// values.
    pub test: ShiftTest,
    /// Share of the calibration records that hold the term, in \[0, 1\]; or the median of the column.
    pub reference: f64,
    /// The same of the batch.
    pub batch: f64,
    /// On which side of the calibration records the batch lies.
    pub direction: Direction,
    /// The chance of a difference as large without a shift, of one term that was chosen before.
    pub p_value: f64,
    /// The same for the largest difference of all terms that were compared: p times their number, at
    /// most 1 (Bonferroni). Large for what may be chance.
    pub adjusted_p_value: f64,
}

/// The terms that differ most by their p-values, at most `limit` in each direction; of equal ones those
/// with the larger difference, then the earlier. Terms without a difference, a value in both samples or a
/// name are left out, but counted for the adjusted p-values.
pub fn most_changed<T>(
    compared: &[(T, Evidence<'_>)],
    limit: usize,
    name: impl Fn(&T) -> Option<String>,
) -> Vec<Change> {
    let terms = compared.len() as f64;
    let mut tested: Vec<(&T, AxisShift)> =
        compared.iter().map(|(term, evidence)| (term, test("", evidence, terms))).collect();
    tested.sort_by(|(_, a), (_, b)| {
        a.p_value.total_cmp(&b.p_value).then(b.statistic.total_cmp(&a.statistic))
    });
    let mut room = [limit; 2];
    let mut changes = Vec::new();
    for (term, shift) in tested {
        let (Some(direction), Some(reference), Some(batch)) =
            (shift.direction, shift.reference, shift.batch)
        else {
            continue;
        };
        let room = &mut room[usize::from(direction == Direction::Lower)];
        if *room == 0 {
            continue;
        }
        let Some(term) = name(term) else { continue };
        *room -= 1;
        let AxisShift { test, p_value, adjusted_p_value, .. } = shift;
        changes.push(Change { term, test, reference, batch, direction, p_value, adjusted_p_value });
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::super::Share;
    use super::*;
    use crate::random::{self, Rng};

    #[test]
    fn the_most_changed_in_both_directions() {
        let shares = |reference, batch| Evidence::Shares {
            reference: Share { count: reference, of: 100 },
            batch: Share { count: batch, of: 50 },
        };
        let (low, high) = ([1.0, 2.0, 3.0, 4.0, 5.0], [3.5, 4.5, 5.5, 6.5, 7.5]);
        let compared = [
            ("same", shares(20, 10)),
            ("more", shares(1, 20)),
            ("much more", shares(1, 40)),
            ("less", shares(60, 5)),
            ("nameless", shares(0, 50)),
            ("column", Evidence::Values { reference: &low, batch: &high }),
            ("nowhere", Evidence::Values { reference: &low, batch: &[] }),
        ];
        let name = |term: &&str| (*term != "nameless").then(|| (*term).to_owned());
        let found = most_changed(&compared, 2, name);
        let terms: Vec<&str> = found.iter().map(|change| change.term.as_str()).collect();
        assert_eq!(terms, ["much more", "more", "less"]);
        assert_eq!((found[0].reference, found[0].batch), (0.01, 0.8));
        assert_eq!((found[0].direction, found[2].direction), (Direction::Higher, Direction::Lower));
        assert!((found[2].adjusted_p_value / found[2].p_value - 7.0).abs() < 1e-9);
        let all = most_changed(&compared, 9, name);
        let column = all.iter().find(|change| change.term == "column").unwrap();
        assert_eq!((column.reference, column.batch), (3.0, 5.5));
        assert!(all.len() == 4 && column.test == ShiftTest::KolmogorovSmirnov);
    }

    /// 1,000 trials of 100 words in texts that have not shifted: an adjusted p-value of 0.05 or less comes
    /// up in at most 5 % of them (three standard errors: 2.1 %). The p-value that is not adjusted has one
    /// far more often.
    #[test]
    fn adjusted_p_values_are_those_of_the_largest_difference() {
        let (trials, alpha) = (1_000, 0.05);
        let mut rng = random::stream(10, "words");
        let (mut adjusted, mut unadjusted) = (0, 0);
        for _ in 0..trials {
            let mut share =
                |of: u64, rate: f64| Share::of_flags((0..of).map(|_| rng.random::<f64>() < rate));
            let word = |word: usize| {
                let rate = 0.5 / (1.0 + word as f64 / 10.0);
                (word, Evidence::Shares { reference: share(100, rate), batch: share(30, rate) })
            };
            let compared: Vec<_> = (0..100).map(word).collect();
            let found = most_changed(&compared, 1, |word| Some(word.to_string()));
            adjusted += usize::from(found.iter().any(|c| c.adjusted_p_value <= alpha));
            unadjusted += usize::from(found.iter().any(|c| c.p_value <= alpha));
        }
        let share = |count: usize| count as f64 / f64::from(trials);
        assert!(share(adjusted) <= alpha + 0.021, "{}", share(adjusted));
        assert!(share(unadjusted) > alpha + 0.021, "{}", share(unadjusted));
    }
}
