//! The engine in memory as an [`Engine`].

use std::{any::Any, time::Duration};

use async_trait::async_trait;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use wharf_spec::{
    name::ProjectName,
    status::{Exit, Phase, Status},
    workload::{Workload, WorkloadId, WorkloadKind},
};

use super::{Fake, Running, State};
use crate::{
    About, Engine, Exec, ExecOutcome, Images, LogLine, LogOptions, Meter, Usage,
    capability::{Capabilities, RollingUpdate},
    check,
    error::{EngineError, Result},
};

/// Images of a name that begins so are not there, whoever asks.
pub(super) const NO_SUCH_IMAGE: &str = "no-such-image";

#[async_trait]
impl Engine for Fake {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn about(&self) -> &About {
        &self.about
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            jobs: true,
            gpus: false,
            max_replicas: 1,
            limits: true,
            mounts: true,
            rolling_update: RollingUpdate::Ops,
        }
    }

    async fn ensure_project(&self, project: &ProjectName) -> Result<()> {
        self.change(|state| state.projects.insert(project.clone()));
        Ok(())
    }

    async fn delete_project(&self, project: &ProjectName) -> Result<()> {
        self.change(|state| {
            state.projects.remove(project);
            state.running.retain(|id, _| id.project != *project);
        });
        Ok(())
    }

    async fn apply(&self, workload: &Workload) -> Result<Status> {
        check(self, workload)?;
        self.change(|state| state.apply(workload))
    }

    async fn list(&self, project: Option<&ProjectName>) -> Result<Vec<Status>> {
        let state = self.state();
        let all = state.running.values().map(Running::status);
        Ok(all.filter(|one| project.is_none_or(|project| one.id.project == *project)).collect())
    }

    async fn status(&self, id: &WorkloadId) -> Result<Status> {
        self.state().get(id).map(|running| running.status())
    }

    async fn wait(&self, id: &WorkloadId) -> Result<Exit> {
        let mut changes = self.changes.subscribe();
        loop {
            let exit = self.state().get(id)?.exit.clone();
            if let Some(exit) = exit {
                return Ok(exit);
            }
            changes.changed().await.expect("the engine itself holds the sender");
        }
    }

    async fn stop(&self, id: &WorkloadId, _grace: Duration) -> Result<()> {
        self.change(|state| {
            let running = state.get(id)?;
            if running.phase == Phase::Running {
                running.exit = Some(Exit::with_code(143));
            }
            if matches!(running.phase, Phase::Running | Phase::Restarting | Phase::Pending) {
                running.phase = Phase::Stopped;
            }
            Ok(())
        })
    }

    async fn start(&self, id: &WorkloadId) -> Result<()> {
        self.change(|state| {
            let failing = state.failing.get(id.name.as_str()).cloned();
            let running = state.get(id)?;
            if running.phase != Phase::Running {
                running.run(failing.as_ref());
            }
            Ok(())
        })
    }

    async fn delete(&self, id: &WorkloadId, _grace: Duration) -> Result<()> {
        self.change(|state| state.running.remove(id));
        Ok(())
    }

    fn logs(&self, id: &WorkloadId, options: LogOptions) -> BoxStream<'static, Result<LogLine>> {
        let (engine, id) = (self.clone(), id.clone());
        let next = 0;
        stream::unfold(Some((engine, id, next)), move |at| async move {
            let (engine, id, next) = at?;
            match engine.line(&id, options, next).await {
                Ok(Some(line)) => Some((Ok(line), Some((engine, id, next + 1)))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        })
        .boxed()
    }

    fn images(&self) -> Option<&dyn Images> {
        Some(self)
    }

    fn exec(&self) -> Option<&dyn Exec> {
        Some(self)
    }

    fn meter(&self) -> Option<&dyn Meter> {
        Some(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[async_trait]
impl Exec for Fake {
    async fn exec(&self, id: &WorkloadId, command: &[String]) -> Result<ExecOutcome> {
        self.change(|state| {
            if state.get(id)?.phase != Phase::Running {
                let action = format!("run a program in `{}`", id.name);
                return Err(EngineError::Refused { action, source: "it does not run".into() });
            }
            state.execs.push((id.clone(), command.to_vec()));
            let silent = || ExecOutcome { code: 0, output: String::new() };
            Ok(state.exec_answer.clone().unwrap_or_else(silent))
        })
    }
}

#[async_trait]
impl Meter for Fake {
    async fn usage(&self, ids: &[WorkloadId]) -> Vec<Usage> {
        let mut state = self.state();
        state.looks_at_usage += 1;
        let one = |id| match state.running.get(id) {
            Some(running) if running.phase == Phase::Running => {
                state.usage.get(id.name.as_str()).copied().unwrap_or(IDLE)
            }
            _ => Usage::default(),
        };
        ids.iter().map(one).collect()
    }
}

/// What uses little, but not nothing.
const IDLE: Usage = Usage { cpu_millis: Some(0), memory: Some(1_000_000) };

impl Fake {
    /// Returns the line of this number; waits for it if asked to follow.
    async fn line(
        &self,
        id: &WorkloadId,
        options: LogOptions,
        number: usize,
    ) -> Result<Option<LogLine>> {
        let mut changes = self.changes.subscribe();
        loop {
            {
                let mut state = self.state();
                let running = state.get(id)?;
                let tail = options.tail.map_or(usize::MAX, |tail| tail as usize);
                let skipped = running.log.len().saturating_sub(tail);
                if let Some(line) = running.log.get(skipped + number) {
                    return Ok(Some(line.clone()));
                }
                if !options.follow || running.has_ended() {
                    return Ok(None);
                }
            }
            changes.changed().await.expect("the engine itself holds the sender");
        }
    }
}

impl State {
    pub(super) fn get(&mut self, id: &WorkloadId) -> Result<&mut Running> {
        self.running.get_mut(id).ok_or_else(|| EngineError::NoWorkload { id: id.clone() })
    }

    fn apply(&mut self, workload: &Workload) -> Result<Status> {
        let id = &workload.id;
        let failing = self.failing.get(id.name.as_str()).cloned();
        if let Some(there) = self.running.get_mut(id) {
            let same = there.workload.spec_digest() == workload.spec_digest()
                && there.workload.attempt == workload.attempt;
            if !same {
                return Err(EngineError::Conflict { name: id.name.to_string() });
            }
            let is_done = there.has_ended() && workload.kind == WorkloadKind::Job;
            if !is_done && there.phase == Phase::Stopped {
                there.run(failing.as_ref());
            }
            return Ok(there.status());
        }
        if workload.image.starts_with(NO_SUCH_IMAGE) {
            return Err(EngineError::NoImage { image: workload.image.clone() });
        }
        let taken = |port| EngineError::PortTaken { port, holder: None };
        let host_ports = self.choose_ports(workload).map_err(taken)?;
        self.projects.insert(id.project.clone());
        self.made += 1;
        let mut running = Running {
            workload: workload.clone(),
            phase: Phase::Pending,
            exit: None,
            log: Vec::new(),
            host_ports,
            handle: format!("fake-{}", self.made),
        };
        running.run(failing.as_ref());
        let status = running.status();
        self.running.insert(id.clone(), running);
        self.applied.push(workload.clone());
        Ok(status)
    }
}
