//! What only real processes show: signals, kernels, networks, images.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::Mutex,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::{
    StreamExt,
    future::join_all,
    stream::{self, BoxStream},
};
use wharf_spec::{
    error::causes,
    label,
    quantity::ByteSize,
    reference::Reference,
    status::{Exit, Phase},
    workload::{CapabilitySet, Command, Hardening, HostPort, Mount, Resources, Workload},
};

use super::{
    Stage,
    life::{free_port, on},
};
use crate::{BuildRequest, Images, LogOptions, LogStream, error::EngineError};

/// A web server on port 8080.
const SERVES: &str = "mkdir -p /www; echo hello > /www/index.html; exec httpd -f -p 8080 -h /www";

/// A function of the shell that asks a server by its name. A static program has no resolver; `nslookup` brings its
/// own.
const ASK: &str = "ask() { at=$(nslookup $1 2>/dev/null | \
                   awk '/^Name/ { n = 1 } /^Address/ && n { print $2; exit }'); \
                   [ -n \"$at\" ] && printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 $at 8080 2>/dev/null | \
                   grep hello; };";

pub async fn a_killed_job_tells_why(stage: &Stage) {
    // Without a newline `tail` keeps all of it.
    let mut job = stage.job("exec tail /dev/zero");
    job.resources = Resources { memory: Some(ByteSize(16 << 20)), ..Resources::default() };
    stage.engine.apply(&job).await.expect("the job starts");
    let exit = stage.engine.wait(&job.id).await.expect("it is killed");
    assert_eq!((exit.code, exit.error), (137, None));
    // Podman 4.3 does not tell on cgroup v1.
    assert!(exit.out_of_memory || stage.engine.name() == "podman", "it went over its limit");

    let ended = Workload { id: stage.id(2), ..stage.job("kill -9 $$; sleep 5; exit 139") };
    assert_eq!(stage.outcome(&ended).await.0, 139, "process 1 does not kill itself");
}

pub async fn stopping_gives_the_grace_and_no_more(stage: &Stage) {
    let polite =
        stage.service("polite", "trap 'echo bye; exit 9' TERM; echo up; sleep 1000 & wait");
    let deaf = stage.service("deaf", "trap '' TERM; echo up; while true; do sleep 1; done");
    for service in [&polite, &deaf] {
        stage.engine.apply(service).await.expect("it starts");
        wait_for_line(stage, service, "up").await;
    }
    let begun = Instant::now();
    stage.engine.stop(&polite.id, Duration::from_secs(60)).await.expect("it ends by itself");
    assert!(begun.elapsed() < Duration::from_secs(30), "it ended when asked");
    let status = stage.engine.status(&polite.id).await.expect("it is there");
    assert_eq!((status.phase, status.exit), (Phase::Stopped, Some(Exit::with_code(9))));
    let log = stage.log(&polite.id, LogOptions::default()).await;
    assert_eq!(log.last().map(|line| line.text.as_str()), Some("bye"), "its last words are kept");

    let begun = Instant::now();
    stage.engine.stop(&deaf.id, Duration::from_secs(2)).await.expect("it is killed");
    assert!(begun.elapsed() >= Duration::from_secs(2), "it had its grace");
    let status = stage.engine.status(&deaf.id).await.expect("it is there");
    assert_eq!((status.phase, status.exit), (Phase::Stopped, Some(Exit::with_code(137))));
}

