//! The inner loops. Each is written once and compiled twice on x86-64: for any processor and for AVX2.
//! Both give the same bits, since nothing is reassociated or fused; only products of matrices and
//! convolutions, which use FMA, differ in the last digit.

mod adam;
mod bag;
mod convolution;
mod dense;
mod direction;
mod lanes;
mod normalize;
mod product;
mod softmax;
mod squares;
mod window;

pub use adam::{AdamStep, adam};
pub use bag::{axpy, pool};
pub use convolution::{Filters, Grid, Patches, add_filter_gradient, convolve, padded};
pub use dense::{dense, dot};
pub use direction::{by_deviation, by_mean_square, by_sum_of_squares, momentum, penalise};
pub use normalize::{
    add_columns, add_gain_gradient, add_rows, add_squares, rescale, through_statistics,
};
pub use product::{Matrix, Packed, add_product};
pub use softmax::cross_entropy;
pub use squares::sum_of_squares;
pub use window::{Windows, largest, mean, to_all, to_largest};

pub(crate) use crate::dispatch::dispatched;

/// The vector extensions of this processor that the kernels use.
pub fn cpu_features() -> Vec<String> {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        let fma = std::arch::is_x86_feature_detected!("fma").then(|| "fma".to_owned());
        return std::iter::once("avx2".to_owned()).chain(fma).collect();
    }
    Vec::new()
}
