//! A convolutional network for texts (Kim 2014): filters over runs of words, the largest answer of
//! each over the text, then dense layers.

mod direct;

use candle_core::{Tensor, Var};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::direct::Direct;
use super::layout::Slot;
use super::pass::Pass;
use super::windows::{Reduce, Runs, Take};
use super::{DenseSpec, Filters, InputShape, Stem, TextForm};

/// Settings of the convolutional network for texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct TextCnnSpec {
    /// Length of a word's vector. Unknown words are zero vectors.
    #[schema(minimum = 1, maximum = 4096)]
    pub dimension: usize,
    /// Lengths of the runs of words that filters look at.
    #[schema(max_items = 8)]
    pub widths: Vec<usize>,
    /// Filters of each width.
    #[schema(minimum = 1, maximum = 4096)]
    pub filters: usize,
    /// Words of a text that are read; those after are left out.
    #[schema(minimum = 1, maximum = 10_000)]
    pub max_words: usize,
    /// The layers after the filters. `activation` is the filters' too.
    #[serde(flatten)]
    pub dense: DenseSpec,
}

impl Default for TextCnnSpec {
    fn default() -> Self {
        Self {
            dimension: 64,
            widths: vec![2, 3, 4],
            filters: 64,
            max_words: 256,
            dense: DenseSpec::default(),
        }
    }
}

impl TextCnnSpec {
    /// Runs of a width that a text of so many words has; at least one, of padding.
    fn runs(words: usize, width: usize) -> usize {
        (words + 1).saturating_sub(width).max(1)
    }

    fn longest(&self) -> usize {
        self.widths.iter().copied().max().unwrap_or(1)
    }
}

impl Stem for TextCnnSpec {
    fn accepts(&self, input: InputShape) -> bool {
        matches!(input, InputShape::Bag { .. })
    }

    fn dense(&self) -> &DenseSpec {
        &self.dense
    }

    fn dimension(&self) -> Option<usize> {
        Some(self.dimension)
    }

    fn text_form(&self) -> TextForm {
        TextForm::Words { max: self.max_words, min: self.longest() }
    }

    fn width(&self, _: InputShape) -> usize {
        self.widths.len().saturating_mul(self.filters)
    }

    fn slots(&self, _: InputShape) -> Vec<Slot> {
        let mut slots = Vec::new();
        for (position, &width) in self.widths.iter().enumerate() {
            let prefix = format!("convolutions.{position}.");
            let shape = vec![self.filters, width, self.dimension];
            let after = self.dense.activation.nonlinearity();
            let [weight, bias] = Slot::layer(&prefix, shape, width, after);
            let uses = Self::runs(self.max_words, width) as u64;
            slots.extend([Slot { uses, ..weight }, bias]);
        }
        slots
    }

    fn activations(&self, _: InputShape) -> usize {
        let of = |width: &usize| width.saturating_mul(self.dimension).saturating_add(self.filters);
        let runs = self.widths.iter().map(of).fold(self.dimension, usize::saturating_add);
        runs.saturating_mul(self.max_words)
    }

    fn forward(
        &self,
        parameters: &[Var],
        x: Tensor,
        pass: &mut Pass,
    ) -> candle_core::Result<Tensor> {
        let (records, tokens, dimension) = x.dims3()?;
        let mut found = Vec::new();
        for (position, &length) in self.widths.iter().enumerate() {
            let (weight, bias) = (&parameters[2 * position], &parameters[2 * position + 1]);
            let rows = x.contiguous()?.apply_op1(Runs { tokens, dimension, length })?;
            let weight = weight.reshape((self.filters, ()))?;
            let sums = rows.matmul(&weight.t()?)?.broadcast_add(bias)?;
            let values = self.dense.activation.forward(&sums)?.contiguous()?;
            // Runs that reach into the padding of a batch are no part of a text.
            let all = tokens + 1 - length;
            let group = |record: usize| {
                let runs = Self::runs(pass.words.get(record).copied().unwrap_or(tokens), length);
                (record * all..record * all + runs.min(all)).collect()
            };
            let groups = (0..records).map(group).collect();
            let reduce = Reduce { groups, channels: self.filters, take: Take::Max };
            found.push(values.apply_op1(reduce)?);
        }
        Tensor::cat(&found, 1)
    }

    fn direct(&self, _: InputShape) -> Option<Box<dyn Direct>> {
        Some(Box::new(direct::Runs::new(self.clone())))
    }

    fn pack(&self, parameters: &[Vec<f32>], _: InputShape) -> Vec<Filters> {
        let of_width = self.widths.iter().zip(parameters.chunks_exact(2));
        let packed = of_width.map(|(&width, of)| {
            let mut filters = Filters::default();
            self.pack_width(width, &of[0], &of[1], &mut filters);
            filters
        });
        packed.collect()
    }

    fn evaluate(
        &self,
        _: &[Vec<f32>],
        packed: &[Filters],
        _: InputShape,
        mut x: Vec<f32>,
    ) -> Vec<f32> {
        let words = x.len() / self.dimension;
        x.resize(words.max(self.longest()) * self.dimension, 0.0);
        let (mut room, [mut sums, mut places, mut values]) = Default::default();
        let found = direct::Found { sums: &mut sums, places: &mut places, values: &mut values };
        self.largest(packed, (&x, words), &mut room, found);
        values
    }
}