async fn wait_for_line(stage: &Stage, service: &Workload, text: &str) {
    for _ in 0..200 {
        let log = stage.log(&service.id, LogOptions::default()).await;
        if log.iter().any(|line| line.text == text) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("`{}` never wrote `{text}`", service.id);
}

pub async fn both_streams_are_told_apart(stage: &Stage) {
    let script = "echo out; echo err >&2; head -c 40000 /dev/zero | tr '\\0' x; echo; printf last";
    let job = stage.job(script);
    stage.outcome(&job).await;
    let log = stage.log(&job.id, LogOptions::default()).await;
    let of = |stream: LogStream| -> Vec<&str> {
        log.iter().filter(|line| line.stream == stream).map(|line| line.text.as_str()).collect()
    };
    let long = "x".repeat(40_000);
    assert_eq!(of(LogStream::Out), ["out", &long, "last"]);
    assert_eq!(of(LogStream::Err), ["err"]);
    assert!(log.iter().all(|line| line.time.is_some()), "every line has its time");
}

pub async fn a_published_port_is_reached(stage: &Stage) {
    let service =
        Workload { ports: on(HostPort::From(free_port())), ..stage.service("web", SERVES) };
    let status = stage.engine.apply(&service).await.expect("it starts");
    let [end] = status.endpoints.as_slice() else { panic!("one port is published: {status:?}") };
    assert_eq!(end.address, Ipv4Addr::LOCALHOST, "and on no other address");
    let port = end.host_port;
    let answer =
        tokio::task::spawn_blocking(move || get(port)).await.expect("asking does not panic");
    assert!(answer.ends_with("hello\n"), "{answer}");
}

/// Asks a server of this machine for its first page, for as long as it takes to start.
fn get(port: u16) -> String {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    for _ in 0..100 {
        match ask() {
            Ok(answer) if !answer.is_empty() => return answer,
            _ => std::thread::sleep(Duration::from_millis(50)),
        }
    }
    "no answer".to_owned()
}

pub async fn a_port_of_another_process_is_told(stage: &Stage) {
    let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("some port is free");
    let port = holder.local_addr().expect("it has an address").port();
    let fixed = Workload { ports: on(HostPort::Fixed(port)), ..stage.service("web", SERVES) };
    let error = stage.engine.apply(&fixed).await.expect_err("the port is taken");
    assert!(
        matches!(error, EngineError::PortTaken { port: told, .. } if told == port),
        "{error:?}"
    );
    assert_eq!(stage.ids().await, [], "nothing of it is left");
    let free = Workload { ports: on(HostPort::From(port)), ..stage.service("web", SERVES) };
    let status = stage.engine.apply(&free).await.expect("the next port is free");
    assert!(status.endpoints[0].host_port > port, "{status:?}");
}

pub async fn a_missing_command_is_told_and_nothing_is_left(stage: &Stage) {
    for (program, expect) in
        [("/no/such", "exit code 127"), ("no-such", "exit code 127"), ("/etc", "exit code 126")]
    {
        let command = Command::Args(vec![program.to_owned()]);
        let job = Workload { command, ..stage.job("") };
        let error = stage.engine.apply(&job).await.expect_err("there is no such command");
        let told = causes(&error).concat();
        assert!(told.contains(expect), "{program}: {error}: {told}");
        assert_eq!(stage.ids().await, [], "{program}: nothing of it is left");
    }
}

pub async fn a_read_only_root_cannot_be_written(stage: &Stage) {
    let script = "touch /x /etc/x; echo $?; touch /tmp/x; echo $?";
    let shut = Workload { hardening: Hardening::native(), ..stage.job(script) };
    let (_, text) = stage.outcome(&shut).await;
    let numbers: Vec<&str> = text.lines().filter(|line| line.parse::<u8>().is_ok()).collect();
    assert_eq!(numbers, ["1", "0"], "{text}");
    let open = Workload { id: stage.id(2), ..stage.job("touch /x; echo $?") };
    assert_eq!(stage.outcome(&open).await, (0, "0\n".to_owned()));
}

pub async fn capabilities_are_as_asked(stage: &Stage) {
    // CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, NET_BIND_SERVICE
    let cases =
        [(CapabilitySet::None, "0000000000000000"), (CapabilitySet::Reduced, "00000000000004fb")];
    for (generation, (capabilities, mask)) in (1..).zip(cases) {
        let mut job = stage.job("grep -E 'CapBnd|NoNewPrivs' /proc/self/status");
        job.id = stage.id(generation);
        job.hardening.capabilities = capabilities;
        let (_, text) = stage.outcome(&job).await;
        assert_eq!(text, format!("CapBnd:\t{mask}\nNoNewPrivs:\t1\n"), "{capabilities:?}");
    }
}

pub async fn variables_come_through_as_they_are(stage: &Stage) {
    let value = "two\nlines 'q' \"d\" $HOME \\ ü";
    let mut job = stage.job("echo \"$A\"; echo \"[$B]\"");
    job.env.insert("A".to_owned(), value.to_owned());
    job.env.insert("B".to_owned(), String::new());
    assert_eq!(stage.outcome(&job).await, (0, format!("{value}\n[]\n")));
}

pub async fn limits_hold(stage: &Stage) {
    let script = "cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes memory.max \
                  cpu/cpu.cfs_quota_us cpu.max pids/pids.max pids.max 2>/dev/null; df -k /dev/shm | tail -n 1";
    let mut job = stage.job(script);
    job.resources = Resources {
        cpu_millis: Some(500),
        memory: Some(ByteSize(64 << 20)),
        gpus: None,
        shm_size: Some(ByteSize(8 << 20)),
    };
    job.hardening.pids = 77;
    let (_, text) = stage.outcome(&job).await;
    let lines: Vec<&str> = text.lines().collect();
    let [memory, cpu, pids, shm] = lines.as_slice() else { panic!("four limits: {text}") };
    assert_eq!((*memory, *pids), ("67108864", "77"));
    assert!(*cpu == "50000" || *cpu == "50000 100000", "{cpu}");
    assert!(shm.split_whitespace().any(|word| word == "8192"), "{shm}");
}

pub async fn who_computes_is_told_from_who_sleeps(stage: &Stage) {
    let meter = stage.engine.meter().expect("every engine so far tells what is used");
    let busy = stage.service("busy", "while true; do :; done");
    let idle = stage.service("idle", "sleep 1000");
    for one in [&busy, &idle] {
        stage.engine.apply(one).await.expect("a service starts");
    }
    let usage = meter.usage(&[busy.id, idle.id]).await;
    let cpu: Vec<_> = usage.iter().filter_map(|one| one.cpu_millis).collect();
    let [busy, idle] = cpu[..] else { panic!("both are told: {usage:?}") };
    // A loop has one core at most; how much of it, a busy machine decides.
    assert!(busy > 50 && busy < 1_500 && idle < busy / 2, "{usage:?}");
}

pub async fn a_crashing_service_is_seen_as_such(stage: &Stage) {
    let service = stage.service("web", "echo no; exit 3");
    stage.engine.apply(&service).await.expect("it starts, if only for a moment");
    // Podman makes no pauses between its tries, so one rarely sees it ended.
    let is_podman = stage.engine.name() == "podman";
    for _ in 0..400 {
        let status = stage.engine.status(&service.id).await.expect("it is there");
        let code = status.exit.as_ref().map(|exit| exit.code);
        if status.restarts > 0 && (is_podman || status.phase == Phase::Restarting) {
            assert!(code == Some(3) || is_podman, "{status:?}");
            return;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("it is never started again");
}

pub async fn projects_do_not_know_each_other(stage: &Stage) {
    stage.engine.apply(&stage.service("web", SERVES)).await.expect("it starts");
    let ask =
        format!("{ASK} for i in 1 2 3 4 5 6 7 8; do ask web && exit 0; sleep 0.3; done; exit 1");
    let own = stage.job(&ask);
    assert_eq!(
        stage.outcome(&own).await,
        (0, "hello\n".to_owned()),
        "its own project knows it by name"
    );
    let mut strange = stage.job(&format!("{ASK} ask web"));
    strange.id.project = stage.neighbour.clone();
    let (code, text) = stage.outcome(&strange).await;
    assert_eq!(code, 1, "another project does not: {text}");
}

pub async fn many_first_workloads_make_one_network(stage: &Stage) {
    let names = ["a", "b", "c", "d"];
    let services = names.map(|name| stage.service(name, SERVES));
    let made = services.iter().zip([&stage.engine, &stage.again].into_iter().cycle());
    let made = made.map(|(service, engine)| engine.apply(service));
    for status in join_all(made).await {
        status.expect("each starts");
    }
    let ask = format!(
        "{ASK} for name in a b c d; do n=0; until ask $name; do \
         n=$((n + 1)); [ $n -lt 10 ] || exit 1; sleep 0.3; done; done"
    );
    let (code, text) = stage.outcome(&stage.job(&ask)).await;
    assert_eq!(
        (code, text.as_str()),
        (0, "hello\nhello\nhello\nhello\n"),
        "all are in one network"
    );
}

fn images(stage: &Stage) -> &dyn Images {
    stage.engine.images().expect("an engine with containers has images")
}

/// Returns a name for an image that belongs to this project.
fn image_of(stage: &Stage) -> Reference {
    Reference::local(&format!("wharf-test/{}", stage.project), "1").expect("a name of an image")
}

/// Returns a context for the builder that begins with the image of the stage.
fn context(stage: &Stage, steps: &str) -> BoxStream<'static, Bytes> {
    let text = format!("FROM {}\n{steps}\n", stage.image);
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_data(&mut header, "Dockerfile", text.as_bytes()).expect("memory takes it");
    let whole: Bytes = builder.into_inner().expect("memory takes it").into();
    stream::once(std::future::ready(whole)).boxed()
}

fn request<'a>(
    reference: &'a Reference,
    labels: &'a [(String, String)],
    output: &'a (dyn Fn(String) + Send + Sync),
) -> BuildRequest<'a> {
    let dockerfile = "Dockerfile";
    BuildRequest {
        reference,
        dockerfile,
        hides_files: false,
        labels,
        pull: false,
        no_cache: false,
        output,
    }
}

