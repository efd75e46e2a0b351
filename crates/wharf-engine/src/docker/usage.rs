//! What containers use of CPU and memory.
//!
//! A share of CPU needs two samples. They come from the kernel's own files where the engine runs on this machine
//! (see [`cgroup`]): the engine's answer takes up to a second, since Docker before 25 waits for the
//! next round of its own collector. Elsewhere the engine is asked.

use std::time::Duration;

use async_trait::async_trait;
use bollard::{
    models::{ContainerMemoryStats, ContainerStatsResponse},
    query_parameters::StatsOptionsBuilder,
};
use futures_util::{StreamExt, stream};
use tokio::time::{Instant, timeout_at};
use wharf_spec::workload::WorkloadId;

use super::{
    Docker, QUESTIONS_AT_ONCE,
    cgroup::{self, Group},
    connection::Found,
};
use crate::{Meter, Usage};

/// Between two samples.
const PAUSE: Duration = Duration::from_millis(100);
/// Longest that all of it takes: two rounds of a collector that runs once a second.
const PATIENCE: Duration = Duration::from_millis(2_500);
/// Most stats that the engine is asked for at once; each may wait for the same round.
const SAMPLES_AT_ONCE: usize = 64;

/// One look at a container's counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sample {
    /// When, since a moment that is the same for all samples of its origin.
    pub(super) at: Duration,
    /// CPU time since the container began.
    pub(super) cpu: Option<Duration>,
    /// Bytes in use, without what the kernel would give up at once.
    pub(super) memory: Option<u64>,
}

impl Sample {
    /// Returns what was used up to the second sample, or what one alone tells.
    fn usage(self, second: Option<Self>) -> Usage {
        let last = second.unwrap_or(self);
        Usage { cpu_millis: self.cores_until(last), memory: last.memory }
    }

    /// Returns thousandths of a core.
    fn cores_until(self, second: Self) -> Option<u64> {
        let passed = second.at.checked_sub(self.at).filter(|passed| !passed.is_zero())?;
        let used = second.cpu?.checked_sub(self.cpu?)?;
        u64::try_from(used.as_nanos() * 1000 / passed.as_nanos()).ok()
    }
}

#[async_trait]
impl Meter for Docker {
    async fn usage(&self, ids: &[WorkloadId]) -> Vec<Usage> {
        let deadline = Instant::now() + PATIENCE;
        let found: Vec<_> = stream::iter(ids.to_vec())
            .map(|id| async move { self.running(&id, deadline).await })
            .buffered(QUESTIONS_AT_ONCE)
            .collect()
            .await;
        let groups = found.iter().map(|found| self.group(found.as_ref()?)).collect();
        let counted = in_files(groups).await;
        stream::iter(found.into_iter().zip(counted))
            .map(|(found, counted)| async move {
                match (found, counted) {
                    (_, Some(usage)) => usage,
                    (Some(found), None) => self.told(&found.handle, deadline).await,
                    (None, None) => Usage::default(),
                }
            })
            .buffered(SAMPLES_AT_ONCE)
            .collect()
            .await
    }
}

impl Docker {
    /// Returns the container of a workload, if it runs and the engine says so in time.
    async fn running(&self, id: &WorkloadId, deadline: Instant) -> Option<Found> {
        let found = timeout_at(deadline, self.connection.find(id)).await.ok()?.ok()??;
        let state = found.container.state.as_ref();
        (state.and_then(|state| state.running) == Some(true)).then_some(found)
    }

    /// Returns where the kernel of this machine counts for a container, if it does.
    fn group(&self, found: &Found) -> Option<Group> {
        let pid = found.container.state.as_ref()?.pid?;
        Group::of_container(&found.handle, pid).filter(|_| self.about.is_local)
    }

    /// Asks the engine itself.
    async fn told(&self, container: &str, deadline: Instant) -> Usage {
        let Ok(Some(first)) = timeout_at(deadline, self.sample(container)).await else {
            return Usage::default();
        };
        let second = async {
            tokio::time::sleep(PAUSE).await;
            self.sample(container).await
        };
        first.usage(timeout_at(deadline, second).await.ok().flatten())
    }

