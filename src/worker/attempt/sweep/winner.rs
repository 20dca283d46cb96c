//! The best training of a sweep, and its model.

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{Part, Sweep, lost_task, model_key};
use crate::job::Seconds;
use crate::job::execute::Trained;
use crate::job::sweep::table::{by_trial, order};
use crate::job::sweep::{TrialRun, TrialStatus};
use crate::problem::{Code, Problem};
use crate::store::StoreError;
use crate::worker::attempt::{Failure, source};

/// The best of a sweep.
pub struct Winner {
    /// Its model.
    pub trained: Trained,
    /// Its training.
    pub trial: TrialRun,
    /// Whether the sweep was stopped before it was done.
    pub stopped: bool,
}

impl Sweep<'_> {
    /// The best training that has a model or can have one: of the best setting's seeds, the one that
    /// did best.
    pub(super) fn best(&self) -> Option<usize> {
        use TrialStatus::{Finished, Paused, Pruned};
        let value = |at: usize| {
            let run = &self.runs[at];
            // What was pruned would have to be trained once more, from its beginning.
            let usable = matches!(run.status, Finished | Paused)
                || (run.status == Pruned && !self.stopping());
            run.values.last().copied().flatten().filter(|value| usable && value.is_finite())
        };
        let cost = |at: &usize| {
            value(*at).map_or(f64::INFINITY, |value| self.spec.metric.to_minimise(value))
        };
        let trials = by_trial(&self.runs);
        order(&self.spec, &trials).into_iter().find_map(|trial| {
            let number = trials[trial][0].trial;
            let of_trial = (0..self.runs.len()).filter(|&at| self.runs[at].trial == number);
            let usable = of_trial.filter(|&at| value(at).is_some());
            usable.min_by(|a, b| cost(a).total_cmp(&cost(b)))
        })
    }

    /// The best training, with its model.
    pub(super) async fn winner(&mut self, stopped: bool) -> Result<Winner, Failure> {
        let Some(position) = self.best() else { return Err(self.without()) };
        let id = self.runs[position].run.clone();
        if !self.has_model(&id).await? {
            self.wind_up(position).await?;
            if self.runs[position].status == TrialStatus::Failed {
                return Err(self.without());
            }
        }
        let trial = self.runs[position].clone();
        let artifact = self.store.artifacts.get(&model_key(&id)).await?;
        let (model, artifact) = source::parse(artifact).await?;
        let total = (self.store.clock.monotonic() - self.began.0).as_secs_f64();
        let trained = Trained {
            card: model.card,
            artifact,
            test: self.store.test_results(&id).await?,
            steps: trial.steps,
            last: None,
            seconds: Seconds { total, ..Seconds::default() },
        };
        Ok(Winner { trained, trial, stopped })
    }

    async fn has_model(&self, run: &str) -> Result<bool, Failure> {
        match self.store.artifacts.file(&model_key(run)).await {
            Ok(_) => Ok(true),
            Err(StoreError::ArtifactMissing { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the model of a training that was stopped, or whose model is gone.
    async fn wind_up(&mut self, position: usize) -> Result<(), Failure> {
        let run = &self.runs[position];
        let wind_up = run.status == TrialStatus::Paused;
        // Its last value is replaced by the same.
        let (state, slot) = (run.values.len(), run.values.len().saturating_sub(1));
        let (tell, mut told) = mpsc::channel(1);
        let mut tasks = JoinSet::new();
        self.begin(position, Part { state, until: None, wind_up }, tell, &mut tasks).await?;
        loop {
            tokio::select! {
                Some(_) = told.recv() => {}
                ended = tasks.join_next() => match ended {
                    Some(Ok(ended)) => {
                        self.end(ended?, state, slot).await?;
                        return self.reason().map_or(Ok(()), Err);
                    }
                    Some(Err(error)) => return Err(Failure::Problem(lost_task(&error))),
                    None => return Ok(()),
                }
            }
        }
    }

    /// Why no training left a model.
    fn without(&self) -> Failure {
        let first = self.runs.iter().find_map(|run| run.error.as_ref());
        Failure::Problem(match first {
            Some(problem) => {
                let failed = self.runs.iter().filter(|run| run.error.is_some()).count();
                let mut problem = problem.clone();
                problem.detail =
                    format!("{failed} trainings failed; the first: {}", problem.detail);
                problem
            }
            None => {
                Problem::new(Code::Conflict, "the sweep was stopped before any training was done")
                    .hint("give it more time, or fewer epochs")
            }
        })
    }
}