pub async fn an_image_cannot_bring_our_labels(stage: &Stage) {
    let reference = image_of(stage);
    let labels = [(label::STORE.to_owned(), "another".to_owned())];
    let request = request(&reference, &labels, &|_| {});
    images(stage).build(context(stage, ""), request).await.expect("it is built");
    let job = Workload { image: reference.to_string(), ..stage.job("exit 0") };
    let applied = stage.engine.apply(&job).await;
    images(stage).remove(&reference.to_string()).await.expect("the image goes");
    let error = applied.expect_err("it has a label of ours");
    assert!(causes(&error).concat().contains("`wharf.store`"), "{error:?}");
    assert_eq!(stage.ids().await, [], "nothing was made");
}

pub async fn what_a_job_made_is_kept_as_an_image(stage: &Stage) {
    let reference = image_of(stage);
    let mut job = stage.job("echo kept > /made");
    job.env.insert("TOKEN".to_owned(), "secret".to_owned());
    stage.outcome(&job).await;
    let labels = [("io.example".to_owned(), "a b".to_owned())];
    let facts = images(stage).commit(&job.id, &reference, &labels).await.expect("it is kept");
    let mut next = stage.job("cat /made; echo \"[$TOKEN]\"");
    next.id = stage.id(2);
    next.image = reference.to_string();
    let outcome = stage.outcome(&next).await;
    stage.engine.delete(&next.id, Duration::ZERO).await.expect("the job goes");
    images(stage).remove(&next.image).await.expect("the image goes");
    assert_eq!(outcome, (0, "kept\n[]\n".to_owned()), "with what it wrote, without its variables");
    assert_eq!(facts.labels.into_iter().collect::<Vec<_>>(), labels, "and without labels of ours");
    assert_eq!(images(stage).find(&reference.to_string()).await.expect("the store answers"), None);
}

