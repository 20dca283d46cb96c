//! Exponential moving averages of parameters (Polyak and Juditsky 1992, as PyTorch's
//! `get_ema_multi_avg_fn`): the first step's parameters, then a ← a + (1 − β)(θ − a) after each step.
//!
//! A row of a table that k steps did not touch had the same θ in all of them, so that it catches up
//! in one: a ← θ + βᵏ(a − θ).

use super::LearnError;
use super::network::{Frozen, Network};
use super::optimizer::Optimizer;
use crate::arrays::{Arrays, ArraysError};

/// An optimiser that averages the parameters that it changes, if it is asked to.
pub struct Averaged {
    inner: Box<dyn Optimizer>,
    /// β, where parameters are averaged.
    decay: Option<f64>,
    averages: Vec<Average>,
    /// Steps since the start.
    step: u64,
}

/// The name of the count of steps in a checkpoint.
const STEP: &str = "average.step";

struct Average {
    name: String,
    length: usize,
    /// Empty before the first step.
    values: Vec<f32>,
    /// For tables: the step up to which each row is averaged. Empty stands for all zeros.
    until: Vec<u64>,
}

impl Averaged {
    /// For parameters of these names and lengths.
    pub fn new(inner: Box<dyn Optimizer>, decay: Option<f64>, lengths: &[(String, usize)]) -> Self {
        let average = |(name, length): &(String, usize)| Average {
            name: name.clone(),
            length: *length,
            values: Vec::new(),
            until: Vec::new(),
        };
        Self { inner, decay, averages: lengths.iter().map(average).collect(), step: 0 }
    }

    /// The network that training has come to: the average of its parameters, where they are
    /// averaged, else the parameters as they are.
    pub fn freeze(&mut self, network: &Network) -> Result<Frozen, LearnError> {
        let frozen = network.freeze()?;
        let begun = self.averages.iter().any(|average| !average.values.is_empty());
        let Some(decay) = self.decay.filter(|_| begun) else { return Ok(frozen) };
        let (table, values) = frozen.parts();
        let layout = frozen.layout();
        let mut averages = self.averages.iter_mut();
        let mut averaged_table = Vec::new();
        if network.trains_table()
            && let Some(Average { values, until, .. }) = averages.next()
        {
            let columns = layout.dimension();
            let rows = values.chunks_exact_mut(columns).zip(table.chunks_exact(columns));
            for ((average, row), until) in rows.zip(until) {
                catch_up(decay, self.step - std::mem::replace(until, self.step), average, row);
            }
            averaged_table.clone_from(values);
        } else {
            averaged_table = table.to_vec();
        }
        // What is measured and not trained stays as it is.
        let mut values = values.to_vec();
        for (&slot, average) in network.trained().iter().zip(averages) {
            values[slot].clone_from(&average.values);
        }
        Ok(frozen.with(averaged_table, values))
    }
}

/// Averages over `steps` in which the parameters were `values`.
fn catch_up(decay: f64, steps: u64, average: &mut [f32], values: &[f32]) {
    if steps == 0 {
        return;
    }
    let rest = decay.powf(steps as f64) as f32;
    // What equals its average stays so, the sign of a zero included.
    for (average, value) in average.iter_mut().zip(values).filter(|(a, v)| a != v) {
        *average = value + rest * (*average - value);
    }
}

impl Optimizer for Averaged {
    fn begin_step(&mut self, learning_rate: f32) {
        self.step += 1;
        self.inner.begin_step(learning_rate);
    }

    fn update(&mut self, parameter: usize, values: &mut [f32], gradient: &[f32]) {
        self.inner.update(parameter, values, gradient);
        let Some(decay) = self.decay else { return };
        let average = &mut self.averages[parameter].values;
        if average.is_empty() {
            average.extend_from_slice(values);
        } else {
            catch_up(decay, 1, average, values);
        }
    }

    fn update_rows(
        &mut self,
        parameter: usize,
        table: &mut [f32],
        dimension: usize,
        rows: &[u32],
        gradient: &[f32],
    ) {
        let Some(decay) = self.decay else {
            return self.inner.update_rows(parameter, table, dimension, rows, gradient);
        };
        let Average { values, until, .. } = &mut self.averages[parameter];
        until.resize(table.len() / dimension, 0);
        let range = |row: u32| row as usize * dimension..(row as usize + 1) * dimension;
        if values.is_empty() {
            self.inner.update_rows(parameter, table, dimension, rows, gradient);
            values.extend_from_slice(table);
            until.fill(self.step);
            return;
        }
        for &row in rows {
            let missed = self.step - 1 - until[row as usize];
            catch_up(decay, missed, &mut values[range(row)], &table[range(row)]);
        }
        self.inner.update_rows(parameter, table, dimension, rows, gradient);
        for &row in rows {
            catch_up(decay, 1, &mut values[range(row)], &table[range(row)]);
            until[row as usize] = self.step;
        }
    }

