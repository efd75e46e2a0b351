//! Layers of wheels: which wheels share one, and its bytes, written without compressing again what a wheel has compressed.

use std::{collections::BTreeMap, fs::File, io::Write, sync::Arc};

use sha2::{Digest as _, Sha256};
use wharf_spec::digest::Digest;

use super::{
    Wheel,
    error::{Fault, Refusal, WheelError},
    install::{self, Content, Placed, Wanted},
    path,
    stream::Stream,
    target::Target,
    unpack::Unpacker,
};
use crate::{
    blob::{Blob, Hashing},
    descriptor::{Descriptor, LAYER_GZIP},
    error::Result,
    image::ImageLayer,
};

/// Part of every key: raised with whatever changes the bytes of a layer, be it this code or the compressor's version.
const FRAMING: u32 = 1;

/// Bytes of a wheel that gets a layer of its own.
const OWN_LAYER_FROM: u64 = 5_000_000;

/// An image has at most 127 layers, and others need some: above this the largest wheels have their own.
const MOST_OWN_LAYERS: usize = 40;

/// A wheel to be installed.
#[derive(Debug, Clone)]
pub struct Input {
    pub wheel: Arc<Wheel>,
    /// Of the file; whoever downloaded it has checked it.
    pub sha256: Digest,
    pub wanted: Wanted,
}

/// A layer of one or more wheels, as a gzip stream that can be written again and again.
#[derive(Debug)]
pub struct WheelLayer {
    key: Digest,
    title: String,
    wheels: Vec<Arc<Wheel>>,
    entries: Vec<Entry>,
}

/// A file, and the wheel that it comes from.
#[derive(Debug)]
struct Entry {
    wheel: usize,
    file: Placed,
}

/// Returns the layers of wheels, the lowest first: one for each large wheel, one for all others.
///
/// Files of the same path are fine with the same content, such as the `__init__.py` of a namespace package. With other content they
/// are refused: pip lets the last wheel win, but here the layers have no last one.
///
/// # Errors
/// When a wheel is not for the target, or two do not go together.
pub fn plan(inputs: &[Input], target: &Target) -> Result<Vec<WheelLayer>, WheelError> {
    let mut inputs: Vec<_> = inputs.iter().collect();
    inputs.sort_by_key(|input| (input.wheel.name().package(), input.sha256));
    for pair in inputs.windows(2) {
        if pair[0].wheel.name().package() == pair[1].wheel.name().package() {
            let [one, other] = [pair[0], pair[1]].map(|input| input.wheel.path.clone());
            return Err(WheelError::Twice { one, other });
        }
    }
    let mut files = Vec::with_capacity(inputs.len());
    for input in &inputs {
        files.push(place(input, target)?);
    }
    check_together(&inputs, &files)?;

    let mut by_size: Vec<_> = (0..inputs.len()).collect();
    by_size.sort_by_key(|at| std::cmp::Reverse(inputs[*at].wheel.stamp.size));
    let own = |at: &usize| inputs[*at].wheel.stamp.size >= OWN_LAYER_FROM;
    let large: Vec<_> = by_size.into_iter().filter(own).take(MOST_OWN_LAYERS).collect();
    let (mut alone, mut shared) = (Vec::new(), Vec::new());
    for (at, (input, files)) in inputs.into_iter().zip(files).enumerate() {
        if large.contains(&at) {
            alone.push(vec![(input, files)]);
        } else {
            shared.push((input, files));
        }
    }
    let groups = alone.into_iter().chain([shared]).filter(|group| !group.is_empty());
    Ok(groups.map(|group| WheelLayer::new(group, target)).collect())
}

fn place(input: &Input, target: &Target) -> Result<Vec<Placed>, WheelError> {
    let wheel = &input.wheel;
    if !wheel.name().fits(target) {
        return Err(WheelError::Unfit {
            wheel: wheel.path.clone(),
            python: format!("{}.{}", target.python.0, target.python.1),
            architecture: target.architecture.clone(),
        });
    }
    install::place(&wheel.contents, target, input.wanted).map_err(|refusal| refusal.of(&wheel.path))
}

