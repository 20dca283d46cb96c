//! Which parameters a network has: their names, shapes and first values.

use crate::learn::init::{self, InitializationSpec, Nonlinearity};

/// What a parameter is for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Role {
    /// Multiplies inputs; the only kind that is penalised and decays.
    Weight {
        /// What its inputs and outputs are.
        fan: init::Shape,
        /// What follows its sums.
        after: Nonlinearity,
    },
    /// Is added to a layer's sums.
    Bias {
        /// The layer's inputs and outputs.
        fan: init::Shape,
    },
    /// Is added to what was normalised; 0 at first.
    Shift,
    /// Scales what was normalised; 1 at first.
    Gain,
    /// Running mean of a batch normalisation: measured, not trained; 0 at first.
    Mean,
    /// Running variance of a batch normalisation: measured, not trained; 1 at first.
    Variance,
}

/// A parameter other than the embedding table.
#[derive(Debug, Clone, PartialEq)]
pub struct Slot {
    /// Its name in artifacts and checkpoints.
    pub name: String,
    /// Outputs first; for a weight, all other axes together are its inputs.
    pub shape: Vec<usize>,
    /// What it is for.
    pub role: Role,
    /// How often an example uses each of its numbers: 1, or the positions of a convolution.
    pub uses: u64,
}

impl Slot {
    /// A parameter that an example uses once.
    pub fn new(name: String, shape: Vec<usize>, role: Role) -> Self {
        Self { name, shape, role, uses: 1 }
    }

    /// Weight and bias of a layer whose weights have this shape. `area` is how many cells the window
    /// of a convolution has.
    pub fn layer(prefix: &str, shape: Vec<usize>, area: usize, after: Nonlinearity) -> [Self; 2] {
        let outputs = shape[0];
        let inputs = shape[1..].iter().fold(1usize, |product, axis| product.saturating_mul(*axis));
        let fan = init::Shape::convolution(outputs, inputs / area.max(1), area);
        [
            Self::new(format!("{prefix}weight"), shape, Role::Weight { fan, after }),
            Self::new(format!("{prefix}bias"), vec![outputs], Role::Bias { fan }),
        ]
    }

    /// Numbers; saturates.
    pub fn size(&self) -> usize {
        self.shape.iter().fold(1, |size, axis| size.saturating_mul(*axis))
    }

    /// Whether training changes it by its gradient.
    pub fn trainable(&self) -> bool {
        !matches!(self.role, Role::Mean | Role::Variance)
    }

    /// Whether it multiplies inputs.
    pub fn is_weight(&self) -> bool {
        matches!(self.role, Role::Weight { .. })
    }

    /// Its first values, drawn from a stream of its own name.
    pub fn initial(&self, spec: &InitializationSpec, seed: u64) -> Vec<f32> {
        match self.role {
            Role::Weight { fan, after } => spec.weights.fill(fan, after, seed, &self.name),
            Role::Bias { fan } => spec.biases.fill(fan, seed, &self.name),
            Role::Shift | Role::Mean => vec![0.0; self.size()],
            Role::Gain | Role::Variance => vec![1.0; self.size()],
        }
    }
}

/// The parameters of a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// Rows and columns of the embedding table, where there is one. Its name is `TABLE`.
    pub table: Option<(usize, usize)>,
    /// The others, in the order in which they are used.
    pub slots: Vec<Slot>,
}

/// Name of the embedding table.
pub const TABLE: &str = "embedding.weight";

/// The layer of the embedding table.
pub const EMBEDDING: &str = "embedding";

/// The layer of a parameter: `layers.0` of `layers.0.norm.gain`.
pub fn layer_of(parameter: &str) -> &str {
    let mut dots = parameter.match_indices('.').map(|(at, _)| at);
    let (first, second) = (dots.next(), dots.next());
    &parameter[..second.or(first).unwrap_or(parameter.len())]
}

impl Layout {
    /// Numbers in the table.
    pub fn table_size(&self) -> usize {
        self.table.map_or(0, |(rows, columns)| rows.saturating_mul(columns))
    }

    /// Columns of the table; 1 without one.
    pub fn dimension(&self) -> usize {
        self.table.map_or(1, |(_, columns)| columns)
    }

    /// Names of the layers, in order.
    pub fn layers(&self) -> Vec<String> {
        let table = self.table.map(|_| EMBEDDING);
        let slots = self.slots.iter().map(|slot| layer_of(&slot.name));
        let mut layers: Vec<String> = Vec::new();
        for layer in table.into_iter().chain(slots) {
            if layers.last().is_none_or(|last| last != layer) {
                layers.push(layer.to_owned());
            }
        }
        layers
    }

    /// Trainable numbers; saturates.
    pub fn parameters(&self) -> usize {
        let trainable = self.slots.iter().filter(|slot| slot.trainable());
        trainable.fold(self.table_size(), |sum, slot| sum.saturating_add(slot.size()))
    }

    /// Floating-point operations of an example's way through the weights, a multiplication and an
    /// addition each; lookups in the table are not counted. Saturates.
    pub fn flops(&self) -> u64 {
        let weights = self.slots.iter().filter(|slot| slot.is_weight());
        weights.fold(0u64, |sum, slot| {
            let products = (slot.size() as u64).saturating_mul(slot.uses);
            sum.saturating_add(products.saturating_mul(2))
        })
    }
}

/// The table's first values.
pub fn initial_table(layout: &Layout, seed: u64) -> Vec<f32> {
    init::uniform(layout.table_size(), 0.05, seed, TABLE)
}
