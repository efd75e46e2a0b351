//! What Linux knows of a process, from `/proc`; nothing where it does not say.

use std::fs;

use rustix::process::{Resource, getrlimit};

/// The ticks of `/proc`: a constant of the kernel's interface, whatever its own clock does.
const TICKS_PER_SEC: f64 = 100.0;

/// Memory in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) resident: u64,
    pub(super) mapped: u64,
}

/// Returns the memory of a process: `self`, or its number.
pub(super) fn memory(process: &str) -> Option<Memory> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    Some(Memory { resident: kilobytes(&status, "VmRSS:")?, mapped: kilobytes(&status, "VmSize:")? })
}

fn kilobytes(status: &str, name: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(name))?;
    let number: u64 = value.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(number * 1024)
}

/// Returns the time that this process has computed.
pub(super) fn cpu_seconds() -> Option<f64> {
    ticks(&fs::read_to_string("/proc/self/stat").ok()?).map(|ticks| ticks as f64 / TICKS_PER_SEC)
}

/// Returns what was spent in the program and, for it, in the kernel.
fn ticks(stat: &str) -> Option<u64> {
    // The program's name may hold anything, and ends with the last parenthesis.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

/// Returns how many files this process has open.
pub(super) fn open_files() -> Option<usize> {
    // One of them is the listing itself.
    Some(fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1))
}

/// Returns how many it may have; `None` where there is no limit.
pub(super) fn max_files() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_time_and_files() {
        let memory = memory("self").unwrap();
        assert!(memory.resident > 1 << 20 && memory.mapped >= memory.resident, "{memory:?}");
        assert!(cpu_seconds().unwrap() < 3600.0);
        assert!(open_files().unwrap() >= 3);
        assert_eq!(super::memory("0"), None);
    }

    #[test]
    fn a_program_may_have_any_name() {
        let stat = "7 (a) b ) S 1 7 7 0 -1 4194560 190 0 0 0 11 4 0 0 20 0 1 0 900";
        assert_eq!(ticks(stat), Some(15));
        assert_eq!(ticks(""), None);
    }
}
