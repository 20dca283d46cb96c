//! The way of a batch by candle's graph: on other devices than the processor, and what the way without a
//! graph is compared with.
//!
//! What was pooled of an embedding table is a leaf of the graph.

use candle_core::{Tensor, Var};

use super::Network;
use crate::learn::LearnError;
use crate::learn::augment::Augmented;
use crate::learn::loss::mixed_loss;
use crate::learn::network::layout::TABLE;
use crate::learn::network::pass::Pass;
use crate::learn::network::{InputShape, Noise, TextForm};
use crate::learn::regularize::NgramDropout;
use crate::learn::rows::{Features, SparseRows, Targets};

impl Network {
    /// The mean loss of a batch of any network. Adds `share` of its gradient to the step's, if it is
    /// finite.
    pub(super) fn differentiate_graph(
        &mut self,
        (features, targets): (&Features, &Targets),
        records: &[usize],
        share: f32,
        noise: Noise<'_>,
    ) -> Result<f32, LearnError> {
        let (leaf, x, partners) = match features {
            Features::Sparse(rows) => {
                let leaf = self.leaf(rows, records, noise.ngrams)?;
                let x = leaf.as_tensor().clone();
                (Some(leaf), x, None)
            }
            Features::Dense(rows) => {
                let Augmented { values, partners } =
                    noise.augmentation.apply(rows, records, self.input.image());
                (None, self.gather(values, records.len())?, partners)
            }
        };
        let mut pass = Pass::new(noise.key);
        pass.words.clone_from(&self.batch.words);
        pass.held.clone_from(&self.held);
        let stem = self.spec.stem();
        let vectors = stem.forward(&self.values, x, &mut pass)?;
        let first = stem.slots(self.input).len();
        let outputs = stem.dense().forward(&self.values, first, vectors, &mut pass)?;
        let outputs = outputs.contiguous()?;
        let loss = mixed_loss(&outputs, targets, records, &self.loss, partners.as_ref())?;
        let value = loss.to_scalar::<f32>()?;
        if !value.is_finite() {
            return Ok(value);
        }
        let gradients = loss.backward()?;
        let gradient = |var: &Var, name: &str| -> Result<Vec<f32>, LearnError> {
            let missing = || LearnError::NoGradient { name: name.to_owned() };
            let gradient = gradients.get(var.as_tensor()).ok_or_else(missing)?;
            Ok(gradient.flatten_all()?.to_vec1()?)
        };
        if let Some(leaf) = leaf.as_ref().filter(|_| self.trains_table()) {
            let upstream = gradient(leaf, TABLE)?;
            self.scatter(&upstream, records.len(), share);
        }
        for (position, &slot) in self.trained.iter().enumerate() {
            let values = gradient(&self.values[slot], &self.layout.slots[slot].name)?;
            self.gradient.add_dense(position, share, &values);
        }
        for (slot, statistic) in pass.statistics {
            self.values[slot].set(&statistic)?;
        }
        Ok(value)
    }

    /// The leaf of the graph that stands for a batch's rows of the table.
    fn leaf(
        &mut self,
        rows: &SparseRows,
        records: &[usize],
        dropout: &NgramDropout,
    ) -> candle_core::Result<Var> {
        let dimension = self.layout.dimension();
        match self.spec.text_form() {
            TextForm::Bag(pooling) => {
                self.pool(rows, records, dropout, pooling);
                let shape = (records.len(), dimension);
                Var::from_slice(&self.batch.pooled, shape, &self.device)
            }
            TextForm::Words { max, min } => {
                let words = self.words(rows, records, dropout, (min, max));
                let shape = (records.len(), words, dimension);
                Var::from_slice(&self.batch.pooled, shape, &self.device)
            }
        }
    }

    /// Records as they are, in the shape of the input.
    fn gather(&self, values: Vec<f32>, records: usize) -> candle_core::Result<Tensor> {
        match self.input {
            InputShape::Image { channels, height, width } => {
                Tensor::from_vec(values, (records, channels, height, width), &self.device)
            }
            input => Tensor::from_vec(values, (records, input.width()), &self.device),
        }
    }
}
