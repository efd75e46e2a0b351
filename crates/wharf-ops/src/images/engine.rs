//! Images that an engine has and perhaps nobody else: found there, and taken out of it.
//!
//! An engine gives an image as one stream, in which what names the layers may come last; a registry wants the digest of
//! a layer before its bytes, and the bytes again where a connection broke. So the stream goes into a file of this machine
//! as it comes, and the file goes with the last layer that is used. Of an image that was taken before all is known but the
//! layers' bytes, which are often wanted by nobody (`untaken`).

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf, sync::Arc};

use futures_util::StreamExt as _;
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt as _;
use wharf_engine::{
    Engine,
    connect::{ConnectSettings, connect},
    error::EngineError,
};
use wharf_oci::{docker_archive, error::OciError, image::Image};
use wharf_spec::{codes, error::Explain, reference::Reference};

use super::untaken;
use crate::{
    build::output::sibling,
    cache::FileCache,
    error::{Error, Result},
};

/// An engine that may be asked.
#[derive(Debug, Clone)]
pub enum EngineAt {
    Connected(Arc<dyn Engine>),
    /// Looked for when it is needed.
    Wanted(ConnectSettings),
}

impl EngineAt {
    /// Returns the engine.
    ///
    /// # Errors
    /// When none is found, or it does not answer.
    pub async fn connect(&self) -> Result<Arc<dyn Engine>> {
        match self {
            Self::Connected(engine) => Ok(engine.clone()),
            Self::Wanted(settings) => Ok(connect(settings).await?),
        }
    }
}

/// An image that an engine has.
#[derive(Debug, Clone)]
pub(super) struct FoundImage {
    /// What it was asked for by.
    pub(super) name: String,
    /// What it is taken by: the name may go over to another image.
    pub(super) id: String,
}

/// The images of an engine.
#[derive(Debug, Clone)]
pub struct EngineStore {
    pub engine: EngineAt,
    /// A folder of this machine, made where it is missing, for an image while it is used.
    pub room: PathBuf,
    /// What is known of images that were taken before.
    pub cache: Arc<FileCache>,
}

impl EngineStore {
    /// Says whether there is an image of that name.
    ///
    /// # Errors
    /// When the engine cannot be asked.
    pub async fn has(&self, reference: &Reference) -> Result<bool> {
        let engine = self.engine.connect().await?;
        let images = engine.images().ok_or_else(|| no_images(&*engine))?;
        Ok(images.find(&reference.to_string()).await?.is_some())
    }

    /// Returns an image of the engine. Its layers are as the engine has them: uncompressed. What is known already is
    /// taken out of the engine when the bytes of a layer are wanted, else at once.
    ///
    /// # Errors
    /// When it is not there, cannot be used, or there is no room for it.
    pub async fn take(&self, reference: &Reference) -> Result<Image> {
        let engine = self.engine.connect().await?;
        let images = engine.images().ok_or_else(|| no_images(&*engine))?;
        let name = reference.to_string();
        let found = images.find(&name).await.map_err(|error| refused(&name, error))?;
        let Some(facts) = found else {
            return Err(refused(&name, EngineError::NoImage { image: name.clone() }));
        };
        let found = FoundImage { name, id: facts.id };
        if let Some(image) = untaken::image(self, &found) {
            return Ok(image);
        }
        let image = self.save(&found).await?;
        untaken::keep(&self.cache, &found.id, &image);
        Ok(image)
    }

    /// Takes an image out of the engine, all of it.
    pub(super) async fn save(&self, FoundImage { name, id }: &FoundImage) -> Result<Image> {
        let engine = self.engine.connect().await?;
        let images = engine.images().ok_or_else(|| no_images(&*engine))?;
        let mut pieces = images.save(id).await.map_err(|error| refused(name, error))?;
        let file = self.file()?;
        let failed = |source| Error::file("write", &self.room, source);
        let mut writer = tokio::fs::File::from_std(file.as_file().try_clone().map_err(failed)?);
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| refused(name, error))?;
            writer.write_all(&piece).await.map_err(failed)?;
        }
        writer.flush().await.map_err(failed)?;
        let reading = tokio::task::spawn_blocking(move || {
            let image = docker_archive::read(file.path(), None)?;
            Ok(image.keeping(Arc::new(file)))
        });
        let read: Result<_, OciError> = reading.await.expect("reading an image does not panic");
        read.map_err(|error| refused(name, error))
    }

    /// Makes a file for an image. What killed commands left there is removed.
    fn file(&self) -> Result<NamedTempFile> {
        let failed = |source| Error::file("write", &self.room, source);
        fs::create_dir_all(&self.room).map_err(failed)?;
        sibling::tidy(&self.room.join("image"));
        sibling::new_file(&self.room, fs::Permissions::from_mode(0o600)).map_err(failed)
    }
}

fn refused(image: &str, error: impl Explain + Send + Sync + 'static) -> Error {
    Error::wrap(format!("could not take `{image}` out of the engine"), error)
}

