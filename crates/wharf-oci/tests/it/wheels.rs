//! Real wheels as layers over a real Python, beside what pip makes of them.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Arc,
};

use flate2::{Compression, bufread::MultiGzDecoder, write::GzEncoder};
use serde_json::Value;
use wharf_oci::{
    descriptor::digest_of,
    image::ImageLayer,
    wheel::{
        Wheel,
        install::Wanted,
        layer::{Input, plan},
        target::Target,
    },
};

const BASE: &str = "python:3.11-slim";

/// Tells where the image's Python keeps what.
const ASK: &str = "
import json, platform, sys, sysconfig
paths = sysconfig.get_paths()
print(json.dumps({**{name: paths[name][1:] for name in ('purelib', 'scripts', 'include', 'data')},
    'executable': sys.executable, 'machine': platform.machine(), 'version': sys.version_info[:2]}))";

/// Lists what lies in `/usr/local`: mode, digest, path. RECORD is told by its paths: its hashes are checked elsewhere.
const LIST: &str = "
import csv, hashlib, os, json
found = {}
for folder, _, files in os.walk('/usr/local'):
    for file in files:
        path = os.path.join(folder, file)
        if '__pycache__' in path or os.path.islink(path):
            continue
        content = open(path, 'rb').read()
        if path.endswith('.dist-info/RECORD'):
            content = repr(sorted(row[0] for row in csv.reader(open(path)))).encode()
        found[path] = f'{os.stat(path).st_mode & 0o777:o} {hashlib.sha256(content).hexdigest()}'
print(json.dumps(found))";

/// Compares every file of every package with its RECORD.
const VERIFY: &str = "
import base64, hashlib, importlib.metadata as metadata
count = 0
for package in metadata.distributions():
    if package.read_text('INSTALLER') != 'wharf\\n':
        continue
    for file in package.files:
        content = file.locate().read_bytes()
        if file.name == 'RECORD' and file.hash is None:
            continue
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b'=').decode()
        assert (file.hash.value, file.size) == (digest, len(content)), file
        count += 1
assert count > 1000, count
print(count)";

/// The folder of wheels that `./test` fills.
fn wheels() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-wheels");
    let entries = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}; `./test` fills it", folder.display()));
    let mut wheels: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    wheels.retain(|path| path.extension().is_some_and(|extension| extension == "whl"));
    wheels.sort();
    assert!(wheels.len() > 5, "{} has too few wheels: `./test` fills it", folder.display());
    wheels
}

fn run(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&stderr);
    assert!(status.success(), "{command:?}: {stderr}{}", String::from_utf8_lossy(&stdout));
    String::from_utf8(stdout).unwrap()
}

fn docker(args: &[&str]) -> String {
    run(Command::new("docker").args(args))
}

fn in_image(image: &str, args: &[&str]) -> String {
    docker(&[&["run", "--rm", "--network", "none", image], args].concat())
}

fn target() -> Target {
    let told: Value = serde_json::from_str(&in_image(BASE, &["python3", "-c", ASK])).unwrap();
    let text = |name: &str| told[name].as_str().unwrap().to_owned();
    let number = |at: usize| u16::try_from(told["version"][at].as_u64().unwrap()).unwrap();
    Target {
        python: (number(0), number(1)),
        architecture: text("machine"),
        site_packages: text("purelib"),
        scripts: text("scripts"),
        headers: text("include"),
        data: text("data"),
        interpreter: text("executable"),
    }
}

fn layers(target: &Target) -> Vec<ImageLayer> {
    let inputs: Vec<_> = wheels()
        .iter()
        .map(|path| Input {
            wheel: Arc::new(Wheel::open(path).unwrap()),
            sha256: digest_of(&fs::read(path).unwrap()),
            wanted: Wanted::ByName,
        })
        .collect();
    let layers = plan(&inputs, target).unwrap();
    layers.into_iter().map(|layer| layer.into_image_layer().unwrap()).collect()
}

/// An image of a test, gone when dropped.
struct TestImage(String);

impl TestImage {
    fn build(name: &str, context: &Path, dockerfile: &str) -> Self {
        // The context is a folder of this test alone.
        let test = context.file_name().unwrap().to_str().unwrap().trim_start_matches('.');
        let image = Self(format!("wharf-test-wheels/{name}:{test}"));
        fs::write(context.join("Dockerfile"), dockerfile).unwrap();
        docker(&["build", "-q", "--force-rm", "-t", &image.0, context.to_str().unwrap()]);
        image
    }

    fn files(&self) -> BTreeMap<String, String> {
        serde_json::from_str(&in_image(&self.0, &["python3", "-c", LIST])).unwrap()
    }
}

impl Drop for TestImage {
    fn drop(&mut self) {
        Command::new("docker").args(["rmi", "-f", &self.0]).output().ok();
    }
}

