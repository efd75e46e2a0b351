//! What runs: listed, looked up, its logs, its end; [`one`]: one service in full, and waiting for it.

pub mod one;

use std::{cmp::Reverse, collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream, stream::BoxStream};
use serde::Serialize;
use wharf_engine::{About, LogLine, LogOptions, Usage, error::EngineError};
use wharf_spec::{
    codes,
    error::{Explain as _, causes},
    event::Event,
    label,
    name::WorkloadName,
    seal::Seal,
    status::{Endpoint, Health, Phase, Status},
    workload::WorkloadKind,
};

use crate::{
    context::Context,
    deploy::ready,
    error::{Error, Result},
    store::{Lease, RecordName, StateStore as _, StoreId, folder::FolderStore},
};

/// The word that people see, everywhere the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    Pending,
    Starting,
    Healthy,
    Running,
    Unhealthy,
    Crashed,
    Stopped,
    Succeeded,
    Failed,
}

impl Word {
    /// Returns the word as text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Running => "running",
            Self::Unhealthy => "unhealthy",
            Self::Crashed => "crashed",
            Self::Stopped => "stopped",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
        }
    }

    /// Returns the word that MLEM has for it.
    pub const fn of_mlem(self) -> &'static str {
        match self {
            Self::Pending => "not_deployed",
            // Of one that ended by itself and is started again, too.
            Self::Starting | Self::Crashed => "starting",
            Self::Healthy | Self::Running | Self::Unhealthy => "running",
            Self::Stopped | Self::Succeeded => "stopped",
            Self::Failed => "crashed",
        }
    }

    /// Says whether it is over.
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Stopped | Self::Succeeded | Self::Failed | Self::Crashed)
    }
}

/// Whose a workload is.
#[derive(Debug, Clone)]
pub enum Owner {
    /// A store that this machine knows, and the seal holds.
    Store(Arc<FolderStore>),
    /// The labels name a store that this machine does not know.
    UnknownStore(StoreId),
    /// The seal is missing, or does not hold.
    Foreign,
}

/// A workload, with what it means.
#[derive(Debug, Clone)]
pub struct Listed {
    pub status: Status,
    pub word: Word,
    pub owner: Owner,
}

impl Listed {
    /// Returns the address of its page, as this machine reaches it.
    pub fn url(&self, about: &About) -> Option<String> {
        self.status.endpoints.first().map(|endpoint| url(about, endpoint))
    }
}

/// Says where a service has its model's files: `mount` or `image`; `None` where it is no model with wharf's server.
pub fn weights(status: &Status) -> Option<&'static str> {
    let is_model =
        status.kind == WorkloadKind::Service && !status.labels.contains_key(label::READY);
    is_model.then(|| if status.labels.contains_key(label::MOUNTED) { "mount" } else { "image" })
}

/// Returns the address of a published port.
pub(crate) fn url(about: &About, endpoint: &Endpoint) -> String {
    let address = endpoint.address;
    // A port on one address of this machine is not reached under another.
    if about.is_local && !address.is_unspecified() {
        return format!("http://{}/", SocketAddr::new(address, endpoint.host_port));
    }
    format!("http://{}:{}/", about.host, endpoint.host_port)
}

/// Returns the workloads of the context's project, or of all projects.
///
/// # Errors
/// When the engine or a store cannot be read.
pub async fn list(context: &Context, all_projects: bool) -> Result<Vec<Listed>> {
    let project = (!all_projects).then_some(&context.project);
    let statuses = context.engine.list(project).await?;
    let mut owners = Owners::new(context);
    let mut listed = Vec::with_capacity(statuses.len());
    for status in statuses {
        let owner = owners.of(&status)?;
        listed.push((status, owner));
    }
    // A check runs only where the engine does not know: its own is not due yet, or it runs none.
    let checked = stream::iter(listed).map(|(status, owner)| async {
        let word = word(context, &status).await;
        Listed { status, word, owner }
    });
    let mut listed: Vec<_> = checked.buffer_unordered(4).collect().await;
    listed.sort_by(|a, b| a.status.id.cmp(&b.status.id));
    Ok(listed)
}

/// Returns what each of these uses now, in their order. The engine is asked only where something runs.
pub async fn usage(context: &Context, listed: &[Listed]) -> Vec<Usage> {
    let something_runs = listed.iter().any(|one| one.status.phase == Phase::Running);
    let meter = context.engine.meter().filter(|_| something_runs);
    let Some(meter) = meter else { return vec![Usage::default(); listed.len()] };
    let ids: Vec<_> = listed.iter().map(|one| one.status.id.clone()).collect();
    meter.usage(&ids).await
}

async fn word(context: &Context, status: &Status) -> Word {
    match status.phase {
        Phase::Pending => Word::Pending,
        Phase::Restarting => Word::Crashed,
        Phase::Stopped => Word::Stopped,
        Phase::Succeeded => Word::Succeeded,
        Phase::Failed => Word::Failed,
        Phase::Running if status.kind == WorkloadKind::Job => Word::Running,
        Phase::Running => match status.health {
            Health::Healthy => Word::Healthy,
            Health::Unhealthy => Word::Unhealthy,
            Health::Unknown | Health::Starting => match ready::now(context, status).await {
                Some(true) => Word::Healthy,
                Some(false) => Word::Starting,
                None => Word::Running,
            },
        },
    }
}

