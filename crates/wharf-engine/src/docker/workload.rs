//! What the engine is asked to make for a workload. Pure: no engine is needed to see it.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use bollard::models::{
    ContainerCreateBody, EndpointSettings, HealthConfig, HostConfig, HostConfigLogConfig, Mount,
    MountType, NetworkingConfig, PortBinding, RestartPolicy, RestartPolicyNameEnum,
};
use wharf_spec::{
    label,
    workload::{CapabilitySet, Command, HealthCheck, Restart, Workload, WorkloadId},
};

use super::podman::Quirks;

/// Of Docker's default capabilities, those that machine learning never needs. Left are CHOWN, DAC_OVERRIDE,
/// FOWNER, FSETID, KILL, SETGID, SETUID and NET_BIND_SERVICE, which installers and other people's servers use.
const NEVER_NEEDED: [&str; 6] =
    ["AUDIT_WRITE", "MKNOD", "NET_RAW", "SETFCAP", "SETPCAP", "SYS_CHROOT"];

/// Returns the name of a workload's container.
pub(super) fn container_name(id: &WorkloadId) -> String {
    format!("wharf-{}.{}.{}", id.project, id.name, id.generation)
}

/// Returns the container for a workload, in a network, with a port of the host for each port of the workload.
pub(super) fn body(
    workload: &Workload,
    network: &str,
    host_ports: &[u16],
    quirks: &Quirks,
) -> ContainerCreateBody {
    let (entrypoint, cmd) = match &workload.command {
        Command::Image => (None, None),
        // As the entrypoint, so that the image's own does not come before it.
        Command::Args(words) => {
            let (program, args) = words.split_at(words.len().min(1));
            (Some(program.to_vec()), Some(args.to_vec()))
        }
    };
    let mut labels = workload.labels.clone();
    labels.extend(label::of(workload));
    let endpoint = EndpointSettings {
        aliases: Some(vec![workload.id.name.to_string()]),
        ..EndpointSettings::default()
    };
    ContainerCreateBody {
        image: Some(workload.image.clone()),
        entrypoint,
        cmd,
        env: Some(workload.env.iter().map(|(name, value)| format!("{name}={value}")).collect()),
        labels: Some(labels.into_iter().collect()),
        exposed_ports: Some(workload.ports.iter().map(|port| tcp(port.container)).collect()),
        healthcheck: workload.health.as_ref().map(health),
        stop_timeout: Some(workload.grace_secs.into()),
        host_config: Some(host_config(workload, network, host_ports, quirks)),
        networking_config: Some(NetworkingConfig {
            endpoints_config: Some(HashMap::from([(network.to_owned(), endpoint)])),
        }),
        ..ContainerCreateBody::default()
    }
}

fn host_config(
    workload: &Workload,
    network: &str,
    host_ports: &[u16],
    quirks: &Quirks,
) -> HostConfig {
    let Workload { resources, hardening, .. } = workload;
    let bytes = |size: wharf_spec::quantity::ByteSize| i64::try_from(size.0).unwrap_or(i64::MAX);
    let memory = resources.memory.map(bytes);
    let capabilities = match hardening.capabilities {
        CapabilitySet::None => vec!["ALL".to_owned()],
        CapabilitySet::Reduced => NEVER_NEEDED.map(str::to_owned).to_vec(),
    };
    let restart = match workload.restart {
        Restart::No => RestartPolicyNameEnum::NO,
        Restart::UnlessStopped => RestartPolicyNameEnum::UNLESS_STOPPED,
    };
    // Without write access elsewhere programs still expect a place for small files.
    let tmp = || ("/tmp".to_owned(), "rw,noexec,nosuid,nodev,size=64m,mode=1777".to_owned());
    HostConfig {
        network_mode: Some(network.to_owned()),
        port_bindings: Some(port_bindings(workload, host_ports)),
        mounts: Some(workload.mounts.iter().map(mount).collect()),
        cap_drop: Some(capabilities),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        pids_limit: Some(hardening.pids.into()),
        nano_cpus: resources.cpu_millis.map(|millis| i64::from(millis) * 1_000_000),
        memory,
        // Left out it becomes twice the memory.
        memory_swap: memory,
        shm_size: resources.shm_size.map(bytes),
        readonly_rootfs: Some(hardening.read_only_root),
        tmpfs: hardening.read_only_root.then(|| HashMap::from([tmp()])),
        ulimits: (!quirks.ulimits.is_empty()).then(|| quirks.ulimits.clone()),
        log_config: Some(log_config()),
        restart_policy: Some(RestartPolicy { name: Some(restart), maximum_retry_count: None }),
        // wharf's servers handle signals and children themselves.
        init: Some(false),
        ..HostConfig::default()
    }
}

