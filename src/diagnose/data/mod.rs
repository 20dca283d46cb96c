//! Limits of the records themselves: too few, mislabelled, unbalanced, leaking.

pub mod class_imbalance;
pub mod duplicates;
pub mod label_noise;
pub mod target_leak;
pub mod too_little_data;

#[cfg(test)]
mod tests;
