//! Limits of how far stated confidence can be trusted.

pub mod calibration_data;
pub mod miscalibrated;

#[cfg(test)]
mod tests;
