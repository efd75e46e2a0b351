//! Where Podman's Docker API differs from Docker's own. Everything measured on Podman 4.3.1.

use std::time::Duration;

use bollard::{
    errors::Error,
    models::{ResourcesUlimits, SystemInfo, SystemVersion},
};

/// What has to be done differently on an engine.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Quirks {
    /// Open files and processes of each container: Podman asks for 1048576 unless told otherwise, and a start
    /// fails where it may not raise its own limits so far.
    pub(super) ulimits: Vec<ResourcesUlimits>,
    /// A commit takes its changes as lines of a Dockerfile only, and ignores the body.
    pub(super) commit_by_lines: bool,
    /// Networks are known to containers by name; the names are unique.
    pub(super) networks_by_name: bool,
    /// Health checks run on systemd's timers: without them a container stays `starting` for ever.
    pub(super) health_may_not_run: bool,
}

/// Returns Podman's own version, if it is Podman that answers.
pub(super) fn version(of: &SystemVersion) -> Option<&str> {
    let components = of.components.iter().flatten();
    let engine = components.into_iter().find(|part| part.name == "Podman Engine");
    engine.map(|part| part.version.as_str())
}

/// Returns what Podman needs. `limits` is the text of its service's own `/proc/PID/limits`, where it can be read.
pub(super) fn quirks(limits: Option<&str>) -> Quirks {
    Quirks {
        ulimits: limits.map(ulimits).unwrap_or_default(),
        commit_by_lines: true,
        networks_by_name: true,
        health_may_not_run: true,
    }
}

/// Both limits must be given: the one left out is raised to the default again.
fn ulimits(limits: &str) -> Vec<ResourcesUlimits> {
    const DEFAULT: i64 = 1_048_576;
    let hard = |row: &str| {
        let rest = limits.lines().find_map(|line| line.strip_prefix(row))?;
        // `unlimited` is no number.
        rest.split_whitespace().nth(1)?.parse::<i64>().ok()
    };
    let files = hard("Max open files").unwrap_or(DEFAULT).min(DEFAULT);
    let processes = hard("Max processes").unwrap_or(DEFAULT).min(DEFAULT);
    if files == DEFAULT && processes == DEFAULT {
        return Vec::new();
    }
    let limit = |name: &str, most| ResourcesUlimits {
        name: Some(name.to_owned()),
        soft: Some(most),
        hard: Some(most),
    };
    vec![limit("nofile", files), limit("nproc", processes)]
}

/// Returns a name for this engine that lasts. Its `/info` has a new `ID` at each call.
pub(super) fn lasting_id(info: &SystemInfo) -> String {
    let part = |text: &Option<String>| text.clone().unwrap_or_default();
    format!("podman:{}:{}", part(&info.name), part(&info.docker_root_dir))
}

/// Asks again while the answer holds a state that the client cannot read.
///
/// Podman has `stopped` and `initialized` between `running` and `exited`, `created` and `running`. The client
/// library fails on a word that it does not know; the states pass in moments.
pub(super) async fn once_settled<T, F>(ask: impl Fn() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    const TRIES: usize = 200;
    for _ in 1..TRIES {
        match ask().await {
            Err(Error::JsonDataError { message, .. })
                if ["`stopped`", "`initialized`"].iter().any(|state| message.contains(state)) =>
            {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            answer => return answer,
        }
    }
    ask().await
}

/// Returns the changes of a commit as lines of a Dockerfile. Podman takes all after `=` as it stands, up to the
/// end of the line.
pub(super) fn commit_lines(
    labels: &[(String, String)],
    env: &[String],
    entrypoint: &[String],
    command: &[String],
) -> String {
    let list = |words: &[String]| serde_json::to_string(words).expect("texts are JSON");
    let flat = |text: &str| text.replace(['\n', '\r'], " ");
    let labels = labels.iter().map(|(name, value)| format!("LABEL {}={}", flat(name), flat(value)));
    let env = env.iter().map(|pair| format!("ENV {}", flat(pair)));
    let start = [format!("ENTRYPOINT {}", list(entrypoint)), format!("CMD {}", list(command))];
    labels.chain(env).chain(start).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_given_where_podman_may_not_raise_its_own() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
                      Max processes             96364                96364                processes\n\
                      Max open files            20000                524288               files\n";
        let given: Vec<_> = ulimits(limits).into_iter().map(|one| (one.name, one.hard)).collect();
        let expect = [("nofile", 524_288), ("nproc", 96_364)];
        assert_eq!(given, expect.map(|(name, most)| (Some(name.to_owned()), Some(most))));
    }

    #[test]
    fn limits_are_left_alone_where_it_may() {
        let limits = "Max processes             unlimited            unlimited            processes\n\
                      Max open files            1048576              1048576              files\n";
        assert_eq!(ulimits(limits), []);
    }

    #[test]
    fn a_label_cannot_add_an_instruction() {
        let labels = [("k".to_owned(), "v\nENTRYPOINT [\"/bin/evil\"]".to_owned())];
        let command = ["/bin/true".to_owned()];
        insta::assert_snapshot!(commit_lines(&labels, &[], &[], &command), @r#"
        LABEL k=v ENTRYPOINT ["/bin/evil"]
        ENTRYPOINT []
        CMD ["/bin/true"]
        "#);
    }
}
