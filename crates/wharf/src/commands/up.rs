//! `wharf up`: from a model, an app or an image to a running, healthy service.

mod target;

use std::{
    collections::BTreeMap,
    net::IpAddr,
    path::PathBuf,
    time::{Duration, Instant},
};

use clap::Args;
use serde::Serialize;
use wharf_ops::{
    build::weights::Weights,
    context::Context,
    deploy::{self, Deployed, Naming, UpRequest, ports::Publish},
    error::{Error, Result},
    images::engine::EngineAt,
    service,
    store::record::SourceKind,
};
use wharf_spec::{
    codes,
    name::WorkloadName,
    quantity::{ByteSize, parse_duration},
    workload::{HostPort, Mount, Resources},
};

use super::{Session, registry::RegistryArgs, service_name, way::WayArgs};
use crate::output::{report::seconds, style::Paint};
use target::Target;

/// Build what is missing, run it, wait until it is healthy, print the URL; the same again changes nothing
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  wharf up examples/iris\n  wharf up model.ubj --name iris -p 9000\n  \
                        wharf up model.onnx -p 0.0.0.0:80:8080 --memory 512MiB\n  \
                        wharf up big.onnx --weights mount\n  wharf up examples/own-dockerfile\n  wharf up studentapi -p 8000:8000\n  \
                        wharf up registry.example/ml/iris:1 --verify --key wharf.pub"
)]
pub(crate) struct UpArgs {
    /// A model's file or a folder with one, a folder with a `Dockerfile`, or an image of the engine
    target: PathBuf,
    /// What the service is called [default: as the model, the folder or the image]
    #[arg(long)]
    name: Option<String>,
    /// `[ADDR:][HOST:]CONTAINER`; a single number is the host port [default: the first free one from the container's on, on 127.0.0.1]
    #[arg(short, long = "publish", value_name = "PORT")]
    publish: Vec<String>,
    /// The Dockerfile of a folder, by its place in it or from here [default: Dockerfile]
    #[arg(long, value_name = "FILE", conflicts_with = "base")]
    dockerfile: Option<PathBuf>,
    /// A variable of the container, `NAME=VALUE`
    #[arg(short, long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// The base image of models that run Python [default: python:VERSION-slim]
    #[arg(long, value_name = "IMAGE")]
    base: Option<String>,
    #[command(flatten)]
    way: WayArgs,
    /// Where the container finds the model's files: `image` (packed), `mount` (read where they lie) or `auto` (mounted where they are big and the engine sees them)
    #[arg(long, value_name = "WHERE", default_value = "auto")]
    weights: String,
    /// How many CPUs it may use, such as 0.5
    #[arg(long, value_name = "N")]
    cpu: Option<String>,
    /// How much memory it may use, such as 512MiB [default: no limit]
    #[arg(long, value_name = "SIZE")]
    memory: Option<String>,
    /// A folder of this machine in the container, `SOURCE:TARGET[:ro]`
    #[arg(long, value_name = "SRC:DST")]
    mount: Vec<String>,
    /// How long it may take to become healthy [default: 60s]
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "60s")]
    wait: Option<String>,
    /// Read all files again for their digests, also those that did not change
    #[arg(long)]
    rehash: bool,
    /// Check first who signed an image of a registry, and run exactly what was signed
    #[arg(long, requires = "key")]
    verify: bool,
    /// A public key that it may be signed with; one of several is enough
    #[arg(long, value_name = "FILE", requires = "verify")]
    key: Vec<PathBuf>,
    /// Do not wait until it is healthy
    #[arg(long, conflicts_with = "wait")]
    no_wait: bool,
    #[command(flatten)]
    registry: RegistryArgs,
}

#[derive(Serialize)]
struct UpDocument<'a> {
    schema: &'static str,
    name: &'a WorkloadName,
    project: &'a str,
    source: SourceKind,
    generation: u64,
    changed: bool,
    url: Option<&'a str>,
    image: String,
    image_id: &'a str,
    image_digest: String,
    image_reused: bool,
    /// Bytes of layers that were sent to the engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    image_sent: Option<u64>,
    /// Who built it: `native` for wharf itself, else the engine.
    builder: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_hash: Option<String>,
    /// Where a model's files are: `image` or `mount`.
    #[serde(skip_serializing_if = "Option::is_none")]
    weights: Option<&'static str>,
    container: &'a str,
    hashed: u64,
    duration_ms: u64,
}

