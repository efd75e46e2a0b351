//! Images that wharf assembles itself: the static server and the model, and for kinds that run Python a foundation below.
//! Native kinds need no network, and no base.

use std::{collections::BTreeMap, fs, io, path::Path};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream::BoxStream};
use tokio::sync::mpsc;
use wharf_engine::{ImageFacts, error::EngineError};
use wharf_model::recognise::{FileSource, Model};
use wharf_oci::{
    archive,
    error::OciError,
    image::{Empty, HealthConfig, Image, ImageLayer, Making, NamedLayer, RunConfig},
    layer::{Content, Entry, Layer, Mode},
};
use wharf_spec::{
    codes, error::Explain as _, event::Event, model::CARD_FILE, reference::Reference,
};

use super::{
    BUNDLE_PATH, Inputs, Packing, SERVER_PATH, SERVER_PORT, USER, annotations,
    foundation::Foundation, measure,
};
use crate::{
    context::Context,
    error::{Error, Result},
};

/// A file from this size on is a layer of its own, under server and code: a change of code leaves it alone.
pub(super) const OWN_LAYER_BYTES: u64 = 16 << 20;

/// Reads all layers that are not known for their digests, and returns the image.
pub(super) async fn assemble(inputs: &Inputs<'_>) -> Result<Image> {
    let (titles, layers): (Vec<_>, Vec<_>) =
        plan(inputs)?.into_iter().map(|(title, entries)| (title, Layer::new(entries))).unzip();
    let run = run_config(inputs)?;
    let architecture = inputs.recipe.architecture();
    let created = inputs.recipe.created().to_owned();
    let annotations = annotations::of(inputs);
    let cache = inputs.cache.clone();
    let foundation = inputs.foundation.clone();
    let assembled = tokio::task::spawn_blocking(move || {
        let layers = measure::all(&cache, layers)?.into_iter().zip(titles);
        let own = layers.map(|(layer, title)| ImageLayer::of(NamedLayer { title, layer }));
        let own: Vec<_> = own.collect::<Result<_, OciError>>()?;
        let created = created.as_str();
        let making = |layers| Making { layers, run: &run, architecture, created, annotations };
        match foundation {
            None => Ok(Image::of(making(own))),
            Some(Foundation { base, layers, .. }) => {
                Image::on(&base, making(layers.into_iter().chain(own).collect()))
            }
        }
    });
    assembled.await.expect("hashing does not panic").map_err(assembling)
}

/// Returns the layers with their titles: big files, the server, and everything small.
pub(super) fn plan(inputs: &Inputs<'_>) -> Result<Vec<(String, Vec<Entry>)>> {
    let Inputs { model, program: server, packing, .. } = inputs;
    let program = model.card.runtime.program();
    let server = (format!("server {program}"), vec![server_entry(server)?]);
    if *packing == Packing::ServerAlone {
        return Ok(vec![server]);
    }
    let (big, small): (Vec<_>, Vec<_>) = bundle_entries(model)
        .into_iter()
        .partition(|entry| entry.content.size() >= OWN_LAYER_BYTES);
    let big = big.into_iter().map(|entry| (format!("weights {}", entry.path), vec![entry]));
    let mut layers: Vec<_> = big.collect();
    layers.push(server);
    layers.push((format!("model {}", model.card.name), small));
    Ok(layers)
}

/// Returns the bundle's files: the card, and every file of the model.
pub(super) fn bundle_entries(model: &Model) -> Vec<Entry> {
    let card = serde_json::to_vec_pretty(&model.card).expect("a card is plain data");
    let card = (CARD_FILE, Content::Bytes(card));
    let files = model.card.files.iter().zip(&model.sources).map(|(file, source)| {
        let content = match source {
            FileSource::Bytes(bytes) => Content::Bytes(bytes.clone()),
            FileSource::File(path) => Content::File { path: path.clone(), size: file.size },
        };
        (file.path.as_str(), content)
    });
    std::iter::once(card)
        .chain(files)
        .map(|(path, content)| Entry { path: in_bundle(path), mode: Mode::Plain, content })
        .collect()
}

/// Returns where a file of the bundle lies in an image, from its root.
pub(crate) fn in_bundle(path: &str) -> String {
    format!("{}/{path}", BUNDLE_PATH.trim_start_matches('/'))
}

