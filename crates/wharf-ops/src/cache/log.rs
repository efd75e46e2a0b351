//! The file of a cache: lines that are only ever added, each with a check of its own.
//!
//! One write adds one whole line, so two commands at once do not mix theirs. A line that was cut off by a kill or a
//! full disk, or damaged in any other way, fails its check and is as good as not there. A file that has grown too
//! large is replaced by its younger half; what another command adds meanwhile may be lost, and is learned again.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, Read as _, Write as _},
    ops::Range,
    path::{Path, PathBuf},
};

/// How large the file may be.
const MOST: usize = 4 << 20;

/// How much of a file that is too large stays.
const KEPT: usize = MOST / 2;

/// Digits of a key, as it stands in a line.
const KEY: usize = 32;

/// Digits of a line's check.
const CHECK: usize = 16;

/// What a line is found by.
pub(super) type Key = [u8; KEY];

/// All lines of the file, and those that this command added.
#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    file: Option<File>,
    lines: Vec<u8>,
    /// Where the youngest line of each key has its value.
    values: HashMap<Key, Range<usize>>,
    trouble: Option<String>,
}

impl Log {
    /// Reads the file; what cannot be read is not known.
    pub(super) fn open(path: PathBuf) -> Self {
        let mut log = Self::new(path);
        match read(&log.path) {
            Ok(lines) => log.lines = lines,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => log.trouble = Some(error.to_string()),
        }
        if log.lines.len() > MOST {
            log.shrink();
        }
        log.values = index(&log.lines);
        log
    }

    /// Begins with nothing known; what is added goes to the end of the file.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, file: None, lines: Vec::new(), values: HashMap::new(), trouble: None }
    }

    /// Returns the value that was added last under a key.
    pub(super) fn find(&self, key: &Key) -> Option<&str> {
        let value = &self.lines[self.values.get(key)?.clone()];
        let check = &self.lines[self.values[key].start - KEY - CHECK - 2..][..CHECK];
        if check != checksum(key, value) {
            return None;
        }
        std::str::from_utf8(value).ok()
    }

    /// Adds a value, which has to be one line. A file that takes nothing is no error: the value is known until the
    /// command ends.
    pub(super) fn add(&mut self, key: &Key, value: &str) {
        debug_assert!(!value.contains('\n'), "{value}");
        // It begins with the end of a line, since the last one may have been cut off.
        let mut line = vec![b'\n'];
        line.extend_from_slice(&checksum(key, value.as_bytes()));
        line.push(b' ');
        line.extend_from_slice(key);
        line.push(b' ');
        let start = self.lines.len() + line.len();
        line.extend_from_slice(value.as_bytes());
        line.push(b'\n');
        self.values.insert(*key, start..start + value.len());
        self.lines.extend_from_slice(&line);
        if let Err(error) = self.append(&line) {
            self.trouble = Some(error.to_string());
        }
    }

    /// Returns why the file could not be read or written.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        if self.trouble.is_some() {
            return Ok(());
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                fs::create_dir_all(self.path.parent().unwrap_or(Path::new(".")))?;
                let file = File::options().create(true).append(true).open(&self.path)?;
                self.file.insert(file)
            }
        };
        file.write_all(line)
    }

    /// Replaces a file that is too large by its youngest lines.
    fn shrink(&mut self) {
        let old = std::mem::take(&mut self.lines);
        let values = index(&old);
        let mut places: Vec<_> = values.into_values().map(|value| line_of(&value)).collect();
        places.sort_by_key(|place| std::cmp::Reverse(place.start));
        let mut size = 0;
        places.retain(|place| {
            size += place.len() + 1;
            size <= KEPT
        });
        for place in places.into_iter().rev() {
            self.lines.extend_from_slice(&old[place]);
            self.lines.push(b'\n');
        }
        let replaced = || {
            let folder = self.path.parent().unwrap_or(Path::new("."));
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(&self.lines)?;
            file.persist(&self.path).map_err(|error| error.error)?;
            Ok(())
        };
        self.trouble = replaced().err().map(|error: io::Error| error.to_string());
    }
}

/// Reads the file, or its end where it is far larger than it may be.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    use io::{Seek as _, SeekFrom};
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let most = 2 * MOST as u64;
    file.seek(SeekFrom::Start(size.saturating_sub(most)))?;
    let mut lines = Vec::new();
    file.take(most).read_to_end(&mut lines)?;
    Ok(lines)
}

