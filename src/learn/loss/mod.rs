//! Losses, each the mean over a batch, with a gradient of our own: candle's binary cross-entropy is
//! NaN at large logits, and one pass is cheaper than five operations.
//!
//! Weights, smoothing and focus are in the general forms `softmax` and `sigmoid`; without them the
//! plain ones, which are faster, give the same but for rounding.

mod binary_cross_entropy;
mod cross_entropy;
mod error;
mod sigmoid;
mod softmax;
mod spec;

use candle_core::{CpuStorage, Layout, Tensor};

pub use spec::{
    Balanced, ClassWeights, CrossEntropySpec, ErrorLoss, HuberSpec, Loss, LossSpec, UnknownLabel,
};

use super::kernels;
use super::rows::Targets;

/// The mean loss of a batch: `logits` (batch × outputs) against the targets of `records`, as a
/// scalar tensor with a gradient.
pub fn mean_loss(
    logits: &Tensor,
    targets: &Targets,
    records: &[usize],
    loss: &Loss,
) -> candle_core::Result<Tensor> {
    weighted_loss(logits, targets, records, loss, None)
}

/// [`mean_loss`] with a factor for each place in the batch.
pub fn weighted_loss(
    logits: &Tensor,
    targets: &Targets,
    records: &[usize],
    loss: &Loss,
    places: Option<&[f32]>,
) -> candle_core::Result<Tensor> {
    let Loss { smoothing, gamma, weights, records: of_records, error } = loss;
    let factors: Vec<f64> = records
        .iter()
        .enumerate()
        .map(|(place, &record)| {
            let of_place = places.map_or(1.0, |factors| f64::from(factors[place]));
            of_place * of_records.as_ref().map_or(1.0, |factors| f64::from(factors[record]))
        })
        .collect();
    let with = || records.iter().zip(&factors);
    if let Targets::Values { values, outputs } = targets {
        let rows = records.iter().flat_map(|&i| &values[i * outputs..(i + 1) * outputs]);
        let weights = factors.iter().flat_map(|factor| std::iter::repeat_n(*factor, *outputs));
        let (wanted, weights) = (rows.copied().collect(), weights.collect());
        return logits.apply_op1(error::OfNumbers { wanted, weights, error: *error });
    }
    if *loss == Loss::default() && places.is_none() {
        return plain(logits, targets, records);
    }
    let (smoothing, gamma) = (*smoothing, *gamma);
    let weight = |label: usize| weights.as_ref().map_or(1.0, |weights| weights[label]);
    let smoothed = |y: f64| y * (1.0 - smoothing) + smoothing / 2.0;
    match targets {
        Targets::Binary(labels) => {
            let of = || records.iter().map(|&i| labels[i]);
            let wanted = of().map(|label| smoothed(f64::from(label))).collect();
            let weights = with().map(|(&i, factor)| weight(labels[i] as usize) * factor).collect();
            logits.apply_op1(sigmoid::Sigmoid { wanted, weights, gamma })
        }
        Targets::MultiClass { labels, .. } => {
            let wanted: Vec<u32> = records.iter().map(|&i| labels[i]).collect();
            let weights = with().map(|(&i, factor)| weight(labels[i] as usize) * factor).collect();
            logits.apply_op1(softmax::Softmax { wanted, weights, smoothing, gamma })
        }
        Targets::MultiLabel { indicators, labels } => {
            let of = || records.iter().flat_map(|&i| (0..*labels).map(move |l| (i, l)));
            let holds = |(i, l): (usize, usize)| indicators[i * labels + l];
            let wanted = of().map(|at| smoothed(f64::from(holds(at)))).collect();
            let weights = with().flat_map(|(&i, factor)| {
                let weight = |l| if holds((i, l)) > 0.5 { weight(l) } else { 1.0 };
                (0..*labels).map(move |l| factor * weight(l)).collect::<Vec<f64>>()
            });
            let weights = weights.collect();
            logits.apply_op1(sigmoid::Sigmoid { wanted, weights, gamma })
        }
        Targets::Values { .. } => candle_core::bail!("numbers are handled above"),
    }
}

