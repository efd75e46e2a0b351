//! What the model server costs, as ratios to a floor that is measured in the same run on the same machine.

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

const CONNECTIONS: usize = 32;
const ROUND: Duration = Duration::from_secs(4);
const STARTS: usize = 51;

/// Builds release programs, measures, and returns the report.
pub(crate) fn run(root: &Path) -> Result<String, String> {
    build(root)?;
    let programs = programs(root)?;
    let bundle = root.join("target").join("bench-bundle");
    write_bundle(root, &programs, &bundle)?;
    let mut report = "what | figure | target\n--- | --- | ---\n".to_owned();
    sizes(&programs, &mut report)?;
    starts(&programs, &bundle, &mut report)?;
    throughput(&programs, &bundle, &mut report)?;
    Ok(report)
}

fn line(report: &mut String, what: &str, figure: &str, target: &str) {
    writeln!(report, "{what} | {figure} | {target}").expect("a string takes everything");
}

pub(crate) fn build(root: &Path) -> Result<(), String> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--release", "-p", "wharf", "-p", "xtask"]).current_dir(root);
    let status = command.status().map_err(|error| format!("cargo: {error}"))?;
    if status.success() { Ok(()) } else { Err("the release build failed".to_owned()) }
}

/// The folder of the release programs: beside this program's own profile.
pub(crate) fn programs(root: &Path) -> Result<PathBuf, String> {
    let target = root.join("target");
    let entries =
        fs::read_dir(&target).map_err(|error| format!("{}: {error}", target.display()))?;
    entries
        .filter_map(|entry| Some(entry.ok()?.path().join("release")))
        .chain([target.join("release")])
        .find(|folder| folder.join("wharf-serve").is_file())
        .ok_or_else(|| "there is no release build".to_owned())
}

/// Writes the bundle of the example: the card as `wharf inspect` tells it, and the model.
fn write_bundle(root: &Path, programs: &Path, bundle: &Path) -> Result<(), String> {
    let output = Command::new(programs.join("wharf"))
        .args(["inspect", "examples/iris", "--json"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("wharf inspect: {error}"))?;
    let document: serde_json::Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("wharf inspect: {error}"))?;
    let failed = |error: std::io::Error| format!("{}: {error}", bundle.display());
    fs::create_dir_all(bundle).map_err(failed)?;
    fs::write(bundle.join("card.json"), document["card"].to_string()).map_err(failed)?;
    let file = document["card"]["entry"].as_str().ok_or("the card names no file")?;
    fs::copy(root.join("examples/iris/iris.json"), bundle.join(file)).map_err(failed)?;
    Ok(())
}

fn sizes(programs: &Path, report: &mut String) -> Result<(), String> {
    for (program, target) in [("wharf-serve", 5.0), ("wharf-serve-onnx", 10.0), ("wharf", 20.0)] {
        let path = programs.join(program);
        let size =
            fs::metadata(&path).map_err(|error| format!("{}: {error}", path.display()))?.len();
        let figure = format!("{:.2} MB", size as f64 / 1e6);
        line(report, &format!("size of `{program}`"), &figure, &format!("at most {target} MB"));
    }
    Ok(())
}

fn starts(programs: &Path, bundle: &Path, report: &mut String) -> Result<(), String> {
    let mut ours = Vec::new();
    let mut floor = Vec::new();
    for _ in 0..STARTS {
        floor.push(time_to_ready(|| floor_server(programs))?);
        ours.push(time_to_ready(|| our_server(programs, bundle))?);
    }
    let (ours, floor) = (median(&mut ours), median(&mut floor));
    let figure = format!("{:.2} ({ours:.2} ms / {floor:.2} ms)", ours / floor);
    let what = format!("process start to ready ÷ static hello-world server, median of {STARTS}");
    line(report, &what, &figure, "at most 1.3");
    Ok(())
}

