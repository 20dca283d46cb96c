//! `whereof completions`: a script for a shell.

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use super::print::out;
use super::{Cli, Failure};

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell
    shell: Shell,
}

pub fn completions(arguments: &Completions) -> Result<(), Failure> {
    let mut script = Vec::new();
    generate(arguments.shell, &mut Cli::command(), "whereof", &mut script);
    out(&String::from_utf8(script)?)
}