/// [`mean_loss`] where each record may be mixed with another: `partners` has the other ones, and the
/// weight in \[0, 1\] of the record itself.
pub fn mixed_loss(
    logits: &Tensor,
    targets: &Targets,
    records: &[usize],
    loss: &Loss,
    partners: Option<&(Vec<usize>, Vec<f32>)>,
) -> candle_core::Result<Tensor> {
    let Some((partners, own)) = partners else { return mean_loss(logits, targets, records, loss) };
    let rest: Vec<f32> = own.iter().map(|weight| 1.0 - weight).collect();
    let ours = weighted_loss(logits, targets, records, loss, Some(own))?;
    let theirs = weighted_loss(logits, targets, partners, loss, Some(&rest))?;
    ours + theirs
}

/// [`mean_loss`] of outputs (batch × outputs) that become its gradient times `scale`. `None`, with the
/// outputs as they were, where there is no short way: for losses with weights, smoothing or focus.
pub fn differentiate(
    outputs: &mut [f32],
    targets: &Targets,
    records: &[usize],
    loss: &Loss,
    scale: f32,
) -> Option<f32> {
    let entries = outputs.len();
    let per_record = entries / records.len();
    let of_record = records.iter().zip(outputs.chunks_exact_mut(per_record));
    let mut sum = 0.0;
    let count = match targets {
        Targets::Values { values, outputs } => {
            let count = entries as f64;
            for (&i, z) in of_record {
                let weight = loss.records.as_ref().map_or(1.0, |factors| f64::from(factors[i]));
                for (z, &y) in z.iter_mut().zip(&values[i * outputs..(i + 1) * outputs]) {
                    let (cost, slope) = error::entry(f64::from(*z) - f64::from(y), loss.error);
                    sum += weight * cost;
                    *z = (slope * weight * f64::from(scale) / count) as f32;
                }
            }
            entries
        }
        _ if *loss != Loss::default() => return None,
        Targets::MultiClass { labels, .. } => {
            let scale = scale / records.len() as f32;
            for (&i, z) in of_record {
                sum += f64::from(kernels::cross_entropy(z, labels[i] as usize, scale));
            }
            records.len()
        }
        Targets::Binary(labels) => {
            for (&i, z) in of_record {
                sum += binary_cross_entropy::entry(&mut z[0], labels[i] as f32, entries, scale);
            }
            entries
        }
        Targets::MultiLabel { indicators, labels } => {
            for (&i, z) in of_record {
                for (z, &y) in z.iter_mut().zip(&indicators[i * labels..(i + 1) * labels]) {
                    sum += binary_cross_entropy::entry(z, y, entries, scale);
                }
            }
            entries
        }
    };
    Some((sum / count as f64) as f32)
}

/// Without weights, smoothing and focus.
fn plain(logits: &Tensor, targets: &Targets, records: &[usize]) -> candle_core::Result<Tensor> {
    match targets {
        Targets::Binary(labels) => {
            let wanted = records.iter().map(|&i| labels[i] as f32).collect();
            logits.apply_op1(binary_cross_entropy::BinaryCrossEntropy { wanted })
        }
        Targets::MultiClass { labels, .. } => {
            let wanted = records.iter().map(|&i| labels[i]).collect();
            logits.apply_op1(cross_entropy::CrossEntropy { wanted })
        }
        Targets::MultiLabel { indicators, labels } => {
            let rows = records.iter().flat_map(|&i| &indicators[i * labels..(i + 1) * labels]);
            let wanted = rows.copied().collect();
            logits.apply_op1(binary_cross_entropy::BinaryCrossEntropy { wanted })
        }
        Targets::Values { .. } => candle_core::bail!("numbers have no cross-entropy"),
    }
}

/// The values of a contiguous 32-bit tensor on the CPU.
fn contiguous<'a>(storage: &'a CpuStorage, layout: &Layout) -> candle_core::Result<&'a [f32]> {
    let (CpuStorage::F32(values), Some((start, end))) = (storage, layout.contiguous_offsets())
    else {
        candle_core::bail!("a loss takes contiguous 32-bit logits")
    };
    Ok(&values[start..end])
}

