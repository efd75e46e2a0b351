//! What the file system says of a file's state: while it says the same, the content is the same.

use std::{fs::Metadata, os::unix::fs::MetadataExt as _};

use serde::{Deserialize, Serialize};

/// The state of a file. Times are nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stamp {
    pub device: u64,
    pub inode: u64,
    /// Bytes.
    pub size: u64,
    pub modified: i128,
    /// Of content or attributes: no program sets this time to what it likes.
    pub changed: i128,
}

impl Stamp {
    /// Returns the state that a file was in when these facts of it were asked for.
    pub fn of(facts: &Metadata) -> Self {
        Self {
            device: facts.dev(),
            inode: facts.ino(),
            size: facts.len(),
            modified: nanos(facts.mtime(), facts.mtime_nsec()),
            changed: nanos(facts.ctime(), facts.ctime_nsec()),
        }
    }

    /// Says whether the file was last changed clearly before a moment, in nanoseconds since 1970: a change within
    /// one tick of the file system's clock would leave no trace in the state.
    pub fn is_settled_before(&self, moment: i128) -> bool {
        const SECOND: i128 = 1_000_000_000;
        const TICKS: i128 = SECOND / 20;
        // Some file systems count whole seconds, and FAT pairs of them.
        let is_coarse = self.changed % SECOND == 0 || self.modified % SECOND == 0;
        let margin = if is_coarse { 2 * SECOND } else { TICKS };
        self.modified.max(self.changed) + margin < moment
    }
}

fn nanos(seconds: i64, nanos: i64) -> i128 {
    i128::from(seconds) * 1_000_000_000 + i128::from(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_a_moment_ago_is_not_settled() {
        let stamp = |modified, changed| Stamp { device: 1, inode: 2, size: 3, modified, changed };
        let now = 1_000_123_456_789;
        let check = |stamp: Stamp, settled| {
            assert_eq!(stamp.is_settled_before(now), settled, "{stamp:?}");
        };
        check(stamp(now - 60_000_000, now - 60_000_000), true);
        check(stamp(now - 10_000_000, now - 60_000_000), false);
        check(stamp(now - 60_000_000, now - 10_000_000), false);
        check(stamp(now + 60_000_000, now - 60_000_000), false);
        check(stamp(999_000_000_000, 999_000_000_000), false);
        check(stamp(997_000_000_000, 997_000_000_000), true);
    }
}
