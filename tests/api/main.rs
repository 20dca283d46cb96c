//! The service as its users meet it: a real server on a real port, a real database file, HTTP only.

mod bad_input;
mod clinc;
mod datasets;
mod harness;
mod jobs;
mod models;
mod operations;
mod reviews;
mod runs;
mod scoring;
mod six_sentences;
