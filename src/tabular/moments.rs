//! Mean and standard deviation that neither overflow nor depend on the order of the values.

use serde::{Deserialize, Serialize};

/// Smallest, largest, mean and standard deviation (divided by n) of values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    pub min: f64,
    pub max: f64,
    pub mean: f64,
    pub std: f64,
}

impl Moments {
    /// Of finite values, `None` of none. Sorts them, so that their order does not touch the sums.
    pub fn of(values: &mut [f64]) -> Option<Self> {
        values.sort_unstable_by(f64::total_cmp);
        let (&min, &max) = (values.first()?, values.last()?);
        // The squares of huge or tiny numbers leave the range of f64; those are scaled to 1.
        let largest = min.abs().max(max.abs());
        let scale =
            if (1e-100..1e100).contains(&largest) || largest == 0.0 { 1.0 } else { largest };
        let n = values.len() as f64;
        let mean = values.iter().map(|value| value / scale).sum::<f64>() / n;
        let square = |value: &f64| (value / scale - mean) * (value / scale - mean);
        let std = (values.iter().map(square).sum::<f64>() / n).sqrt();
        // Rounding must not put the mean beside equal values, nor a spread between them.
        if min == max {
            return Some(Self { min, max, mean: min, std: 0.0 });
        }
        let std = (std * scale).max(f64::from_bits(1));
        Some(Self { min, max, mean: (mean * scale).clamp(min, max), std })
    }

    /// Whether these can be the moments of some values.
    pub fn are_possible(&self) -> bool {
        let Self { min, max, mean, std } = *self;
        let finite = [min, max, mean, std].iter().all(|value| value.is_finite());
        finite && min <= mean && mean <= max && (std > 0.0) == (min < max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        let moments = Moments::of(&mut [2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]).unwrap();
        assert_eq!(moments, Moments { min: 2.0, max: 9.0, mean: 5.0, std: 2.0 });
        assert_eq!(Moments::of(&mut []), None);
        let equal = Moments::of(&mut [0.1; 10]).unwrap();
        assert_eq!(equal, Moments { min: 0.1, max: 0.1, mean: 0.1, std: 0.0 });
    }

    #[test]
    fn the_ends_of_f64_stay_finite() {
        for ends in [[-1.7e308, 1.7e308], [-1e-310, 1e-310], [f64::MIN, f64::MAX], [0.0, 5e-324]] {
            let moments = Moments::of(&mut [ends[0], ends[1], ends[1]]).unwrap();
            assert!(moments.are_possible(), "{ends:?} {moments:?}");
        }
    }
}
