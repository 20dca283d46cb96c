//! Wakes those who wait for a change in this process. Changes by other processes are found by
//! looking again after a while, so whoever waits here also looks at the database now and then.

use tokio::sync::Notify;

const SHARDS: usize = 64;

/// Bells for jobs and for the queue.
pub struct Signals {
    jobs: Vec<Notify>,
    queue: Notify,
}

impl Default for Signals {
    fn default() -> Self {
        Self { jobs: (0..SHARDS).map(|_| Notify::new()).collect(), queue: Notify::new() }
    }
}

impl Signals {
    /// The bell of a job; a few jobs share one, so a ring means "look again".
    pub fn job(&self, id: &str) -> &Notify {
        &self.jobs[crate::random::fnv1a(id.as_bytes()) as usize % SHARDS]
    }

    /// The bell of the queue: there may be work.
    pub fn queue(&self) -> &Notify {
        &self.queue
    }

    /// A job changed.
    pub fn job_changed(&self, id: &str) {
        self.job(id).notify_waiters();
    }

    /// There may be work. One waiting worker wakes; if none waits, the next one that does returns at
    /// once.
    pub fn work_arrived(&self) {
        self.queue.notify_one();
    }
}
