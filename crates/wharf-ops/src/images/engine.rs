//! Images that an engine has and perhaps nobody else: found there, and taken out of it.
//!
//! An engine gives an image as one stream, in which what names the layers may come last; a registry wants the digest of
//! a layer before its bytes, and the bytes again where a connection broke. So the stream goes into a file of this machine
//! as it comes, and the file goes with the last layer that is used.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf, sync::Arc};

use futures_util::StreamExt as _;
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt as _;
use wharf_engine::{
    Engine,
    connect::{ConnectSettings, connect},
};
use wharf_oci::{docker_archive, error::OciError, image::Image};
use wharf_spec::{codes, error::Explain, reference::Reference};

use crate::{
    build::output::sibling,
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

/// The images of an engine.
#[derive(Debug, Clone)]
pub struct EngineStore {
    pub engine: EngineAt,
    /// A folder of this machine, made where it is missing, for an image while it is used.
    pub room: PathBuf,
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

    /// Takes an image out of the engine. Its layers are as the engine has them: uncompressed.
    ///
    /// # Errors
    /// When it is not there, cannot be used, or there is no room for it.
    pub async fn take(&self, reference: &Reference) -> Result<Image> {
        let engine = self.engine.connect().await?;
        let images = engine.images().ok_or_else(|| no_images(&*engine))?;
        let pieces = images.save(&reference.to_string()).await;
        let mut pieces = pieces.map_err(|error| refused(reference, error))?;
        let file = self.file()?;
        let failed = |source| Error::file("write", &self.room, source);
        let mut writer = tokio::fs::File::from_std(file.as_file().try_clone().map_err(failed)?);
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| refused(reference, error))?;
            writer.write_all(&piece).await.map_err(failed)?;
        }
        writer.flush().await.map_err(failed)?;
        let reading = tokio::task::spawn_blocking(move || {
            let image = docker_archive::read(file.path(), None)?;
            Ok(image.keeping(Arc::new(file)))
        });
        let read: Result<_, OciError> = reading.await.expect("reading an image does not panic");
        read.map_err(|error| refused(reference, error))
    }

    /// Makes a file for an image. What killed commands left there is removed.
    fn file(&self) -> Result<NamedTempFile> {
        let failed = |source| Error::file("write", &self.room, source);
        fs::create_dir_all(&self.room).map_err(failed)?;
        sibling::tidy(&self.room.join("image"));
        sibling::new_file(&self.room, fs::Permissions::from_mode(0o600)).map_err(failed)
    }
}

fn refused(reference: &Reference, error: impl Explain + Send + Sync + 'static) -> Error {
    Error::wrap(format!("could not take `{reference}` out of the engine"), error)
}

fn no_images(engine: &dyn Engine) -> Error {
    Error::new(codes::UNSUPPORTED_FIELD, format!("{} has no image store", engine.name()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use wharf_engine::{Images as _, fake::Fake};
    use wharf_oci::{
        archive,
        image::{NamedLayer, RunConfig},
        layer::{Content, Entry, Layer, Mode},
    };

    fn image() -> Image {
        let content = Content::Bytes(b"weights".to_vec());
        let entry = Entry { path: "model/w".to_owned(), mode: Mode::Plain, content };
        let layer = NamedLayer { title: "weights".to_owned(), layer: Layer::new(vec![entry]) };
        Image::new(vec![layer], &RunConfig::default(), "amd64").unwrap()
    }

    fn files(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[tokio::test]
    async fn an_image_is_taken_as_it_is_and_its_file_goes_with_it() {
        let home = tempfile::tempdir().unwrap();
        let room = home.path().join("room");
        let (fake, name) = (Arc::new(Fake::default()), "iris:1".parse().unwrap());
        let mut archive = Vec::new();
        archive::write(&image(), &[Reference::clone(&name)], &mut archive).unwrap();
        let pieces = futures_util::stream::iter([archive.into()]).boxed();
        fake.load(pieces, &name).await.unwrap();
        let store = EngineStore { engine: EngineAt::Connected(fake), room: room.clone() };

        let taken = store.take(&name).await.unwrap();
        assert_eq!(taken.config_digest(), image().config_digest());
        assert_eq!(taken.layers()[0].descriptor, image().layers()[0].descriptor);
        let layer = taken.layers()[0].clone();
        drop(taken);
        assert_eq!(files(&room), 1, "a layer is still used");
        let mut bytes = Vec::new();
        layer.content.write(&mut bytes).unwrap();
        assert_eq!(bytes.len() as u64, layer.descriptor.size);
        drop(layer);
        assert_eq!(files(&room), 0);
    }

    #[tokio::test]
    async fn an_image_that_is_not_there_leaves_nothing() {
        let home = tempfile::tempdir().unwrap();
        let engine = EngineAt::Connected(Arc::new(Fake::default()));
        let store = EngineStore { engine, room: home.path().to_owned() };
        let name = "iris:1".parse().unwrap();
        assert!(!store.has(&name).await.unwrap());
        let error = store.take(&name).await.unwrap_err();
        assert_eq!(error.code(), codes::NO_IMAGE);
        assert_eq!(files(home.path()), 0);
    }
}
