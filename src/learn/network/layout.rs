//! Which parameters a network has: their names, shapes and first values.

use crate::random::{self, Rng};

/// What a parameter is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Multiplies inputs; the only kind that is penalised and decays.
    Weight {
        /// Whether its sums are the network's outputs.
        last: bool,
    },
    /// Is added to sums; 0 at first.
    Bias,
    /// Scales what was normalised; 1 at first.
    Gain,
    /// Running mean of a batch normalisation: measured, not trained; 0 at first.
    Mean,
    /// Running variance of a batch normalisation: measured, not trained; 1 at first.
    Variance,
}

/// A parameter other than the embedding table.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    pub fn initial(&self, seed: u64) -> Vec<f32> {
        match self.role {
            Role::Weight { last } => {
                let inputs = self.shape[1..].iter().product::<usize>() as f32;
                // He et al. (2015) before a ReLU, LeCun's 1/√n before the logits.
                let bound = ((if last { 1.0 } else { 6.0 }) / inputs).sqrt();
                uniform(self.size(), bound, seed, &self.name)
            }
            Role::Bias | Role::Mean => vec![0.0; self.size()],
            Role::Gain | Role::Variance => vec![1.0; self.size()],
        }
    }
}

/// The parameters of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Rows and columns of the embedding table, where there is one. Its name is [`TABLE`].
    pub table: Option<(usize, usize)>,
    /// The others, in the order in which they are used.
    pub slots: Vec<Slot>,
}

/// Name of the embedding table.
pub const TABLE: &str = "embedding.weight";

impl Layout {
    /// Numbers in the table.
    pub fn table_size(&self) -> usize {
        self.table.map_or(0, |(rows, columns)| rows.saturating_mul(columns))
    }

    /// Columns of the table; 1 without one.
    pub fn dimension(&self) -> usize {
        self.table.map_or(1, |(_, columns)| columns)
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

    /// Names and lengths of what an optimiser changes, the table first.
    pub fn trainable(&self) -> Vec<(String, usize)> {
        let table = self.table.map(|_| (TABLE.to_owned(), self.table_size()));
        let slots = self.slots.iter().filter(|slot| slot.trainable());
        table.into_iter().chain(slots.map(|slot| (slot.name.clone(), slot.size()))).collect()
    }
}

/// The table's first values.
pub fn initial_table(layout: &Layout, seed: u64) -> Vec<f32> {
    uniform(layout.table_size(), 0.05, seed, TABLE)
}

fn uniform(length: usize, bound: f32, seed: u64, name: &str) -> Vec<f32> {
    let mut rng = random::stream(seed, name);
    (0..length).map(|_| (rng.random::<f32>() * 2.0 - 1.0) * bound).collect()
}
