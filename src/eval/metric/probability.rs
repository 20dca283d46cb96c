//! Proper scores of probabilities.

/// Probabilities below this count as this, so that one certain mistake costs a lot but not infinity.
const FLOOR: f64 = 1e-15;

/// Mean −ln p of the true class, at least 0, lower is better. NaN without records.
pub fn log_loss<'a>(records: impl IntoIterator<Item = (&'a [f64], usize)>) -> f64 {
    mean(records.into_iter().map(|(p, truth)| -p[truth].max(FLOOR).ln()))
}

/// Mean Σ (p − y)² over all classes (Brier 1950), in \[0, 2\], lower is better. NaN without records.
pub fn brier<'a>(records: impl IntoIterator<Item = (&'a [f64], usize)>) -> f64 {
    mean(records.into_iter().map(|(p, truth)| {
        let square = |(i, p): (usize, &f64)| (p - f64::from(u8::from(i == truth))).powi(2);
        p.iter().enumerate().map(square).sum()
    }))
}

/// Mean binary log loss over all records and labels, lower is better. NaN without records.
pub fn multi_label_log_loss<'a>(records: impl IntoIterator<Item = (&'a [f64], &'a [bool])>) -> f64 {
    mean(records.into_iter().flat_map(|(p, truth)| {
        p.iter().zip(truth).map(|(p, &y)| -(if y { *p } else { 1.0 - p }).max(FLOOR).ln())
    }))
}

/// Mean (p − y)² over all records and labels, in \[0, 1\], lower is better. NaN without records.
pub fn multi_label_brier<'a>(records: impl IntoIterator<Item = (&'a [f64], &'a [bool])>) -> f64 {
    mean(records.into_iter().flat_map(|(p, truth)| {
        p.iter().zip(truth).map(|(p, &y)| (p - f64::from(u8::from(y))).powi(2))
    }))
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut count) = (0.0, 0u64);
    for value in values {
        sum += value;
        count += 1;
    }
    sum / count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        let p = [0.2, 0.6, 0.1, 0.05, 0.05];
        assert!((brier([(p.as_slice(), 3)]) - 1.315).abs() < 1e-12);
        assert!((log_loss([(p.as_slice(), 1)]) + 0.6f64.ln()).abs() < 1e-12);
        assert!(log_loss([([1.0, 0.0].as_slice(), 1)]).is_finite());
        let one = ([0.9, 0.2].as_slice(), [true, false].as_slice());
        assert!((multi_label_brier([one]) - 0.025).abs() < 1e-12);
        let expected = -(0.9f64.ln() + 0.8f64.ln()) / 2.0;
        assert!((multi_label_log_loss([one]) - expected).abs() < 1e-12);

        // Of the predicted label alone: one label that is right or not.
        let confidence = [0.95, 0.9, 0.85, 0.6, 0.55, 0.7, 0.99, 0.4].map(|p| [p]);
        let right = [true, true, false, true, false, true, true, false].map(|right| [right]);
        let records = confidence.iter().zip(&right).map(|(p, right)| (&p[..], &right[..]));
        assert!((multi_label_brier(records) - 0.18095).abs() < 1e-12);
    }
}
