//! What an image of a kind that runs Python is assembled upon, without an engine and without running a container: a base
//! of which only manifest and config are read, and layers of the wheels that the model's lock names.

use std::{collections::BTreeSet, sync::Arc};

use wharf_oci::{
    descriptor::{Descriptor, LAYER_GZIP},
    error::OciError,
    image::{Base, Image, ImageLayer},
    wheel::{
        Wheel,
        install::Wanted,
        layer::{self, Input},
        target::Target as Layout,
    },
};
use wharf_spec::{codes, digest::Digest, event::Event, model::PythonNeeds, reference::Reference};

use super::{Inputs, ground, ground::Ground, key, native, python};
use crate::{
    cache::{FileCache, KnownWheels},
    error::{Error, Result},
    images::{Transfer, engine::EngineStore},
    python::{
        Packages,
        resolve::{self, LockPlace, LockRequest, Locked, Update},
        target::Target,
        wheels::LockedWheel,
    },
    supply::bill::Component,
};

/// What such an image is got with.
#[derive(Debug, Clone)]
pub struct Supplies {
    /// For the base.
    pub transfer: Transfer,
    /// For a base that no registry gives, where an engine may be asked.
    pub engine: Option<EngineStore>,
    /// For the wheels.
    pub packages: Packages,
    /// Where the model's lock lies.
    pub place: LockPlace,
    /// The minor version of this machine's own Python.
    pub python_of_machine: Option<String>,
}

impl Supplies {
    /// Says whether there is an engine that has an image.
    pub(super) async fn engine_has(&self, reference: &Reference) -> bool {
        match &self.engine {
            Some(engine) => engine.has(reference).await.unwrap_or(false),
            None => false,
        }
    }

    /// Takes an image out of the engine.
    pub(super) async fn take(&self, reference: &Reference) -> Result<Image> {
        let Some(engine) = &self.engine else {
            let action = format!("no engine can be asked for `{reference}`");
            return Err(Error::new(codes::NEEDS_ENGINE, action)
                .hint("`wharf ps` says what is wrong with the engine"));
        };
        let what = format!("getting {reference} from the engine");
        self.transfer.reporter.report(Event::Started { what });
        self.transfer.unless_cancelled(engine.take(reference)).await
    }
}

/// The lower part of an image.
#[derive(Debug, Clone)]
pub(super) struct Foundation {
    pub(super) base: Base,
    pub(super) layers: Vec<ImageLayer>,
    /// The digest of everything that it is made of.
    pub(super) key: Digest,
    /// The digest of the lock that names the wheels.
    pub(super) lock: Option<Digest>,
    wheels: Vec<LockedWheel>,
}

impl Foundation {
    /// Finds the base, brings all wheels into the cache, and learns the digests of their layers.
    pub(super) async fn lay(inputs: &Inputs<'_>, supplies: &Supplies) -> Result<Self> {
        let needs = python::needs(inputs.model);
        refuse_system_packages(inputs.model.card.name.as_str(), &needs)?;
        let Ground { base, target } = ground::find(inputs, supplies).await?;
        let (lock, wheels) = if needs.requirements.is_empty() {
            (None, Vec::new())
        } else {
            let (lock, wheels) = wheels(supplies, &needs, &target).await.map_err(|error| {
                error.hint("or let an engine install the requirements: `wharf build` without `--builder native`, into the engine")
            })?;
            (Some(lock), wheels)
        };
        let (cache, named, files) = (inputs.cache.clone(), named(&needs), wheels.clone());
        let making = tokio::task::spawn_blocking(move || layers(&cache, &files, &named, &target));
        let made = making.await.expect("reading wheels does not panic");
        let (keys, layers): (Vec<_>, _) = made.map_err(native::assembling)?.into_iter().unzip();
        let mut parts =
            vec!["foundation".to_owned(), base.image.manifest().descriptor().digest.to_string()];
        // The manifest names it, so that the same base by another name makes another image.
        parts.push(base.name.clone().unwrap_or_default());
        parts.extend(keys.iter().map(Digest::to_string));
        let key = key(&parts.iter().map(String::as_str).collect::<Vec<_>>());
        Ok(Self { base, layers, key, lock, wheels })
    }

    /// Returns what the base is called, the same on every machine.
    pub(super) fn base_name(&self) -> String {
        base_name(&self.base)
    }

    /// Returns what of others is in it.
    pub(super) fn components(&self) -> Vec<Component> {
        let digest = self.base.image.manifest().descriptor().digest;
        let base = Component::base(&self.base_name(), Some(digest));
        let wheels = self.wheels.iter().map(|wheel| {
            Component::wheel(&wheel.name, &wheel.version, wheel.file_name.as_str(), wheel.sha256)
        });
        std::iter::once(base).chain(wheels).collect()
    }
}