/// Finds owners, opening each store once.
struct Owners<'a> {
    context: &'a Context,
    known: BTreeMap<String, Option<Arc<FolderStore>>>,
}

impl<'a> Owners<'a> {
    fn new(context: &'a Context) -> Self {
        Self { context, known: BTreeMap::new() }
    }

    fn of(&mut self, status: &Status) -> Result<Owner> {
        let Some(id) = status.labels.get(label::STORE) else { return Ok(Owner::Foreign) };
        if !self.known.contains_key(id) {
            let store = self.context.stores.open(id)?.map(Arc::new);
            self.known.insert(id.clone(), store);
        }
        let Some(store) = &self.known[id] else {
            return Ok(Owner::UnknownStore(StoreId(id.clone())));
        };
        let engine = &self.context.engine.about().id;
        Ok(if Seal::holds(store.seal_key(), engine, &status.labels) {
            Owner::Store(store.clone())
        } else {
            Owner::Foreign
        })
    }
}

/// Returns all generations of a service, newest first, with their owners.
pub(crate) async fn generations(
    context: &Context,
    name: &WorkloadName,
) -> Result<Vec<(Status, Owner)>> {
    let mut owners = Owners::new(context);
    let mut found = Vec::new();
    for status in context.engine.list(Some(&context.project)).await? {
        if status.id.name == *name {
            let owner = owners.of(&status)?;
            found.push((status, owner));
        }
    }
    found.sort_by_key(|(status, _)| Reverse(status.id.generation));
    Ok(found)
}

/// Returns the error for a name that nothing has; the nearest one is offered.
pub(crate) fn no_service(context: &Context, name: &WorkloadName, there: &[String]) -> Error {
    let action = format!("there is no service `{name}` in project `{}`", context.project);
    let error = Error::new(codes::NO_SERVICE, action);
    let names: Vec<&str> = there.iter().map(String::as_str).collect();
    match wharf_spec::tagged::nearest(name.as_str(), &names) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint("see what is there with `wharf ps -a`"),
    }
}

/// Returns the newest generation of a service.
///
/// # Errors
/// `NO_SERVICE` when there is none.
pub async fn newest(context: &Context, name: &WorkloadName) -> Result<Status> {
    newest_owned(context, name).await.map(|(status, _)| status)
}

/// As [`newest`], with its owner.
async fn newest_owned(context: &Context, name: &WorkloadName) -> Result<(Status, Owner)> {
    let found = generations(context, name).await?;
    if let Some(newest) = found.into_iter().next() {
        return Ok(newest);
    }
    let there = context.engine.list(Some(&context.project)).await?;
    let there: Vec<_> = there.iter().map(|status| status.id.name.to_string()).collect();
    Err(no_service(context, name, &there))
}

/// Returns the address of a service that runs, as this machine reaches it.
///
/// # Errors
/// `NO_SERVICE` when there is none, or it publishes nothing.
pub async fn address(context: &Context, name: &WorkloadName) -> Result<String> {
    let status = newest(context, name).await?;
    match status.endpoints.first() {
        Some(endpoint) => Ok(url(context.engine.about(), endpoint)),
        None => Err(Error::new(
            codes::NO_SERVICE,
            format!("`{name}` publishes no port, or does not run"),
        )
        .hint(format!("start it with `wharf up`; see why it ended with `wharf logs {name}`"))),
    }
}

/// Returns the log of a service's newest generation.
///
/// # Errors
/// `NO_SERVICE` when there is none.
pub async fn logs(
    context: &Context,
    name: &WorkloadName,
    options: LogOptions,
) -> Result<BoxStream<'static, Result<LogLine, EngineError>>> {
    let status = newest(context, name).await?;
    Ok(context.engine.logs(&status.id, options))
}

/// What `down` should remove besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DownOptions {
    /// The images that the service was run from, too.
    pub image: bool,
}

/// Ends a service and removes everything made for it, except images and volumes. Not there: a note, and `false`.
///
/// # Errors
/// When the name belongs to others, or the engine refuses.
pub async fn down(context: &Context, name: &WorkloadName, options: DownOptions) -> Result<bool> {
    let found = generations(context, name).await?;
    let record = RecordName { project: context.project.clone(), name: name.clone() };
    let owner = match owner(context, name, &found)? {
        Some(owner) => Some(owner),
        // Its containers were removed by hand: the record is left.
        None => recorded(context, &record).await?,
    };
    let Some(store) = owner else {
        context
            .report(Event::Note { text: format!("there is no service `{name}`: nothing to do") });
        return Ok(false);
    };
    {
        let _lease = lease(context, &store, &record).await?;
        // A command that held the lease may have changed what is there.
        for (status, _) in generations(context, name).await? {
            context.engine.delete(&status.id, grace(&status)).await?;
            if options.image {
                context.images()?.remove(&status.image).await?;
            }
        }
        store.remove(&record).await?;
    }
    remove_dead_builds(context).await?;
    remove_empty_project(context).await?;
    tidy_store(context, &store).await?;
    context.report(Event::Removed { name: name.to_string() });
    Ok(true)
}

