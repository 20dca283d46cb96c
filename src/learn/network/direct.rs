//! What a stem is where it trains without a graph.

use std::ops::Deref;

use candle_core::{CpuStorage, InplaceOp1, Layout, Result, Storage, Var};

use crate::learn::gradient::Gradient;

/// A batch on its way.
#[derive(Clone, Copy)]
pub(in crate::learn) struct Batch<'a> {
    /// All of the network's.
    pub parameters: &'a [Var],
    /// For each of them, whether it stays as it is; empty where none does.
    pub held: &'a [bool],
    /// Records.
    pub records: usize,
    /// Words of each text, where texts go in word by word.
    pub words: &'a [usize],
}

/// The way of a batch through a stem and back. Room is used again from step to step.
pub(in crate::learn) trait Direct: Send {
    /// Writes the vectors of `x`, which is what was pooled of the table or, word by word, records ×
    /// words × dimension; else the records as they are.
    fn forward(&mut self, batch: Batch<'_>, x: &[f32], vectors: &mut Vec<f32>) -> Result<()>;

    /// From the gradient of the vectors to those of the parameters and, if there is a table that
    /// trains, of `x`.
    fn backward(
        &mut self,
        batch: Batch<'_>,
        x: &[f32],
        upstream: &mut [f32],
        gradients: &mut Sums<'_>,
        downstream: Option<&mut Vec<f32>>,
    ) -> Result<()>;

    /// Takes over the running statistics that the last batch leads to.
    fn commit(&mut self, _: &[Var]) -> Result<()> {
        Ok(())
    }
}

/// The gradients of those parameters that train.
pub(in crate::learn) struct Sums<'a> {
    pub gradient: &'a mut Gradient,
    /// Places of the parameters that train, in order.
    pub trained: &'a [usize],
}

impl Sums<'_> {
    /// The gradient of a parameter of `length` numbers, to add to, if it trains.
    pub fn of(&mut self, parameter: usize, length: usize) -> Option<&mut [f32]> {
        let place = self.trained.binary_search(&parameter).ok()?;
        Some(self.gradient.dense_mut(place, length))
    }

    /// Whether a parameter trains.
    pub fn wants(&self, parameter: usize) -> bool {
        self.trained.binary_search(&parameter).is_ok()
    }

    /// Whether any parameter before this one trains.
    pub fn any_before(&self, parameter: usize) -> bool {
        self.trained.first().is_some_and(|first| *first < parameter)
    }
}

/// A parameter where it lies.
struct Values<S> {
    storage: S,
    range: (usize, usize),
}

impl<S: Deref<Target = Storage>> Deref for Values<S> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match &*self.storage {
            Storage::Cpu(CpuStorage::F32(values)) => &values[self.range.0..self.range.1],
            _ => &[],
        }
    }
}

/// Reads a parameter where it lies.
pub(in crate::learn) fn read(var: &Var) -> Result<impl Deref<Target = [f32]>> {
    let (storage, layout) = var.as_tensor().storage_and_layout();
    match (&*storage, layout.contiguous_offsets()) {
        (Storage::Cpu(CpuStorage::F32(_)), Some(range)) => Ok(Values { storage, range }),
        _ => candle_core::bail!("parameters are 32-bit, contiguous and in main memory"),
    }
}

/// Gives a parameter other values.
pub(in crate::learn) fn assign(var: &Var, values: &[f32]) -> Result<()> {
    var.inplace_op1(&Assign(values))
}

struct Assign<'a>(&'a [f32]);

impl InplaceOp1 for Assign<'_> {
    fn name(&self) -> &'static str {
        "assign"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let (CpuStorage::F32(values), Some((start, end))) = (storage, layout.contiguous_offsets())
        else {
            candle_core::bail!("parameters are 32-bit and contiguous")
        };
        values[start..end].copy_from_slice(self.0);
        Ok(())
    }
}
