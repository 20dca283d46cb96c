//! A network without its training: plain arrays and one way to evaluate them. Validation during
//! training and scoring afterwards both come through [`View`], one record at a time, so that a
//! record scores the same alone and in a batch.

use super::group_sums::{self, GroupSums};
use super::layout::TABLE;
use super::{Filters, InputShape, Layout, NetworkSpec, TextForm};
use crate::arrays::{Arrays, ArraysError};
use crate::learn::kernels;
use crate::learn::rows::{GroupedRow, NO_ROW, Row, SparseRow};

/// Parameters that no longer change.
#[derive(Debug, Clone, PartialEq)]
pub struct Frozen {
    spec: NetworkSpec,
    input: InputShape,
    outputs: usize,
    layout: Layout,
    /// Empty where there is none.
    table: Vec<f32>,
    /// One for each slot of the layout.
    values: Vec<Vec<f32>>,
    /// The filters among them, packed.
    packed: Vec<Filters>,
    sums: GroupSums,
}

/// The filters of a network's stem, packed for [`View::evaluate`].
pub(super) fn packed(spec: &NetworkSpec, input: InputShape, values: &[Vec<f32>]) -> Vec<Filters> {
    let stem = spec.stem();
    stem.pack(&values[..stem.slots(input).len()], input)
}

impl Frozen {
    /// From parameters in the order of the network's layout.
    pub fn new(
        spec: NetworkSpec,
        input: InputShape,
        outputs: usize,
        table: Vec<f32>,
        values: Vec<Vec<f32>>,
    ) -> Self {
        let layout = spec.layout(input, outputs);
        let packed = packed(&spec, input, &values);
        let sums = GroupSums::default();
        Self { spec, input, outputs, layout, table, values, packed, sums }
    }

    /// Which network it is.
    pub fn spec(&self) -> &NetworkSpec {
        &self.spec
    }

    /// What a record is to it.
    pub fn input(&self) -> InputShape {
        self.input
    }

    /// Outputs.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Its parameters.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The network, ready to be evaluated.
    pub fn view(&self) -> View<'_> {
        let Self { spec, input, table, values, packed, sums, .. } = self;
        View { spec, input: *input, table, values, packed, sums: Some(sums) }
    }

    /// The embedding table, and the other parameters in the order of the layout.
    pub fn parts(&self) -> (&[f32], &[Vec<f32>]) {
        (&self.table, &self.values)
    }

    /// The same network with other parameters.
    pub fn with(&self, table: Vec<f32>, values: Vec<Vec<f32>>) -> Self {
        Self::new(self.spec.clone(), self.input, self.outputs, table, values)
    }

    /// Whether every parameter is a finite number.
    pub fn is_finite(&self) -> bool {
        self.view().is_finite()
    }

    /// Trainable numbers.
    pub fn parameters(&self) -> usize {
        self.layout.parameters()
    }

    /// The parameters by name.
    pub fn save(&self) -> Arrays {
        let mut arrays = Arrays::default();
        if let Some((rows, columns)) = self.layout.table {
            arrays.put_shaped(TABLE, vec![rows, columns], self.table.clone());
        }
        for (slot, values) in self.layout.slots.iter().zip(&self.values) {
            arrays.put_shaped(&slot.name, slot.shape.clone(), values.clone());
        }
        arrays
    }

    /// Takes the parameters that [`Frozen::save`] gave, if they fit.
    pub fn load(
        spec: &NetworkSpec,
        input: InputShape,
        outputs: usize,
        arrays: &Arrays,
    ) -> Result<Self, ArraysError> {
        let layout = spec.layout(input, outputs);
        let table = match layout.table {
            Some(_) => arrays.get_exact(TABLE, layout.table_size())?.to_vec(),
            None => Vec::new(),
        };
        let values = layout.slots.iter();
        let values = values.map(|slot| Ok(arrays.get_exact(&slot.name, slot.size())?.to_vec()));
        let values = values.collect::<Result<_, ArraysError>>()?;
        Ok(Self::new(spec.clone(), input, outputs, table, values))
    }
}

/// A network to evaluate.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    pub(super) spec: &'a NetworkSpec,
    pub(super) input: InputShape,
    pub(super) table: &'a [f32],
    pub(super) values: &'a [Vec<f32>],
    pub(super) packed: &'a [Filters],
    /// Sums over its rows that are known already, if any are kept.
    pub(super) sums: Option<&'a GroupSums>,
}

impl<'a> View<'a> {
    /// The same network, which keeps what it sums over groups in `sums`. They must be of no other.
    pub fn keeping(self, sums: &'a GroupSums) -> Self {
        Self { sums: Some(sums), ..self }
    }
}

