//! How training went.

pub mod learning_rate;
