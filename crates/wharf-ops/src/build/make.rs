//! All outputs of one command: checked first, then made from inputs that are read once.

use std::{collections::BTreeMap, path::Path};

use tokio_util::sync::CancellationToken;
use wharf_model::recognise::Model;
use wharf_oci::{archive, error::OciError, image::Image, layout};
use wharf_spec::{codes, reference::Reference};

use super::{
    Built, Existing, Inputs, default_reference, docker_dir, engine_images,
    foundation::{self, Supplies},
    ground, native,
    output::{self, Output, Taken},
    parts::{self, Part},
    python,
    recipe::Recipe,
};
use crate::{
    context::{Context, Helpers, cancelled},
    error::{Error, Result},
    images::source::Source,
    service,
    store::folder::FolderStore,
};

/// What a build works with; an engine only where an output needs one.
#[derive(Debug)]
pub struct Workshop<'a> {
    pub helpers: &'a Helpers,
    /// The version of this machine's own Python.
    pub python_of_machine: Option<&'a str>,
    pub engine: Option<&'a Context>,
    /// Where the jobs of the engine's builds are recorded.
    pub store: Option<&'a FolderStore>,
    pub cancel: &'a CancellationToken,
    /// For models that run Python.
    pub supplies: Option<&'a Supplies>,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MakeRequest {
    pub outputs: Vec<Output>,
    /// The image's names. Empty: `wharf/<model>:<key>`.
    pub references: Vec<Reference>,
    pub recipe: Recipe,
    /// What happens to another image of one of these names.
    pub existing: Existing,
    /// What happens to targets that hold something else.
    pub taken: Taken,
}

/// What came of one output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Made {
    Image(Box<Built>),
    /// A folder or file.
    Target {
        output: Output,
        references: Vec<Reference>,
        digest: Option<String>,
        size: u64,
    },
}

/// A part of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedPart {
    pub part: Part,
    /// The engine's image of that name has it already; `None` where no engine was asked.
    pub is_unchanged: Option<bool>,
}

/// Makes every output.
///
/// # Errors
/// Whatever cannot be honoured is refused by name before anything is made; a target that fails is as it was before.
pub async fn make(
    workshop: &Workshop<'_>,
    model: &Model,
    request: &MakeRequest,
) -> Result<Vec<Made>> {
    check(model, request)?;
    let mut inputs = Inputs::gather(workshop.helpers, model, &request.recipe).await?;
    let is_image = |output: &Output| !matches!(output, Output::Context(_));
    if request.outputs.iter().any(is_image)
        && request.recipe.is_assembled(model.card.runtime, &request.outputs)
    {
        inputs = inputs.upon(workshop.supplies).await?;
    }
    let mut made = Vec::new();
    for output in &request.outputs {
        if workshop.cancel.is_cancelled() {
            return Err(cancelled());
        }
        match output {
            Output::Engine => made.extend(in_engine(workshop, &inputs, request).await?),
            Output::Context(path) => made.push(context(workshop, &inputs, output, path).await?),
            Output::DockerArchive(path) | Output::OciArchive(path) => {
                made.push(file(&inputs, request, output, path).await?);
            }
            Output::OciDir(path) => made.push(oci_dir(&inputs, request, output, path).await?),
        }
    }
    Ok(made)
}

/// Returns what the image would be made of; nothing is made.
///
/// # Errors
/// As [`make`], for what is refused before anything is made.
pub async fn plan(
    workshop: &Workshop<'_>,
    model: &Model,
    request: &MakeRequest,
) -> Result<Vec<PlannedPart>> {
    check(model, request)?;
    let inputs = Inputs::gather(workshop.helpers, model, &request.recipe).await?;
    let runtime = model.card.runtime;
    let mut base =
        (!runtime.is_native()).then(|| python::base_name(&inputs, workshop.python_of_machine));
    let mut lock = None;
    let is_assembled = request.recipe.is_assembled(runtime, &request.outputs);
    if let Some(supplies) = workshop.supplies.filter(|_| is_assembled) {
        lock = foundation::lock_there(supplies, &python::needs(model))?;
        if base.as_deref().is_some_and(Source::is_path) {
            base = Some(foundation::base_name(&ground::find(&inputs, supplies).await?.base));
        }
    }
    let there = match workshop.engine {
        Some(engine) => labels_there(engine, &inputs, request, base.as_deref()).await?,
        None => None,
    };
    let parts = parts::parts(&inputs, base.as_deref(), lock)?.into_iter().map(|part| PlannedPart {
        is_unchanged: there.as_ref().map(|labels| part.is_in(labels)),
        part,
    });
    Ok(parts.collect())
}

