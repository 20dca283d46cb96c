//! Normalisation of a batch without a graph, in place, and the way back.

use candle_core::{Result, Var};

use super::direct::{Sums, assign, read};
use super::normalization::{MOMENTUM, Normalization, root};
use crate::learn::kernels;

/// What the way back needs of a batch, in room that is used again.
#[derive(Default)]
pub(super) struct Normalized {
    /// What was normalised: rows of `mean.len()` numbers, those after the units 0.
    rows: Vec<f32>,
    /// Of each unit, or of each row.
    mean: Vec<f32>,
    /// 1 / σ, likewise.
    root: Vec<f32>,
    /// Whether mean and variance are none of the batch's.
    fixed: bool,
    /// The running ones that the batch leads to, if it does.
    running: Option<[Vec<f32>; 2]>,
    gain: Vec<f32>,
    shift: Vec<f32>,
    scale: Vec<f32>,
    totals: [Vec<f64>; 2],
}

/// A normalisation's place among the parameters, and how its rows lie.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub kind: Normalization,
    pub parameters: &'a [Var],
    /// Of the gain.
    pub at: usize,
    /// Whether its parameters stay as they are.
    pub held: bool,
    pub units: usize,
    /// Numbers of a row; those after the units are 0 and stay it.
    pub width: usize,
}

fn reset<T: Clone + Default>(values: &mut Vec<T>, length: usize) {
    values.clear();
    values.resize(length, T::default());
}

impl Normalized {
    pub fn forward(&mut self, place: Place<'_>, rows: &mut [f32]) -> Result<()> {
        let Place { kind, parameters, at, held, units, width } = place;
        self.rows.clear();
        self.rows.extend_from_slice(rows);
        self.running = None;
        for (values, of) in [(&mut self.gain, at), (&mut self.shift, at + 1)] {
            reset(values, width);
            values[..units].copy_from_slice(&read(&parameters[of])?);
        }
        match kind {
            Normalization::None => {}
            Normalization::Layer => self.by_row(units, width, rows),
            Normalization::Batch => {
                let count = rows.len() / width;
                // What stays as it is has to mean in training what it means in scoring.
                self.fixed = count < 2 || held;
                reset(&mut self.mean, width);
                reset(&mut self.root, width);
                let [mean, variance] = [at + 2, at + 3].map(|of| read(&parameters[of]));
                let (mean, variance) = (mean?, variance?);
                if self.fixed {
                    self.mean[..units].copy_from_slice(&mean);
                    let roots = self.root.iter_mut().zip(variance.iter());
                    roots.for_each(|(to, variance)| *to = root(*variance));
                } else {
                    self.of_batch(count, units, (&mean, &variance));
                }
                self.scale.clear();
                self.scale.extend(self.gain.iter().zip(&self.root).map(|(gain, root)| gain * root));
                kernels::rescale(rows, &self.mean, &self.scale, &self.shift);
            }
        }
        Ok(())
    }

    /// Mean and variance of the units, and the running ones that follow from them.
    fn of_batch(&mut self, count: usize, units: usize, running: (&[f32], &[f32])) {
        let width = self.mean.len();
        let [sums, squares] = &mut self.totals;
        reset(sums, width);
        reset(squares, width);
        kernels::add_columns(&self.rows, sums);
        let n = count as f64;
        self.mean.iter_mut().zip(&*sums).for_each(|(mean, sum)| *mean = (sum / n) as f32);
        kernels::add_squares(&self.rows, &self.mean, squares);
        let roots = self.root.iter_mut().zip(&*squares).take(units);
        roots.for_each(|(to, square)| *to = root((square / n) as f32));
        let moved = |kept: &f32, batch: f64| {
            ((1.0 - MOMENTUM) * f64::from(*kept) + MOMENTUM * batch) as f32
        };
        let means = running.0.iter().zip(&*sums).map(|(kept, sum)| moved(kept, sum / n));
        // The running variance is the unbiased one, as PyTorch has it.
        let variances = running.1.iter().zip(&*squares);
        let variances = variances.map(|(kept, square)| moved(kept, square / (n - 1.0)));
        self.running = Some([means.collect(), variances.collect()]);
    }

    fn by_row(&mut self, units: usize, width: usize, rows: &mut [f32]) {
        self.mean.clear();
        self.root.clear();
        let n = units as f32;
        for row in rows.chunks_exact_mut(width) {
            let row = &mut row[..units];
            let mean = row.iter().sum::<f32>() / n;
            let squares = row.iter().map(|x| (x - mean) * (x - mean));
            let root = root(squares.sum::<f32>() / n);
            for ((x, gain), shift) in row.iter_mut().zip(&self.gain).zip(&self.shift) {
                *x = (*x - mean) * root * gain + shift;
            }
            self.mean.push(mean);
            self.root.push(root);
        }
    }

    /// From the gradient of what was normalised to that of what it was before, in place; adds those of
    /// gain and shift.
    pub fn backward(
        &mut self,
        Place { kind, at, units, width, .. }: Place<'_>,
        upstream: &mut [f32],
        gradients: &mut Sums<'_>,
    ) {
        if kind == Normalization::None {
            return;
        }
        let [of_gain, of_shift] = &mut self.totals;
        reset(of_gain, width);
        reset(of_shift, width);
        if kind == Normalization::Batch {
            let (mean, root) = (&self.mean, &self.root);
            kernels::add_gain_gradient(upstream, &self.rows, mean, root, of_gain, of_shift);
            // g ← γr (g − Σg/n − x̂ Σgx̂/n); without the sums where the statistics are fixed.
            let n = if self.fixed { f64::INFINITY } else { (self.rows.len() / width) as f64 };
            let scaled = |sums: &[f64]| sums.iter().map(|sum| (sum / n) as f32).collect::<Vec<_>>();
            let (a, mut b) = (scaled(of_shift), scaled(of_gain));
            b.iter_mut().zip(&self.root).for_each(|(b, root)| *b *= root);
            kernels::through_statistics(upstream, &self.rows, mean, &self.scale, &a, &b);
        } else {
            let both = upstream.chunks_exact_mut(width).zip(self.rows.chunks_exact(width));
            for ((up, row), (mean, root)) in both.zip(self.mean.iter().zip(&self.root)) {
                let (mut sum, mut product) = (0.0, 0.0);
                let sums = of_gain.iter_mut().zip(of_shift.iter_mut());
                let each = up.iter_mut().zip(row).zip(&self.gain).zip(sums);
                for (((up, x), gain), (of_gain, of_shift)) in each.take(units) {
                    let x = (x - mean) * root;
                    *of_gain += f64::from(*up * x);
                    *of_shift += f64::from(*up);
                    *up *= gain;
                    sum += *up;
                    product += *up * x;
                }
                let (a, b) = (sum / units as f32, product / units as f32);
                for (up, x) in up[..units].iter_mut().zip(row) {
                    *up = root * (*up - a - (x - mean) * root * b);
                }
            }
        }
        for (sums, of) in [(of_gain, at), (of_shift, at + 1)] {
            if let Some(to) = gradients.of(of, units) {
                to.iter_mut().zip(&*sums).for_each(|(to, sum)| *to += *sum as f32);
            }
        }
    }

    /// Takes over the running mean and variance that the batch leads to.
    pub fn commit(&mut self, parameters: &[Var], at: usize) -> Result<()> {
        match self.running.take() {
            Some([mean, variance]) => {
                assign(&parameters[at + 2], &mean)?;
                assign(&parameters[at + 3], &variance)
            }
            None => Ok(()),
        }
    }
}
