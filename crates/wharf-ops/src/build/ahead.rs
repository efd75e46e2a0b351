//! Layers of large files, measured while the model is recognised: its weights are read once for all their hashes.

use std::fs::File;

use wharf_model::known::{KnownFiles, Learned, Listener};
use wharf_oci::layer::{Mode, OneFile};
use wharf_spec::{digest::Digest, stamp::Stamp};

use super::{measure, native, weights::Weights};
use crate::cache::{FileCache, KnownLayer};

/// What is known of files, for who recognises a model to make an image of it.
#[derive(Debug)]
pub struct Ahead<'a> {
    pub cache: &'a FileCache,
    /// What may be mounted becomes no layer.
    pub weights: Weights,
}

impl KnownFiles for Ahead<'_> {
    fn find(&self, stamp: &Stamp) -> Option<Learned> {
        self.cache.find(stamp)
    }

    fn keep(&self, file: &File, before: &Stamp, learned: &Learned) {
        self.cache.keep(file, before, learned);
    }

    fn count(&self, bytes: u64) {
        self.cache.count(bytes);
    }

    /// Only what is a layer of its own is known well enough before all files are.
    fn listener(&self, place: &str, size: u64) -> Option<Box<dyn Listener + '_>> {
        let path = native::in_bundle(place);
        let is_alone = size >= native::OWN_LAYER_BYTES && !self.weights.may_mount(size);
        let layer = is_alone.then(|| OneFile::new(&path, Mode::Plain, size).ok()).flatten()?;
        Some(Box::new(Measuring { cache: self.cache, path, layer }))
    }
}

struct Measuring<'a> {
    cache: &'a FileCache,
    path: String,
    layer: OneFile,
}

impl Listener for Measuring<'_> {
    fn hear(&mut self, bytes: &[u8]) {
        self.layer.update(bytes);
    }

    fn finish(self: Box<Self>, hash: Digest) {
        let Self { cache, path, layer } = *self;
        if let Some((digest, size)) = layer.finish() {
            let recipe = measure::of_one_file(&path, Mode::Plain, hash);
            cache.keep_layer(&recipe, KnownLayer { digest, size });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        path::Path,
        time::{Duration, SystemTime},
    };

    use wharf_oci::layer::{Content, Entry, Layer};

    use super::*;

    #[test]
    fn the_layer_of_a_large_file_is_known_once_the_file_was_heard() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("weights.bin");
        let size = native::OWN_LAYER_BYTES + 1;
        File::create(&path).unwrap().set_len(size).unwrap();
        let later = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 33);
        let cache = FileCache::of(&home.path().join("cache"), Path::new("/nowhere"), later);
        let content = fs::read(&path).unwrap();
        let ahead = Ahead { cache: &cache, weights: Weights::Image };
        let mut listener = ahead.listener("weights.bin", size).unwrap();
        content.chunks(1 << 20).for_each(|piece| listener.hear(piece));
        listener.finish(cache.hash(&path).unwrap());
        let content = Content::File { path, size };
        let path = native::in_bundle("weights.bin");
        let layer = Layer::new(vec![Entry { path, mode: Mode::Plain, content }]);
        let before = cache.hashed();
        let measured = measure::all(&cache, vec![layer.clone()]).unwrap();
        assert_eq!(cache.hashed(), before, "the file was read again");
        assert_eq!(measured[0].digest().unwrap(), layer.digest().unwrap());
    }

    #[test]
    fn what_becomes_no_layer_of_its_own_is_not_heard() {
        let cache = FileCache::off();
        let heard = |weights, size| {
            Ahead { cache: &cache, weights }.listener("weights.bin", size).is_some()
        };
        assert!(!heard(Weights::Image, 100));
        assert!(heard(Weights::Image, 1 << 30));
        assert!(!heard(Weights::Auto, 1 << 30));
        assert!(!heard(Weights::Mount, native::OWN_LAYER_BYTES));
    }
}