/// Checks that no wheel overwrites a file of another, in whatever layers they are.
fn check_together(inputs: &[&Input], files: &[Vec<Placed>]) -> Result<(), WheelError> {
    let mut all: BTreeMap<&str, (&Wheel, &Placed)> = BTreeMap::new();
    for (input, files) in inputs.iter().zip(files) {
        for file in files {
            let Some((wheel, first)) = all.insert(&file.path, (&input.wheel, file)) else {
                continue;
            };
            if first.mode != file.mode || sum(wheel, first)? != sum(&input.wheel, file)? {
                return Err(WheelError::Collision {
                    path: file.path.clone(),
                    one: wheel.path.clone(),
                    other: input.wheel.path.clone(),
                });
            }
        }
    }
    for (path, (wheel, _)) in &all {
        if let Some((folder, (one, _))) =
            path::folders(path).find_map(|folder| all.get_key_value(folder))
        {
            return Err(WheelError::FileAndFolder {
                path: (*folder).to_owned(),
                one: one.path.clone(),
                other: wheel.path.clone(),
            });
        }
    }
    Ok(())
}

/// Returns the SHA-256 of a file's content.
fn sum(wheel: &Wheel, file: &Placed) -> Result<[u8; 32], WheelError> {
    let mut sum = Sha256::new();
    match &file.content {
        Content::Bytes(bytes) => sum.update(bytes),
        Content::Member(at) => {
            let mut archive = File::open(&wheel.path)
                .map_err(|error| Refusal::from(Fault::Read(error)).of(&wheel.path))?;
            Unpacker::new()
                .pass(&mut archive, &wheel.contents.members[*at], &mut |piece| sum.update(piece))
                .map_err(|refusal| refusal.of(&wheel.path))?;
        }
    }
    Ok(sum.finalize().into())
}

impl WheelLayer {
    fn new(group: Vec<(&Input, Vec<Placed>)>, target: &Target) -> Self {
        let key = key(group.iter().map(|(input, _)| *input), target);
        let title = match &group[..] {
            [(only, _)] => {
                let name = only.wheel.name();
                format!("wheel {} {}", name.distribution, name.version)
            }
            many => format!("wheels of {} packages", many.len()),
        };
        let wheels = group.iter().map(|(input, _)| Arc::clone(&input.wheel)).collect();
        let mut entries = BTreeMap::new();
        for (wheel, (_, files)) in group.into_iter().enumerate() {
            for file in files {
                // Two of one path have the same content.
                entries.entry(file.path.clone()).or_insert(Entry { wheel, file });
            }
        }
        Self { key, title, wheels, entries: entries.into_values().collect() }
    }

    /// Returns what its bytes are a pure function of: a layer of the same key has the same digest.
    pub fn key(&self) -> Digest {
        self.key
    }

    /// Reads all wheels once: checks the bytes of every member, and returns the layer with its digests. Blocks: call it on
    /// a thread of its own.
    ///
    /// # Errors
    /// When a wheel cannot be read, is damaged, or is no longer what it was.
    pub fn into_image_layer(self) -> Result<ImageLayer> {
        let (mut blob, mut plain) = (Hashing::new(), Hashing::new());
        self.emit(&mut blob, Some(&mut plain))?;
        let (digest, size) = blob.finish();
        let descriptor = Descriptor { media_type: LAYER_GZIP.to_owned(), digest, size };
        Ok(self.known(descriptor, plain.finish().0))
    }

    /// Returns the layer whose digests are known by its key.
    pub fn known(self, descriptor: Descriptor, diff_id: Digest) -> ImageLayer {
        let title = self.title.clone();
        ImageLayer { descriptor, diff_id, content: Arc::new(self), mount_from: None, title }
    }

    fn emit(&self, out: &mut dyn Write, plain: Option<&mut Hashing>) -> Result<()> {
        let mut stream = Stream::new(out, plain);
        for Entry { wheel, file } in &self.entries {
            stream.file(&self.wheels[*wheel], file)?;
        }
        stream.finish()
    }
}

impl Blob for WheelLayer {
    fn write(&self, writer: &mut dyn Write) -> Result<()> {
        self.emit(writer, None)
    }
}

/// Returns the digest of all that a layer depends on.
fn key<'a>(inputs: impl Iterator<Item = &'a Input>, target: &Target) -> Digest {
    let Target {
        python: (major, minor),
        architecture,
        site_packages,
        scripts,
        headers,
        data,
        interpreter,
    } = target;
    let mut lines =
        vec![format!("layer of wheels {FRAMING}"), format!("{major}.{minor} {architecture}")];
    lines.extend([site_packages, scripts, headers, data, interpreter].map(String::clone));
    let mut wheels: Vec<_> = inputs.map(|input| (input.sha256, input.wanted)).collect();
    wheels.sort_unstable();
    lines.extend(wheels.iter().map(|(sha256, wanted)| match wanted {
        Wanted::ByName => format!("{sha256} by name"),
        Wanted::ByOthers => format!("{sha256} by others"),
    }));
    Digest::blake3(lines.join("\n").as_bytes())
}
