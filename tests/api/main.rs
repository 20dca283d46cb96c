//! The service as its users meet it: a real server on a real port, a real database file, HTTP only.

mod bad_input;
mod bodies;
mod clinc;
mod compare;
mod datasets;
mod examples;
mod faults;
mod generators;
mod harness;
mod images;
mod jobs;
mod kill;
mod models;
mod operations;
mod options;
mod process;
mod range_test;
mod reviews;
mod runs;
mod scoring;
mod six_sentences;
mod stopping;
mod sweeps;
mod tabular;
mod textbook;
mod transfer;