/// Returns the store of this machine that has a record of a service.
async fn recorded(context: &Context, record: &RecordName) -> Result<Option<Arc<FolderStore>>> {
    for store in context.stores.all()? {
        if store.list().await?.contains(record) {
            return Ok(Some(Arc::new(store)));
        }
    }
    Ok(None)
}

/// Removes the jobs of builds whose command was killed: nobody holds their lease.
async fn remove_dead_builds(context: &Context) -> Result<()> {
    let mut owners = Owners::new(context);
    for status in context.engine.list(Some(&context.project)).await? {
        let is_build =
            status.kind == WorkloadKind::Job && status.id.name.as_str().starts_with(BUILD_PREFIX);
        if let (true, Owner::Store(store)) = (is_build, owners.of(&status)?) {
            let name =
                RecordName { project: status.id.project.clone(), name: status.id.name.clone() };
            if let Ok(_lease) = store.lease(&name, Duration::ZERO).await {
                context.engine.delete(&status.id, Duration::ZERO).await?;
            }
        }
    }
    Ok(())
}

/// Removes a store that holds no record and owns nothing on the engine: nothing is left of it then.
pub(crate) async fn tidy_store(context: &Context, store: &FolderStore) -> Result<()> {
    let owned = context.engine.list(None).await?;
    let owns = |status: &Status| status.labels.get(label::STORE) == Some(&store.id().0);
    if store.list().await?.is_empty() && !owned.iter().any(owns) {
        store.remove_if_empty();
        context.stores.forget(store.id());
    }
    Ok(())
}

/// Takes the right to change a record; says so when it has to wait for another command.
pub(crate) async fn lease(
    context: &Context,
    store: &FolderStore,
    record: &RecordName,
) -> Result<Lease> {
    match store.lease(record, Duration::ZERO).await {
        Err(error) if error.code() == codes::LEASE_HELD => {
            let holder = causes(&error).concat();
            context.report(Event::Waiting { on: record.name.to_string(), holder });
            store.lease(record, LEASE_PATIENCE).await
        }
        taken => taken,
    }
}

/// How long a command waits for another one that changes the same service.
const LEASE_PATIENCE: Duration = Duration::from_secs(10);

/// Returns how long a service may take to finish what runs.
pub(crate) fn grace(status: &Status) -> Duration {
    let is_ours = !status.labels.contains_key(label::READY);
    Duration::from_secs(if is_ours { GRACE_SECS } else { GRACE_SECS_OF_APPS }.into())
}

/// Of wharf's own server, which ends as soon as it can.
pub(crate) const GRACE_SECS: u32 = 25;

/// As Docker has it: many programs ignore the request when they are the first process of a container.
pub(crate) const GRACE_SECS_OF_APPS: u32 = 10;

/// Returns the store that owns all generations of a name; `None` when there are none.
pub(crate) fn owner(
    context: &Context,
    name: &WorkloadName,
    found: &[(Status, Owner)],
) -> Result<Option<Arc<FolderStore>>> {
    let mut store: Option<Arc<FolderStore>> = None;
    for (status, owner) in found {
        match owner {
            Owner::Store(owner) => store = Some(owner.clone()),
            Owner::UnknownStore(id) => {
                return Err(name_taken(name, &format!("another state store ({id})")));
            }
            Owner::Foreign => return Err(foreign(context, status)),
        }
    }
    Ok(store)
}

pub(crate) fn name_taken(name: &WorkloadName, place: &str) -> Error {
    Error::new(codes::NAME_TAKEN, format!("the name `{name}` belongs to {place}"))
        .hint("choose another name with `--name NAME`")
        .hint(format!("or end the other one first: `wharf down {name}`"))
}

fn foreign(context: &Context, status: &Status) -> Error {
    let action = format!(
        "a container named like `{}` is there, and it was not made by wharf, or its labels were changed",
        status.id.name
    );
    let engine = if context.engine.name() == "podman" { "podman" } else { "docker" };
    Error::new(codes::FOREIGN, action)
        .hint("choose another name with `--name NAME`")
        .hint(format!("or remove it by hand: `{engine} rm -f {}`", short(&status.handle)))
}

fn short(handle: &str) -> &str {
    handle.get(..12).unwrap_or(handle)
}

/// Removes the project's network when nothing is left in it.
pub(crate) async fn remove_empty_project(context: &Context) -> Result<()> {
    if context.engine.list(Some(&context.project)).await?.is_empty() {
        context.engine.delete_project(&context.project).await?;
    }
    Ok(())
}

/// How the jobs that install packages are named.
pub(crate) const BUILD_PREFIX: &str = "build-";