/// The one driver that every engine can read back, with old lines thrown away.
fn log_config() -> HostConfigLogConfig {
    let limits = [("max-size", "10m"), ("max-file", "3")];
    let limits = limits.map(|(name, value)| (name.to_owned(), value.to_owned()));
    HostConfigLogConfig { typ: Some("json-file".to_owned()), config: Some(HashMap::from(limits)) }
}

fn port_bindings(
    workload: &Workload,
    host_ports: &[u16],
) -> HashMap<String, Option<Vec<PortBinding>>> {
    let mut bindings: HashMap<String, Option<Vec<PortBinding>>> = HashMap::new();
    for (port, host_port) in workload.ports.iter().zip(host_ports) {
        let binding = PortBinding {
            host_ip: Some(port.address.to_string()),
            host_port: Some(host_port.to_string()),
        };
        bindings.entry(tcp(port.container)).or_default().get_or_insert_default().push(binding);
    }
    bindings
}

fn tcp(port: u16) -> String {
    format!("{port}/tcp")
}

fn mount(mount: &wharf_spec::workload::Mount) -> Mount {
    Mount {
        typ: Some(MountType::BIND),
        source: Some(mount.source.clone()),
        target: Some(mount.target.clone()),
        read_only: Some(mount.read_only),
        ..Mount::default()
    }
}

fn health(check: &HealthCheck) -> HealthConfig {
    let nanos = |seconds: u32| Some(i64::from(seconds) * 1_000_000_000);
    let test = std::iter::once("CMD".to_owned()).chain(check.command.iter().cloned());
    HealthConfig {
        test: Some(test.collect()),
        interval: nanos(check.interval_secs),
        timeout: nanos(check.timeout_secs),
        start_period: nanos(check.start_period_secs),
        retries: Some(3),
        start_interval: None,
    }
}

/// Says whether a mount would put an engine's socket into the container, which is as good as root on the host:
/// the socket itself, by whatever links, or a folder that holds it.
pub(super) fn mounts_a_socket(workload: &Workload, own_socket: Option<&Path>) -> bool {
    const USUAL: [&str; 4] = [
        "/run/docker.sock",
        "/run/podman/podman.sock",
        "/run/containerd/containerd.sock",
        "/var/run/docker.sock",
    ];
    let resolved = |path: &Path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let sockets: Vec<PathBuf> = USUAL
        .iter()
        .map(Path::new)
        .chain(own_socket)
        .flat_map(|path| [path.to_owned(), resolved(path)])
        .collect();
    workload.mounts.iter().any(|mount| {
        let source = Path::new(&mount.source);
        [source.to_owned(), resolved(source)]
            .iter()
            .any(|source| sockets.iter().any(|socket| socket.starts_with(source)))
    })
}

#[cfg(test)]
mod tests {
    use wharf_spec::{
        quantity::ByteSize,
        workload::{Hardening, HostPort, Mount, Port, Resources, WorkloadKind},
    };

    use super::*;

    fn workload(kind: WorkloadKind) -> Workload {
        let id = WorkloadId {
            project: "default".parse().unwrap(),
            name: "iris".parse().unwrap(),
            generation: 2,
        };
        Workload::new(id, kind, "iris:1")
    }

    /// What is sent, without what is left to the engine.
    fn sent(workload: &Workload, ports: &[u16]) -> serde_json::Value {
        let mut value =
            serde_json::to_value(body(workload, "net", ports, &Quirks::default())).unwrap();
        strip_nulls(&mut value);
        value["Labels"]["wharf.spec-digest"] = "b3:…".into();
        value.sort_all_objects();
        value
    }

    fn strip_nulls(value: &mut serde_json::Value) {
        if let Some(object) = value.as_object_mut() {
            object.retain(|_, value| !value.is_null());
            object.values_mut().for_each(strip_nulls);
        }
    }

