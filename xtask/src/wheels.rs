//! What a layer of Python packages costs: made from the streams of its wheels, against inflating and gzipping it again.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};
use wharf_oci::{
    image::ImageLayer,
    wheel::{
        Wheel,
        install::Wanted,
        layer::{Input, plan},
        target::Target,
    },
};
use wharf_spec::digest::Digest;

/// How often each way is gone; the cheapest counts.
const ROUNDS: usize = 3;

/// The processors' time of both ways, in seconds.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) count: usize,
    /// Digests found, and the layer written once.
    pub(crate) ours: f64,
    /// The same layer inflated, and compressed as gzip does by default.
    pub(crate) again: f64,
    /// Bytes of the layer.
    pub(crate) size: u64,
    pub(crate) size_again: u64,
}

/// Measures with the wheels that `./test` keeps; `cpu` tells the processors' time of this program.
pub(crate) fn measure(root: &Path, cpu: impl Fn() -> f64) -> Result<Measured, String> {
    let wheels = wheels(&root.join("target/test-wheels"))?;
    let timed = |way: &mut dyn FnMut() -> Result<(), String>| {
        let mut best = f64::MAX;
        for _ in 0..ROUNDS {
            let before = cpu();
            way()?;
            best = best.min(cpu() - before);
        }
        Ok::<_, String>(best)
    };
    let mut blobs = Vec::new();
    let ours = timed(&mut || {
        blobs = blobs_of(&wheels)?;
        Ok(())
    })?;
    let mut size_again = 0;
    let again = timed(&mut || {
        size_again = 0;
        for blob in &blobs {
            size_again += gzipped_again(blob).map_err(|error| error.to_string())?;
        }
        Ok(())
    })?;
    let size = blobs.iter().map(|blob| blob.len() as u64).sum();
    Ok(Measured { count: wheels.len(), ours, again, size, size_again })
}

fn wheels(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder)
        .map_err(|error| format!("{}: {error}; `./test` fills it", folder.display()))?;
    let mut wheels: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    wheels.retain(|path| path.extension().is_some_and(|extension| extension == "whl"));
    wheels.sort();
    Ok(wheels)
}

/// Goes all the way from wheels to the bytes of layers.
fn blobs_of(wheels: &[PathBuf]) -> Result<Vec<Vec<u8>>, String> {
    let input = |path: &PathBuf| {
        let wheel = Arc::new(Wheel::open(path).map_err(|error| error.to_string())?);
        // Only the key of the layer is made from it, and a lock knows it.
        let sha256 = Digest::blake3(path.as_os_str().as_encoded_bytes());
        Ok(Input { wheel, sha256, wanted: Wanted::ByName })
    };
    let inputs = wheels.iter().map(input).collect::<Result<Vec<_>, String>>()?;
    let target = Target::official(3, 11, std::env::consts::ARCH);
    let layers = plan(&inputs, &target).map_err(|error| error.to_string())?;
    let write = |layer: ImageLayer| {
        let mut blob = Vec::new();
        layer.content.write(&mut blob).map(|()| blob)
    };
    let made = layers.into_iter().map(|layer| layer.into_image_layer().and_then(write));
    made.collect::<Result<_, _>>().map_err(|error| error.to_string())
}

fn gzipped_again(blob: &[u8]) -> io::Result<u64> {
    let mut gzip = GzEncoder::new(Count(0), Compression::new(6));
    io::copy(&mut MultiGzDecoder::new(blob), &mut gzip)?;
    gzip.flush()?;
    Ok(gzip.finish()?.0)
}

/// Takes bytes for their number.
struct Count(u64);

impl io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
