//! What can go wrong on an engine: one variant for each thing that a caller can do something about.

use wharf_spec::{
    codes,
    error::{Code, Explain, Source},
    workload::WorkloadId,
};

use crate::capability::Unsupported;

pub type Result<T, E = EngineError> = std::result::Result<T, E>;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    #[error("no engine was found")]
    Missing { looked: Vec<String> },
    #[error("the socket of the engine refuses you: {address}")]
    Denied {
        address: String,
        #[source]
        source: Source,
    },
    #[error("the engine at {address} does not answer")]
    Silent {
        address: String,
        #[source]
        source: Source,
    },
    #[error("the engine at {address} speaks API {found}, wharf speaks {supported}")]
    Version { address: String, found: String, supported: String },
    #[error("`{host}` cannot be used as an engine's address: {why}")]
    Host { host: String, why: String },
    #[error("there is no image `{image}`")]
    NoImage { image: String },
    #[error("there is no `{}` in project `{}`", .id.name, .id.project)]
    NoWorkload { id: WorkloadId },
    #[error("{engine} cannot honour `{}`", fields(.missing))]
    Unsupported { engine: &'static str, missing: Vec<Unsupported> },
    #[error("port {port} is taken")]
    PortTaken { port: u16, holder: Option<String> },
    #[error("the engine has no free address block for another network")]
    NetworksUsedUp,
    #[error("`{name}` is there already, and not as asked")]
    Conflict { name: String },
    #[error("no space is left where the engine keeps its data")]
    DiskFull {
        #[source]
        source: Source,
    },
    #[error("could not {action}")]
    Refused {
        action: String,
        #[source]
        source: Source,
    },
}

fn fields(missing: &[Unsupported]) -> String {
    missing.iter().map(|one| one.field).collect::<Vec<_>>().join("`, `")
}

impl Explain for EngineError {
    fn code(&self) -> Code {
        match self {
            Self::Missing { .. } => codes::ENGINE_MISSING,
            Self::Denied { .. } => codes::ENGINE_DENIED,
            Self::Silent { .. } => codes::ENGINE_SILENT,
            Self::Version { .. } => codes::ENGINE_VERSION,
            Self::Host { .. } => codes::ENGINE_HOST,
            Self::NoImage { .. } => codes::NO_IMAGE,
            Self::NoWorkload { .. } => codes::NO_WORKLOAD,
            Self::Unsupported { .. } => codes::UNSUPPORTED_FIELD,
            Self::PortTaken { .. } => codes::PORT_TAKEN,
            Self::NetworksUsedUp => codes::NETWORKS_USED_UP,
            Self::Conflict { .. } => codes::FOREIGN,
            Self::DiskFull { .. } => codes::DISK_FULL,
            Self::Refused { .. } => codes::ENGINE_REFUSED,
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Missing { looked } => vec![
                format!("install Docker (`apt-get install docker.io`) or Podman; wharf looked at {}", looked.join(", ")),
                "go on without an engine: `wharf serve MODEL`".to_owned(),
            ],
            Self::Denied { .. } => vec![
                "join the group that owns the socket: `sudo usermod -aG docker $USER`, then log in again (it is as good as root)".to_owned(),
                "or use rootless Docker or Podman, whose sockets wharf finds by itself".to_owned(),
            ],
            Self::Silent { .. } => vec![
                "start the engine: `sudo systemctl start docker`, or `sudo dockerd` where there is no systemd".to_owned(),
            ],
            Self::Version { .. } => vec!["update the engine: wharf needs Docker 20.10 or later".to_owned()],
            Self::Host { .. } => vec!["set DOCKER_HOST to `unix://PATH` or `tcp://HOST:PORT`, or unset it".to_owned()],
            Self::NoImage { image } => vec![format!("build it with `wharf up PATH`, or pull it: `docker pull {image}`")],
            Self::NoWorkload { id } => vec![format!("see what is there with `wharf ps -a -P {}`", id.project)],
            Self::Unsupported { missing, .. } => {
                missing.iter().map(|one| format!("instead of `{}`: {}", one.field, one.instead)).collect()
            }
            Self::PortTaken { port, holder } => {
                let holder = holder.as_ref().map(|holder| format!("it is held by {holder}; ")).unwrap_or_default();
                vec![format!("{holder}choose another with `-p {}`, or leave `-p` out", port.saturating_add(1))]
            }
            Self::NetworksUsedUp => vec!["remove networks that nobody uses: `docker network prune`".to_owned()],
            Self::Conflict { name } => vec![format!("choose another name with `--name`, or remove `{name}` from the engine")],
            Self::DiskFull { .. } => vec!["see what the engine holds with `docker system df`; make room with `docker image prune`".to_owned()],
            Self::Refused { .. } => Vec::new(),
        }
    }
}
