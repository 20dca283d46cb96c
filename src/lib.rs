//! Whereof trains neural networks over HTTP and says what their limitations are.
//!
//! `ARCHITECTURE.md` maps the layers; a layer imports only from those below it.

// A panic is a defect: what can fail returns an error.
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unreachable)
)]

pub mod app;
pub mod arrays;
pub mod cli;
pub mod client;
pub mod clock;
pub mod compute;
pub mod config;
pub mod data;
pub mod diagnose;
mod dispatch;
pub mod eval;
pub mod figures;
pub mod http;
pub mod id;
pub mod image;
pub mod job;
pub mod json;
pub mod learn;
pub mod model;
pub mod problem;
pub mod random;
pub mod scorer;
pub mod store;
pub mod tabular;
pub mod task;
pub mod text;
pub mod worker;
