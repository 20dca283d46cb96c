//! Exit codes: what a script can tell from how a command ended.

use std::process::ExitCode;

use super::Failure;
use crate::client::ClientError;

/// What the help of the program says of them.
pub const TABLE: &str = "\
Exit codes:
    0  it went well
    1  something else failed
    2  the command line is wrong
    3  the server refused the request; the message says which field, and what to do
    4  the server does not answer
    5  the job failed
    6  the job was cancelled
  130  it was interrupted, by Ctrl-C";

/// A job that did not end well.
#[derive(Debug, thiserror::Error)]
pub enum JobFailure {
    /// It failed.
    #[error("the job {id} failed: {why}")]
    Failed {
        /// The job.
        id: String,
        /// What its problem says.
        why: String,
    },
    /// Somebody cancelled it.
    #[error("the job {0} was cancelled")]
    Cancelled(String),
}

/// Ctrl-C, while a command did the work itself.
#[derive(Debug, thiserror::Error)]
#[error(
    "interrupted; a job that has not ended stays in the data folder, and the next command that trains there, or a server on it, goes on with it"
)]
pub struct Interrupted;

/// The exit code of a failure.
pub fn code(failure: &Failure) -> ExitCode {
    if failure.is::<Interrupted>() {
        return ExitCode::from(130);
    }
    let number = match (failure.downcast_ref::<ClientError>(), failure.downcast_ref::<JobFailure>())
    {
        (Some(ClientError::Problem(_)), _) => 3,
        (Some(ClientError::Unreachable(..)), _) => 4,
        (_, Some(JobFailure::Failed { .. })) => 5,
        (_, Some(JobFailure::Cancelled(_))) => 6,
        _ => 1,
    };
    ExitCode::from(number)
}
