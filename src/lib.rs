//! Whereof trains text classifiers over HTTP and says what their limitations are.
//!
//! `ARCHITECTURE.md` maps the layers; a layer imports only from those below it.

pub mod arrays;
pub mod clock;
pub mod data;
pub mod eval;
pub mod id;
pub mod job;
pub mod learn;
pub mod model;
pub mod problem;
pub mod random;
pub mod task;
pub mod text;
