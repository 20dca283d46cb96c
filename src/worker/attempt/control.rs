//! How a job is ended from outside: its lease, and what the training thread is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::Failure;
use crate::job::EndRequest;
use crate::learn::trainer::Interrupt;
use crate::store::queue::{Claimed, LEASE};
use crate::store::{Store, StoreError};
use crate::worker::Stage;

const HEARTBEAT: Duration = Duration::from_secs(2);

/// Keeps the lease alive and hears how the job was asked to end.
pub(super) async fn heart(
    store: Store,
    claimed: Claimed,
    control: Arc<Control>,
    mut stage: watch::Receiver<Stage>,
) {
    let id = &claimed.job.id;
    let mut last_success = store.clock.monotonic();
    // The claim was the first beat.
    let mut beat = tokio::time::interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
    let mut first = true;
    loop {
        let bell = store.signals.job(id).notified();
        // What was asked since the claim rang before anyone listened. A bell asks only to look; the
        // lease is extended now and then.
        let asked = tokio::select! {
            () = std::future::ready(()), if first => store.end_requested(id, &claimed.lease).await,
            _ = beat.tick() => store.heartbeat(id, &claimed.lease).await,
            () = bell => store.end_requested(id, &claimed.lease).await,
            changed = stage.changed() => {
                let now = if changed.is_err() { Stage::Release } else { *stage.borrow_and_update() };
                match now {
                    Stage::Run => {}
                    Stage::Drain => control.prepare(),
                    Stage::Release => control.abort(Reason::Release),
                }
                continue;
            }
        };
        first = false;
        match asked {
            Ok(None) => last_success = store.clock.monotonic(),
            Ok(Some(EndRequest::Stop)) => {
                last_success = store.clock.monotonic();
                control.stop();
            }
            Ok(Some(EndRequest::Cancel)) => control.abort(Reason::Cancel),
            Err(StoreError::LeaseLost) => return control.abort(Reason::Lost),
            Err(error) => {
                tracing::error!(job = id, %error, "a heartbeat failed");
                if store.clock.monotonic() - last_success > LEASE {
                    return control.abort(Reason::Lost);
                }
            }
        }
    }
}

/// A task that ends with what holds this.
pub(super) struct AbortOnDrop(pub tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Why an attempt was aborted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    Cancel = 1,
    Release = 2,
    Lost = 3,
}

/// What the training thread reads at every step.
#[derive(Default)]
pub(super) struct Control {
    /// 0 go on, 1 to 3 abort for a [`Reason`], 4 stop and keep the best, 5 go on but leave
    /// checkpoints.
    state: AtomicU8,
}

const STOP: u8 = 4;
const PREPARE: u8 = 5;

impl Control {
    fn stop(&self) {
        // Stopping never undoes an abort. That the update fails means one is under way.
        let stoppable = |state| matches!(state, 0 | PREPARE).then_some(STOP);
        self.state.fetch_update(Ordering::SeqCst, Ordering::SeqCst, stoppable).ok();
    }

    fn prepare(&self) {
        // One that is about to end has nothing to prepare for.
        self.state.compare_exchange(0, PREPARE, Ordering::SeqCst, Ordering::SeqCst).ok();
    }

    pub fn abort(&self, reason: Reason) {
        self.state.store(reason as u8, Ordering::SeqCst);
    }

    pub fn reason(&self) -> Option<Reason> {
        match self.state.load(Ordering::SeqCst) {
            1 => Some(Reason::Cancel),
            2 => Some(Reason::Release),
            3 => Some(Reason::Lost),
            _ => None,
        }
    }

    /// How an attempt ends that was interrupted. Without a reason, another holds its job.
    pub(super) fn aborted(&self) -> Failure {
        self.reason().unwrap_or(Reason::Lost).into()
    }

    pub fn interrupt(&self) -> Interrupt {
        match self.state.load(Ordering::Relaxed) {
            0 => Interrupt::None,
            STOP => Interrupt::Stop,
            PREPARE => Interrupt::Prepare,
            _ => Interrupt::Abort,
        }
    }
}