fn no_images(engine: &dyn Engine) -> Error {
    Error::new(codes::UNSUPPORTED_FIELD, format!("{} has no image store", engine.name()))
}

#[cfg(test)]
mod tests {
    use std::{path::Path, time::SystemTime};

    use wharf_engine::{ImageFacts, Images as _, fake::Fake};
    use wharf_oci::{
        archive,
        image::{ImageLayer, NamedLayer, RunConfig},
        layer::{Content, Entry, Layer, Mode},
    };

    use super::*;

    fn image() -> Image {
        let content = Content::Bytes(b"weights".to_vec());
        let entry = Entry { path: "model/w".to_owned(), mode: Mode::Plain, content };
        let layer = NamedLayer { title: "weights".to_owned(), layer: Layer::new(vec![entry]) };
        Image::new(vec![layer], &RunConfig::default(), "amd64").unwrap()
    }

    fn files(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    /// An engine that has the image as `iris:1`.
    async fn engine() -> Arc<Fake> {
        let (fake, name) = (Arc::new(Fake::default()), name());
        let mut archive = Vec::new();
        archive::write(&image(), std::slice::from_ref(&name), &mut archive).unwrap();
        let pieces = futures_util::stream::iter([archive.into()]).boxed();
        fake.load(pieces, &name).await.unwrap();
        fake
    }

    fn name() -> Reference {
        "iris:1".parse().unwrap()
    }

    /// The images of an engine, as one command sees them.
    fn store(fake: &Arc<Fake>, home: &Path) -> EngineStore {
        let cache =
            FileCache::of(&home.join("cache"), Path::new("/nowhere"), SystemTime::UNIX_EPOCH);
        let (engine, room) = (EngineAt::Connected(fake.clone()), home.join("room"));
        EngineStore { engine, room, cache: Arc::new(cache) }
    }

    async fn bytes(layer: ImageLayer) -> Result<Vec<u8>, OciError> {
        let writing = tokio::task::spawn_blocking(move || {
            let mut bytes = Vec::new();
            layer.content.write(&mut bytes).map(|()| bytes)
        });
        writing.await.unwrap()
    }

    #[tokio::test]
    async fn an_image_is_taken_as_it_is_and_its_file_goes_with_it() {
        let (home, fake) = (tempfile::tempdir().unwrap(), engine().await);
        let store = store(&fake, home.path());
        let taken = store.take(&name()).await.unwrap();
        assert_eq!(taken.config_digest(), image().config_digest());
        assert_eq!(taken.layers()[0].descriptor, image().layers()[0].descriptor);
        let layer = taken.layers()[0].clone();
        drop(taken);
        assert_eq!(files(&store.room), 1, "a layer is still used");
        let size = layer.descriptor.size;
        assert_eq!(bytes(layer).await.unwrap().len() as u64, size);
        assert_eq!(files(&store.room), 0);
    }

    #[tokio::test]
    async fn an_image_that_is_known_is_taken_when_its_bytes_are_wanted() {
        let (home, fake) = (tempfile::tempdir().unwrap(), engine().await);
        let first = store(&fake, home.path()).take(&name()).await.unwrap();
        let again = store(&fake, home.path()).take(&name()).await.unwrap();
        assert_eq!(again.manifest(), first.manifest());
        assert_eq!(again.config(), first.config());
        assert_eq!(fake.images_saved(), 1);
        let layer = |image: &Image| image.layers()[0].clone();
        assert_eq!(bytes(layer(&again)).await.unwrap(), bytes(layer(&first)).await.unwrap());
        bytes(layer(&again)).await.unwrap();
        assert_eq!(fake.images_saved(), 2, "once for all of its layers");
        drop((first, again));
        assert_eq!(files(&home.path().join("room")), 0);
    }

    #[tokio::test]
    async fn another_image_of_the_name_is_another_one_and_one_that_is_gone_is_told() {
        let (home, fake) = (tempfile::tempdir().unwrap(), engine().await);
        let store = store(&fake, home.path());
        store.take(&name()).await.unwrap();
        let known = store.take(&name()).await.unwrap();
        let other =
            ImageFacts { id: "other".to_owned(), ..fake.find("iris:1").await.unwrap().unwrap() };
        fake.remove("iris:1").await.unwrap();
        fake.add_image("iris:1", other);
        let error = bytes(known.layers()[0].clone()).await.unwrap_err();
        assert_eq!(error.code(), codes::NO_IMAGE);
        store.take(&name()).await.unwrap();
        assert_eq!(fake.images_saved(), 2, "nothing is known of the other one");
    }

    #[tokio::test]
    async fn an_image_that_is_not_there_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        let store = store(&Arc::new(Fake::default()), home.path());
        assert!(!store.has(&name()).await.unwrap());
        let error = store.take(&name()).await.unwrap_err();
        assert_eq!(error.code(), codes::NO_IMAGE);
        assert!(!store.room.exists());
    }
}