    async fn sample(&self, container: &str) -> Option<Sample> {
        let options = StatsOptionsBuilder::new().stream(false).one_shot(true).build();
        let stats = self.connection.client.stats(container, Some(options));
        let stats = std::pin::pin!(stats).next().await?;
        sample(&stats.ok()?)
    }
}

/// Samples all at once, so that there is one pause for all of them.
async fn in_files(groups: Vec<Option<Group>>) -> Vec<Option<Usage>> {
    if groups.iter().all(Option::is_none) {
        return vec![None; groups.len()];
    }
    let begun = std::time::Instant::now();
    let sample = move |groups: &[Option<Group>]| -> Vec<Option<Sample>> {
        groups.iter().map(|group| cgroup::sample(group.as_ref()?, begun)).collect()
    };
    let first = sample(&groups);
    tokio::time::sleep(PAUSE).await;
    let second = sample(&groups);
    let pairs = first.into_iter().zip(second);
    pairs.map(|(first, second)| first.map(|first| first.usage(second))).collect()
}

/// Reads an answer of the engine; `None` when it has no time: nothing was sampled.
fn sample(stats: &ContainerStatsResponse) -> Option<Sample> {
    let read: jiff::Timestamp = stats.read.as_deref()?.parse().ok()?;
    let cpu = stats.cpu_stats.as_ref().and_then(|cpu| cpu.cpu_usage.as_ref()?.total_usage);
    Some(Sample {
        at: read.as_duration().try_into().ok()?,
        cpu: cpu.map(Duration::from_nanos),
        memory: stats.memory_stats.as_ref().and_then(memory),
    })
}

/// Returns what is in use. A file that was read stays in memory as long as nobody wants the place: no use of it.
fn memory(stats: &ContainerMemoryStats) -> Option<u64> {
    let usage = stats.usage?;
    // The first is cgroup v1, where the other one leaves out what is below. Podman tells neither.
    let names = ["total_inactive_file", "inactive_file"];
    let cached = names.iter().find_map(|name| stats.stats.as_ref()?.get(*name));
    Some(usage.saturating_sub(cached.copied().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<Sample> {
        sample(&serde_json::from_str(json).expect("an answer"))
    }

    #[test]
    fn dockers_answer_is_read() {
        let sample = read(include_str!("../../tests/data/docker-20.10/stats.json")).unwrap();
        assert_eq!(sample.cpu, Some(Duration::from_nanos(27_657_566)));
        assert_eq!(sample.memory, Some(2_793_472 - 1_687_552), "without cached files");
    }

    #[test]
    fn podmans_answer_is_read() {
        let sample = read(include_str!("../../tests/data/podman-4.3/stats.json")).unwrap();
        assert_eq!(sample.cpu, Some(Duration::from_nanos(61_733_903)));
        assert_eq!(sample.memory, Some(2_379_776));
    }

    #[test]
    fn cached_files_are_told_under_another_name_on_cgroup_v2() {
        let stats = r#"{"read": "2026-01-01T00:00:00Z",
            "memory_stats": {"usage": 1000, "stats": {"inactive_file": 400, "file": 900}}}"#;
        assert_eq!(read(stats).unwrap().memory, Some(600));
    }

    #[test]
    fn what_is_not_there_is_not_told() {
        assert_eq!(read("{}"), None);
        let sample = read(r#"{"read": "2026-01-01T00:00:00Z"}"#).unwrap();
        assert_eq!(sample.usage(Some(sample)), Usage::default());
    }

    #[test]
    fn cpu_is_the_time_used_over_the_time_passed() {
        let sample = |at, cpu| Sample {
            at: Duration::from_millis(at),
            cpu: Some(Duration::from_millis(cpu)),
            memory: Some(at),
        };
        let check = |second: Option<Sample>, cpu_millis| {
            assert_eq!(sample(1000, 50).usage(second).cpu_millis, cpu_millis);
        };
        check(Some(sample(1100, 75)), Some(250));
        check(Some(sample(1100, 250)), Some(2000));
        check(Some(sample(1100, 50)), Some(0));
        // A clock that was set back, a container that was started anew, a sample of the same round.
        check(Some(sample(900, 75)), None);
        check(Some(sample(1100, 20)), None);
        check(Some(sample(1000, 75)), None);
        check(None, None);
    }
}
