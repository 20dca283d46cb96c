//! What commands say: results on standard output, everything else on standard error.

use std::io::{ErrorKind, Write};

use serde_json::Value;

use super::Failure;

/// Writes to standard output. It is an error where nobody reads on, as in `whereof openapi | head`.
pub fn out(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    Ok(stdout.flush()?)
}

/// A line on standard error. Where that is closed there is nobody left to tell.
pub fn note(line: &str) {
    writeln!(std::io::stderr(), "{line}").ok();
}

/// Prints an answer as JSON.
pub fn print_json(value: &Value) -> Result<(), Failure> {
    out(&format!("{value:#}\n"))
}

/// Whether a command failed only because nobody reads on.
pub fn nobody_reads(failure: &Failure) -> bool {
    let error = failure.downcast_ref::<std::io::Error>();
    error.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}
