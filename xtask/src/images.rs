//! What images with large weights cost: wharf against Docker's own build and push, and against `curl` alone.
//!
//! Every line is measured in the same run, on fresh random bytes, with Debian's `docker-registry` on this machine.
//! The processors' time of client, daemon and registry is told apart: the registry's is the same work for everybody.

use std::{
    fmt::Write as _,
    fs::{self, File},
    io::{self, Read as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{bench, wheels};

const WEIGHTS: u64 = 1 << 30;

/// How often a push is measured beside `curl`: the machine may do something else at times.
const PAIRS: usize = 3;

/// What images of this program in the engine are known by.
const LABEL: &str = "io.wharf.bench=images";

/// Builds release programs, measures, and returns the report.
pub(crate) fn run(root: &Path) -> Result<String, String> {
    bench::build(root)?;
    let folder = root.join("target").join("bench-images");
    fs::remove_dir_all(&folder).ok();
    let yard = Yard::new(bench::programs(root)?, folder)?;
    let mut text = report(&measure(&yard)?);
    let wheels = wheels::measure(root, || cpu(std::process::id()))?;
    writeln!(
        text,
        "layers of {} wheels, gzip again ÷ wharf, CPU (at least 5): {:.2} ({:.2} s / {:.2} s; {} MB / {} MB)",
        wheels.count,
        wheels.again / wheels.ours,
        wheels.again,
        wheels.ours,
        mega(wheels.size_again),
        mega(wheels.size),
    )
    .expect("a string takes everything");
    Ok(text)
}

/// What was measured of one way.
#[derive(Debug, Default)]
struct Cost {
    what: &'static str,
    wall: f64,
    client: f64,
    daemon: f64,
    registry: f64,
    /// Of the client, in bytes.
    peak: u64,
    written: u64,
    /// As wharf itself says.
    said: Option<(u64, u64)>,
}

impl Cost {
    /// Returns the processors' time of all, in seconds.
    fn cpu(&self) -> f64 {
        self.cpu_here() + self.registry
    }

    /// Returns the processors' time of client and daemon: the registry may be another machine.
    fn cpu_here(&self) -> f64 {
        self.client + self.daemon
    }
}

/// What was measured, in the order of the table.
struct Measured {
    /// Of several, each wharf's beside that of `curl`: the pair with the best ratio.
    weights: Cost,
    curl: Cost,
    /// The ratios of all pairs, the best first.
    ratios: Vec<f64>,
    code: Cost,
    /// Bytes of the layers that a host with the image before lacks.
    code_pulled: u64,
    nothing: Cost,
    docker_weights: Cost,
    docker_code: Cost,
    docker_nothing: Cost,
}

fn measure(yard: &Yard) -> Result<Measured, String> {
    // The layers that no line changes are there, for everybody.
    yard.small_weights()?;
    yard.wharf("")?;
    yard.docker("")?;
    let mut pairs = Vec::new();
    for _ in 0..PAIRS {
        yard.fresh_weights()?;
        let weights = yard.wharf("weights changed: wharf push")?;
        yard.fresh_weights()?;
        pairs.push((weights, yard.curl("curl of as many bytes, digest known")?));
    }
    let ratio = |(weights, curl): &(Cost, Cost)| weights.wall / curl.wall;
    pairs.sort_by(|a, b| ratio(a).total_cmp(&ratio(b)));
    let ratios = pairs.iter().map(ratio).collect();
    let (weights, curl) = pairs.swap_remove(0);
    // Now the registry has what lies here.
    yard.wharf("")?;
    let before = yard.layers()?;
    yard.change_code(1)?;
    let code = yard.wharf("code changed: wharf push")?;
    let new = yard.layers()?.into_iter().filter(|layer| !before.contains(layer));
    let code_pulled = new.map(|(_, size)| size).sum();
    let nothing = yard.wharf("nothing changed: wharf push")?;
    let docker_weights = yard.docker("weights changed: docker build + push")?;
    yard.change_code(2)?;
    let docker_code = yard.docker("code changed: docker build + push")?;
    let docker_nothing = yard.docker("nothing changed: docker build + push")?;

    Ok(Measured {
        weights,
        curl,
        ratios,
        code,
        code_pulled,
        nothing,
        docker_weights,
        docker_code,
        docker_nothing,
    })
}

fn mega(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}

fn report(measured: &Measured) -> String {
    let Measured { weights, curl, code, nothing, .. } = measured;
    let Measured { docker_weights, docker_code, docker_nothing, .. } = measured;
    let mut text = "what | wall s | client CPU-s | daemon CPU-s | registry CPU-s | peak MB | written MB | sent MB | hashed MB\n\
                    --- | --- | --- | --- | --- | --- | --- | --- | ---\n"
        .to_owned();
    for cost in [weights, curl, code, nothing, docker_weights, docker_code, docker_nothing] {
        let (sent, hashed) =
            cost.said.map_or_else(Default::default, |(sent, hashed)| (mega(sent), mega(hashed)));
        let Cost { what, wall, client, daemon, registry, peak, written, .. } = cost;
        writeln!(
            text,
            "{what} | {wall:.3} | {client:.2} | {daemon:.2} | {registry:.2} | {} | {} | {sent} | {hashed}",
            mega(*peak),
            mega(*written),
        )
        .expect("a string takes everything");
    }
    let peak = weights.peak.max(code.peak).max(nothing.peak);
    let figures = [
        ("weights, docker ÷ wharf, wall (at least 6)", docker_weights.wall / weights.wall),
        ("weights, docker ÷ wharf, CPU (at least 8)", docker_weights.cpu() / weights.cpu()),
        ("the same without the registry", docker_weights.cpu_here() / weights.cpu_here()),
        ("weights, wharf ÷ curl, wall, the best pair (at most 1.15)", weights.wall / curl.wall),
        ("code, wharf, seconds (below 0.3)", code.wall),
        ("code, a pull of it, MB", measured.code_pulled as f64 / 1e6),
        ("nothing, wharf, seconds (below 0.1)", nothing.wall),
        ("peak of wharf, MB (at most 32)", peak as f64 / 1e6),
        ("code, docker ÷ wharf, wall", docker_code.wall / code.wall),
        ("nothing, docker ÷ wharf, wall", docker_nothing.wall / nothing.wall),
    ];
    text.push('\n');
    for (what, figure) in figures {
        writeln!(text, "{what}: {figure:.3}").expect("a string takes everything");
    }
    let ratios: Vec<_> = measured.ratios.iter().map(|ratio| format!("{ratio:.3}")).collect();
    writeln!(text, "weights, wharf ÷ curl, all pairs: {}", ratios.join(" "))
        .expect("a string takes everything");
    text
}

/// A registry, a model, and the programs that bring one into the other.
struct Yard {
    programs: PathBuf,
    folder: PathBuf,
    registry: Child,
    port: u16,
}

impl Yard {
    fn new(programs: PathBuf, folder: PathBuf) -> Result<Self, String> {
        let model = folder.join("model");
        fs::create_dir_all(&model).map_err(|error| format!("{}: {error}", model.display()))?;
        write(&model.join("model.onnx"), &graph("weights.bin"))?;
        write(
            &model.join("Dockerfile"),
            b"FROM scratch\nCOPY wharf-serve-onnx /\nCOPY weights.bin /model/\nCOPY model.onnx wharf.yaml /model/\n",
        )?;
        let server = programs.join("wharf-serve-onnx");
        fs::copy(&server, model.join("wharf-serve-onnx"))
            .map_err(|error| format!("{}: {error}", server.display()))?;
        let port = TcpListener::bind(("127.0.0.1", 0))
            .and_then(|listener| listener.local_addr())
            .map_err(|error| error.to_string())?
            .port();
        let config = folder.join("registry.yml");
        let text = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n\
             storage: {{filesystem: {{rootdirectory: {}/registry}}}}\n\
             http: {{addr: '127.0.0.1:{port}', secret: x}}\n",
            folder.display()
        );
        write(&config, text.as_bytes())?;
        let registry = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("docker-registry: {error}"))?;
        let yard = Self { programs, folder, registry, port };
        yard.change_code(0)?;
        for _ in 0..100 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(yard);
            }
            thread::sleep(Duration::from_millis(100));
        }
        Err("docker-registry does not listen".to_owned())
    }

    fn model(&self) -> PathBuf {
        self.folder.join("model")
    }

    fn reference(&self, name: &str) -> String {
        format!("localhost:{}/{name}:1", self.port)
    }

    fn small_weights(&self) -> Result<(), String> {
        write(&self.model().join("weights.bin"), b"small")
    }

    fn fresh_weights(&self) -> Result<(), String> {
        let path = self.model().join("weights.bin");
        let random = || -> io::Result<()> {
            let mut source = File::open("/dev/urandom")?.take(WEIGHTS);
            io::copy(&mut source, &mut File::create(&path)?)?;
            Ok(())
        };
        random().map_err(|error| format!("{}: {error}", path.display()))?;
        // Whoever comes next must not wait for these bytes to reach the disk.
        status(&mut Command::new("sync"))
    }

    fn change_code(&self, number: usize) -> Result<(), String> {
        let text = format!("model:\n  meta:\n    run: {number}\n");
        write(&self.model().join("wharf.yaml"), text.as_bytes())?;
        thread::sleep(Duration::from_millis(100));
        Ok(())
    }

    fn wharf(&self, what: &'static str) -> Result<Cost, String> {
        let said = self.folder.join("said.json");
        let out = File::create(&said).map_err(|error| format!("{}: {error}", said.display()))?;
        let mut command = Command::new(self.programs.join("wharf"));
        command
            .args(["push", "model", "--json", "--to", &self.reference("wharf")])
            .current_dir(&self.folder)
            .env("HOME", &self.folder)
            .env_remove("XDG_CACHE_HOME")
            .stdout(out)
            .stderr(Stdio::null());
        let mut cost = self.cost(what, &mut [command])?;
        let text = fs::read(&said).map_err(|error| format!("{}: {error}", said.display()))?;
        let document: serde_json::Value =
            serde_json::from_slice(&text).map_err(|error| format!("wharf push: {error}"))?;
        let number = |key: &str| document[key].as_u64().ok_or(format!("wharf push says no {key}"));
        cost.said = Some((number("sent")?, number("hashed")?));
        Ok(cost)
    }

    /// Returns digest and size of the layers that the registry's image has.
    fn layers(&self) -> Result<Vec<(String, u64)>, String> {
        let address = format!("http://localhost:{}/v2/wharf/manifests/1", self.port);
        let accept = "Accept: application/vnd.oci.image.manifest.v1+json";
        let text = output(Command::new("curl").args(["-sSf", "-H", accept, &address]))?;
        let manifest: serde_json::Value =
            serde_json::from_str(&text).map_err(|error| format!("{address}: {error}"))?;
        let layers = manifest["layers"].as_array().ok_or("the manifest has no layers")?;
        let layer = |layer: &serde_json::Value| {
            Some((layer["digest"].as_str()?.to_owned(), layer["size"].as_u64()?))
        };
        layers.iter().map(layer).collect::<Option<_>>().ok_or("a layer has no size".to_owned())
    }

    fn docker(&self, what: &'static str) -> Result<Cost, String> {
        let reference = self.reference("docker");
        let mut build = Command::new("docker");
        build.args(["build", "-q", "--label", LABEL, "-t", &reference]).arg(self.model());
        build.stdout(Stdio::null());
        let mut push = Command::new("docker");
        push.args(["push", "-q", &reference]).stdout(Stdio::null());
        self.cost(what, &mut [build, push])
    }

    fn curl(&self, what: &'static str) -> Result<Cost, String> {
        let weights = self.model().join("weights.bin");
        let digest = output(Command::new("sha256sum").arg(&weights))?;
        let digest = digest.split(' ').next().unwrap_or_default();
        let begin = format!("http://localhost:{}/v2/curl/blobs/uploads/", self.port);
        let head = output(Command::new("curl").args(["-sSi", "-X", "POST", &begin]))?;
        let place = head
            .lines()
            .find_map(|line| line.strip_prefix("Location: "))
            .ok_or("the registry gives no place for an upload")?;
        let mut put = Command::new("curl");
        put.args(["-sSf", "-H", "Content-Type: application/octet-stream", "-T"])
            .arg(&weights)
            .arg(format!("{}&digest=sha256:{digest}", place.trim()));
        self.cost(what, &mut [put])
    }

    /// Runs commands one after another, and says what they cost.
    fn cost(&self, what: &'static str, commands: &mut [Command]) -> Result<Cost, String> {
        const SHORT: Duration = Duration::from_millis(500);
        let daemons = [processes("dockerd"), processes("containerd")].concat();
        let daemon = || daemons.iter().map(|id| cpu(*id)).sum::<f64>();
        let before = (daemon(), cpu(self.registry.id()), cpu_of_children());
        let (mut peak, mut written) = (0, 0);
        let begin = Instant::now();
        for command in commands {
            let mut child =
                command.stdin(Stdio::null()).spawn().map_err(|error| error.to_string())?;
            let id = child.id();
            let status = loop {
                // What the system tells of a process is gone with it: the last look counts.
                peak = peak.max(number(id, "status", "VmHWM:") << 10);
                written = written.max(number(id, "io", "write_bytes:"));
                match child.try_wait().map_err(|error| error.to_string())? {
                    Some(status) => break status,
                    // Who looks often takes the processor from those that are looked at.
                    None if begin.elapsed() < SHORT => thread::sleep(Duration::from_millis(1)),
                    None => thread::sleep(Duration::from_millis(20)),
                }
            };
            if !status.success() {
                return Err(format!("{command:?}: {status}"));
            }
        }
        let wall = begin.elapsed().as_secs_f64();
        Ok(Cost {
            what,
            wall,
            client: cpu_of_children() - before.2,
            daemon: daemon() - before.0,
            registry: cpu(self.registry.id()) - before.1,
            peak,
            written,
            said: None,
        })
    }
}

