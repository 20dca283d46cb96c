//! Networks: what is trained ([`Network`]) and what remains of it for scoring ([`Frozen`]).
//!
//! A network is a stem, which turns a record into a vector, and dense layers from there to the
//! outputs. A new kind is a file here that implements `Stem`, and a line in the list of
//! [`NetworkSpec`].

mod activation;
mod dense;
mod direct;
mod embedding_bag;
mod frozen;
mod group_sums;
mod image_cnn;
mod layout;
mod mlp;
mod normalization;
mod normalized;
mod pass;
mod text_cnn;
mod training;
mod windows;

pub use activation::Activation;
use candle_core::{Tensor, Var};
pub use dense::DenseSpec;
pub use embedding_bag::{EmbeddingBagSpec, Pooling};
pub use frozen::{Frozen, View};
pub use group_sums::GroupSums;
pub use image_cnn::{GlobalPooling, ImageCnnSpec, ImagePooling};
pub use layout::{EMBEDDING, Layout, Role, Slot, layer_of};
pub use mlp::MlpSpec;
pub use normalization::Normalization;
pub use text_cnn::TextCnnSpec;
#[cfg(test)]
pub(super) use training::tests::networks;
pub use training::{Network, Noise, StepOutcome};

use super::augment::ImageShape;
use super::choices::choices;
use super::kernels::Filters;
use direct::Direct;
use pass::Pass;

choices! {
    /// Which network, with its settings.
    pub enum NetworkSpec: dyn Stem;
    /// For texts: a vector for every n-gram, pooled over the text, then dense layers.
    EmbeddingBag(EmbeddingBagSpec) = "embedding_bag",
    /// For rows of a table, and for images as plain vectors: dense layers; linear without hidden
    /// ones.
    Mlp(MlpSpec) = "mlp",
    /// For texts: filters over runs of words, the largest answer of each, then dense layers.
    TextCnn(TextCnnSpec) = "text_cnn",
    /// For images: blocks of filters and pooling, then dense layers.
    ImageCnn(ImageCnnSpec) = "image_cnn",
}

/// How a text goes into a network with an embedding table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextForm {
    /// As a weighted bag of n-grams, pooled.
    Bag(Pooling),
    /// Word by word.
    Words {
        /// Words that are read at most.
        max: usize,
        /// Words that a shorter text is padded to.
        min: usize,
    },
}

impl Default for NetworkSpec {
    fn default() -> Self {
        Self::EmbeddingBag(EmbeddingBagSpec::default())
    }
}

/// What a record is to a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputShape {
    /// A weighted bag of n-grams out of a vocabulary.
    Bag {
        /// N-grams that have an id.
        vocabulary: usize,
    },
    /// Numbers.
    Vector {
        /// How many.
        width: usize,
    },
    /// Pixels, channel by channel, row by row.
    Image {
        /// 1 for grey, 3 for colour.
        channels: usize,
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
    },
}

impl InputShape {
    /// Numbers of a record; for a bag, of its vocabulary.
    pub fn width(self) -> usize {
        match self {
            Self::Bag { vocabulary } => vocabulary,
            Self::Vector { width } => width,
            Self::Image { channels, height, width } => {
                channels.saturating_mul(height).saturating_mul(width)
            }
        }
    }

    /// The shape of an image, if it is one.
    fn image(self) -> Option<ImageShape> {
        match self {
            Self::Image { channels, height, width } => Some(ImageShape { channels, height, width }),
            Self::Bag { .. } | Self::Vector { .. } => None,
        }
    }

    /// What it is called in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bag { .. } => "texts",
            Self::Vector { .. } => "rows of a table",
            Self::Image { .. } => "images",
        }
    }
}

/// What turns a record into the vector that the dense layers take.
pub(in crate::learn) trait Stem {
    /// Whether records of this shape fit.
    fn accepts(&self, input: InputShape) -> bool;
    /// The layers after it.
    fn dense(&self) -> &DenseSpec;
    /// Whether the vector is what was pooled, or the record as it is, so that the dense layers are all
    /// there is.
    fn is_plain(&self) -> bool {
        false
    }
    /// Filters of each block, if it has blocks.
    fn filters(&self) -> Vec<usize> {
        Vec::new()
    }
    /// Columns of an embedding table with a row for each of the vocabulary, if it has one.
    fn dimension(&self) -> Option<usize> {
        None
    }
    /// How texts go in, if it has a table.
    fn text_form(&self) -> TextForm {
        TextForm::Bag(Pooling::Mean)
    }
    /// Length of the vector.
    fn width(&self, input: InputShape) -> usize;
    /// Parameters besides the table.
    fn slots(&self, input: InputShape) -> Vec<Slot>;
    /// Numbers that a record's way through it leaves in memory, its vector excluded.
    fn activations(&self, _: InputShape) -> usize {
        0
    }
    /// The vectors of a batch. `x` is what was pooled of the table (or, word by word, records × words
    /// × dimension), or the records as they are.
    fn forward(
        &self,
        parameters: &[Var],
        x: Tensor,
        pass: &mut Pass,
    ) -> candle_core::Result<Tensor>;
    /// Its way without a graph, if it has one and is not plain.
    fn direct(&self, _: InputShape) -> Option<Box<dyn Direct>> {
        None
    }
    /// The filters of its convolutions, packed for [`Stem::evaluate`].
    fn pack(&self, _: &[Vec<f32>], _: InputShape) -> Vec<Filters> {
        Vec::new()
    }
    /// The vector of one record.
    fn evaluate(
        &self,
        parameters: &[Vec<f32>],
        packed: &[Filters],
        input: InputShape,
        x: Vec<f32>,
    ) -> Vec<f32>;
}

impl NetworkSpec {
    pub(in crate::learn) fn stem(&self) -> &dyn Stem {
        self.common()
    }

    /// The layers after the stem.
    pub fn dense(&self) -> &DenseSpec {
        self.stem().dense()
    }

    /// Whether records of this shape fit.
    pub fn accepts(&self, input: InputShape) -> bool {
        self.stem().accepts(input)
    }

    /// Filters of each block, if it has blocks.
    pub fn filters(&self) -> Vec<usize> {
        self.stem().filters()
    }

    /// How texts go in, if it takes texts.
    pub fn text_form(&self) -> TextForm {
        self.stem().text_form()
    }

    /// Its parameters. Absurd sizes saturate instead of overflowing, so that they can be refused.
    pub fn layout(&self, input: InputShape, outputs: usize) -> Layout {
        let stem = self.stem();
        let mut slots = stem.slots(input);
        slots.extend(stem.dense().slots(stem.width(input), outputs));
        Layout { table: stem.dimension().map(|columns| (input.width(), columns)), slots }
    }

    /// Numbers that a record's way through the network leaves in memory in training; saturates.
    pub fn activations(&self, input: InputShape, outputs: usize) -> u64 {
        let stem = self.stem();
        let widths = stem.dense().hidden.iter().copied();
        let record = if stem.dimension().is_some() { 0 } else { input.width() };
        let all = widths.chain([record, stem.width(input), stem.activations(input), outputs]);
        all.fold(0u64, |sum, width| sum.saturating_add(width as u64))
    }
}
