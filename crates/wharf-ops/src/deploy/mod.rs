//! A model, an app or an image → a running, healthy service; the same again changes nothing.
//!
//! For now the engine publishes the port of the service's own container, so an old generation is stopped before
//! the new one starts, and started again when the new one does not become healthy.

pub mod source;

pub mod ports;

mod another;

mod mounted;

pub(crate) mod ready;

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use wharf_spec::{
    codes,
    event::Event,
    label,
    name::WorkloadName,
    seal::Seal,
    status::{Phase, Status},
    workload::{Mount, Resources, Workload, WorkloadId, WorkloadKind},
};

use crate::{
    build::{Built, Packing},
    context::{Context, cancelled},
    error::{Error, Result},
    service::{self, Owner},
    store::{
        RecordName, StateStore as _,
        folder::FolderStore,
        record::{DeploymentRecord, PortOwner, RECORD_SCHEMA, Release},
    },
};
use mounted::MountedModel;
use ports::Publish;
use source::Source;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpRequest {
    pub name: WorkloadName,
    pub naming: Naming,
    /// The model's file, where a file was pointed at and not its folder.
    pub file: Option<PathBuf>,
    /// Empty: its own port, on the first free port of 127.0.0.1 from that number on.
    pub ports: Vec<Publish>,
    pub env: BTreeMap<String, String>,
    pub resources: Resources,
    pub mounts: Vec<Mount>,
    /// How long the service may take to become healthy; `None`: do not wait.
    pub wait: Option<Duration>,
}

/// Where the name of a service comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// A person said it.
    Chosen,
    /// It follows from what is deployed.
    Derived,
}

/// A service that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployed {
    pub status: Status,
    pub url: Option<String>,
    pub built: Built,
    pub changed: bool,
}

/// Makes it so: builds what is missing, runs, waits until healthy. Unchanged: nothing happens.
///
/// # Errors
/// Besides those of the build and the engine: `NAME_TAKEN`, `FOREIGN`, `NO_PORT`, `DIED_AT_START`, `NOT_HEALTHY`,
/// `CANCELLED`.
/// After any of them what ran before runs again, and nothing of the new generation is left.
pub async fn up(
    context: &Context,
    store: &FolderStore,
    source: &Source<'_>,
    request: &UpRequest,
) -> Result<Deployed> {
    let deployed = make_so(context, store, source, request).await;
    if deployed.is_err() {
        // The error that matters is the first one: a store that stays behind does no harm.
        service::tidy_store(context, store).await.ok();
    }
    deployed
}

async fn make_so(
    context: &Context,
    store: &FolderStore,
    source: &Source<'_>,
    request: &UpRequest,
) -> Result<Deployed> {
    let record = RecordName { project: context.project.clone(), name: request.name.clone() };
    check_owner(context, store, request).await?;
    context.stores.remember(store)?;
    let _lease = service::lease(context, store, &record).await?;
    let there = check_owner(context, store, request).await?;
    // Only what runs stands in the way of another.
    let before = if is_running(&there) { store.read(&record).await? } else { None };
    let before = before.map(|(record, _)| record.current);
    if let Some(before) = &before {
        another::refuse(source, request, before)?;
    }
    let packing = source.packing(context)?;
    let built = source.build(context, store, packing).await?;
    context.check_cancelled()?;
    let there = check_owner(context, store, request).await?;
    let mut workload = workload(context, source, request, &built, &there)?;
    let mounted = match (packing, source) {
        (Packing::ServerAlone, Source::Model { model, .. }) => {
            Some(MountedModel::lay(context, store, &record, model)?)
        }
        _ => None,
    };
    if let Some(mounted) = &mounted {
        workload.mounts.extend(mounted.mounts.clone());
        workload.labels.insert(label::MOUNTED.to_owned(), mounted.hash.to_string());
    }
    seal(context, store, &mut workload);
    let deployed = match unchanged(context, &workload, &there).await {
        Some(status) => {
            let url = first_url(context, &status);
            context.report(Event::Unchanged { name: request.name.to_string(), url: url.clone() });
            Deployed { status, url, built, changed: false }
        }
        None => {
            if let Some(before) = &before {
                another::tell(context, source, request, before);
            }
            if mounted.is_some() {
                let what = source.place();
                let text =
                    format!("`{what}` is mounted, not in the image: it must stay in its place");
                context.report(Event::Note { text });
            }
            let replaced = replace(context, request, &workload, &there, built).await;
            if replaced.is_err() {
                // The error that matters is the first one.
                store.keep_mounted(&record, mounted::hash_of(&there).as_ref()).ok();
            }
            replaced?
        }
    };
    remove_others(context, &deployed.status.id, &there).await?;
    store.keep_mounted(&record, mounted.map(|mounted| mounted.hash).as_ref())?;
    write_record(context, store, &record, source, request, &deployed).await?;
    Ok(deployed)
}

