//! Where an attempt runs: the one seam between the queue and an engine that places work. Threads of
//! this process today; a cluster's scheduler would start `whereof worker` elsewhere instead.

use crate::clock::{Clock, SharedClock};
use crate::compute::{self, ComputeError};
use crate::job::execute::{ExecuteError, Inputs, Output, Reporter, execute};

/// What an attempt does.
pub type Work = fn(Inputs, &dyn Clock, &mut dyn Reporter) -> Result<Output, ExecuteError>;

/// Runs attempts.
pub enum Launcher {
    /// On threads of this process.
    Threads {
        /// Threads for each job.
        per_job: usize,
        /// What to run on them.
        work: Work,
    },
}

impl Launcher {
    /// Attempts on threads of this process.
    pub fn threads(per_job: usize) -> Self {
        Self::Threads { per_job, work: execute }
    }

    /// Threads that an attempt may use.
    pub fn threads_per_job(&self) -> usize {
        match self {
            Self::Threads { per_job, .. } => *per_job,
        }
    }

    /// Runs one attempt to its end. A panic ends this attempt alone.
    pub async fn launch(
        &self,
        inputs: Inputs,
        clock: SharedClock,
        mut reporter: impl Reporter + 'static,
    ) -> Result<Result<Output, ExecuteError>, ComputeError> {
        match self {
            Self::Threads { per_job, work } => {
                let work = *work;
                let attempt = move || work(inputs, clock.as_ref(), &mut reporter);
                compute::run_apart("job", *per_job, attempt).await
            }
        }
    }
}