/// Finds the values; whether they are right is seen when they are asked for.
fn index(lines: &[u8]) -> HashMap<Key, Range<usize>> {
    let mut values = HashMap::new();
    let mut start = 0;
    for line in lines.split(|byte| *byte == b'\n') {
        let value = start + CHECK + KEY + 2..start + line.len();
        start += line.len() + 1;
        let Some((head, _)) = line.split_at_checked(CHECK + KEY + 2) else { continue };
        if head[CHECK] == b' ' && head[CHECK + 1 + KEY] == b' ' {
            let key = head[CHECK + 1..][..KEY].try_into().expect("cut to this length");
            values.insert(key, value);
        }
    }
    values
}

/// Returns the place of the whole line with a value.
fn line_of(value: &Range<usize>) -> Range<usize> {
    value.start - CHECK - KEY - 2..value.end
}

fn checksum(key: &Key, value: &[u8]) -> [u8; CHECK] {
    let hash = blake3::Hasher::new().update(key).update(value).finalize().to_hex();
    hash.as_bytes()[..CHECK].try_into().expect("64 digits")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> Key {
        format!("{number:032}").as_bytes().try_into().unwrap()
    }

    fn check(log: &Log, number: usize, expect: Option<&str>) {
        assert_eq!(log.find(&key(number)), expect, "{number}");
    }

    #[test]
    fn the_value_that_was_added_last_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/cache");
        let mut log = Log::open(path.clone());
        check(&log, 1, None);
        log.add(&key(1), "old");
        log.add(&key(2), "two");
        log.add(&key(1), "new");
        for log in [log, Log::open(path)] {
            check(&log, 1, Some("new"));
            check(&log, 2, Some("two"));
            check(&log, 3, None);
        }
    }

    #[test]
    fn a_line_that_was_cut_off_hides_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache");
        let mut log = Log::open(path.clone());
        log.add(&key(1), "one");
        log.add(&key(2), "two");
        let whole = fs::read(&path).unwrap();
        for size in 0..whole.len() {
            fs::write(&path, &whole[..size]).unwrap();
            let mut log = Log::open(path.clone());
            assert!(matches!(log.find(&key(2)), None | Some("two")), "cut after {size} bytes");
            log.add(&key(3), "three");
            check(&Log::open(path.clone()), 3, Some("three"));
        }
    }

    #[test]
    fn damaged_bytes_are_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache");
        let mut log = Log::open(path.clone());
        log.add(&key(1), "one");
        log.add(&key(2), "two");
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x41;
            fs::write(&path, damaged).unwrap();
            let log = Log::open(path.clone());
            for (number, value) in [(1, "one"), (2, "two")] {
                let found = log.find(&key(number));
                assert!(found.is_none_or(|found| found == value), "byte {at}: {found:?}");
            }
        }
        fs::write(&path, vec![0xff; 3000]).unwrap();
        check(&Log::open(path), 1, None);
    }

    #[test]
    fn two_writers_do_not_disturb_each_other() {
        const EACH: usize = 500;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache");
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let path = path.clone();
                scope.spawn(move || {
                    let mut log = Log::open(path);
                    for number in 0..EACH {
                        let number = writer * EACH + number;
                        log.add(&key(number), &format!("{number} {}", "x".repeat(number % 300)));
                    }
                });
            }
        });
        let log = Log::open(path);
        for number in 0..4 * EACH {
            let expect = format!("{number} {}", "x".repeat(number % 300));
            check(&log, number, Some(&expect));
        }
    }

    #[test]
    fn a_file_that_grew_too_large_keeps_its_youngest_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache");
        let value = "x".repeat(1000);
        let count = MOST / value.len();
        let mut log = Log::open(path.clone());
        for number in 0..count {
            log.add(&key(number), &value);
        }
        let log = Log::open(path.clone());
        check(&log, 0, None);
        check(&log, count - 1, Some(&value));
        let size = usize::try_from(fs::metadata(&path).unwrap().len()).unwrap();
        assert!(size <= KEPT && size > KEPT - 2000, "{size}");
        check(&Log::open(path), count - 1, Some(&value));
    }

    #[test]
    fn a_file_that_cannot_be_written_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let blocked = folder.path().join("file");
        fs::write(&blocked, "").unwrap();
        let mut log = Log::open(blocked.join("cache"));
        log.add(&key(1), "one");
        check(&log, 1, Some("one"));
        assert!(log.trouble().is_some());
    }
}
