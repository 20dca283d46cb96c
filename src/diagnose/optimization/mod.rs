//! How training went.

pub mod batch_too_large;
pub mod batch_too_small;
pub mod dead_units;
pub mod diverged;
pub mod dropout_too_high;
pub mod exploding_gradients;
pub mod features_not_scaled;
pub mod learning_rate;
pub mod learning_rate_too_low;
pub mod loss_unsuited;
pub mod momentum_too_high;
pub mod plateau;
pub mod poor_initialization;
pub mod saturated_units;
pub mod too_few_epochs;
pub mod unstable_over_seeds;
pub mod vanishing_gradients;
pub mod weight_decay_too_high;

#[cfg(test)]
pub(super) mod tests;
