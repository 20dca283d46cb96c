//! Networks and how they learn. The only layer that names candle.
//!
//! Knows nothing of text, files or metrics: features come as [`rows::Features`], targets as
//! numbers, and whoever trains listens through [`trainer::Monitor`].

pub mod augment;
pub mod average;
pub mod checkpoint;
mod choices;
pub mod device;
pub mod gradient;
pub mod init;
pub mod inspect;
pub mod kernels;
pub mod loss;
pub mod network;
pub mod optimizer;
pub mod range_test;
pub mod regularize;
pub mod rows;
pub mod schedule;
pub mod start;
pub mod stopping;
pub mod trainer;

use crate::arrays::ArraysError;

/// Why training could not go on.
#[derive(Debug, thiserror::Error)]
pub enum LearnError {
    /// The loss or a parameter was NaN or infinite, and there was no epoch before that to keep.
    #[error(
        "the loss or a parameter was no longer finite after step {step}, and no epoch before \
             that had been completed"
    )]
    Diverged { step: u64 },
    /// A trainable parameter had no gradient.
    #[error("parameter {name} has no gradient")]
    NoGradient { name: String },
    /// A checkpoint does not fit the network it should resume.
    #[error("the checkpoint does not fit: {0}")]
    Checkpoint(#[from] ArraysError),
    /// Training was told to drop everything.
    #[error("training was interrupted")]
    Interrupted,
    /// A device had no memory left.
    #[error("the device ran out of memory: {0}")]
    OutOfMemory(String),
    /// The tensor library failed.
    #[error("tensor operation failed: {0}")]
    Tensor(candle_core::Error),
}

impl From<candle_core::Error> for LearnError {
    fn from(error: candle_core::Error) -> Self {
        let message = error.to_string();
        // The driver's name for it, and those of its libraries.
        match ["OUT_OF_MEMORY", "ALLOC_FAILED"].iter().any(|name| message.contains(name)) {
            true => Self::OutOfMemory(message),
            false => Self::Tensor(error),
        }
    }
}

#[cfg(test)]
mod error_tests {
    use super::LearnError;

    #[test]
    fn a_full_device_is_told_from_other_failures() {
        for message in [
            "DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")",
            "CUBLAS_STATUS_ALLOC_FAILED",
        ] {
            let error = LearnError::from(candle_core::Error::Cuda(message.into()));
            assert!(matches!(error, LearnError::OutOfMemory(_)), "{error}");
        }
        let other = LearnError::from(candle_core::Error::Cuda("CUDA_ERROR_ILLEGAL_ADDRESS".into()));
        assert!(matches!(other, LearnError::Tensor(_)), "{other}");
    }
}
#[cfg(test)]
mod conformance_tests;
#[cfg(test)]
mod resume_tests;
#[cfg(test)]
mod vector_tests;
