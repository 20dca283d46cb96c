//! A training that starts from parameters of another one: which came along, which of them stay as
//! they are, and the smaller rate of the others (discriminative fine-tuning, Howard and Ruder 2018).

use super::LearnError;
use super::network::{Frozen, InputShape, Network, NetworkSpec};
use super::optimizer::{Optimizer, OptimizerSpec};
use crate::arrays::{Arrays, ArraysError};

/// What a training starts from.
#[derive(Debug, Clone)]
pub struct Start {
    /// The first parameters: those that came along, and fresh ones for the rest.
    pub network: Frozen,
    /// For each slot of the layout, whether all of it came along.
    pub carried: Vec<bool>,
    /// For each row of the embedding table, whether it came along.
    pub carried_rows: Vec<bool>,
    /// For each slot of the layout, whether it stays as it is.
    pub held: Vec<bool>,
    /// Whether the rows that came along stay as they are.
    pub held_table: bool,
    /// Times this, the learning rate of what came along and does not stay as it is; in (0, 1\].
    pub learning_rate_factor: f64,
}

impl Start {
    /// Leaves as they are, in a network in training, the parameters that stay so.
    pub fn hold(&self, network: Network) -> Network {
        let rows = if self.held_table { self.carried_rows.clone() } else { Vec::new() };
        network.hold(self.held.clone(), rows)
    }
}

/// The network that a training begins with.
pub fn network(
    start: Option<&Start>,
    (spec, seed): (&NetworkSpec, u64),
    input: InputShape,
    outputs: usize,
) -> Result<Network, LearnError> {
    match start {
        Some(start) => Ok(start.hold(Network::thaw(&start.network)?)),
        None => Network::new(spec, input, outputs, seed),
    }
}

/// The optimiser of a network in training.
pub fn optimizer(
    start: Option<&Start>,
    spec: &OptimizerSpec,
    network: &Network,
) -> Box<dyn Optimizer> {
    let lengths = network.parameter_lengths();
    match start {
        Some(start) if start.learning_rate_factor != 1.0 => {
            Box::new(TwoRates::new(start, spec, network))
        }
        _ => spec.build(&lengths),
    }
}

/// Two optimisers, of which one has a smaller rate. Each sees only what is its own.
struct TwoRates {
    fresh: Box<dyn Optimizer>,
    carried: Box<dyn Optimizer>,
    factor: f64,
    /// Whether a parameter came along; the table is decided row by row.
    came: Vec<bool>,
    /// For each row of the table, which is the first parameter, whether it came along.
    rows: Option<Vec<bool>>,
    /// Room for the rows of one of the two.
    part: (Vec<u32>, Vec<f32>),
}

impl TwoRates {
    fn new(start: &Start, spec: &OptimizerSpec, network: &Network) -> Self {
        let table = network.trains_table();
        let of_slots = network.trained().iter().map(|&slot| start.carried[slot]);
        let all_rows = start.carried_rows.iter().all(|came| *came);
        let any_row = start.carried_rows.iter().any(|came| *came);
        let came: Vec<bool> = table.then_some(all_rows).into_iter().chain(of_slots).collect();
        // Nothing is kept for what is the other's.
        let lengths = |mine: &dyn Fn(usize) -> bool| -> Vec<(String, usize)> {
            let own = network.parameter_lengths().into_iter().enumerate();
            own.map(|(i, (name, length))| (name, if mine(i) { length } else { 0 })).collect()
        };
        let mixed = |i: usize| table && i == 0 && any_row;
        Self {
            fresh: spec.build(&lengths(&|i| !came[i])),
            carried: spec.build(&lengths(&|i| came[i] || mixed(i))),
            factor: start.learning_rate_factor,
            came,
            rows: table.then(|| start.carried_rows.clone()),
            part: Default::default(),
        }
    }
}

impl Optimizer for TwoRates {
    fn begin_step(&mut self, learning_rate: f32) {
        self.fresh.begin_step(learning_rate);
        self.carried.begin_step((f64::from(learning_rate) * self.factor) as f32);
    }

    fn update(&mut self, parameter: usize, values: &mut [f32], gradient: &[f32]) {
        let own = if self.came[parameter] { &mut self.carried } else { &mut self.fresh };
        own.update(parameter, values, gradient);
    }

    fn update_rows(
        &mut self,
        parameter: usize,
        table: &mut [f32],
        dimension: usize,
        rows: &[u32],
        gradient: &[f32],
    ) {
        for came in [false, true] {
            let (part, values) = &mut self.part;
            part.clear();
            values.clear();
            for (&row, gradient) in rows.iter().zip(gradient.chunks_exact(dimension)) {
                if self.rows.as_ref().is_some_and(|rows| rows[row as usize]) == came {
                    part.push(row);
                    values.extend_from_slice(gradient);
                }
            }
            if !part.is_empty() {
                let own = if came { &mut self.carried } else { &mut self.fresh };
                own.update_rows(parameter, table, dimension, part, values);
            }
        }
    }

    fn save(&self, into: &mut Arrays) {
        self.fresh.save(into);
        let mut own = Arrays::default();
        self.carried.save(&mut own);
        into.absorb("carried.", own);
    }

    fn restore(&mut self, from: &Arrays) -> Result<(), ArraysError> {
        self.fresh.restore(from)?;
        self.carried.restore(&from.under("carried."))
    }
}

#[cfg(test)]
#[path = "start_tests.rs"]
mod tests;