    /// Rows are saved as they are: to bring them up to date here would round otherwise than a run
    /// that is not saved.
    fn save(&self, into: &mut Arrays) {
        self.inner.save(into);
        if self.decay.is_none() {
            return;
        }
        into.put(STEP, vec![self.step]);
        for Average { name, values, until, .. } in &self.averages {
            into.put(&format!("average.{name}"), values.clone());
            if !until.is_empty() {
                into.put(&format!("average.{name}.until"), until.clone());
            }
        }
    }

    fn restore(&mut self, from: &Arrays) -> Result<(), ArraysError> {
        self.inner.restore(from)?;
        if self.decay.is_none() {
            return Ok(());
        }
        self.step = from.scalar(STEP)?;
        for average in &mut self.averages {
            let name = format!("average.{}", average.name);
            average.values = from.get_exact(&name, average.length)?.to_vec();
            let until = format!("{name}.until");
            average.until = if from.has(&until) { from.get(&until)?.to_vec() } else { Vec::new() };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::network::{EmbeddingBagSpec, InputShape, NetworkSpec};
    use crate::learn::optimizer::{OptimizerSpec, SgdSpec};

    const COLUMNS: usize = 2;

    /// A table of 3 rows of 2 and one layer, in plain descent.
    fn network() -> (Network, Box<dyn Optimizer>) {
        let bag = EmbeddingBagSpec { dimension: COLUMNS, ..EmbeddingBagSpec::default() };
        let spec = NetworkSpec::EmbeddingBag(bag);
        let network = Network::new(&spec, InputShape::Bag { vocabulary: 3 }, 1, 1).unwrap();
        let sgd = OptimizerSpec::Sgd(SgdSpec { momentum: 0.0, ..SgdSpec::default() });
        let inner = sgd.build(&network.parameter_lengths());
        (network, inner)
    }

    /// Changes a table in step `step`; two rows of three, now and then one.
    fn step(optimizer: &mut Averaged, table: &mut [f32], step: u32) {
        optimizer.begin_step(0.1);
        let rows: &[u32] = if step.is_multiple_of(3) { &[2] } else { &[step % 2, 2] };
        let gradient: Vec<f32> =
            (0..rows.len() * COLUMNS).map(|i| (step as f32).sin() + i as f32).collect();
        optimizer.update_rows(0, table, COLUMNS, rows, &gradient);
    }

    /// What is averaged of a table, where the network's own table is `table`.
    fn averaged(optimizer: &mut Averaged, network: &Network, table: &[f32]) -> Vec<f32> {
        let frozen = network.freeze().unwrap();
        let layers = frozen.parts().1.to_vec();
        let network = frozen.with(table.to_vec(), layers);
        let network = Network::thaw(&network).unwrap();
        optimizer.freeze(&network).unwrap().parts().0.to_vec()
    }

    #[test]
    fn rows_that_were_left_alone_catch_up_to_the_definition() {
        let (network, inner) = network();
        let decay = 0.9f64;
        let mut optimizer = Averaged::new(inner, Some(decay), &network.parameter_lengths());
        let mut table = network.freeze().unwrap().parts().0.to_vec();
        let mut expected: Vec<f64> = Vec::new();
        for t in 0..40 {
            step(&mut optimizer, &mut table, t);
            if expected.is_empty() {
                expected = table.iter().map(|v| f64::from(*v)).collect();
            }
            for (a, v) in expected.iter_mut().zip(&table) {
                *a += (1.0 - decay) * (f64::from(*v) - *a);
            }
            // Now and then, as after epochs.
            if t % 7 == 0 {
                let found = averaged(&mut optimizer, &network, &table);
                for (found, expected) in found.iter().zip(&expected) {
                    assert!((f64::from(*found) - expected).abs() < 1e-5, "{t}: {found} {expected}");
                }
            }
        }
        assert_ne!(averaged(&mut optimizer, &network, &table), table);
    }

    #[test]
    fn without_a_decay_the_parameters_are_as_they_are() {
        let (network, inner) = network();
        let mut optimizer = Averaged::new(inner, None, &network.parameter_lengths());
        let mut table = network.freeze().unwrap().parts().0.to_vec();
        (0..5).for_each(|t| step(&mut optimizer, &mut table, t));
        assert_eq!(averaged(&mut optimizer, &network, &table), table);
        let mut saved = Arrays::default();
        optimizer.save(&mut saved);
        assert!(!saved.has("average.embedding.weight"));
    }
}
