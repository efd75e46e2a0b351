//! Docker 20.10 to 29, and Podman from 4.3 on, through Docker's API. No type of the client library leaves this
//! folder.
//!
//! - [`workload`]: what is asked for; [`status`]: what is answered; [`refusal`]: what a refusal means: all pure;
//! - [`apply`]: from a workload to a running container; [`ports`]: which port it gets; [`network`]: where it is;
//! - [`image`] (with [`buildkit`], over [`http`]), [`logs`], [`exec`], [`usage`] (with [`cgroup`]): the other powers; [`podman`]: what is different there;
//! - [`address`], [`version`], [`connection`]: how the engine is reached; [`sharing`]: whether it sees this machine's files.

mod workload;

mod status;

mod refusal;

mod apply;

mod ports;

mod network;

mod image;

mod buildkit;

mod http;

mod logs;

mod exec;

mod usage;

mod cgroup;

mod podman;

pub(crate) mod address;

mod version;

mod connection;

mod sharing;

use std::{any::Any, collections::HashMap, fs, path::PathBuf, time::Duration};

use async_trait::async_trait;
use bollard::{
    models::{SystemInfo, SystemInfoCgroupDriverEnum, SystemInfoCgroupVersionEnum, SystemVersion},
    query_parameters::{
        ListContainersOptionsBuilder, RemoveContainerOptionsBuilder, StartContainerOptions,
        StopContainerOptionsBuilder, WaitContainerOptionsBuilder,
    },
};
use futures_util::{StreamExt, TryStreamExt, stream, stream::BoxStream};
use tokio::sync::Semaphore;
use wharf_spec::{
    label,
    name::ProjectName,
    status::{Exit, Status},
    workload::{Workload, WorkloadId},
};

use self::{
    address::Address,
    buildkit::BuildKit,
    connection::{Connection, Found},
    network::ProjectLocks,
    podman::Quirks,
    refusal::{Refusal, meaning},
};
use crate::{
    About, Engine, Exec, Images, LogLine, LogOptions, Meter,
    capability::{Capabilities, RollingUpdate},
    error::{EngineError, Result},
};

/// More at once gains nothing: the kernel sets up one network after the other.
const STARTS_AT_ONCE: usize = 4;
/// How many containers are looked at or removed at once.
const QUESTIONS_AT_ONCE: usize = 8;

/// An engine that speaks Docker's API.
#[derive(Debug)]
pub struct Docker {
    name: &'static str,
    connection: Connection,
    about: About,
    capabilities: Capabilities,
    quirks: Quirks,
    /// `None`: contexts are built by the classic builder, as Podman has it.
    buildkit: Option<BuildKit>,
    /// The engine's own socket, which no container may have.
    socket: Option<PathBuf>,
    locks: ProjectLocks,
    starts: Semaphore,
}

impl Docker {
    /// Connects, and agrees on a version.
    pub(crate) async fn open(address: &Address, patience: Duration) -> Result<Self> {
        tokio::time::timeout(patience, Self::greet(address)).await.unwrap_or_else(|late| {
            Err(EngineError::Silent { address: address.to_string(), source: late.into() })
        })
    }

    async fn greet(address: &Address) -> Result<Self> {
        let daemon = address.knock().await?;
        let connection = Connection::new(address)?;
        let action = "ask for the engine's version";
        let version =
            connection.client.version().await.map_err(|error| connection.refused(action, error))?;
        let newest = version.api_version.as_deref().unwrap_or("?");
        let api = version::agree(&address.to_string(), newest, version.min_api_version.as_deref())?;
        let connection = connection.speaking(api);
        let action = "ask what the engine can do";
        let info =
            connection.client.info().await.map_err(|error| connection.refused(action, error))?;
        let podman = podman::version(&version).map(str::to_owned);
        let name = if podman.is_some() { "podman" } else { "docker" };
        let socket = match address {
            Address::Unix(path) => Some(path.clone()),
            Address::Tcp { .. } => None,
        };
        let limits = daemon.and_then(|pid| fs::read_to_string(format!("/proc/{pid}/limits")).ok());
        let quirks = match &podman {
            Some(_) => podman::quirks(limits.as_deref()),
            None => Quirks::default(),
        };
        let buildkit = podman.is_none().then(|| BuildKit::at(address, api));
        Ok(Self {
            name,
            about: about(name, address, daemon, api.to_string(), &version, &info, podman),
            capabilities: capabilities(&info, socket.is_some()),
            connection,
            quirks,
            buildkit,
            socket,
            locks: ProjectLocks::default(),
            starts: Semaphore::new(STARTS_AT_ONCE),
        })
    }