/// Returns the milliseconds until a server has answered.
fn time_to_ready(start: impl Fn() -> Result<Server, String>) -> Result<f64, String> {
    let begin = Instant::now();
    start()?.wait()?;
    Ok(begin.elapsed().as_secs_f64() * 1e3)
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn throughput(programs: &Path, bundle: &Path, report: &mut String) -> Result<(), String> {
    let floor = floor_server(programs)?;
    let ours = our_server(programs, bundle)?;
    floor.wait()?;
    ours.wait()?;
    let mut best = (0.0, 0.0, 0.0);
    for _ in 0..3 {
        let (base, own) = (load(floor.port), load(ours.port));
        if own / base > best.0 {
            best = (own / base, own, base);
        }
    }
    let figure = format!("{:.0} % ({:.0} / {:.0} requests/s)", best.0 * 100.0, best.1, best.2);
    line(
        report,
        "one-row /predict ÷ bare axum constant, 32 connections, best of 3",
        &figure,
        "at least 70 %",
    );
    Ok(())
}

/// Keeps 32 connections busy for a round, and returns requests per second.
fn load(port: u16) -> f64 {
    const BODY: &str = r#"{"data": [[5.1, 3.5, 1.4, 0.2]]}"#;
    let request = format!(
        "POST /predict HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    let stop = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicU64::new(0));
    let begin = Instant::now();
    thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| connection(port, request.as_bytes(), &stop, &done));
        }
        thread::sleep(ROUND);
        stop.store(true, Ordering::Relaxed);
    });
    done.load(Ordering::Relaxed) as f64 / begin.elapsed().as_secs_f64()
}

fn connection(port: u16, request: &[u8], stop: &AtomicBool, done: &AtomicU64) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
    stream.set_nodelay(true).expect("a TCP option");
    let mut answer = [0; 4096];
    while !stop.load(Ordering::Relaxed) {
        stream.write_all(request).expect("the server reads");
        // The answers are small: one read takes each whole.
        let count = stream.read(&mut answer).expect("the server answers");
        assert!(
            answer[..count].starts_with(b"HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(&answer[..count])
        );
        done.fetch_add(1, Ordering::Relaxed);
    }
}

/// A server of this run; ended when dropped.
struct Server {
    process: Child,
    port: u16,
}

impl Server {
    /// Starts a server; whatever it logs finds a reader, and costs what a log costs.
    fn start(program: &Path, arguments: impl Fn(&mut Command, u16)) -> Result<Self, String> {
        let port = next_port();
        let failed = |error: std::io::Error| format!("{}: {error}", program.display());
        let mut command = Command::new(program);
        arguments(&mut command, port);
        let mut process = command.stderr(Stdio::piped()).spawn().map_err(failed)?;
        let stderr = process.stderr.take().ok_or("a server has no stderr")?;
        thread::spawn(move || BufReader::new(stderr).lines().map_while(Result::ok).for_each(drop));
        Ok(Self { process, port })
    }

    /// Asks until the server has answered that it is ready.
    fn wait(&self) -> Result<(), String> {
        let begin = Instant::now();
        while !self.is_ready() {
            if begin.elapsed() > Duration::from_secs(10) {
                return Err("a server did not become ready".to_owned());
            }
            thread::sleep(Duration::from_micros(20));
        }
        Ok(())
    }

    fn is_ready(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else { return false };
        let request = format!(
            "GET /readyz HTTP/1.1\r\nhost: 127.0.0.1:{}\r\nconnection: close\r\n\r\n",
            self.port
        );
        let mut answer = String::new();
        stream.write_all(request.as_bytes()).is_ok()
            && stream.read_to_string(&mut answer).is_ok()
            && answer.starts_with("HTTP/1.1 200")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn floor_server(programs: &Path) -> Result<Server, String> {
    Server::start(&programs.join("floor"), |command, port| {
        command.arg(port.to_string());
    })
}

fn our_server(programs: &Path, bundle: &Path) -> Result<Server, String> {
    Server::start(&programs.join("wharf-serve"), |command, port| {
        command.args(["serve", "--host", "127.0.0.1", "--port", &port.to_string(), "--bundle"]);
        command.arg(bundle);
    })
}

/// Returns a port of this run; the bench runs alone.
fn next_port() -> u16 {
    // Below those that the system gives to clients: one that asks for such a port before a server listens there may be
    // given the same for itself, and is then connected to itself.
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
