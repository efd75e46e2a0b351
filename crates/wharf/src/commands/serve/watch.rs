//! The files of a model, looked at a few times a second: that costs nothing, and works on every file system.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use wharf_model::recognise::{FileSource, Model};
use wharf_spec::{model::ModelKind, project_file::PROJECT_FILE, stamp::Stamp};

/// How often the files are looked at, and how long they must stay as they are: who saves a file writes it in pieces.
const PAUSE: Duration = Duration::from_millis(250);

/// What is looked at, and how it was.
#[derive(Debug)]
pub(super) struct Watch {
    paths: BTreeSet<PathBuf>,
    seen: Vec<Option<Stamp>>,
}

impl Watch {
    /// Begins to watch a model, and the path that a person named for it.
    pub(super) fn new(model: &Model, target: &Path) -> Self {
        let mut paths = BTreeSet::from([model.folder.join(PROJECT_FILE)]);
        if target.is_file() {
            paths.insert(target.to_owned());
        }
        for source in &model.sources {
            let FileSource::File(path) = source else { continue };
            // A file that is new beside a `predict.py` belongs to it.
            if let Some(folder) = path.parent().filter(|_| model.card.kind == ModelKind::Python) {
                paths.insert(folder.to_owned());
            }
            paths.insert(path.clone());
        }
        let seen = look(&paths);
        Self { paths, seen }
    }

    /// Waits until something is other than it was, and then stays so for a moment.
    pub(super) async fn changed(&mut self) {
        let mut last = self.seen.clone();
        loop {
            tokio::time::sleep(PAUSE).await;
            let paths = self.paths.clone();
            let looking = tokio::task::spawn_blocking(move || look(&paths));
            let now = looking.await.expect("looking at files does not panic");
            if now == last && now != self.seen {
                self.seen = now;
                return;
            }
            last = now;
        }
    }
}

/// Returns the state of each path; `None` where there is nothing.
fn look(paths: &BTreeSet<PathBuf>) -> Vec<Option<Stamp>> {
    paths.iter().map(|path| fs::metadata(path).ok().as_ref().map(Stamp::of)).collect()
}
