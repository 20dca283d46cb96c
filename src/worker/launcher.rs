//! Where an attempt runs: the one seam between the queue and an engine that places work. Threads of
//! this process today; a cluster's scheduler would start `whereof worker` elsewhere instead.

use crate::clock::SharedClock;
use crate::compute::{self, ComputeError};
use crate::job::execute::{ExecuteError, Inputs, Output, Reporter, execute};

/// Runs attempts.
pub enum Launcher {
    /// On threads of this process.
    Threads {
        /// Threads for each job.
        per_job: usize,
    },
}

impl Launcher {
    /// Attempts on threads of this process.
    pub fn threads(per_job: usize) -> Self {
        Self::Threads { per_job }
    }

    /// Threads that an attempt may use.
    pub fn threads_per_job(&self) -> usize {
        match self {
            Self::Threads { per_job } => *per_job,
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
            Self::Threads { per_job } => {
                let work = move || execute(inputs, clock.as_ref(), &mut reporter);
                compute::run_apart("job", *per_job, work).await
            }
        }
    }
}
