//! The command line.

mod completions;
mod demo;
mod exit;
mod export;
mod follow;
mod healthcheck;
mod jobs;
mod limitations;
mod print;
mod score;
mod serve;
mod show;
mod target;
mod train;
mod watch;
mod worker;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{Config, ConfigError, Settings};

/// Trains neural networks over HTTP and says what their limitations are.
#[derive(Debug, Parser)]
#[command(name = "whereof", version, arg_required_else_help = true, after_help = exit::TABLE)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API, train and score
    Serve(Box<Serve>),
    /// Train a model on a file
    Train(train::Train),
    /// Score texts or rows with a model: label, confidence, coverage, accepted or not and why
    Score(score::Score),
    /// Say what the limitations of a model are; the first time, that takes some trainings
    Limitations(limitations::Limitations),
    /// List jobs, newest first
    Jobs(jobs::Jobs),
    /// Follow a job until it ends
    Watch(watch::Watch),
    /// Hand what was trained to other programs
    Export(export::Export),
    /// Show everything on data that comes with the program: upload, train, score, abstain
    Demo(demo::Demo),
    /// Work on the jobs of a data folder, without serving the API
    Worker(worker::Worker),
    /// Ask a server whether it is ready; exit code 0 if it is
    Healthcheck(healthcheck::Healthcheck),
    /// Print the API's document, OpenAPI 3.1
    Openapi,
    /// Print a script that completes commands in a shell
    Completions(completions::Completions),
}

/// Arguments of `serve`.
#[derive(Debug, clap::Args)]
struct Serve {
    /// File of settings in TOML: the flags' names with underscores. Flags and environment outdo it
    #[arg(long, env = "WHEREOF_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

/// Settings over those of a file, checked.
fn complete(settings: Settings, file: Option<&Path>) -> Result<Config, ConfigError> {
    let file = file.map_or_else(|| Ok(Settings::default()), Settings::read)?;
    settings.or(file).check()
}

/// Runs the command that the process was started with.
pub fn run() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve(arguments) => serve::serve(*arguments),
        Command::Worker(arguments) => worker::work(arguments),
        Command::Train(arguments) => train::train(arguments),
        Command::Score(arguments) => score::score(arguments),
        Command::Limitations(arguments) => limitations::limitations(arguments),
        Command::Jobs(arguments) => jobs::jobs(arguments),
        Command::Watch(arguments) => watch::watch(arguments),
        Command::Export(arguments) => export::export(arguments),
        Command::Completions(arguments) => completions::completions(&arguments),
        Command::Demo(arguments) => demo::demo(arguments),
        Command::Healthcheck(arguments) => healthcheck::healthcheck(arguments),
        Command::Openapi => print::out(&format!("{}\n", crate::http::openapi_json())),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads from a pipe has read enough.
        Err(error) if print::nobody_reads(&error) => ExitCode::SUCCESS,
        Err(error) => {
            print::note(&format!("whereof: {error}"));
            exit::code(&error)
        }
    }
}

/// What a command fails with, as it is shown.
type Failure = Box<dyn std::error::Error + Send + Sync>;