pub(crate) async fn run(session: &mut Session<'_>, args: UpArgs) -> Result<u8> {
    let start = Instant::now();
    if args.rehash {
        session.config.rehash();
    }
    let target = Target::find(session, &args).await?;
    let request = request(&args, target.name(), &session.config.folder)?;
    let mut context = session.context_at(None, args.way.engine()).await?;
    target.tell(&context);
    if let Some(model) = target.with_python() {
        context.install = session.config.install()?;
        let engine = EngineAt::Connected(context.engine.clone());
        context.supplies = session.supplies(model, args.registry.access(session)?, Some(engine))?;
    }
    let store = target.store(session)?;
    let deployed = deploy::up(&context, &store, &target.source(), &request).await?;
    session.hashed();
    let took = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    if session.config.json {
        session.console.json(&document(&context, &request, &target, &deployed, took));
    } else {
        print(session, &request, &deployed, took);
    }
    Ok(0)
}

fn document<'a>(
    context: &'a Context,
    request: &'a UpRequest,
    target: &Target,
    deployed: &'a Deployed,
    duration_ms: u64,
) -> UpDocument<'a> {
    let source = target.source();
    UpDocument {
        schema: "wharf.up/v1",
        name: &request.name,
        project: context.project.as_str(),
        source: source.kind(),
        generation: deployed.status.id.generation,
        changed: deployed.changed,
        url: deployed.url.as_deref(),
        image: deployed.built.reference.to_string(),
        image_id: &deployed.built.facts.id,
        image_digest: deployed.built.key.to_string(),
        image_reused: deployed.built.reused,
        image_sent: deployed.built.sent,
        builder: deployed.built.by,
        model_hash: source.model_hash().map(|hash| hash.to_string()),
        weights: service::weights(&deployed.status),
        container: &deployed.status.handle,
        hashed: context.helpers.cache.hashed(),
        duration_ms,
    }
}

fn print(session: &Session<'_>, request: &UpRequest, deployed: &Deployed, took: u64) {
    let console = &session.console;
    let url = deployed.url.as_deref().unwrap_or_default();
    if session.config.quiet {
        console.out(url);
        return;
    }
    let name = &request.name;
    let how = match (deployed.changed, request.wait) {
        (false, _) => format!("{name} is up, nothing changed"),
        (true, Some(_)) => format!("{name} is healthy after {}", seconds(took)),
        (true, None) => format!("{name} was started; it may not be ready yet"),
    };
    let mark = console.style.on_out(Paint::Good, "✓");
    let shown = console.style.on_out(Paint::Strong, url);
    console.out(&format!("{mark} {how}   {shown}"));
    if console.out_is_terminal {
        console.err(&format!("next: wharf logs {name} -f · open {url} · wharf down {name}"));
    }
}

fn request(args: &UpArgs, name: &WorkloadName, folder: &std::path::Path) -> Result<UpRequest> {
    let (name, naming) = match &args.name {
        Some(name) => (service_name(name)?, Naming::Chosen),
        None => (name.clone(), Naming::Derived),
    };
    let target = folder.join(&args.target);
    let wait = match (&args.wait, args.no_wait) {
        (_, true) => None,
        (None, false) => Some(Duration::from_secs(60)),
        (Some(text), false) => Some(parse_duration(text).map_err(|error| flag("--wait", &error))?),
    };
    Ok(UpRequest {
        name,
        naming,
        file: target.is_file().then_some(target),
        ports: args.publish.iter().map(|text| port(text)).collect::<Result<_>>()?,
        env: args.env.iter().map(|text| variable(text)).collect::<Result<BTreeMap<_, _>>>()?,
        resources: Resources {
            cpu_millis: args.cpu.as_deref().map(cpu).transpose()?,
            memory: args.memory.as_deref().map(memory).transpose()?,
            ..Resources::default()
        },
        mounts: args.mount.iter().map(|text| mount(text, folder)).collect::<Result<_>>()?,
        wait,
    })
}