impl View<'_> {
    /// How texts go in, if it takes texts.
    pub fn text_form(&self) -> TextForm {
        self.spec.text_form()
    }

    /// A copy of its parameters, of a network with this many outputs.
    pub fn freeze(&self, outputs: usize) -> Frozen {
        let (table, values) = (self.table.to_vec(), self.values.to_vec());
        Frozen::new(self.spec.clone(), self.input, outputs, table, values)
    }

    /// Numbers that it holds.
    pub fn parameters(&self) -> usize {
        self.table.len() + self.values.iter().map(Vec::len).sum::<usize>()
    }

    /// Whether every parameter is a finite number.
    pub fn is_finite(&self) -> bool {
        self.table.iter().chain(self.values.iter().flatten()).all(|value| value.is_finite())
    }

    /// Length of a record's representation.
    pub fn dimension(&self) -> usize {
        let stem = self.spec.stem();
        match stem.dense().hidden.last() {
            Some(width) if stem.dimension().is_none() => *width,
            _ => stem.width(self.input),
        }
    }

    /// The representation of a record and its outputs. The representation is the pooled vector of a
    /// text, else what the last layer takes.
    pub fn evaluate(&self, row: Row<'_>) -> (Vec<f32>, Vec<f32>) {
        self.evaluate_seen(row, |_, _| {})
    }

    /// The same, where `seen` is shown the values of each hidden layer, from 0 on.
    pub fn evaluate_seen(
        &self,
        row: Row<'_>,
        seen: impl FnMut(usize, &[f32]),
    ) -> (Vec<f32>, Vec<f32>) {
        let stem = self.spec.stem();
        let x = match row {
            Row::Sparse(row) => {
                let dimension = stem.dimension().unwrap_or_default();
                match stem.text_form() {
                    TextForm::Bag(pooling) => {
                        let mut pooled = vec![0.0; dimension];
                        let scale = pooling.scale(row.size);
                        kernels::pool(self.table, row.ids, row.weights, scale, &mut pooled);
                        pooled
                    }
                    TextForm::Words { max, .. } => words(self.table, dimension, row, max),
                }
            }
            Row::Grouped(row) => self.pooled(&row),
            Row::Dense(values) => values.to_vec(),
        };
        let own = stem.slots(self.input).len();
        let (of_stem, of_dense) = self.values.split_at(own);
        let vector = stem.evaluate(of_stem, self.packed, self.input, x);
        let dense = stem.dense();
        // Without hidden layers, what the last layer takes is the pooled vector.
        let pooled = stem.dimension().is_some() && !dense.hidden.is_empty();
        let pooled = pooled.then(|| vector.clone());
        let [last, outputs] = dense.evaluate(of_dense, vector, seen);
        (pooled.unwrap_or(last), outputs)
    }

    /// The pooled vector of a bag in groups.
    fn pooled(&self, row: &GroupedRow<'_>) -> Vec<f32> {
        let stem = self.spec.stem();
        let mut pooled = vec![0.0; stem.dimension().unwrap_or_default()];
        let all = match stem.text_form() {
            TextForm::Bag(pooling) => pooling.scale(row.size),
            TextForm::Words { .. } => 1.0,
        };
        kernels::pool(self.table, row.ids, row.weights, row.scale * all, &mut pooled);
        let scale = row.groups_scale * all;
        for group in row.groups {
            match self.sums {
                Some(sums) => sums.add(self.table, group, scale, &mut pooled),
                None => {
                    let sum = group_sums::sum(self.table, group, pooled.len());
                    kernels::axpy(scale, &sum, &mut pooled);
                }
            }
        }
        pooled
    }

    /// The outputs of a text whose pooled vector is known.
    pub fn outputs(&self, pooled: Vec<f32>) -> Vec<f32> {
        let stem = self.spec.stem();
        let (_, of_dense) = self.values.split_at(stem.slots(self.input).len());
        let [_, outputs] = stem.dense().evaluate(of_dense, pooled, |_, _| {});
        outputs
    }
}

/// The vectors of a text's words, one after another; zeros for those without a row.
fn words(table: &[f32], dimension: usize, row: SparseRow<'_>, max: usize) -> Vec<f32> {
    let mut vectors = vec![0.0; row.ids.len().min(max) * dimension];
    for (vector, &id) in vectors.chunks_exact_mut(dimension).zip(row.ids) {
        if id != NO_ROW {
            let start = id as usize * dimension;
            vector.copy_from_slice(&table[start..start + dimension]);
        }
    }
    vectors
}