impl Drop for Yard {
    /// Ends the registry and removes what was made, in the engine too.
    fn drop(&mut self) {
        self.registry.kill().ok();
        self.registry.wait().ok();
        let label = format!("label={LABEL}");
        output(Command::new("docker").args(["rmi", "-f", &self.reference("docker")])).ok();
        output(Command::new("docker").args(["image", "prune", "-f", "--filter", &label])).ok();
        fs::remove_dir_all(&self.folder).ok();
    }
}

/// Returns a graph with one operator, and a constant whose bytes lie in another file.
fn graph(external: &str) -> Vec<u8> {
    fn field(number: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).expect("a small message");
        assert!(length < 128);
        [&[number << 3 | 2, length], content].concat()
    }
    let shape = field(2, &field(1, &[8, 2]));
    let tensor = field(1, &[&[8, 1], shape.as_slice()].concat());
    let value = |name: &[u8]| [field(1, name), field(2, &tensor)].concat();
    let node = [field(1, b"x"), field(2, b"y"), field(4, b"Relu")].concat();
    let entry = [field(1, b"location"), field(2, external.as_bytes())].concat();
    let constant =
        [&[8, 2, 16, 1], field(8, b"w").as_slice(), &field(13, &entry), &[112, 1]].concat();
    let graph =
        [field(1, &node), field(11, &value(b"x")), field(12, &value(b"y")), field(5, &constant)]
            .concat();
    let length = u8::try_from(graph.len()).expect("a small graph");
    let (low, high) = (length & 127 | 128, length >> 7);
    [&[8, 8], field(8, &[16, 17]).as_slice(), &[7 << 3 | 2, low, high], &graph].concat()
}

fn write(path: &Path, content: &[u8]) -> Result<(), String> {
    fs::write(path, content).map_err(|error| format!("{}: {error}", path.display()))
}

fn status(command: &mut Command) -> Result<(), String> {
    output(command).map(drop)
}

fn output(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// Returns the ids of the processes with a name.
fn processes(name: &str) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter(|id: &u32| {
        fs::read_to_string(format!("/proc/{id}/comm")).is_ok_and(|comm| comm.trim() == name)
    })
    .collect()
}

/// Returns the processors' time of a process, in seconds.
fn cpu(id: u32) -> f64 {
    ticks(&format!("/proc/{id}/stat"), 11)
}

/// Returns the processors' time of all children that have ended.
fn cpu_of_children() -> f64 {
    ticks("/proc/self/stat", 13)
}

/// Adds two neighbours of the fields behind the name (`proc(5)`); a tick is a hundredth of a second.
fn ticks(path: &str, at: usize) -> f64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields);
    let values = fields.split_whitespace().skip(at).take(2);
    values.filter_map(|value| value.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Returns a number that the system tells of a process; 0 when it does not.
fn number(id: u32, file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{id}/{file}")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.split_whitespace().next().and_then(|value| value.parse().ok()).unwrap_or(0)
}