pub async fn an_image_is_built_and_a_broken_build_says_why(stage: &Stage) {
    let reference = image_of(stage);
    let lines = Mutex::new(Vec::new());
    let output = |line: String| lines.lock().expect("nobody panics").push(line);
    let labels = [("io.example".to_owned(), "1".to_owned())];
    let request = request(&reference, &labels, &output);
    let steps = "ENV A=1\nEXPOSE 9000 8000\nRUN [\"sh\", \"-c\", \"echo hello; echo world > /w\"]";
    // A step that is taken from a cache says nothing.
    let fresh = BuildRequest { no_cache: true, ..request };
    let facts = images(stage).build(context(stage, steps), fresh).await.expect("it is built");
    images(stage).remove(&reference.to_string()).await.expect("the image goes");
    assert_eq!(facts.labels.get("io.example").map(String::as_str), Some("1"));
    assert_eq!(facts.exposed_ports, [8000, 9000]);
    assert!(facts.env.contains(&"A=1".to_owned()), "{:?}", facts.env);
    assert!(facts.size > 0 && facts.created.is_some() && !facts.id.is_empty());
    assert!(lines.lock().expect("nobody panics").iter().any(|line| line == "hello"));

    let broken = context(stage, "RUN [\"sh\", \"-c\", \"exit 5\"]");
    let error = images(stage).build(broken, request).await.expect_err("a step fails");
    assert!(causes(&error).concat().contains('5'), "{error:?}");
    assert_eq!(images(stage).find(&reference.to_string()).await.expect("the store answers"), None);
}

pub async fn the_engines_socket_is_never_mounted(stage: &Stage) {
    for source in ["/var/run/docker.sock", "/run", "/"] {
        let mut job = stage.job("exit 0");
        let target = "/inside".to_owned();
        job.mounts = vec![Mount { source: source.to_owned(), target, read_only: true }];
        let error = stage.engine.apply(&job).await.expect_err("it is as good as root");
        assert!(error.to_string().contains("`mounts`"), "{source}: {error}");
    }
    assert_eq!(stage.ids().await, [], "nothing was made");
}