/// Makes an image of the layers, which the engine unpacks.
fn ours(context: &Path) -> TestImage {
    let mut dockerfile = format!("FROM {BASE}\n");
    for (at, layer) in layers(&target()).iter().enumerate() {
        let name = format!("{at}.tar.gz");
        layer.content.write(&mut File::create(context.join(&name)).unwrap()).unwrap();
        dockerfile.extend(["ADD ", &name, " /\n"]);
    }
    TestImage::build("ours", context, &dockerfile)
}

/// Makes an image by pip, of the same wheels.
fn by_pip(context: &Path) -> TestImage {
    let mut packages = String::new();
    for path in wheels() {
        let name = path.file_name().unwrap().to_str().unwrap();
        fs::copy(&path, context.join(name)).unwrap();
        let mut parts = name.split('-');
        let (package, version) = (parts.next().unwrap(), parts.next().unwrap());
        packages.extend([" ", package, "==", version]);
    }
    let install = "pip install -q --no-compile --no-deps --no-index --find-links /tmp/wheels";
    TestImage::build(
        "pip",
        context,
        &format!("FROM {BASE}\nCOPY *.whl /tmp/wheels/\nRUN {install}{packages}\n"),
    )
}

#[test]
#[ignore = "needs engine"]
fn packages_work_and_can_be_removed() {
    let folder = tempfile::tempdir().unwrap();
    let image = ours(folder.path());
    let import = "import flask, numpy, scipy.linalg, sklearn.ensemble as e
print(e.RandomForestClassifier(3).fit(numpy.eye(9), range(9)).predict(numpy.eye(9)).shape)";
    assert_eq!(in_image(&image.0, &["python3", "-c", import]), "(9,)\n");
    assert!(in_image(&image.0, &["flask", "--version"]).contains("Werkzeug"));
    assert!(in_image(&image.0, &["pip", "check"]).contains("No broken requirements"));
    in_image(&image.0, &["python3", "-c", VERIFY]);
    let left = "pip uninstall -q -y flask 2>&1; find /usr/local -iname '*flask*'";
    let told = in_image(&image.0, &["sh", "-c", left]);
    assert!(!told.contains("/flask"), "something is left: {told}");
}

#[test]
#[ignore = "needs engine"]
fn files_are_those_that_pip_installs() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let ours = ours(folders[0].path()).files();
    let pips = by_pip(folders[1].path()).files();
    assert!(ours.len() > 1000, "only {} files", ours.len());
    let mut differences = Vec::new();
    for path in ours.keys().chain(pips.keys()) {
        if ours.get(path) != pips.get(path) {
            // Ours are shorter, and it is not pip that installed it.
            let is_known = ours.contains_key(path)
                && pips.contains_key(path)
                && (path.starts_with("/usr/local/bin/") || path.ends_with(".dist-info/INSTALLER"));
            if !is_known {
                differences.push((path, ours.get(path), pips.get(path)));
            }
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
}

/// Returns the size of a gzip file unpacked and compressed anew.
fn gzipped_again(path: &str) -> u64 {
    let mut plain = MultiGzDecoder::new(BufReader::new(File::open(path).unwrap()));
    let mut packed = GzEncoder::new(tempfile::tempfile().unwrap(), Compression::new(6));
    std::io::copy(&mut plain, &mut packed).unwrap();
    packed.finish().unwrap().metadata().unwrap().len()
}

#[test]
#[ignore = "needs engine"]
fn gzip_and_python_read_a_layer_to_its_end_and_gzip_makes_it_no_smaller() {
    let count = "
import gzip, hashlib, sys, tarfile
with gzip.open(sys.argv[1]) as file:
    print('sha256:' + hashlib.file_digest(file, 'sha256').hexdigest())
print(len(tarfile.open(sys.argv[1]).getnames()))";
    for layer in layers(&target()) {
        let mut file = tempfile::NamedTempFile::with_suffix(".gz").unwrap();
        layer.content.write(file.as_file_mut()).unwrap();
        file.flush().unwrap();
        let path = file.path().to_str().unwrap();
        assert_eq!(file.as_file().metadata().unwrap().len(), layer.descriptor.size);
        run(Command::new("gzip").args(["--test", path]));
        let listed = run(Command::new("tar").args(["--list", "--gzip", "--file", path]));
        let told = run(Command::new("python3").args(["-c", count, path]));
        assert_eq!(told, format!("{}\n{}\n", layer.diff_id, listed.lines().count()));
        let size = layer.descriptor.size;
        let again = gzipped_again(path);
        // Where nothing is re-used, the heads of more members cost a few bytes.
        assert!(size <= again + again / 1000, "{}: {size} bytes, gzip: {again}", layer.title);
    }
}