    /// Removes a container and waits until it is gone. One that is not there is as wished.
    async fn remove(&self, container: &str) -> Result<()> {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        let removed = self.connection.patient.remove_container(container, Some(options)).await;
        match removed {
            Ok(()) => Ok(()),
            Err(error) => match meaning(&error) {
                Refusal::Gone => Ok(()),
                Refusal::BeingRemoved => self.gone(container).await,
                _ => Err(self.connection.refused(format!("remove container `{container}`"), error)),
            },
        }
    }

    /// Waits until a container that somebody removes is gone.
    async fn gone(&self, container: &str) -> Result<()> {
        const PAUSE: Duration = Duration::from_millis(50);
        const TRIES: u32 = 600;
        for _ in 0..TRIES {
            if self.connection.inspect(container).await?.is_none() {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        let action = format!("remove container `{container}`");
        Err(EngineError::Refused { action, source: "its removal does not end".into() })
    }

    async fn stop_container(&self, handle: &str, grace: Duration) -> Result<()> {
        // Whole seconds, rounded up: a grace of half a second is not none.
        let seconds = grace.as_secs() + u64::from(grace.subsec_nanos() > 0);
        let seconds = i32::try_from(seconds).unwrap_or(i32::MAX);
        let options = StopContainerOptionsBuilder::new().t(seconds).build();
        match self.connection.patient.stop_container(handle, Some(options)).await {
            Err(error) if meaning(&error) != Refusal::Gone => {
                Err(self.connection.refused(format!("stop container `{handle}`"), error))
            }
            _ => Ok(()),
        }
    }

    fn status_of(&self, found: &Found) -> Status {
        status::status(&found.container, &self.quirks)
            .expect("a container is found by the labels of a workload")
    }

    /// Returns the ids of all containers that carry wharf's labels, ended ones too.
    async fn containers(&self, project: Option<&ProjectName>) -> Result<Vec<String>> {
        let wanted = match project {
            Some(project) => format!("{}={project}", label::PROJECT),
            None => label::PROJECT.to_owned(),
        };
        let filters = HashMap::from([("label", vec![wanted.as_str()])]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let client = &self.connection.client;
        let listed = podman::once_settled(|| client.list_containers(Some(options.clone()))).await;
        let listed =
            listed.map_err(|error| self.connection.refused("list the containers", error))?;
        Ok(listed.into_iter().filter_map(|container| container.id).collect())
    }
}

fn about(
    name: &str,
    address: &Address,
    daemon: Option<i32>,
    api: String,
    version: &SystemVersion,
    info: &SystemInfo,
    podman: Option<String>,
) -> About {
    let is_podman = podman.is_some();
    let is_local = matches!(address, Address::Unix(_));
    let own = podman.or_else(|| version.version.clone()).unwrap_or_default();
    let id = if is_podman { podman::lasting_id(info) } else { info.id.clone().unwrap_or_default() };
    About {
        id,
        version: format!("{name} {own}"),
        api,
        host: address.host().to_owned(),
        address: address.to_string(),
        is_local,
        keeps_apart: sharing::keeps_apart(is_local, daemon, info),
    }
}

fn capabilities(info: &SystemInfo, is_local: bool) -> Capabilities {
    let is_rootless =
        info.security_options.iter().flatten().any(|option| option.starts_with("name=rootless"));
    let is_cgroup_v1 = info.cgroup_version != Some(SystemInfoCgroupVersionEnum::_2);
    let has_no_cgroups = info.cgroup_driver == Some(SystemInfoCgroupDriverEnum::NONE);
    let refuses = |supported: Option<bool>| supported == Some(false);
    Capabilities {
        jobs: true,
        // Devices are not given out yet, and a field is honoured or refused.
        gpus: false,
        max_replicas: 1,
        limits: ![
            is_rootless && is_cgroup_v1,
            has_no_cgroups,
            refuses(info.memory_limit),
            refuses(info.cpu_cfs_quota),
        ]
        .contains(&true),
        mounts: is_local,
        rolling_update: RollingUpdate::Ops,
    }
}

#[async_trait]
impl Engine for Docker {
    fn name(&self) -> &'static str {
        self.name
    }

    fn about(&self) -> &About {
        &self.about
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    async fn ensure_project(&self, project: &ProjectName) -> Result<()> {
        self.ensure_network(project).await.map(drop)
    }

    async fn delete_project(&self, project: &ProjectName) -> Result<()> {
        let containers = self.containers(Some(project)).await?;
        stream::iter(containers)
            .map(|container| async move { self.remove(&container).await })
            .buffer_unordered(QUESTIONS_AT_ONCE)
            .try_collect::<()>()
            .await?;
        self.remove_networks(project).await
    }

    async fn apply(&self, workload: &Workload) -> Result<Status> {
        self.apply_workload(workload).await
    }

    /// One list for the ids, and one look at each: the list knows neither exit codes nor restarts, and on 20.10
    /// nothing of health. A look costs a fraction of a millisecond.
    async fn list(&self, project: Option<&ProjectName>) -> Result<Vec<Status>> {
        let containers = self.containers(project).await?;
        let found: Vec<_> = stream::iter(containers)
            .map(|container| async move { self.connection.inspect(&container).await })
            .buffer_unordered(QUESTIONS_AT_ONCE)
            .try_collect()
            .await?;
        let looked_at = found.iter().flatten();
        let mut listed: Vec<Status> = looked_at
            .filter_map(|container| status::status(container, &self.quirks))
            .filter(|status| project.is_none_or(|project| status.id.project == *project))
            .collect();
        listed.sort_by(|one, other| (&one.id, &one.handle).cmp(&(&other.id, &other.handle)));
        Ok(listed)
    }

    async fn status(&self, id: &WorkloadId) -> Result<Status> {
        self.connection.get(id).await.map(|found| self.status_of(&found))
    }

    async fn wait(&self, id: &WorkloadId) -> Result<Exit> {
        const PAUSE: Duration = Duration::from_millis(20);
        loop {
            let found = self.connection.get(id).await?;
            let state = found.container.state.unwrap_or_default();
            if let Some(exit) = status::exit(&state) {
                return Ok(exit);
            }
            // The code that comes with it is not used: what the container itself says is the same on all engines.
            let options = WaitContainerOptionsBuilder::new().condition("not-running").build();
            let waiting = self.connection.patient.wait_container(&found.handle, Some(options));
            waiting.for_each(|_| std::future::ready(())).await;
            // A container that was never started, or is just being started, answers at once.
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn stop(&self, id: &WorkloadId, grace: Duration) -> Result<()> {
        let found = self.connection.get(id).await?;
        self.stop_container(&found.handle, grace).await
    }

    async fn start(&self, id: &WorkloadId) -> Result<()> {
        let found = self.connection.get(id).await?;
        let _permit = self.starts.acquire().await.expect("the semaphore is never closed");
        let started =
            self.connection.client.start_container(&found.handle, None::<StartContainerOptions>);
        started
            .await
            .map_err(|error| self.connection.refused(format!("start `{}`", id.name), error))
    }

    async fn delete(&self, id: &WorkloadId, grace: Duration) -> Result<()> {
        let Some(found) = self.connection.find(id).await? else { return Ok(()) };
        if !grace.is_zero() {
            self.stop_container(&found.handle, grace).await?;
        }
        self.remove(&found.handle).await
    }

    fn logs(&self, id: &WorkloadId, options: LogOptions) -> BoxStream<'static, Result<LogLine>> {
        logs::read(self.connection.clone(), id.clone(), options)
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