    #[test]
    fn a_native_service_is_shut_tight() {
        let mut service = workload(WorkloadKind::Service);
        service.hardening = Hardening::native();
        service.resources = Resources {
            cpu_millis: Some(1_500),
            memory: Some(ByteSize(64 << 20)),
            gpus: None,
            shm_size: Some(ByteSize(1 << 20)),
        };
        service.ports = vec![Port {
            container: 8080,
            host: HostPort::From(8080),
            address: [127, 0, 0, 1].into(),
        }];
        service.health = Some(HealthCheck {
            command: vec!["/wharf-serve".to_owned(), "probe".to_owned()],
            interval_secs: 10,
            timeout_secs: 3,
            start_period_secs: 60,
        });
        service.labels.insert("wharf.seal".to_owned(), "00ff".to_owned());
        insta::assert_json_snapshot!(sent(&service, &[8081]), @r#"
        {
          "Env": [],
          "ExposedPorts": {
            "8080/tcp": {}
          },
          "Healthcheck": {
            "Interval": 10000000000,
            "Retries": 3,
            "StartPeriod": 60000000000,
            "Test": [
              "CMD",
              "/wharf-serve",
              "probe"
            ],
            "Timeout": 3000000000
          },
          "HostConfig": {
            "CapDrop": [
              "ALL"
            ],
            "Init": false,
            "LogConfig": {
              "Config": {
                "max-file": "3",
                "max-size": "10m"
              },
              "Type": "json-file"
            },
            "Memory": 67108864,
            "MemorySwap": 67108864,
            "Mounts": [],
            "NanoCpus": 1500000000,
            "NetworkMode": "net",
            "PidsLimit": 512,
            "PortBindings": {
              "8080/tcp": [
                {
                  "HostIp": "127.0.0.1",
                  "HostPort": "8081"
                }
              ]
            },
            "ReadonlyRootfs": true,
            "RestartPolicy": {
              "Name": "unless-stopped"
            },
            "SecurityOpt": [
              "no-new-privileges"
            ],
            "ShmSize": 1048576,
            "Tmpfs": {
              "/tmp": "rw,noexec,nosuid,nodev,size=64m,mode=1777"
            }
          },
          "Image": "iris:1",
          "Labels": {
            "wharf.attempt": "1",
            "wharf.generation": "2",
            "wharf.kind": "service",
            "wharf.name": "iris",
            "wharf.project": "default",
            "wharf.seal": "00ff",
            "wharf.spec-digest": "b3:…"
          },
          "NetworkingConfig": {
            "EndpointsConfig": {
              "net": {
                "Aliases": [
                  "iris"
                ]
              }
            }
          },
          "StopTimeout": 10
        }
        "#);
    }

    #[test]
    fn a_job_runs_its_own_command_and_keeps_what_installers_need() {
        let mut job = workload(WorkloadKind::Job);
        job.command = Command::Args(["sh", "-c", "echo \"$A\""].map(str::to_owned).to_vec());
        job.env.insert("A".to_owned(), "two\nlines".to_owned());
        job.mounts =
            vec![Mount { source: "/data".to_owned(), target: "/in".to_owned(), read_only: true }];
        insta::assert_json_snapshot!(sent(&job, &[]), @r#"
        {
          "Cmd": [
            "-c",
            "echo \"$A\""
          ],
          "Entrypoint": [
            "sh"
          ],
          "Env": [
            "A=two\nlines"
          ],
          "ExposedPorts": {},
          "HostConfig": {
            "CapDrop": [
              "AUDIT_WRITE",
              "MKNOD",
              "NET_RAW",
              "SETFCAP",
              "SETPCAP",
              "SYS_CHROOT"
            ],
            "Init": false,
            "LogConfig": {
              "Config": {
                "max-file": "3",
                "max-size": "10m"
              },
              "Type": "json-file"
            },
            "Mounts": [
              {
                "ReadOnly": true,
                "Source": "/data",
                "Target": "/in",
                "Type": "bind"
              }
            ],
            "NetworkMode": "net",
            "PidsLimit": 4096,
            "PortBindings": {},
            "ReadonlyRootfs": false,
            "RestartPolicy": {
              "Name": "no"
            },
            "SecurityOpt": [
              "no-new-privileges"
            ]
          },
          "Image": "iris:1",
          "Labels": {
            "wharf.attempt": "1",
            "wharf.generation": "2",
            "wharf.kind": "job",
            "wharf.name": "iris",
            "wharf.project": "default",
            "wharf.spec-digest": "b3:…"
          },
          "NetworkingConfig": {
            "EndpointsConfig": {
              "net": {
                "Aliases": [
                  "iris"
                ]
              }
            }
          },
          "StopTimeout": 10
        }
        "#);
    }

    #[test]
    fn the_limits_that_podman_needs_are_sent() {
        let limits = "Max open files            20000                20000                files";
        let quirks = super::super::podman::quirks(Some(limits));
        let sent = body(&workload(WorkloadKind::Job), "net", &[], &quirks);
        assert_eq!(sent.host_config.unwrap().ulimits, Some(quirks.ulimits));
    }

    #[test]
    fn an_engines_socket_is_never_mounted() {
        let mounts = |source: &str| {
            let mut job = workload(WorkloadKind::Job);
            job.mounts =
                vec![Mount { source: source.to_owned(), target: "/x".to_owned(), read_only: true }];
            mounts_a_socket(&job, Some(Path::new("/srv/engine/own.sock")))
        };
        for source in [
            "/var/run/docker.sock",
            "/run/docker.sock",
            "/run",
            "/var/run/",
            "/",
            "/srv/engine/own.sock",
            "/srv/engine",
        ] {
            assert!(mounts(source), "{source} passed");
        }
        for source in ["/srv/engine/own.sock.d", "/data", "/srv/engines"] {
            assert!(!mounts(source), "{source} was refused");
        }
    }
}