/// Returns what a base is called, the same on every machine: a path is not.
pub(super) fn base_name(base: &Base) -> String {
    let digest = || base.image.manifest().descriptor().digest.to_string();
    base.name.clone().unwrap_or_else(digest)
}

fn refuse_system_packages(name: &str, needs: &PythonNeeds) -> Result<()> {
    if needs.system_packages.is_empty() {
        return Ok(());
    }
    let action = format!(
        "`{name}` needs system packages ({}), which are installed in a container",
        needs.system_packages.join(", ")
    );
    Err(Error::new(codes::NEEDS_ENGINE, action).hint(
        "build it into an engine, without `--builder native`; or name a base that has them with `--base`, and leave them out",
    ))
}

/// Returns the digest of the lock that an image would be made from, where one is there that fits.
pub(super) fn lock_there(supplies: &Supplies, needs: &PythonNeeds) -> Result<Option<Digest>> {
    let locked = supplies.place.read()?;
    let fits = |locked: &Locked| locked.lock.inputs == Some(resolve::inputs(needs));
    Ok(locked.filter(fits).map(|locked| locked.lock.digest()))
}

/// Brings the wheels of a lock into the cache; the lock is made where it is missing. Returns its digest, too.
async fn wheels(
    supplies: &Supplies,
    needs: &PythonNeeds,
    target: &Target,
) -> Result<(Digest, Vec<LockedWheel>)> {
    let Supplies { packages, place, .. } = supplies;
    let there = place.read()?.and_then(|locked| locked.lock.requires_python);
    let named = needs.version.as_deref().and_then(|version| version.parse().ok());
    // A lock that is there stays for the Pythons that it is for.
    let python = named.or(there).unwrap_or(target.python);
    let request = LockRequest { needs, python, place, update: Update::WhenChanged };
    let locked = packages.lock(&request).await?;
    let chosen = locked.lock.choose(target)?;
    let wheels = packages.with_needs(needs).wheels(&chosen, locked.folder()).await?;
    Ok((locked.lock.digest(), wheels))
}

/// Returns the packages that the requirements name, as indexes have them.
fn named(needs: &PythonNeeds) -> BTreeSet<String> {
    needs.requirements.iter().map(|line| Component::requirement(line).name).collect()
}

/// Returns the layers with their keys; wheels are read for those that are not known.
fn layers(
    cache: &FileCache,
    wheels: &[LockedWheel],
    named: &BTreeSet<String>,
    target: &Target,
) -> Result<Vec<(Digest, ImageLayer)>, OciError> {
    let refused = |error| OciError::Wheel(Box::new(error));
    let number = |number: u32| u16::try_from(number).expect("versions are below 1000");
    let (major, minor) = (number(target.python.major), number(target.python.minor));
    let layout = Layout::official(major, minor, target.machine());
    let mut inputs = Vec::with_capacity(wheels.len());
    for LockedWheel { path, sha256, .. } in wheels {
        let wheel = Arc::new(Wheel::open(path).map_err(refused)?);
        let is_named = named.contains(&wheel.name().package());
        let wanted = if is_named { Wanted::ByName } else { Wanted::ByOthers };
        inputs.push(Input { wheel, sha256: *sha256, wanted });
    }
    let mut made = Vec::new();
    for layer in layer::plan(&inputs, &layout).map_err(refused)? {
        let key = layer.key();
        let layer = match cache.wheels(&key) {
            Some(KnownWheels { digest, size, diff_id }) => {
                let media_type = LAYER_GZIP.to_owned();
                layer.known(Descriptor { media_type, digest, size }, diff_id)
            }
            None => {
                let layer = layer.into_image_layer()?;
                let Descriptor { digest, size, .. } = layer.descriptor;
                cache.keep_wheels(&key, KnownWheels { digest, size, diff_id: layer.diff_id });
                layer
            }
        };
        made.push((key, layer));
    }
    Ok(made)
}

#[cfg(test)]
mod tests {
    use wharf_spec::error::Explain as _;

    use super::*;

    #[test]
    fn what_is_installed_in_a_container_needs_an_engine() {
        let mut needs = PythonNeeds::default();
        refuse_system_packages("x", &needs).unwrap();
        needs.system_packages = vec!["libgomp1".to_owned()];
        let error = refuse_system_packages("x", &needs).unwrap_err();
        assert_eq!(error.code(), codes::NEEDS_ENGINE);
        assert!(error.to_string().contains("(libgomp1)"), "{error}");
    }
}