/// Returns the labels of the image that the engine has under the first name: none where it has no such image, `None`
/// where the name follows from what is not known before the image is made.
async fn labels_there(
    engine: &Context,
    inputs: &Inputs<'_>,
    request: &MakeRequest,
    base: Option<&str>,
) -> Result<Option<BTreeMap<String, String>>> {
    let images = engine.images()?;
    let is_assembled = request.recipe.is_assembled(inputs.model.card.runtime, &request.outputs);
    let name = match (request.references.first(), base) {
        (Some(name), _) => name.clone(),
        (None, None) => default_reference(&inputs.model.card, &inputs.native_key())?,
        (None, Some(_)) if is_assembled => return Ok(None),
        (None, Some(base)) => match images.find(base).await? {
            Some(facts) => default_reference(&inputs.model.card, &inputs.key(&facts.id))?,
            None => return Ok(Some(BTreeMap::new())),
        },
    };
    let found = images.find(&name.to_string()).await?;
    Ok(Some(found.map(|facts| facts.labels).unwrap_or_default()))
}

fn check(model: &Model, request: &MakeRequest) -> Result<()> {
    request.recipe.check(model.card.runtime, &request.outputs)?;
    for (at, output) in request.outputs.iter().enumerate() {
        let is_same = |other: &Output| {
            other == output || output.path().is_some() && other.path() == output.path()
        };
        if request.outputs[..at].iter().any(is_same) {
            let action = format!("`--to {output}` and another output have the same place");
            return Err(Error::new(codes::FLAGS, action).hint("name each place once"));
        }
        match output {
            Output::Engine => {}
            Output::Context(path) | Output::OciDir(path) => {
                output::check_folder(path, &request.taken)?;
            }
            Output::DockerArchive(path) | Output::OciArchive(path) => {
                output::check_file(path, &request.taken)?;
            }
        }
    }
    Ok(())
}

async fn in_engine(
    workshop: &Workshop<'_>,
    inputs: &Inputs<'_>,
    request: &MakeRequest,
) -> Result<Vec<Made>> {
    let context = workshop.engine.expect("the caller connects for this output");
    let store = workshop.store.expect("the caller opens a store for this output");
    context.stores.remember(store)?;
    let images = engine_images(context, store, inputs, &request.references, request.existing).await;
    // The error that matters is the first one: a store that stays behind does no harm.
    service::tidy_store(context, store).await.ok();
    Ok(images?.into_iter().map(|built| Made::Image(Box::new(built))).collect())
}

async fn context(
    workshop: &Workshop<'_>,
    inputs: &Inputs<'_>,
    output: &Output,
    path: &Path,
) -> Result<Made> {
    let entries = docker_dir::entries(inputs, workshop.python_of_machine)?;
    let size = entries.iter().map(|entry| entry.content.size()).sum();
    let path = path.to_owned();
    blocking(move || output::replace_folder(&path, |folder| docker_dir::write(&entries, folder)))
        .await?;
    Ok(Made::Target { output: output.clone(), references: Vec::new(), digest: None, size })
}

/// Returns the image without an engine, and what it is called.
async fn named_image(
    inputs: &Inputs<'_>,
    request: &MakeRequest,
) -> Result<(Image, Vec<Reference>)> {
    let image = inputs.image().await?.clone();
    let references = inputs.references(&request.references, &inputs.native_key())?;
    Ok((image, references))
}

async fn oci_dir(
    inputs: &Inputs<'_>,
    request: &MakeRequest,
    output: &Output,
    path: &Path,
) -> Result<Made> {
    let (image, references) = named_image(inputs, request).await?;
    let made = target(output, &image, &references);
    let path = path.to_owned();
    blocking(move || {
        output::replace_folder(&path, |folder| {
            layout::write_folder(&image, &references, folder)
                .map_err(|error| writing(error, folder))
        })
    })
    .await?;
    Ok(made)
}

async fn file(
    inputs: &Inputs<'_>,
    request: &MakeRequest,
    output: &Output,
    path: &Path,
) -> Result<Made> {
    let (image, references) = named_image(inputs, request).await?;
    let made = target(output, &image, &references);
    let (path, is_layout) = (path.to_owned(), matches!(output, Output::OciArchive(_)));
    blocking(move || {
        output::replace_file(&path, |writer| {
            let written = if is_layout {
                layout::write_archive(&image, &references, writer)
            } else {
                archive::write(&image, &references, writer)
            };
            written.map_err(|error| writing(error, &path))
        })
    })
    .await?;
    Ok(made)
}

fn target(output: &Output, image: &Image, references: &[Reference]) -> Made {
    let digest = match output {
        // What the engine will call it.
        Output::DockerArchive(_) => image.config_digest(),
        _ => layout::manifest_digest(image),
    };
    Made::Target {
        output: output.clone(),
        references: references.to_vec(),
        digest: Some(digest.to_string()),
        size: image.size(),
    }
}

/// A full disk is told by the path that was to be written.
fn writing(error: OciError, path: &Path) -> Error {
    match error {
        OciError::Write(source) => Error::file("write", path, source),
        other => native::assembling(other),
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.expect("writing files does not panic")
}
