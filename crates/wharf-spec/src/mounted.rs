//! A model that is mounted into its container: what its server must check before it believes the files.

use serde::{Deserialize, Serialize};

use crate::stamp::Stamp;

/// The file beside the card that says which of the bundle's files are this machine's own.
pub const MOUNTED_FILE: &str = "mounted.json";

/// The version of [`Mounted`] that this wharf writes and reads.
pub const MOUNTED_SCHEMA: &str = "wharf.mounted/v1";

/// Which files of a bundle can change while the model is deployed: an image's cannot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mounted {
    /// Always [`MOUNTED_SCHEMA`].
    pub schema: String,
    pub files: Vec<MountedFile>,
}

/// A file that lies where its owner keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MountedFile {
    /// One of the card's files.
    pub path: String,
    /// The state in which the file had the card's content. `None`: no state vouches for it, so it must be read.
    pub stamp: Option<Stamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_keeps_its_nanoseconds() {
        let modified = 1_764_009_600_123_456_789;
        let stamp = Stamp { device: u64::MAX, inode: 2, size: 3, modified, changed: -modified };
        let file = MountedFile { path: "weights.bin".to_owned(), stamp: Some(stamp) };
        let mounted = Mounted { schema: MOUNTED_SCHEMA.to_owned(), files: vec![file] };
        let text = serde_json::to_vec(&mounted).unwrap();
        assert_eq!(serde_json::from_slice::<Mounted>(&text).unwrap(), mounted);
    }
}