fn is_running(there: &[Status]) -> bool {
    there.iter().any(|status| status.phase == Phase::Running)
}

/// Returns the generations that are there, newest first, if all of them belong to this store.
async fn check_owner(
    context: &Context,
    store: &FolderStore,
    request: &UpRequest,
) -> Result<Vec<Status>> {
    let found = service::generations(context, &request.name).await?;
    if let Some(owner) = service::owner(context, &request.name, &found)?
        && owner.id() != store.id()
    {
        return Err(service::name_taken(&request.name, &format!("`{}`", owner.place())));
    }
    debug_assert!(
        found.iter().all(|(_, owner)| matches!(owner, Owner::Store(_))),
        "owner() refuses others"
    );
    Ok(found.into_iter().map(|(status, _)| status).collect())
}

/// Returns the workload to run: the next generation, not sealed yet.
fn workload(
    context: &Context,
    source: &Source<'_>,
    request: &UpRequest,
    built: &Built,
    there: &[Status],
) -> Result<Workload> {
    let id = WorkloadId {
        project: context.project.clone(),
        name: request.name.clone(),
        generation: there.first().map_or(1, |newest| newest.id.generation + 1),
    };
    let mut env = source.variables(&request.name);
    env.extend(request.env.clone());
    Ok(Workload {
        image_digest: Some(built.key),
        env,
        mounts: request.mounts.clone(),
        ports: ports::choose(context, source, built, &request.ports, there)?,
        resources: request.resources.clone(),
        health: source.health(),
        hardening: source.hardening(),
        labels: source.labels(),
        grace_secs: source.grace_secs(),
        ..Workload::new(id, WorkloadKind::Service, built.reference.to_string())
    })
}

/// Labels a workload as made through this store.
pub(crate) fn seal(context: &Context, store: &FolderStore, workload: &mut Workload) {
    let mut all = label::of(workload);
    all.extend(workload.labels.clone());
    all.insert(label::STORE.to_owned(), store.id().to_string());
    let seal = Seal::over(store.seal_key(), &context.engine.about().id, &all);
    workload.labels.insert(label::STORE.to_owned(), store.id().to_string());
    workload.labels.insert(label::SEAL.to_owned(), seal.to_string());
}

/// Returns the generation that already is as asked, and answers.
async fn unchanged(context: &Context, workload: &Workload, there: &[Status]) -> Option<Status> {
    let wanted = workload.spec_digest().to_string();
    let is_wanted = |status: &&Status| {
        status.phase == Phase::Running && status.labels.get(label::SPEC_DIGEST) == Some(&wanted)
    };
    let status = there.iter().find(is_wanted)?;
    (ready::now(context, status).await == Some(true)).then(|| status.clone())
}

/// Stops the old generations, starts the new one, and goes back if it does not become healthy.
async fn replace(
    context: &Context,
    request: &UpRequest,
    workload: &Workload,
    there: &[Status],
    built: Built,
) -> Result<Deployed> {
    let engine = &context.engine;
    wharf_engine::check(engine.as_ref(), workload)?;
    let running: Vec<_> = there.iter().filter(|status| status.phase == Phase::Running).collect();
    for old in &running {
        engine.stop(&old.id, service::grace(old)).await?;
    }
    let started = tokio::select! {
        started = start(context, request, workload) => started,
        () = context.cancel.cancelled() => Err(cancelled()),
    };
    match started {
        Ok(status) => {
            let url = first_url(context, &status);
            Ok(Deployed { status, url, built, changed: true })
        }
        Err(error) => {
            engine.delete(&workload.id, Duration::ZERO).await?;
            let error = go_back(context, &running, error).await?;
            if there.is_empty() {
                service::remove_empty_project(context).await?;
            }
            Err(error)
        }
    }
}

