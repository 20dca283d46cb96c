//! The only place that makes random generators. Every draw belongs to a named stream of a seed, so
//! that a run repeats bit for bit and adding one consumer does not move the draws of another.

use rand::SeedableRng;
pub use rand::{Rng, RngCore};
use rand_chacha::ChaCha8Rng;

/// A generator for the stream `name` of `seed`.
pub fn stream(seed: u64, name: &str) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(fnv1a(name.as_bytes()));
    rng
}

/// A generator seeded by the operating system, for ids and lease tokens, never for numerics.
pub fn from_system() -> ChaCha8Rng {
    ChaCha8Rng::from_os_rng()
}

/// One draw for a key: the same key gives the same 64 bits, whatever was drawn before (SplitMix64).
pub fn keyed(key: u64) -> u64 {
    let mut z = key.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A quick generator for what takes millions of draws, such as resampling: the stream `name` of a
/// seed by SplitMix64 (Steele, Lea and Flood 2014).
pub struct Quick {
    state: u64,
}

impl Quick {
    /// A generator for the stream `name` of `seed`.
    pub fn stream(seed: u64, name: &str) -> Self {
        Self { state: keyed(keyed(seed) ^ fnv1a(name.as_bytes())) }
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        let bits = keyed(self.state);
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        bits
    }

    /// A number below `n`, each as likely as the next to one part in 2⁶⁴ / n; 0 for n = 0.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }
}

/// FNV-1a over bytes, 64 bits.
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// Shuffles in place (Fisher and Yates), the same for the same generator state.
pub fn shuffle<T>(items: &mut [T], rng: &mut ChaCha8Rng) {
    for i in (1..items.len()).rev() {
        let j = rng.random_range(0..=i as u64) as usize;
        items.swap(i, j);
    }
}

/// A draw from the normal distribution of mean 0 and variance 1 (Box and Muller 1958).
pub fn normal(rng: &mut (impl Rng + ?Sized)) -> f64 {
    let (radius, angle): (f64, f64) = (rng.random(), rng.random());
    // `random` is below 1, so that the logarithm is finite.
    (-2.0 * (1.0 - radius).ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_repeat_and_differ_by_name_and_seed() {
        let draw = |seed, name| stream(seed, name).next_u64();
        assert_eq!(draw(1, "order"), draw(1, "order"));
        assert_ne!(draw(1, "order"), draw(1, "init"));
        assert_ne!(draw(1, "order"), draw(2, "order"));
    }

    #[test]
    fn quick_draws_repeat_and_are_even() {
        let draws = |seed, name| {
            let mut quick = Quick::stream(seed, name);
            (0..9_000).map(|_| quick.below(9)).collect::<Vec<_>>()
        };
        assert_eq!(draws(1, "a"), draws(1, "a"));
        assert_ne!(draws(1, "a"), draws(1, "b"));
        assert_ne!(draws(1, "a"), draws(2, "a"));
        for n in 0..9 {
            let count = draws(1, "a").iter().filter(|draw| **draw == n).count();
            assert!((880..1_120).contains(&count), "{n}: {count}");
        }
        assert_eq!(Quick::stream(1, "a").below(0), 0);
    }

    #[test]
    fn a_shuffle_keeps_every_item() {
        let mut items: Vec<u32> = (0..100).collect();
        shuffle(&mut items, &mut stream(7, "test"));
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn normal_draws_have_the_moments_and_tails_of_the_distribution() {
        let mut rng = stream(3, "test");
        let draws: Vec<f64> = (0..100_000).map(|_| normal(&mut rng)).collect();
        let share = |holds: &dyn Fn(f64) -> bool| {
            draws.iter().filter(|&&x| holds(x)).count() as f64 / draws.len() as f64
        };
        let moment = |power| draws.iter().map(|x| x.powi(power)).sum::<f64>() / draws.len() as f64;
        // Within five standard errors: of x, x², x⁴ they are √(1, 2, 96)/√n.
        assert!(moment(1).abs() < 0.016, "{}", moment(1));
        assert!((moment(2) - 1.0).abs() < 0.023, "{}", moment(2));
        assert!((moment(4) - 3.0).abs() < 0.16, "{}", moment(4));
        assert!((share(&|x| x.abs() < 1.0) - 0.6827).abs() < 0.008);
        assert!((share(&|x| x > 1.96) - 0.025).abs() < 0.0025);
        assert!((share(&|x| x < -1.96) - 0.025).abs() < 0.0025);
    }
}
