//! Workers: claim → load → execute → record → finish. Each runs one job at a time; what runs it is
//! `launcher`.

mod attempt;
mod launcher;
mod recorder;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::model::spec::TrainSpec;
use crate::store::Store;
use launcher::Launcher;

/// Jobs of other processes are looked for this often; our own ring a bell.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Expired leases are looked for this often.
const REAP: Duration = Duration::from_secs(5);

/// How workers are set up.
#[derive(Debug, Clone)]
pub struct WorkerSetup {
    /// Jobs that run at the same time.
    pub workers: usize,
    /// Threads that a job may use.
    pub threads_per_job: usize,
    /// Name of this process among those that work on the store; unique for its lifetime.
    pub name: String,
    /// Time that running jobs have to end when the process is asked to stop.
    pub drain: Duration,
}

/// How far the process is on its way to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Claim jobs and run them.
    Run,
    /// Claim no more; let running jobs end.
    Drain,
    /// Give running jobs back to the queue.
    Release,
}

/// Running workers.
pub struct Workers {
    tasks: JoinSet<()>,
    stage: watch::Sender<Stage>,
    drain: Duration,
}

impl Workers {
    /// Starts workers on a store.
    pub fn start(store: Store, setup: WorkerSetup) -> Self {
        let launcher = Launcher::threads(setup.threads_per_job);
        Self::start_with(store, setup, launcher)
    }

    fn start_with(store: Store, setup: WorkerSetup, launcher: Launcher) -> Self {
        let (stage, staged) = watch::channel(Stage::Run);
        let drain = setup.drain;
        let mut tasks = JoinSet::new();
        let launcher = Arc::new(launcher);
        for index in 0..setup.workers {
            let name = format!("{}:{index}", setup.name);
            tasks.spawn(work(store.clone(), name, launcher.clone(), staged.clone()));
        }
        tasks.spawn(housekeep(store, staged));
        Self { tasks, stage, drain }
    }

    /// Stops: no more claims, then `drain` for running jobs, then those that still run go back to
    /// the queue.
    pub async fn stop(mut self) {
        self.stage.send_replace(Stage::Drain);
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(self.drain, ended).await.is_err() {
            self.stage.send_replace(Stage::Release);
            while self.tasks.join_next().await.is_some() {}
        }
    }
}

async fn work(
    store: Store,
    name: String,
    launcher: Arc<Launcher>,
    mut stage: watch::Receiver<Stage>,
) {
    let place = |spec: &TrainSpec| attempt::environment(spec, launcher.threads_per_job());
    // The end of a job is written while the next one is worked on, so that no core waits for the disk:
    // one at a time, so that no more than one result waits in memory.
    let mut concluding = JoinSet::new();
    while *stage.borrow_and_update() == Stage::Run {
        // The bell is armed before the queue is looked at, so that no job slips in between.
        let bell = store.signals.queue().notified();
        match store.claim(&name, place).await {
            Ok(Some(claimed)) => {
                let performed = attempt::perform(&store, claimed, &launcher, stage.clone()).await;
                concluded(&mut concluding).await;
                concluding.spawn(performed.conclude());
                continue;
            }
            Ok(None) => {}
            Err(error) => tracing::error!(%error, worker = name, "claiming a job failed"),
        }
        tokio::select! {
            () = bell => {}
            () = tokio::time::sleep(LOOK_AGAIN) => {}
            _ = stage.changed() => {}
        }
    }
    concluded(&mut concluding).await;
}

async fn concluded(concluding: &mut JoinSet<()>) {
    while let Some(ended) = concluding.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "recording how a job ended broke off");
        }
    }
}

/// Takes back the jobs of dead workers and forgets old answers.
async fn housekeep(store: Store, mut stage: watch::Receiver<Stage>) {
    let mut rounds = 0u32;
    while *stage.borrow_and_update() == Stage::Run {
        match store.reap(None).await {
            Ok(jobs) => {
                for job in jobs {
                    let (id, status) = (&job.id, job.status.name());
                    tracing::warn!(job = id, status, "a worker died; its job was taken back");
                }
            }
            Err(error) => tracing::error!(%error, "looking for dead workers failed"),
        }
        if let Err(error) = store.clear_evaluations().await {
            tracing::error!(%error, "removing what evaluations left failed");
        }
        if rounds.is_multiple_of(720)
            && let Err(error) = store.forget_old_answers().await
        {
            tracing::error!(%error, "forgetting old answers failed");
        }
        rounds += 1;
        tokio::select! {
            () = tokio::time::sleep(REAP) => {}
            _ = stage.changed() => {}
        }
    }
}
