//! What tests on an engine in memory need.

use std::{
    collections::BTreeMap,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::Arc,
};

use wharf_engine::{ImageFacts, fake::Fake};

use crate::support::User;

impl User {
    /// A user of an engine in memory, with programs that only look like the server.
    pub(crate) fn of_fake() -> (Self, Arc<Fake>) {
        let fake = Arc::new(Fake::default());
        fake.exec_answers(0, "");
        let user = Self::with_engine(Some(fake.clone()));
        let helpers = user.home.path().join("programs");
        std::fs::create_dir(&helpers).unwrap();
        for program in ["wharf-serve", "wharf-serve-onnx"] {
            std::fs::write(helpers.join(program), "a program").unwrap();
        }
        (Self { helpers, ..user }, fake)
    }
}

/// Everything in a folder, for tests that nothing was left behind. A folder that goes meanwhile is empty.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let entries = match std::fs::read_dir(&folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            entries => entries.unwrap(),
        };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path.clone());
            }
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The facts of an image that a test puts into the engine in memory.
pub(crate) fn image(id: &str) -> ImageFacts {
    ImageFacts {
        id: id.to_owned(),
        size: 1,
        labels: BTreeMap::new(),
        env: Vec::new(),
        exposed_ports: Vec::new(),
        created: None,
        platform: None,
    }
}
