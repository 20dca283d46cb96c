//! How far confidence is from accuracy.

/// One bin of a reliability diagram. Bins are right-closed: (lower, upper].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    /// Lower end of confidence.
    pub lower: f64,
    /// Upper end of confidence.
    pub upper: f64,
    /// Records in the bin.
    pub count: u64,
    /// Their mean confidence.
    pub confidence: f64,
    /// The share of them that is right.
    pub accuracy: f64,
}

/// The position of a confidence's bin among `bins` right-closed ones; the lowest holds 0 as well.
pub fn bin_of(confidence: f64, bins: usize) -> usize {
    ((confidence * bins as f64).ceil() as usize).clamp(1, bins) - 1
}

/// The reliability diagram of confidences in \[0, 1\], in bins of equal width.
pub fn reliability(records: impl IntoIterator<Item = (f64, bool)>, bins: usize) -> Vec<Bin> {
    let mut sums = vec![(0u64, 0.0, 0u64); bins];
    for (confidence, right) in records {
        let (count, sum, correct) = &mut sums[bin_of(confidence, bins)];
        *count += 1;
        *sum += confidence;
        *correct += u64::from(right);
    }
    let width = 1.0 / bins as f64;
    sums.into_iter()
        .enumerate()
        .map(|(i, (count, sum, correct))| {
            let n = count.max(1) as f64;
            Bin {
                lower: i as f64 * width,
                upper: (i + 1) as f64 * width,
                count,
                confidence: sum / n,
                accuracy: correct as f64 / n,
            }
        })
        .collect()
}

/// Expected calibration error (Naeini et al. 2015): Σ (count / n) |accuracy − confidence| over bins
/// of equal width; in \[0, 1\], lower is better. NaN without records. It is biased upwards on few
/// records: each bin's chance deviation counts.
pub fn expected_calibration_error(
    records: impl IntoIterator<Item = (f64, bool)>,
    bins: usize,
) -> f64 {
    let bins = reliability(records, bins);
    let total: u64 = bins.iter().map(|bin| bin.count).sum();
    let gap = |bin: &Bin| bin.count as f64 * (bin.accuracy - bin.confidence).abs();
    bins.iter().map(gap).sum::<f64>() / total as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        let confidence = [0.95, 0.9, 0.85, 0.6, 0.55, 0.7, 0.99, 0.4];
        let correct = [true, true, false, true, false, true, true, false];
        let records = || confidence.into_iter().zip(correct);
        assert!((expected_calibration_error(records(), 10) - 0.2075).abs() < 1e-9);
        assert!((expected_calibration_error(records(), 15) - 0.2325).abs() < 1e-9);
    }

    #[test]
    fn ends_of_the_range_have_bins() {
        let bins = reliability([(0.0, true), (1.0, true)], 10);
        assert_eq!((bins[0].count, bins[9].count), (1, 1));
    }
}