pub(super) fn server_entry(server: &Path) -> Result<Entry> {
    let meta = fs::metadata(server).map_err(|source| Error::file("read", server, source))?;
    Ok(Entry {
        path: SERVER_PATH.trim_start_matches('/').to_owned(),
        mode: Mode::Executable,
        content: Content::File { path: server.to_owned(), size: meta.len() },
    })
}

fn run_config(inputs: &Inputs<'_>) -> Result<RunConfig> {
    const SECOND: u64 = 1_000_000_000;
    let base = inputs.foundation.as_ref().map(Foundation::base_name);
    let labels = inputs.labels(&inputs.native_key(), base.as_deref())?;
    Ok(RunConfig {
        user: USER.to_owned(),
        exposed_ports: BTreeMap::from([(format!("{SERVER_PORT}/tcp"), Empty {})]),
        env: inputs.recipe.env.iter().map(|(name, value)| format!("{name}={value}")).collect(),
        entrypoint: vec![SERVER_PATH.to_owned()],
        cmd: vec!["serve".to_owned()],
        working_dir: "/".to_owned(),
        labels: labels.into_iter().collect(),
        healthcheck: Some(HealthConfig {
            test: vec!["CMD".to_owned(), SERVER_PATH.to_owned(), "probe".to_owned()],
            interval: 10 * SECOND,
            timeout: 5 * SECOND,
            start_period: 60 * SECOND,
            retries: 3,
        }),
    })
}

/// The name of this machine's architecture, as images have it (Go's `GOARCH`).
pub(super) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// An image that was loaded.
pub(crate) struct Loaded {
    pub(crate) facts: ImageFacts,
    /// Bytes of layers that were sent for it.
    pub(crate) sent: u64,
}

/// Loads the image into the engine, without the layers that it has.
pub(crate) async fn load(
    context: &Context,
    image: &Image,
    reference: &Reference,
) -> Result<Loaded> {
    let layers: Vec<_> = image.layers().iter().map(|layer| layer.diff_id).collect();
    // What an engine cannot tell it gets.
    let held = context.images()?.layers_held(&layers).await.unwrap_or(0);
    let loaded = match load_above(context, image, held, reference).await {
        // An image that held them may have been removed meanwhile.
        Err(error) if held > 0 && error.code() == codes::ENGINE_REFUSED => {
            context.check_cancelled()?;
            load_above(context, image, 0, reference).await?
        }
        loaded => loaded?,
    };
    context.report(Event::ImageSent { sent: loaded.sent, size: archive::size_above(image, 0) });
    Ok(loaded)
}

async fn load_above(
    context: &Context,
    image: &Image,
    held: usize,
    reference: &Reference,
) -> Result<Loaded> {
    let sent = archive::size_above(image, held);
    let (image, name) = (image.clone(), reference.clone());
    let (archive, written) =
        stream(move |writer| archive::write_above(&image, held, &[name], writer));
    let loaded = context.images()?.load(archive, reference).await;
    Ok(Loaded { facts: written.finish(loaded).await?, sent })
}

pub(crate) fn assembling(error: OciError) -> Error {
    Error::wrap("could not assemble the image", error)
}

/// The writing half of a stream.
pub(crate) struct Written(tokio::task::JoinHandle<Result<(), OciError>>);

impl Written {
    /// Waits until all is written, and returns what the engine said of it.
    pub(crate) async fn finish<T>(self, answer: Result<T, EngineError>) -> Result<T> {
        match self.0.await.expect("writing an archive does not panic") {
            // The engine's own answer says more than "the pipe broke".
            Ok(()) | Err(OciError::Write(_)) => Ok(answer?),
            Err(error) => Err(assembling(error)),
        }
    }
}

/// Returns as a stream what a function writes, on a thread of its own, in pieces of 1 MiB.
pub(crate) fn stream(
    write: impl FnOnce(&mut dyn io::Write) -> Result<(), OciError> + Send + 'static,
) -> (BoxStream<'static, Bytes>, Written) {
    let (sender, receiver) = mpsc::channel(4);
    let writer = tokio::task::spawn_blocking(move || {
        write(&mut io::BufWriter::with_capacity(1 << 20, Pieces(sender)))
    });
    let stream = futures_util::stream::unfold(receiver, async |mut receiver| {
        receiver.recv().await.map(|piece| (piece, receiver))
    });
    (stream.boxed(), Written(writer))
}

/// A writer into a bounded channel.
struct Pieces(mpsc::Sender<Bytes>);

impl io::Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.blocking_send(Bytes::copy_from_slice(bytes)) {
            Ok(()) => Ok(bytes.len()),
            Err(_) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