/// Starts again what ran before, and adds to the error what came of it.
async fn go_back(context: &Context, running: &[&Status], mut error: Error) -> Result<Error> {
    for old in running {
        let generation = old.id.generation;
        let is_mounted = old.labels.contains_key(label::MOUNTED);
        error = error.hint(match context.engine.start(&old.id).await {
            Ok(()) if is_mounted => format!(
                "generation {generation} was started again; its model is mounted, so it runs only if the file is as it was"
            ),
            Ok(()) => format!("generation {generation} runs again"),
            // A file that has gone is not the engine's to bring back.
            Err(refused) if is_mounted => {
                format!("generation {generation} cannot run again, its model was mounted: {refused}")
            }
            Err(refused) => return Err(refused.into()),
        });
    }
    Ok(error)
}

async fn start(context: &Context, request: &UpRequest, workload: &Workload) -> Result<Status> {
    let id = &workload.id;
    context.report(Event::Starting {
        name: id.name.to_string(),
        engine: context.engine.about().version.clone(),
        project: id.project.to_string(),
    });
    let status = context.engine.apply(workload).await?;
    if let Some(patience) = request.wait {
        let took_ms = ready::wait(context, &status, patience).await?;
        let url = first_url(context, &status);
        context.report(Event::Healthy { name: id.name.to_string(), url, took_ms });
    }
    Ok(status)
}

fn first_url(context: &Context, status: &Status) -> Option<String> {
    status.endpoints.first().map(|endpoint| service::url(context.engine.about(), endpoint))
}

/// Removes every other generation: the one before, and what a killed command left.
async fn remove_others(context: &Context, kept: &WorkloadId, there: &[Status]) -> Result<()> {
    for other in there.iter().filter(|status| status.id != *kept) {
        context.engine.delete(&other.id, service::grace(other)).await?;
        context.report(Event::Replaced {
            name: other.id.name.to_string(),
            generation: other.id.generation,
        });
    }
    Ok(())
}

async fn write_record(
    context: &Context,
    store: &FolderStore,
    name: &RecordName,
    source: &Source<'_>,
    request: &UpRequest,
    deployed: &Deployed,
) -> Result<()> {
    let found = store.read(name).await?;
    let status = &deployed.status;
    if !deployed.changed
        && found.as_ref().is_some_and(|(record, _)| record.current.handle == status.handle)
    {
        return Ok(());
    }
    let digest = status.labels.get(label::SPEC_DIGEST).and_then(|text| text.parse().ok());
    let release = Release {
        generation: status.id.generation,
        source: source.kind(),
        model: source.place(),
        file: another::file(source, request),
        model_hash: source.model_hash(),
        is_mounted: status.labels.contains_key(label::MOUNTED),
        image: deployed.built.reference.to_string(),
        image_id: deployed.built.facts.id.clone(),
        image_digest: deployed.built.key,
        spec_digest: digest
            .ok_or_else(|| Error::new(codes::BUG, "the engine lost a label that wharf had set"))?,
        handle: status.handle.clone(),
        host_ports: status.endpoints.iter().map(|endpoint| endpoint.host_port).collect(),
        when: context.clock.now(),
    };
    let (record, version) = match found {
        Some((record, version)) => (record.with_release(release), Some(version)),
        None => (first_record(name, release), None),
    };
    store.write(name, &record, version.as_ref()).await.map(|_| ())
}

fn first_record(name: &RecordName, release: Release) -> DeploymentRecord {
    DeploymentRecord {
        schema: RECORD_SCHEMA.to_owned(),
        project: name.project.clone(),
        name: name.name.clone(),
        current: release,
        history: Vec::new(),
        port_owner: PortOwner::Engine,
    }
}