#[cfg(test)]
mod conformance_tests;

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Var};

    /// Compares the gradient with central differences.
    fn check(logits: &[f32], shape: (usize, usize), targets: &Targets) {
        let records: Vec<usize> = (0..shape.0).collect();
        let loss = |values: &[f32]| {
            let tensor = Tensor::from_slice(values, shape, &Device::Cpu).unwrap();
            mean_loss(&tensor, targets, &records, &Loss::default())
                .unwrap()
                .to_scalar::<f32>()
                .unwrap()
        };
        let var = Var::from_slice(logits, shape, &Device::Cpu).unwrap();
        let gradients =
            mean_loss(&var, targets, &records, &Loss::default()).unwrap().backward().unwrap();
        let gradient = gradients.get(&var).unwrap().flatten_all().unwrap();
        let gradient: Vec<f32> = gradient.to_vec1().unwrap();
        for (i, &gradient) in gradient.iter().enumerate() {
            let shifted = |by: f32| {
                let mut values = logits.to_vec();
                values[i] += by;
                loss(&values)
            };
            let difference: f32 = (shifted(0.01) - shifted(-0.01)) / 0.02;
            assert!((gradient - difference).abs() < 2e-3, "{i}: {gradient} {difference}");
        }
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        let logits = [0.5, -1.5, 2.0, 0.0, 1.0, -0.5];
        check(&logits, (2, 3), &Targets::MultiClass { labels: vec![2, 0], classes: 3 });
        check(&logits, (6, 1), &Targets::Binary(vec![1, 0, 1, 0, 0, 1]));
        let indicators = vec![1.0, 0.0, 1.0, 0.0, 0.0, 1.0];
        check(&logits, (2, 3), &Targets::MultiLabel { indicators, labels: 3 });
        let values = vec![0.2, -1.5, 3.5, 0.0, 0.5, 1.5];
        check(&logits, (2, 3), &Targets::Values { values, outputs: 3 });
    }

    /// A record that counts twice is one that comes twice, but for what the mean divides by.
    #[test]
    fn a_record_counts_by_its_factor() {
        let twice = Loss { records: Some(vec![2.0, 1.0]), ..Loss::default() };
        let value = |logits: &[f32], targets: &Targets, records: &[usize], loss: &Loss| {
            let shape = (records.len(), targets.outputs());
            let tensor = Tensor::from_slice(logits, shape, &Device::Cpu).unwrap();
            mean_loss(&tensor, targets, records, loss).unwrap().to_scalar::<f32>().unwrap()
        };
        let (first, second) = ([0.3f32, -1.0], [1.5f32, 0.2]);
        let both = [first, second].concat();
        let thrice = [first, first, second].concat();
        for targets in [
            Targets::MultiClass { labels: vec![1, 0], classes: 2 },
            Targets::MultiLabel { indicators: vec![1.0, 0.0, 0.0, 1.0], labels: 2 },
            Targets::Values { values: vec![0.1, 2.0, -1.0, 0.5], outputs: 2 },
        ] {
            let weighted = value(&both, &targets, &[0, 1], &twice) * 2.0;
            let repeated = value(&thrice, &targets, &[0, 0, 1], &Loss::default()) * 3.0;
            assert!((weighted - repeated).abs() < 1e-5, "{weighted} {repeated}");
        }
    }

    #[test]
    fn known_values() {
        let value = |logits: &[f32], shape, targets: &Targets, records: &[usize]| {
            let tensor = Tensor::from_slice(logits, shape, &Device::Cpu).unwrap();
            mean_loss(&tensor, targets, records, &Loss::default())
                .unwrap()
                .to_scalar::<f32>()
                .unwrap()
        };
        // science: log loss of these five logits is 1.232287.
        let logits = [2., 0., 0., 0., 3., 0., 1., 0., 0., 0., 0., 2., 4., 0., 0.];
        let targets = Targets::MultiClass { labels: vec![0, 1, 1, 2, 1], classes: 3 };
        assert!((value(&logits, (5, 3), &targets, &[0, 1, 2, 3, 4]) - 1.232287).abs() < 1e-5);
        let extreme = Targets::Binary(vec![0, 1]);
        assert_eq!(value(&[-200.0, 200.0], (2, 1), &extreme, &[0, 1]), 0.0);
        assert_eq!(value(&[-200.0], (1, 1), &extreme, &[1]), 200.0);
    }
}
