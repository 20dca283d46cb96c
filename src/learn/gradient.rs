//! The gradient of a step: what it is made of, and what is done to it before an optimiser sees it.

use super::kernels;

/// How a step's gradient is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GradientSpec {
    /// Records that are computed at once; the gradient of a step is the mean over all its records.
    pub batch_size: usize,
    /// L1 penalty: λ Σ|w| over weights adds λ sign(w), and 0 where w is 0.
    pub l1: f32,
    /// L2 penalty: λ/2 Σw² over weights adds λw.
    pub l2: f32,
    /// Largest Euclidean norm of the whole gradient; a longer one is scaled down to it.
    pub clip_norm: Option<f32>,
    /// Largest absolute value of each of its numbers, after `clip_norm`.
    pub clip_value: Option<f32>,
}

impl GradientSpec {
    /// The mean over one batch, as it is.
    pub const PLAIN: Self =
        Self { batch_size: usize::MAX, l1: 0.0, l2: 0.0, clip_norm: None, clip_value: None };

    /// Whether weights are penalised.
    pub fn penalises(&self) -> bool {
        self.l1 > 0.0 || self.l2 > 0.0
    }

    /// Adds the gradient of the penalties of `weights`.
    pub fn penalise(&self, weights: &[f32], gradient: &mut [f32]) {
        kernels::penalise(self.l1, self.l2, weights, gradient);
    }
}

const EMPTY: u32 = u32::MAX;

/// A gradient: of the table's rows that a step's records use, and of every dense parameter.
pub struct Gradient {
    dimension: usize,
    /// Where a row of the table stands in `rows`.
    slots: Vec<u32>,
    rows: Vec<u32>,
    table: Vec<f32>,
    dense: Vec<Vec<f32>>,
}

impl Gradient {
    /// A gradient of zero for a table of `rows` × `dimension` and `dense` other parameters.
    pub fn new(rows: usize, dimension: usize, dense: usize) -> Self {
        let slots = vec![EMPTY; rows];
        let dense = vec![Vec::new(); dense];
        Self { dimension, slots, rows: Vec::new(), table: Vec::new(), dense }
    }

    /// Back to zero.
    pub fn clear(&mut self) {
        self.rows.iter().for_each(|&row| self.slots[row as usize] = EMPTY);
        self.rows.clear();
        self.table.clear();
        self.dense.iter_mut().for_each(Vec::clear);
    }

    /// Adds `scale` × `x` to a row of the table.
    pub fn add_row(&mut self, row: u32, scale: f32, x: &[f32]) {
        let slot = &mut self.slots[row as usize];
        if *slot == EMPTY {
            *slot = self.rows.len() as u32;
            self.rows.push(row);
            self.table.resize(self.rows.len() * self.dimension, 0.0);
        }
        let start = *slot as usize * self.dimension;
        kernels::axpy(scale, x, &mut self.table[start..start + self.dimension]);
    }

    /// Adds `scale` × `x` to a dense parameter.
    pub fn add_dense(&mut self, parameter: usize, scale: f32, x: &[f32]) {
        let sum = &mut self.dense[parameter];
        if sum.is_empty() {
            sum.extend(x.iter().map(|x| scale * x));
        } else {
            kernels::axpy(scale, x, sum);
        }
    }

    /// The gradient of a dense parameter of `length` numbers, to add to.
    pub fn dense_mut(&mut self, parameter: usize, length: usize) -> &mut [f32] {
        let sum = &mut self.dense[parameter];
        if sum.is_empty() {
            sum.resize(length, 0.0);
        }
        sum
    }

    /// The rows of the table that it touches, and their gradient, row by row.
    pub fn table(&self) -> (&[u32], &[f32]) {
        (&self.rows, &self.table)
    }

    /// The gradient of a dense parameter.
    pub fn dense(&self, parameter: usize) -> &[f32] {
        &self.dense[parameter]
    }

    /// Adds the penalties of the rows that it touches.
    pub fn penalise_table(&mut self, spec: &GradientSpec, table: &[f32]) {
        for (&row, gradient) in self.rows.iter().zip(self.table.chunks_exact_mut(self.dimension)) {
            let start = row as usize * self.dimension;
            spec.penalise(&table[start..start + self.dimension], gradient);
        }
    }

    /// Adds the penalties of a dense parameter.
    pub fn penalise_dense(&mut self, spec: &GradientSpec, parameter: usize, weights: &[f32]) {
        spec.penalise(weights, &mut self.dense[parameter]);
    }

