//! Temperature scaling (Guo et al. 2017): the T that minimises the mean log loss of softmax(z / T).

use super::Truth;
use crate::eval::{Link, Matrix, sigmoid};

/// Temperatures stay within these bounds.
const BOUNDS: (f64, f64) = (0.01, 100.0);

/// With fewer mistakes than this to rest on, probabilities are softened but never sharpened.
pub(super) const MIN_MISTAKES: usize = 5;

/// Records (or, multi-label, decisions) that the network itself gets wrong.
pub(super) fn mistakes(logits: &Matrix, truth: Truth<'_>, records: &[usize]) -> usize {
    let wrong = |&i: &usize| {
        let row = logits.row(i);
        match truth {
            Truth::Classes(classes) => {
                let best = (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b]));
                usize::from(best != Some(classes[i] as usize))
            }
            Truth::Labels(labels) => {
                row.iter().zip(labels[i].iter()).filter(|(z, y)| (**z > 0.0) != **y).count()
            }
        }
    };
    records.iter().map(wrong).sum()
}

/// One temperature for all logits.
pub(super) fn fit(logits: &Matrix, truth: Truth<'_>, records: &[usize]) -> f64 {
    let slope = |beta: f64| -> f64 {
        records
            .iter()
            .map(|&i| {
                let row = logits.row(i);
                let z = |j: usize| f64::from(row[j]);
                match truth {
                    // d/dβ [ln Σ exp(βz) − βz_y] = E_p[z] − z_y
                    Truth::Classes(classes) => {
                        let p = Link::Softmax.probabilities(row, 1.0 / beta);
                        let mean: f64 = p.iter().enumerate().map(|(j, p)| p * z(j)).sum();
                        mean - z(classes[i] as usize)
                    }
                    // d/dβ of the binary log loss, label by label: (σ(βz) − y) z
                    Truth::Labels(labels) => {
                        let p = Link::Sigmoid.probabilities(row, 1.0 / beta);
                        let gap =
                            |(j, p): (usize, &f64)| (p - f64::from(u8::from(labels[i][j]))) * z(j);
                        p.iter().enumerate().map(gap).sum()
                    }
                }
            })
            .sum()
    };
    search(slope, mistakes(logits, truth, records))
}

/// The temperature of one label from its logits and whether it holds.
pub(super) fn fit_label(logits: &[f64], outcomes: &[bool]) -> f64 {
    let records = || logits.iter().zip(outcomes);
    let slope = |beta: f64| -> f64 {
        records().map(|(z, y)| (sigmoid(beta * z) - f64::from(u8::from(*y))) * z).sum()
    };
    search(slope, records().filter(|(z, y)| (**z > 0.0) != **y).count())
}

/// The log loss is convex in β = 1/T, so its derivative has one root: found by bisection.
fn search(slope: impl Fn(f64) -> f64, mistakes: usize) -> f64 {
    // Where next to nothing is wrong, the data cannot tell how sure is too sure.
    let sharpest = if mistakes < MIN_MISTAKES { 1.0 } else { BOUNDS.0 };
    let (mut low, mut high) = ((1.0 / BOUNDS.1).ln(), (1.0 / sharpest).ln());
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if slope(middle.exp()) > 0.0 { high = middle } else { low = middle }
    }
    (-(low + high) / 2.0).exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::metric::log_loss;

    #[test]
    fn known_values() {
        let values = vec![2., 0., 0., 0., 3., 0., 1., 0., 0., 0., 0., 2., 4., 0., 0.];
        let logits = Matrix::from_values(3, values);
        let classes = [0u32, 1, 1, 2, 1];
        let temperature = fit(&logits, Truth::Classes(&classes), &[0, 1, 2, 3, 4]);
        assert!((temperature - 2.724817).abs() < 1e-5, "{temperature}");
        let loss = |t: f64| {
            let p: Vec<Vec<f64>> =
                logits.rows().map(|r| Link::Softmax.probabilities(r, t)).collect();
            log_loss(p.iter().zip(classes).map(|(p, y)| (p.as_slice(), y as usize)))
        };
        assert!((loss(1.0) - 1.232287).abs() < 1e-6);
        assert!((loss(temperature) - 0.987831).abs() < 1e-6);
    }

    /// Temperatures that a golden-section search on the log loss found.
    #[test]
    fn temperatures_agree_with_a_search() {
        use crate::eval::reference_tests::{logits, vectors};
        let (Some(file), Some(ood)) = (vectors("calibration.json"), vectors("ood_logits.json"))
        else {
            return;
        };
        let mut cases = vec![(
            logits(&ood["val_logits"], &ood["val_labels"], 150),
            file["clinc"][0]["temperature_ours_golden"].as_f64().unwrap(),
        )];
        for case in file["small"].as_array().unwrap() {
            let labels = &case["labels"];
            let data = logits(&case["logits"], labels, labels.as_array().unwrap().len());
            cases.push((data, case["temperature"].as_f64().unwrap()));
        }
        for ((logits, classes), expected) in cases {
            let all: Vec<usize> = (0..classes.len()).collect();
            let found = fit(&logits, Truth::Classes(&classes), &all);
            assert!((found / expected - 1.0).abs() < 1e-5, "{found}, expected {expected}");
        }
    }

    #[test]
    fn bounds_hold_where_the_loss_has_no_minimum() {
        let logits = Matrix::from_values(2, vec![1., 0., 0., 1.]);
        let right = fit(&logits, Truth::Classes(&[0, 1]), &[0, 1]);
        let wrong = fit(&logits, Truth::Classes(&[1, 0]), &[0, 1]);
        assert!((right - 1.0).abs() < 1e-6 && (wrong - BOUNDS.1).abs() < 1e-3);
    }

    #[test]
    fn labels_are_scaled_one_by_one() {
        let logits = Matrix::from_values(1, vec![2.0; 4]);
        let truth: Vec<Vec<bool>> = [true, true, true, false].map(|y| vec![y]).to_vec();
        let temperature = fit(&logits, Truth::Labels(&truth), &[0, 1, 2, 3]);
        // σ(2 / T) = 3/4 at T = 2 / ln 3.
        assert!((temperature - 2.0 / 3f64.ln()).abs() < 1e-6);
        let alone = fit_label(&[2.0; 4], &[true, true, true, false]);
        assert!((alone - temperature).abs() < 1e-9);
    }
}
