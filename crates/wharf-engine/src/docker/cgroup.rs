//! The kernel's counters of a container: control groups of version 1, 2, or both side by side.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::usage::Sample;

/// Where the kernel shows its control groups.
const ROOT: &str = "/sys/fs/cgroup";

/// Where the kernel counts for one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    cpu: Counter,
    memory: Counter,
}

/// A folder of counters; the versions name them differently.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Counter {
    V1(PathBuf),
    V2(PathBuf),
}

impl Group {
    /// Returns the group of a container's first process, if this machine's kernel runs it.
    pub(super) fn of_container(container: &str, pid: i64) -> Option<Self> {
        let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        Self::of(Path::new(ROOT), container, &groups)
    }

    /// Reads a process's list of groups. They carry the container's id: the engine may count its processes
    /// elsewhere, in a virtual machine say, and here the number is then another process's, or nobody's.
    fn of(root: &Path, container: &str, groups: &str) -> Option<Self> {
        let group_of = |wanted: &str| {
            let path = groups.lines().find_map(|line| {
                let (_, line) = line.split_once(':')?;
                let (names, path) = line.split_once(':')?;
                names.split(',').any(|name| name == wanted).then_some(path)
            })?;
            let is_its_own = path.contains(container) && !path.split('/').any(|part| part == "..");
            path.strip_prefix('/').filter(|_| is_its_own && !container.is_empty())
        };
        let counter = |controller: &str| match group_of(controller) {
            Some(path) => Some(Counter::V1(root.join(controller).join(path))),
            None => Some(Counter::V2(root.join(group_of("")?))),
        };
        Some(Self { cpu: counter("cpuacct")?, memory: counter("memory")? })
    }
}

/// Looks at the counters; `None` when they are not there, or no more.
pub(super) fn sample(group: &Group, begun: Instant) -> Option<Sample> {
    let (cpu, memory) = (group.cpu.cpu(), group.memory.memory());
    (cpu.is_some() || memory.is_some()).then(|| Sample { at: begun.elapsed(), cpu, memory })
}

impl Counter {
    fn cpu(&self) -> Option<Duration> {
        match self {
            Self::V1(folder) => number(&folder.join("cpuacct.usage")).map(Duration::from_nanos),
            Self::V2(folder) => {
                row(&folder.join("cpu.stat"), "usage_usec").map(Duration::from_micros)
            }
        }
    }

    fn memory(&self) -> Option<u64> {
        let (folder, usage, cached) = match self {
            Self::V1(folder) => (folder, "memory.usage_in_bytes", "total_inactive_file"),
            Self::V2(folder) => (folder, "memory.current", "inactive_file"),
        };
        let usage = number(&folder.join(usage))?;
        Some(usage.saturating_sub(row(&folder.join("memory.stat"), cached).unwrap_or(0)))
    }
}

fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// Returns the number behind a name.
fn row(file: &Path, name: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let mut rows = text.lines().filter_map(|line| line.split_once(' '));
    rows.find(|(key, _)| *key == name)?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = "9:name=systemd:/docker/abc\n4:memory:/docker/abc\n2:cpu,cpuacct:/docker/abc\n0::/docker/abc\n";
    const V2: &str = "0::/system.slice/docker-abc.scope\n";

    fn write(root: &Path, files: &[(&str, &str)]) {
        for (path, text) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    #[track_caller]
    fn check(groups: &str, files: &[(&str, &str)], cpu: Option<u64>, memory: Option<u64>) {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), files);
        let group = Group::of(root.path(), "abc", groups).unwrap();
        let sample = sample(&group, Instant::now()).unwrap_or_default();
        assert_eq!((sample.cpu, sample.memory), (cpu.map(Duration::from_nanos), memory));
    }

    #[test]
    fn version_1_is_read() {
        let files = [
            ("cpuacct/docker/abc/cpuacct.usage", "123\n"),
            ("memory/docker/abc/memory.usage_in_bytes", "1000\n"),
            ("memory/docker/abc/memory.stat", "inactive_file 1\ntotal_inactive_file 400\n"),
        ];
        check(V1, &files, Some(123), Some(600));
    }

    #[test]
    fn version_2_is_read() {
        let files = [
            ("system.slice/docker-abc.scope/cpu.stat", "usage_usec 5\nuser_usec 4\n"),
            ("system.slice/docker-abc.scope/memory.current", "1000\n"),
            ("system.slice/docker-abc.scope/memory.stat", "anon 7\ninactive_file 300\n"),
        ];
        check(V2, &files, Some(5000), Some(700));
    }

    #[test]
    fn what_is_not_counted_is_not_told() {
        check(V2, &[("system.slice/docker-abc.scope/memory.current", "10\n")], None, Some(10));
        check(V2, &[], None, None);
    }

    #[test]
    fn the_groups_of_another_process_do_not_count() {
        for groups in
            ["0::/\n", "0::/user.slice/x.scope\n", "0::/../docker-abc.scope\n", "", "junk"]
        {
            assert_eq!(Group::of(Path::new("/"), "abc", groups), None, "{groups}");
        }
    }
}
