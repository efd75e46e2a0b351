//! Running a program inside a container.

use std::time::Duration;

use async_trait::async_trait;
use bollard::{
    exec::{StartExecOptions, StartExecResults},
    models::ExecConfig,
};
use futures_util::TryStreamExt;
use wharf_spec::workload::WorkloadId;

use super::Docker;
use crate::{
    Exec, ExecOutcome,
    error::{EngineError, Result},
};

/// How much of what a program writes is kept.
const MOST_OUTPUT: usize = 64 * 1024;

#[async_trait]
impl Exec for Docker {
    async fn exec(&self, id: &WorkloadId, command: &[String]) -> Result<ExecOutcome> {
        let program = command.first().map(String::as_str).unwrap_or_default();
        let action = || format!("run `{program}` in `{}`", id.name);
        let refused = |error| self.connection.refused(action(), error);
        let found = self.connection.get(id).await?;
        let asked = ExecConfig {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(command.to_vec()),
            ..ExecConfig::default()
        };
        let client = &self.connection.client;
        let exec = client.create_exec(&found.handle, asked).await.map_err(refused)?.id;
        let started = client.start_exec(&exec, None::<StartExecOptions>).await.map_err(refused)?;
        let mut output = Vec::new();
        if let StartExecResults::Attached { output: mut frames, .. } = started {
            while let Some(frame) = frames.try_next().await.map_err(refused)? {
                // Read on to the end all the same: the program waits for whoever reads it.
                let room = MOST_OUTPUT - output.len();
                let bytes = frame.as_ref();
                output.extend_from_slice(&bytes[..bytes.len().min(room)]);
            }
        }
        let code = self.exit_code(&exec).await?.ok_or_else(|| EngineError::Refused {
            action: action(),
            source: "the engine does not say how it ended".into(),
        })?;
        Ok(ExecOutcome { code, output: String::from_utf8_lossy(&output).into_owned() })
    }
}

impl Docker {
    /// Returns how a program ended. The engine may know a moment later than its output ends.
    async fn exit_code(&self, exec: &str) -> Result<Option<i64>> {
        const PAUSE: Duration = Duration::from_millis(20);
        const TRIES: u32 = 250;
        for _ in 0..TRIES {
            let asked = self.connection.client.inspect_exec(exec).await;
            let action = "ask how a program ended";
            let state = asked.map_err(|error| self.connection.refused(action, error))?;
            if state.running == Some(false) && state.exit_code.is_some() {
                return Ok(state.exit_code);
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(None)
    }
}
