//! What scored records say of a model in use: counts by window of time, and whether the stream of
//! records has drifted from those of the calibration split. Nothing here holds a record.

mod counts;
mod stream;
mod window;

pub use counts::{Counts, P_VALUE_BINS};
pub use stream::{DriftFound, Stream, StreamReport, share_of_alpha};
pub use window::{Window, WindowDrift, drift_records_needed};
