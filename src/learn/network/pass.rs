//! What a training step's way through the layers carries with it.

use candle_core::Tensor;

use crate::random::keyed;

/// One batch's way through a network in training.
pub(in crate::learn) struct Pass {
    /// Decides on dropout: of seed and step alone, so that a resumed run draws the same.
    key: u64,
    /// New running statistics, by the place of their parameter.
    pub statistics: Vec<(usize, Tensor)>,
    /// Words of each text, where texts go in word by word.
    pub words: Vec<usize>,
    /// For each parameter, whether it stays as it is; empty where none does.
    pub held: Vec<bool>,
}

impl Pass {
    pub fn new(key: u64) -> Self {
        Self { key, statistics: Vec::new(), words: Vec::new(), held: Vec::new() }
    }

    /// Leaves out a share of values and scales the others up. `place` tells layers apart.
    pub fn dropout(&self, share: f32, place: usize, x: &Tensor) -> candle_core::Result<Tensor> {
        if share <= 0.0 {
            return Ok(x.clone());
        }
        let mask = mask(self.key, share, place, x.elem_count());
        x.mul(&Tensor::from_vec(mask, x.shape(), x.device())?)
    }
}

/// What dropout multiplies `count` values by, in the step of `key`.
pub(in crate::learn) fn mask(key: u64, share: f32, place: usize, count: usize) -> Vec<f32> {
    let key = keyed(key ^ keyed(place as u64 ^ 0x6c61_7965_7273));
    let threshold = (f64::from(share) * (1u64 << 32) as f64) as u64;
    let scale = (1.0 / (1.0 - f64::from(share))) as f32;
    let keep = |i: u64| keyed(key ^ i) >> 32 >= threshold;
    (0..count as u64).map(|i| if keep(i) { scale } else { 0.0 }).collect()
}
