//! The only bridge from async to blocking work: threads with a bound, a priority and a name; panics
//! become errors.
//!
//! Training runs at a lower scheduling priority than everything else, so that polling and scoring
//! keep their latency while every core trains.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rayon::{ThreadPool, ThreadPoolBuilder};
use tokio::sync::{Semaphore, oneshot};

use crate::problem::{Code, Problem};

/// Why blocking work has no result.
#[derive(Debug, thiserror::Error)]
pub enum ComputeError {
    /// It panicked.
    #[error("the computation panicked: {0}")]
    Panicked(String),
    /// As much is waiting as may wait.
    #[error("every thread is busy, and as much work waits as may")]
    Busy,
    /// Its threads could not be started.
    #[error("threads could not be started: {0}")]
    Start(String),
}

impl From<ComputeError> for Problem {
    fn from(error: ComputeError) -> Self {
        match error {
            ComputeError::Busy => Problem::new(Code::TooBusy, error.to_string()).retry_after(1),
            ComputeError::Panicked(message) => {
                tracing::error!(%message, "a computation panicked");
                Problem::new(Code::Panicked, "the computation hit a defect of Whereof")
            }
            ComputeError::Start(message) => {
                tracing::error!(%message, "threads could not be started");
                Problem::new(Code::Internal, "the server could not start a thread")
            }
        }
    }
}

/// How the operating system shares cores between threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// Someone waits for the answer.
    Interactive,
    /// Yields to whatever is interactive.
    Background,
}

/// Niceness of background threads: a core shared with an interactive thread goes almost wholly to
/// that one, but never wholly, so that background work always gets on.
const BACKGROUND_NICENESS: i32 = 10;

/// A fixed number of threads, and a bound on what waits for them.
#[derive(Clone)]
pub struct Pool {
    pool: Arc<ThreadPool>,
    places: Arc<Semaphore>,
}

impl Pool {
    /// Starts `threads` threads, for which `waiting` pieces of work may wait.
    pub fn start(
        name: &'static str,
        threads: usize,
        waiting: usize,
        priority: Priority,
    ) -> Result<Self, ComputeError> {
        let pool = threads_of(name, threads, priority)?;
        let places = Arc::new(Semaphore::new(threads + waiting));
        Ok(Self { pool: Arc::new(pool), places })
    }

    /// Runs `work` on this very thread, if the pool has a place for it: for work of some microseconds,
    /// which the way to another thread and back would double.
    pub fn run_here<T>(&self, work: impl FnOnce() -> T) -> Result<T, ComputeError> {
        let _place = self.places.try_acquire().map_err(|_| ComputeError::Busy)?;
        caught(work)
    }

    /// Runs `work` on a thread of the pool; it may use the pool's other threads through rayon.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ComputeError> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| ComputeError::Busy)?;
        let (answer, answered) = oneshot::channel();
        self.pool.spawn(move || {
            let result = caught(work);
            drop(place);
            // Whoever asked may have gone away; then nobody misses the answer.
            answer.send(result).ok();
        });
        answered.await.unwrap_or_else(|_| Err(ComputeError::Panicked("no answer".to_owned())))
    }
}

/// Runs one long piece of background work on threads of its own, which end with it.
pub async fn run_apart<T: Send + 'static>(
    name: &'static str,
    threads: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ComputeError> {
    let pool = threads_of(name, threads, Priority::Background)?;
    let (answer, answered) = oneshot::channel();
    pool.spawn(move || {
        // Whoever asked may have gone away; then nobody misses the answer.
        answer.send(caught(work)).ok();
    });
    let result = answered.await;
    drop(pool);
    result.unwrap_or_else(|_| Err(ComputeError::Panicked("no answer".to_owned())))
}

/// Cores that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn threads_of(
    name: &'static str,
    threads: usize,
    priority: Priority,
) -> Result<ThreadPool, ComputeError> {
    ThreadPoolBuilder::new()
        .num_threads(threads.max(1))
        .thread_name(move |index| format!("{name}-{index}"))
        .start_handler(move |_| {
            if priority == Priority::Background {
                lower_priority();
            }
        })
        .build()
        .map_err(|error| ComputeError::Start(error.to_string()))
}

#[cfg(target_os = "linux")]
fn lower_priority() {
    // On Linux niceness belongs to the thread.
    let thread = Some(rustix::thread::gettid());
    if let Err(error) = rustix::process::setpriority_process(thread, BACKGROUND_NICENESS) {
        tracing::warn!(%error, "a training thread keeps its normal priority");
    }
}

#[cfg(not(target_os = "linux"))]
fn lower_priority() {
    // Elsewhere niceness belongs to the process, and lowering it would slow the server too.
    let _ = BACKGROUND_NICENESS;
}

fn caught<T>(work: impl FnOnce() -> T) -> Result<T, ComputeError> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| ComputeError::Panicked(text(&*panic)))
}

fn text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "?".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_and_the_pool_goes_on() {
        let pool = Pool::start("test", 1, 8, Priority::Interactive).unwrap();
        let panicked = pool.run(|| -> () { panic!("boom") }).await;
        assert!(matches!(panicked, Err(ComputeError::Panicked(m)) if m == "boom"));
        assert_eq!(pool.run(|| 7).await.unwrap(), 7);
        let apart = run_apart("test", 1, || -> () { panic!("apart") }).await;
        assert!(matches!(apart, Err(ComputeError::Panicked(_))));
    }

    #[tokio::test]
    async fn what_cannot_wait_is_refused() {
        let pool = Pool::start("test", 1, 0, Priority::Interactive).unwrap();
        let (release, gate) = std::sync::mpsc::channel::<()>();
        let busy = {
            let pool = pool.clone();
            tokio::spawn(async move { pool.run(move || gate.recv().is_ok()).await })
        };
        while pool.places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert!(matches!(pool.run(|| 1).await, Err(ComputeError::Busy)));
        release.send(()).unwrap();
        assert!(busy.await.unwrap().unwrap());
        assert_eq!(pool.run(|| 1).await.unwrap(), 1);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn background_threads_yield_to_interactive_ones() {
        let niceness = || {
            let thread = Some(rustix::thread::gettid());
            rustix::process::getpriority_process(thread).unwrap()
        };
        let interactive = Pool::start("test", 1, 8, Priority::Interactive).unwrap();
        let normal = interactive.run(niceness).await.unwrap();
        let background = run_apart("test", 1, niceness).await.unwrap();
        assert!(background > normal, "{normal} {background}");
    }
}