    /// Clips it; returns its Euclidean norm before that.
    pub fn clip(&mut self, spec: &GradientSpec) -> f64 {
        let dense = self.dense.iter().map(|values| kernels::sum_of_squares(values));
        let norm =
            dense.fold(kernels::sum_of_squares(&self.table), |sum, squares| sum + squares).sqrt();
        // What is no number is not clipped, so that divergence shows.
        if let Some(most) = spec.clip_norm
            && norm > f64::from(most)
        {
            let scale = (f64::from(most) / norm) as f32;
            self.values().for_each(|value| *value *= scale);
        }
        if let Some(most) = spec.clip_value {
            self.values().for_each(|value| *value = value.clamp(-most, most));
        }
        norm
    }

    fn values(&mut self) -> impl Iterator<Item = &mut f32> {
        self.table.iter_mut().chain(self.dense.iter_mut().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A table of 4 rows of 2, of which rows 3 and 1 have a gradient, and a dense parameter.
    fn gradient() -> Gradient {
        let mut gradient = Gradient::new(4, 2, 1);
        gradient.add_row(3, 2.0, &[1.0, 0.0]);
        gradient.add_row(1, 1.0, &[0.0, -2.0]);
        gradient.add_row(3, 1.0, &[0.0, 1.0]);
        gradient.add_dense(0, 1.0, &[4.0, 0.0]);
        gradient
    }

    #[test]
    fn rows_are_summed_and_forgotten() {
        let mut gradient = gradient();
        assert_eq!(gradient.table(), (&[3, 1][..], &[2.0, 1.0, 0.0, -2.0][..]));
        gradient.add_dense(0, 0.5, &[2.0, 2.0]);
        assert_eq!(gradient.dense(0), [5.0, 1.0]);
        gradient.clear();
        gradient.add_row(1, 1.0, &[1.0, 1.0]);
        assert_eq!(gradient.table(), (&[1][..], &[1.0, 1.0][..]));
        assert_eq!(gradient.dense(0), [0.0; 0]);
    }

    #[test]
    fn the_norm_is_of_all_parameters_and_before_clipping() {
        let all = |g: &Gradient| [g.table().1, g.dense(0)].concat();
        let mut whole = gradient();
        assert_eq!(whole.clip(&GradientSpec::PLAIN), 5.0);
        assert_eq!(all(&whole), all(&gradient()));
        let spec = GradientSpec { clip_norm: Some(2.5), ..GradientSpec::PLAIN };
        assert_eq!(whole.clip(&spec), 5.0);
        assert_eq!(all(&whole), [1.0, 0.5, 0.0, -1.0, 2.0, 0.0]);
        // Short enough now: left as it is.
        assert_eq!(whole.clip(&spec), 2.5);
        let spec = GradientSpec { clip_value: Some(0.75), ..GradientSpec::PLAIN };
        assert_eq!(whole.clip(&spec), 2.5);
        assert_eq!(all(&whole), [0.75, 0.5, 0.0, -0.75, 0.75, 0.0]);
        // By norm first: 5 to 2.5, then by value.
        let mut both = gradient();
        both.clip(&GradientSpec { clip_norm: Some(2.5), ..spec });
        assert_eq!(all(&both), all(&whole));
    }

    #[test]
    fn what_is_no_number_is_not_clipped_away() {
        for bad in [f32::NAN, f32::INFINITY] {
            let mut gradient = gradient();
            gradient.add_dense(0, 1.0, &[bad, 0.0]);
            let spec = GradientSpec { clip_norm: Some(1.0), ..GradientSpec::PLAIN };
            assert!(!gradient.clip(&spec).is_finite() && gradient.dense(0)[0].is_nan(), "{bad}");
        }
    }

    #[test]
    fn penalties_are_of_touched_rows_and_have_no_slope_at_zero() {
        let spec = GradientSpec { l1: 0.5, l2: 2.0, ..GradientSpec::PLAIN };
        assert!(spec.penalises() && !GradientSpec::PLAIN.penalises());
        let mut gradient = gradient();
        gradient.penalise_table(&spec, &[9.0, 9.0, 1.0, -1.0, 9.0, 9.0, 0.0, 0.25]);
        assert_eq!(gradient.table(), (&[3, 1][..], &[2.0, 2.0, 2.5, -4.5][..]));
        gradient.penalise_dense(&spec, 0, &[-0.0, -3.0]);
        assert_eq!(gradient.dense(0), [4.0, -6.5]);
    }
}
