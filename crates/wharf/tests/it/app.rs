//! `wharf up` of a folder with a `Dockerfile`, and of an image: on an engine in memory, and on the real one.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use tokio_util::sync::CancellationToken;
use wharf_engine::ImageFacts;
use wharf_ops::{
    app::{self, AppOptions},
    cache::FileCache,
    context::{Clock, Context, Helpers, InstallSettings, Reporter},
    store::folder::StoreIndex,
};
use wharf_spec::{event::Event, workload::CapabilitySet};
use wharf_testkit::http;

use crate::hermetic::image;
use crate::support::{Outcome, User, on_engine, port};

/// Answers every request with 404, as an app without a page at `/`; returns the option that publishes it.
fn app_that_answers() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let answer = b"HTTP/1.1 404 x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            // What is not read would end the connection before the answer is there.
            let head = BufReader::new(&stream).lines().map_while(Result::ok);
            head.take_while(|line| !line.is_empty()).for_each(drop);
            // Who asked may have left.
            stream.write_all(answer).ok();
        }
    });
    format!("-p={port}:8000")
}

/// Writes a folder of the user's home.
fn folder(user: &User, name: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = user.home.path().join(name);
    for (path, text) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

#[track_caller]
fn told(outcome: &Outcome, code: &str, words: &str) {
    assert!(outcome.err.contains(&format!("error[{code}]")), "{}", outcome.err);
    assert!(outcome.err.contains(words), "{words} is not said:\n{}", outcome.err);
}

#[tokio::test]
async fn only_what_is_sent_counts_as_a_change() {
    let (user, fake) = User::of_fake();
    let files = [("Dockerfile", "FROM x"), (".dockerignore", "notes"), ("notes", "1"), ("a", "1")];
    let folder = folder(&user, "app", &files);
    let publish = app_that_answers();
    let up = async || user.run(&["up", "app", &publish, "--json"]).await.expect(0).json();
    let first = up().await;
    assert_eq!((&first["source"], &first["changed"]), (&"app".into(), &true.into()));
    fs::write(folder.join("notes"), "2").unwrap();
    let again = up().await;
    assert_eq!((&again["image_reused"], &again["changed"]), (&true.into(), &false.into()));
    assert_eq!(fake.images_made().len(), 1, "nothing is built twice");
    fs::write(folder.join("a"), "2").unwrap();
    let changed = up().await;
    assert_eq!((&changed["generation"], &changed["changed"]), (&2.into(), &true.into()));
    let running = user.run(&["ps", "-a", "--json"]).await.expect(0).json();
    assert_eq!(running["items"].as_array().unwrap().len(), 1, "{running}");
    assert_eq!(running["items"][0]["sealed"], true);
    assert_eq!(running["items"][0]["status"], "healthy");
    user.run(&["down", "app"]).await.expect(0);
    assert!(!folder.join(".wharf").exists(), "nothing of ours is left");
}

#[tokio::test]
async fn an_app_may_write_and_runs_nothing_of_ours() {
    let (user, fake) = User::of_fake();
    folder(&user, "app", &[("Dockerfile", "FROM x")]);
    user.run(&["up", "app", &app_that_answers(), "-e", "A=1"]).await.expect(0);
    let workload = fake.applied().pop().unwrap();
    assert_eq!(workload.hardening.capabilities, CapabilitySet::Reduced);
    assert!(!workload.hardening.read_only_root);
    assert_eq!(workload.health, None, "the image's own check is kept");
    assert_eq!(workload.env.into_iter().collect::<Vec<_>>(), [("A".into(), "1".into())]);
    assert_eq!(fake.execs(), [], "no program of ours is looked for inside");
}

#[tokio::test]
async fn a_port_that_nobody_names_is_asked_for() {
    let (user, fake) = User::of_fake();
    folder(&user, "app", &[("Dockerfile", "FROM x")]);
    for args in [&["up", "app"][..], &["up", "app", "-p", "9000"]] {
        let outcome = user.run(args).await.expect(2);
        told(&outcome, "W0510", "`wharf up app -p 8000:8000`");
    }
    assert!(fake.projects().is_empty());
}

#[tokio::test]
async fn of_a_dockerfile_and_a_model_none_is_guessed() {
    let (user, _) = User::of_fake();
    let iris = user.example("iris");
    fs::write(iris.join("Dockerfile"), "FROM x").unwrap();
    user.run(&["up", "iris"]).await.expect(0);
    fs::write(iris.join("wharf.yaml"), "modle: {}").unwrap();
    told(&user.run(&["up", "iris"]).await.expect(2), "W0104", "modle");
    fs::write(iris.join("wharf.yaml"), "# nothing").unwrap();
    let outcome = user.run(&["up", "iris"]).await.expect(2);
    told(&outcome, "W0101", "`wharf up iris --dockerfile Dockerfile`");
    told(&outcome, "W0101", "`wharf up iris/iris.json`");
    fs::copy(iris.join("iris.json"), iris.join("other.json")).unwrap();
    let outcome = user.run(&["up", "iris"]).await.expect(2);
    told(&outcome, "W0402", "`wharf up iris --dockerfile Dockerfile`");
    let publish = app_that_answers();
    let args = ["up", "iris", "--dockerfile", "Dockerfile", &publish, "--json"];
    assert_eq!(user.run(&args).await.expect(0).json()["source"], "app");
    let model = user.run(&["up", "iris/iris.json", "--json"]).await.expect(0).json();
    assert_eq!(model["source"], "model");
}

#[tokio::test]
async fn a_build_makes_the_image_that_up_runs() {
    let (user, fake) = User::of_fake();
    folder(&user, "app", &[("Dockerfile", "FROM x"), ("prod/Dockerfile", "FROM y")]);
    let built = user.run(&["build", "app", "--json"]).await.expect(0).json();
    assert_eq!((&built["name"], &built["results"][0]["to"]), (&"app".into(), &"engine".into()));
    assert_eq!(built.get("model_hash"), None);
    let up = user.run(&["up", "app", &app_that_answers(), "--json"]).await.expect(0).json();
    assert_eq!(up["image"], built["results"][0]["references"][0]);
    assert_eq!(up["image_reused"], true);
    let args = ["build", "app", "--dockerfile", "prod/Dockerfile", "-t", "team/app:1"];
    user.run(&args).await.expect(0);
    assert_eq!(fake.images_made()[1..], ["team/app:1"]);
    assert!(user.run(&args).await.expect(0).out.contains("nothing to build"));
}

#[tokio::test]
async fn a_build_guesses_no_more_than_up_does() {
    let (user, fake) = User::of_fake();
    fs::write(user.example("iris").join("Dockerfile"), "FROM x").unwrap();
    fs::write(user.home.path().join("iris/wharf.yaml"), "# nothing").unwrap();
    let outcome = user.run(&["build", "iris"]).await.expect(2);
    told(&outcome, "W0101", "`wharf build iris --dockerfile Dockerfile`");
    told(&outcome, "W0101", "`wharf build iris/iris.json`");
    assert!(fake.images_made().is_empty());
    user.run(&["build", "iris", "--dockerfile", "Dockerfile"]).await.expect(0);
    user.run(&["build", "iris/iris.json"]).await.expect(0);
}

#[tokio::test]
async fn what_a_dockerfile_cannot_honour_is_refused_by_name() {
    let (user, fake) = User::of_fake();
    folder(&user, "app", &[("Dockerfile", "FROM x")]);
    let refused: [&[&str]; 8] = [
        &["--to", "oci-dir:x"],
        &["--base", "x"],
        &["--platform", "linux/arm64"],
        &["--file", "x"],
        &["--set", "args.base_image=x"],
        &["--dry-run"],
        &["--tag", "a", "--tag", "b"],
        &["--plain-http"],
    ];
    for args in refused {
        let outcome = user.run(&[&["build", "app"], args].concat()).await.expect(2);
        told(&outcome, "W0208", &format!("`{}` cannot be honoured", args[0]));
    }
    let outcome = user.run(&["build", "app", "-t", "r:1/app", "--push"]).await.expect(2);
    told(&outcome, "W0319", "`wharf push IMAGE --to HOST/REPOSITORY:TAG`");
    assert!(fake.images_made().is_empty());
}

#[tokio::test]
async fn a_local_image_is_run_as_it_is() {
    let (user, fake) = User::of_fake();
    let there = |id: &str| ImageFacts { exposed_ports: vec![8000, 9000], ..image(id) };
    fake.add_image("team/studentapi:1", there("a"));
    let publish = app_that_answers();
    let publish = publish.strip_suffix(":8000").unwrap();
    let up = async || user.run(&["up", "team/studentapi:1", publish]).await.expect(0);
    let first = up().await;
    assert!(first.err.contains("the image exposes 8000 and 9000: 8000 is published"));
    assert_eq!(fake.applied()[0].ports[0].container, 8000);
    assert!(up().await.out.contains("studentapi is up, nothing changed"));
    fake.add_image("team/studentapi:1", there("b"));
    assert!(up().await.out.contains("healthy"), "the same name means another image now");
    assert_eq!(user.run(&["ps", "-q"]).await.out, "studentapi\n");
    // Another tag is another version of the same thing.
    fake.add_image("team/studentapi:2", there("c"));
    let next = user.run(&["up", "team/studentapi:2", publish, "--json"]).await.expect(0).json();
    assert_eq!((&next["generation"], &next["source"]), (&3.into(), &"image".into()));
    user.run(&["down", "studentapi"]).await.expect(0);
    assert!(fake.images_made().is_empty());
}

#[tokio::test]
async fn a_word_that_means_nothing_is_told() {
    let (user, fake) = User::of_fake();
    fake.add_image("studentapi:latest", image("a"));
    let outcome = user.run(&["up", "studentapp"]).await.expect(3);
    told(&outcome, "W0401", "nor has the engine an image of that name");
    told(&user.run(&["up", "./studentapi"]).await.expect(3), "W0401", "studentapi");
    told(&user.run(&["up", "studentapi", "--base", "x"]).await.expect(2), "W0208", "as it is");
    told(&user.run(&["up", "nope", "--dockerfile", "x"]).await.expect(2), "W0101", "no folder");
}

#[tokio::test]
async fn files_that_cannot_be_used_are_told() {
    let (user, _) = User::of_fake();
    let app = folder(&user, "app", &[("Dockerfile", "FROM x"), (".dockerignore", "a\n[b")]);
    told(&user.run(&["up", "app"]).await.expect(2), "W0103", "line 2: `[b`");
    fs::remove_file(app.join(".dockerignore")).unwrap();
    let outcome = user.run(&["up", "app", "--dockerfile", "prod"]).await.expect(1);
    told(&outcome, "W0802", "name the Dockerfile with `--dockerfile FILE`");
    told(&user.run(&["up", "app", "--base", "x"]).await.expect(2), "W0208", "names its own base");
}

#[tokio::test]
async fn a_dockerfile_lies_in_the_folder_or_here() {
    let (user, _) = User::of_fake();
    folder(&user, "app", &[("prod/Dockerfile", "FROM x")]);
    folder(&user, "here", &[("other", "FROM x")]);
    let publish = app_that_answers();
    for dockerfile in ["prod/Dockerfile", "here/other"] {
        user.run(&["up", "app", "--dockerfile", dockerfile, &publish]).await.expect(0);
    }
}

#[tokio::test]
async fn an_app_that_is_silent_goes_back_to_what_ran() {
    let (user, _) = User::of_fake();
    let folder = folder(&user, "app", &[("Dockerfile", "FROM x")]);
    let publish = app_that_answers();
    user.run(&["up", "app", &publish]).await.expect(0);
    fs::write(folder.join("Dockerfile"), "FROM y").unwrap();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let publish_nobody = format!("{nobody}:8000");
    let outcome = user.run(&["up", "app", "-p", &publish_nobody, "--wait=1s"]).await.expect(7);
    told(&outcome, "W0502", "did not answer on its port 8000 within 1 s");
    told(&outcome, "W0502", "generation 1 runs again");
    let running = user.run(&["ps", "--json"]).await.expect(0).json();
    assert_eq!(running["items"][0]["status"], "healthy", "{running}");
}

// --- on the real engine -------------------------------------------------------------------------------------------

/// Removes images of a test, also when it fails.
struct Images(Vec<String>);

impl Drop for Images {
    fn drop(&mut self) {
        Command::new("docker").args(["rmi", "-f"]).args(&self.0).output().ok();
    }
}

#[tokio::test]
#[ignore = "needs engine"]
async fn own_dockerfile() {
    on_engine("own-dockerfile", async |user| {
        let folder = user.example("own-dockerfile");
        let up = user.run(&["up", "own-dockerfile", "--json"]).await.expect(0).json();
        let _images = Images(vec![up["image"].as_str().unwrap().to_owned()]);
        let answer = http::request(port(&up), "GET", "/grade?points=72", &[], b"");
        assert_eq!(answer.json()["grade"], "C");
        let logs = user.run(&["logs", "own-dockerfile"]).await.expect(0);
        assert!(logs.out.contains("listening on port 8000"), "{}", logs.out);
        let listed = user.run(&["ps", "--json"]).await.expect(0).json();
        assert_eq!(listed["items"][0]["status"], "healthy", "{listed}");
        fs::write(folder.join("README.md"), "changed, and left out").unwrap();
        let again = user.run(&["up", "own-dockerfile", "--json"]).await.expect(0).json();
        assert_eq!((&again["changed"], &again["image_reused"]), (&false.into(), &true.into()));
        let image = up["image"].as_str().unwrap();
        user.run(&["down", "own-dockerfile"]).await.expect(0);
        let run = user.run(&["up", image, "-p", "0.0.0.0:18765:8000", "--name", "api"]).await;
        assert!(run.expect(0).out.contains(":18765/"));
        user.run(&["down", "api"]).await.expect(0);
        assert_eq!(user.run(&["ps", "-a", "-q"]).await.out, "");
    })
    .await;
}

/// Runs `wharf up` on a folder with a Dockerfile of these lines above Python's image.
async fn up(user: &User, name: &str, lines: &str, wait: &str) -> Outcome {
    folder(user, name, &[("Dockerfile", &format!("FROM python:3.11-slim\n{lines}\n"))]);
    let outcome = user.run(&["up", name, wait]).await;
    Command::new("sh")
        .args(["-c", "docker rmi -f $(docker images -q \"wharf/$0\")", name])
        .output()
        .unwrap();
    outcome
}

async fn nothing_runs(user: &User) {
    assert_eq!(user.run(&["ps", "-a", "-q"]).await.out, "");
}

#[tokio::test]
#[ignore = "needs engine"]
async fn a_build_that_fails_shows_its_step_and_lines() {
    on_engine("bad-build", async |user| {
        let noise =
            "RUN for i in $(seq 50); do echo line $i; done; printf '\\033[2Jgone\\n'; exit 9";
        let outcome = up(&user, "t-bad-run", noise, "--wait=5s").await.expect(1);
        told(&outcome, "W0412", "the build of `t-bad-run` failed at step 2/");
        told(&outcome, "W0412", "  | line 50");
        told(&outcome, "W0412", "code: 9");
        assert!(!outcome.err.contains("line 20\n"), "only the last lines: {}", outcome.err);
        assert!(!outcome.err.contains('\x1b'), "no program drives the terminal");
        let outcome = up(&user, "t-bad-syntax", "RNU true", "--wait=5s").await.expect(1);
        told(&outcome, "W0412", "unknown instruction: RNU");
        let outcome = up(&user, "t-bad-copy", "COPY gone /", "--wait=5s").await.expect(1);
        told(&outcome, "W0412", "COPY gone /");
        nothing_runs(&user).await;
    })
    .await;
}

#[tokio::test]
#[ignore = "needs engine"]
async fn an_app_that_dies_or_does_not_answer_is_told_with_its_lines() {
    on_engine("bad-app", async |user| {
        let dies = "EXPOSE 8000\nCMD [\"python\", \"-c\", \"import flask\"]";
        let outcome = up(&user, "t-dies", dies, "--wait=20s").await.expect(1);
        told(&outcome, "W0501", "ModuleNotFoundError: No module named 'flask'");
        let never = "EXPOSE 8000\nCMD [\"sh\", \"-c\", \"echo thinking; exec sleep 60\"]";
        let outcome = up(&user, "t-never", never, "--wait=2s").await.expect(7);
        told(&outcome, "W0502", "  | thinking");
        told(&outcome, "W0502", "nothing in its container listens on any port");
        let other = "EXPOSE 8000\nCMD [\"python\", \"-m\", \"http.server\", \"5000\"]";
        let outcome = up(&user, "t-other", other, "--wait=3s").await.expect(7);
        told(&outcome, "W0502", "something listens on port 5000");
        told(&outcome, "W0502", "`-p 5000:5000`");
        let inside =
            "EXPOSE 8000\nCMD [\"python\", \"-m\", \"http.server\", \"--bind\", \"127.0.0.1\"]";
        let outcome = up(&user, "t-inside", inside, "--wait=3s").await.expect(7);
        told(&outcome, "W0502", "8000 (on 127.0.0.1 only)");
        nothing_runs(&user).await;
    })
    .await;
}

#[derive(Debug)]
struct Nobody;

impl Reporter for Nobody {
    fn report(&self, _: Event) {}
}

impl Clock for Nobody {
    fn now(&self) -> String {
        "2026-01-01T00:00:00Z".to_owned()
    }
}

fn context(user: &User) -> Context {
    Context {
        engine: user.engine.clone().unwrap(),
        project: user.project.parse().unwrap(),
        reporter: Arc::new(Nobody),
        clock: Arc::new(Nobody),
        cancel: CancellationToken::new(),
        helpers: Helpers { folder: user.helpers.clone(), cache: Arc::new(FileCache::off()) },
        install: InstallSettings::default(),
        supplies: None,
        stores: StoreIndex { folder: user.home.path().join("stores") },
    }
}

/// Runs Docker's own command and returns what it printed.
fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {args:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Ignore files for one tree. None has an exception with a wildcard among its folders: Docker's command without
/// BuildKit does not look into those (docker/cli issue 2919).
const IGNORES: &[&str] = &[
    "",
    "*.log\n**/*.pyc\n# a comment\n\n/data\n",
    "*\n!src\nsrc/**/test_?.py\n!src/pkg/test_b.py\n",
    "data\n!data/keep/*.txt\n.*\nDockerfile\n",
    "**\n!src/*.py\n!src/pkg/*.py\n",
    "[a-c].txt\n!b.txt\n./src/../data/\n",
    "src/*/\n**/keep\n!data/keep/a.txt\n*/*.log\n",
];

const TREE: &[&str] = &[
    "a.txt",
    "b.txt",
    "d.txt",
    "x.log",
    ".hidden",
    "src/a.py",
    "src/a.pyc",
    "src/run.log",
    "src/pkg/test_a.py",
    "src/pkg/test_b.py",
    "src/pkg/deep/x.py",
    "src/pkg/deep/x.pyc",
    "data/x.bin",
    "data/keep/a.txt",
    "data/keep/b.bin",
];

#[tokio::test]
#[ignore = "needs engine"]
async fn dockerignore_leaves_what_docker_leaves() {
    on_engine("dockerignore", async |user| {
        let list = "find . -printf '%y %p %l\\n' | sort > /list";
        let lines = format!("FROM python:3.11-slim\nCOPY . /context\nRUN cd /context && {list}\n");
        let folder = folder(&user, "t-ignore", &[("Dockerfile", &lines)]);
        for path in TREE {
            fs::create_dir_all(folder.join(path).parent().unwrap()).unwrap();
            fs::write(folder.join(path), path).unwrap();
        }
        fs::create_dir(folder.join("src/empty")).unwrap();
        symlink("/etc/passwd", folder.join("src/out")).unwrap();
        for ignore in IGNORES {
            fs::write(folder.join(".dockerignore"), ignore).unwrap();
            compare(&user, &folder, ignore, None).await;
        }
        fs::create_dir(user.home.path().join("outside")).unwrap();
        let outside = user.home.path().join("outside/Dockerfile");
        fs::copy(folder.join("Dockerfile"), &outside).unwrap();
        compare(&user, &folder, "Dockerfile outside", Some(&outside)).await;
        fs::remove_file(folder.join(".dockerignore")).unwrap();
        compare(&user, &folder, "Dockerfile outside, no ignore file", Some(&outside)).await;
    })
    .await;
}

async fn compare(user: &User, folder: &Path, what: &str, dockerfile: Option<&Path>) {
    let theirs = format!("t-ignore-{}", user.project);
    let file = dockerfile.map_or_else(|| folder.join("Dockerfile"), Path::to_owned);
    let (file, context_folder) = (file.to_str().unwrap(), folder.to_str().unwrap());
    docker(&["build", "-q", "-t", &theirs, "-f", file, context_folder]);
    let options =
        AppOptions { dockerfile: dockerfile.map(Path::to_owned), ..AppOptions::default() };
    let ours = app::build(&context(user), folder, &options).await.unwrap();
    let ours = ours.reference.to_string();
    let _images = Images(vec![theirs.clone(), ours.clone()]);
    let list = |image: &str| docker(&["run", "--rm", image, "cat", "/list"]);
    let (theirs, ours) = (list(&theirs), list(&ours));
    assert!(theirs.lines().count() > 1, "{theirs}");
    assert_eq!(ours, theirs, "with {what:?}");
}
