//! `whereof export`: what was trained, for other programs.

mod mlflow;

use clap::{Args, Subcommand};

use super::Failure;

/// Arguments of `export`.
#[derive(Debug, Args)]
pub struct Export {
    #[command(subcommand)]
    to: Program,
}

#[derive(Debug, Subcommand)]
enum Program {
    /// Runs for MLflow, into a folder of its file store or to a tracking server: parameters, metrics with
    /// step and time, tags; the trainings of a sweep or a diagnosis nested below it
    Mlflow(mlflow::Mlflow),
}

pub fn export(Export { to }: Export) -> Result<(), Failure> {
    match to {
        Program::Mlflow(arguments) => mlflow::export(arguments),
    }
}