impl UpArgs {
    fn weights(&self) -> Result<Weights> {
        self.weights.parse().map_err(|error| flag("--weights", &error))
    }
}

fn flag(flag: &str, why: &dyn std::fmt::Display) -> Error {
    Error::new(codes::FLAGS, format!("{flag}: {why}")).hint("see `wharf up --help`")
}

/// Reads `[ADDR:][HOST:]CONTAINER`, where a single number is the host port.
fn port(text: &str) -> Result<Publish> {
    let fail = || {
        flag(
            "-p",
            &format!(
                "`{text}` is not `[ADDR:][HOST:]CONTAINER`, such as `9000` or `0.0.0.0:80:8080`"
            ),
        )
    };
    let number = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(fail);
    let (front, container) = match text.rsplit_once(':') {
        None => ("", None),
        Some((front, container)) => (front, Some(number(container)?)),
    };
    let (address, host) = match front.rsplit_once(':') {
        _ if front.is_empty() => (None, number(text)?),
        None => (None, number(front)?),
        Some((address, host)) => (Some(address.trim_matches(['[', ']'])), number(host)?),
    };
    let address = match address {
        None => IpAddr::from([127, 0, 0, 1]),
        Some(address) => address.parse().map_err(|_| fail())?,
    };
    Ok(Publish { container, host: HostPort::Fixed(host), address })
}

fn variable(text: &str) -> Result<(String, String)> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(flag("-e", &format!("`{text}` is not `NAME=VALUE`"))),
    }
}

fn cpu(text: &str) -> Result<u32> {
    let cpus: f64 =
        text.parse().map_err(|_| flag("--cpu", &format!("`{text}` is not a number")))?;
    if (0.01..=1024.0).contains(&cpus) {
        Ok((cpus * 1000.0).round() as u32)
    } else {
        Err(flag("--cpu", &format!("`{text}` is not between 0.01 and 1024")))
    }
}

fn memory(text: &str) -> Result<ByteSize> {
    let size: ByteSize = text.parse().map_err(|error| flag("--memory", &error))?;
    let least = ByteSize(6 << 20);
    if size < least { Err(flag("--memory", &"the engine gives 6 MiB at least")) } else { Ok(size) }
}

fn mount(text: &str, folder: &std::path::Path) -> Result<Mount> {
    let fail = || {
        flag("--mount", &format!("`{text}` is not `SOURCE:TARGET[:ro]`, TARGET beginning with `/`"))
    };
    let (text, read_only) = match text.strip_suffix(":ro") {
        Some(text) => (text, true),
        None => (text, false),
    };
    let (source, target) = text.split_once(':').ok_or_else(fail)?;
    if source.is_empty() || !target.starts_with('/') {
        return Err(fail());
    }
    let path = folder.join(source);
    let source =
        std::fs::canonicalize(&path).map_err(|error| Error::file("mount", &path, error))?;
    Ok(Mount { source: source.display().to_string(), target: target.to_owned(), read_only })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_as_docker_has_them_but_for_a_single_number() {
        let shown = |text: &str| {
            let port = port(text).unwrap();
            let HostPort::Fixed(host) = port.host else { panic!("{text} was not taken as fixed") };
            let container = port.container.map_or("its own".to_owned(), |port| port.to_string());
            format!("{}:{host}:{container}", port.address)
        };
        assert_eq!(shown("9000"), "127.0.0.1:9000:its own");
        assert_eq!(shown("9000:80"), "127.0.0.1:9000:80");
        assert_eq!(shown("0.0.0.0:80:8080"), "0.0.0.0:80:8080");
        assert_eq!(shown("[::1]:80:8080"), "::1:80:8080");
        for text in ["", "x", "0", "70000", "1:2:3", "a:1:2", ":80", "80:", "1:2:3:4:5"] {
            assert!(port(text).is_err(), "{text} passed");
        }
    }
}
