//! Who builds an image and how: `--builder`, templates and wheels in a Dockerfile, and MLEM's own verbs.

use std::{fs, path::Path, sync::Arc};

use wharf_engine::fake::Fake;

use crate::hermetic::image;
use crate::support::{Outcome, User};

const BASE: &str = "python:3.11-slim";

/// A user with a model that runs Python, one that does not, and a base image.
fn user() -> (User, Arc<Fake>) {
    let (user, fake) = User::of_fake();
    user.example("iris");
    user.example("callable");
    fake.add_image(BASE, image("sha256:base"));
    (user, fake)
}

fn write(user: &User, file: &str, text: &str) {
    let path = user.home.path().join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn read(user: &User, file: &str) -> String {
    fs::read_to_string(user.home.path().join(file)).unwrap()
}

#[track_caller]
fn told(outcome: &Outcome, code: &str, words: &str) {
    assert!(outcome.err.contains(&format!("error[{code}]")), "{}", outcome.err);
    assert!(outcome.err.contains(words), "{}", outcome.err);
}

/// What the first result of a build says.
fn result(outcome: &Outcome, key: &str) -> serde_json::Value {
    outcome.json()["results"][0][key].clone()
}

#[tokio::test]
async fn templates_make_the_dockerfile_of_a_folder() {
    let (user, _) = user();
    write(&user, "t/post_install.j2", "RUN echo {{ python_version }} {{ env.GREETING }}\n");
    write(
        &user,
        "d.mlem",
        "args: {templates_dir: [t], set_env: ['GREETING=hi there'], base_image: 'python:3.11-slim', python_version: '3.11'}\n\
         target: out\ntype: docker_dir\n",
    );
    user.run(&["build", "callable", "-f", "d.mlem"]).await.expect(0);
    let dockerfile = read(&user, "out/Dockerfile");
    assert!(dockerfile.contains("\nRUN echo 3.11 hi there\nCOPY model /model\n"), "{dockerfile}");
    assert!(dockerfile.contains("\nENV GREETING=\"hi there\"\n"), "{dockerfile}");
    assert!(Path::new(&user.home.path().join("out/requirements.txt")).is_file());
}

#[tokio::test]
async fn a_template_that_cannot_be_used_is_told_with_its_line() {
    let (user, _) = user();
    write(&user, "t/post_copy.j2", "RUN true\nRUN {{ nosuch }}\n");
    let set = ["--base", BASE, "--set", "args.templates_dir.0=t", "--to", "context:out"];
    let refused = user.run(&[&["build", "callable"], &set[..]].concat()).await.expect(2);
    told(&refused, "W0416", "t/post_copy.j2:2` cannot be used");
    assert!(refused.err.contains("RUN {{ nosuch }}"), "{}", refused.err);
    assert!(!user.home.path().join("out").exists(), "nothing is left behind");
    let missing = ["--base", BASE, "--set", "args.templates_dir.0=nosuch"];
    let refused = user.run(&[&["build", "callable"], &missing[..]].concat()).await.expect(2);
    told(&refused, "W0416", "nosuch` is not a folder");
    let native = user.run(&["build", "iris", "--set", "args.templates_dir.0=t"]).await.expect(2);
    told(&native, "W0208", "`templates_dir` cannot be honoured");
}

#[tokio::test]
async fn what_only_a_dockerfile_can_do_is_built_from_one() {
    let (user, fake) = user();
    write(&user, "t/post_copy.j2", "RUN true\n");
    let args = [
        "build",
        "callable",
        "--base",
        BASE,
        "--set",
        "args.templates_dir.0=t",
        "-t",
        "x:1",
        "--json",
    ];
    let first = user.run(&args).await.expect(0);
    assert_eq!(result(&first, "builder"), "fake");
    assert_eq!(result(&user.run(&args).await.expect(0), "reused"), true);
    write(&user, "t/post_copy.j2", "RUN false\n");
    assert_eq!(result(&user.run(&args).await.expect(0), "reused"), false, "the template changed");
    assert_eq!(fake.images_made(), ["x:1", "x:1"], "no image for the requirements was made");
}

#[tokio::test]
async fn a_wheel_is_installed_before_the_requirements() {
    let (user, _) = user();
    user.example("pipeline-sklearn");
    write(&user, "own-1.0-py3-none-any.whl", "PK");
    let args = ["build", "pipeline-sklearn", "--base", BASE, "--to", "context:out"];
    let set = ["--set", "args.mlem_whl=own-1.0-py3-none-any.whl"];
    user.run(&[&args[..], &set].concat()).await.expect(0);
    let dockerfile = read(&user, "out/Dockerfile");
    let at = |text: &str| dockerfile.find(text).unwrap_or_else(|| panic!("{dockerfile}"));
    assert!(at("./own-1.0-py3-none-any.whl\n") < at("-r requirements.txt\n"), "{dockerfile}");
    assert_eq!(read(&user, "out/own-1.0-py3-none-any.whl"), "PK");
    let native = user.run(&[&["build", "iris"], &set[..]].concat()).await.expect(2);
    told(&native, "W0208", "`mlem_whl` cannot be honoured");
}

#[tokio::test]
async fn a_hook_is_refused_with_what_to_do() {
    let (user, _) = user();
    let args = ["build", "callable", "--set", "args.prebuild_hook=make"];
    told(&user.run(&args).await.expect(2), "W0208", "run the command yourself");
}

#[tokio::test]
async fn an_engine_builds_a_native_kind_where_it_is_asked_to() {
    let (user, fake) = user();
    let own = user.run(&["build", "iris", "-t", "x:1", "--json"]).await.expect(0);
    assert_eq!(result(&own, "builder"), "native");
    let args = ["build", "iris", "-t", "x:2", "--builder", "docker", "--json"];
    assert_eq!(result(&user.run(&args).await.expect(0), "builder"), "fake");
    assert_eq!(result(&user.run(&args).await.expect(0), "reused"), true);
    let up = user.run(&["up", "iris", "--builder", "docker", "--json"]).await.expect(0).json();
    assert_eq!(up["builder"], "fake");
    assert_eq!(fake.images_made().len(), 3);
    let said = user.run(&["build", "iris", "-t", "x:3"]).await.expect(0).err;
    assert!(said.contains("scratch + server, by wharf itself"), "{said}");
}

#[tokio::test]
async fn without_the_cache_all_is_built_again() {
    let (user, fake) = user();
    for name in ["iris", "callable"] {
        let args =
            ["build", name, "-t", "x:1", "--base", if name == "iris" { "scratch" } else { BASE }];
        user.run(&args).await.expect(0);
        let again = user.run(&[&args[..], &["--no-cache", "--json"]].concat()).await.expect(0);
        assert_eq!(result(&again, "reused"), false, "{name}");
    }
    assert_eq!(fake.images_made().iter().filter(|name| *name == "x:1").count(), 4);
}

#[tokio::test]
async fn a_base_image_is_pulled_as_it_is_said() {
    let (user, fake) = user();
    let args = ["build", "callable", "--base", BASE, "-t", "x:1"];
    user.run(&[&args[..], &["--pull", "never"]].concat()).await.expect(0);
    assert_eq!(fake.images_made(), ["x:1"]);
    user.run(&[&args[..], &["--pull", "always", "--no-cache"]].concat()).await.expect(0);
    assert!(fake.images_made().contains(&BASE.to_owned()), "{:?}", fake.images_made());
    let other = ["build", "callable", "--base", "other:1", "--pull", "never"];
    told(&user.run(&other).await.expect(3), "W0409", "none is pulled");
    let native = user.run(&["build", "iris", "--pull", "always"]).await.expect(2);
    told(&native, "W0208", "`--pull` has no effect");
}

#[tokio::test]
async fn a_builder_that_cannot_do_it_is_refused() {
    let (user, fake) = user();
    user.example("own-dockerfile");
    write(&user, "b.mlem", "type: docker\nimage: localhost:5000/x:1\n");
    let cases: [(&[&str], &str, &str); 6] = [
        (&["build", "own-dockerfile", "--builder", "native"], "W0208", "steps of a Dockerfile"),
        (&["build", "own-dockerfile", "--pull", "never"], "W0208", "`--pull never`"),
        (&["build", "iris", "--builder", "docker", "--to", "context:o"], "W0208", "nothing goes"),
        (&["build", "iris", "--builder", "podman", "-f", "b.mlem"], "W0208", "what is pushed"),
        (&["build", "iris", "--builder", "buildah"], "W0101", "`buildah` is none of `auto`"),
        (&["up", BASE, "--no-cache"], "W0208", "an image is run as it is"),
    ];
    for (args, code, words) in cases {
        let outcome = user.run(args).await;
        assert_ne!(outcome.code, 0, "{args:?}");
        told(&outcome, code, words);
    }
    assert!(fake.images_made().is_empty());
}

#[tokio::test]
async fn verbs_of_mlem_are_understood() {
    let (user, fake) = user();
    let build = "build docker -m iris --image.name iris --image.repository ml --image.tag v1 --server fastapi --json";
    let built = user.run(&build.split(' ').collect::<Vec<_>>()).await.expect(0);
    assert_eq!(result(&built, "references"), serde_json::json!(["ml/iris:v1"]));
    fake.add_image("ml/iris:v2", image("sha256:other"));
    let taken = "build docker --model iris --image.name iris --image.repository ml --image.tag v2";
    told(&user.run(&taken.split(' ').collect::<Vec<_>>()).await.expect(5), "W0414", "ml/iris:v2");
    let forced = format!("{taken} --force_overwrite");
    user.run(&forced.split(' ').collect::<Vec<_>>()).await.expect(0);
    user.run(&["build", "docker_dir", "-m", "iris", "--target", "out"]).await.expect(0);
    assert!(read(&user, "out/Dockerfile").starts_with("FROM scratch\n"));
    let run = "deployment run docker_container deploy/flowers.mlem -m iris --server fastapi --json";
    let up = user.run(&run.split(' ').collect::<Vec<_>>()).await.expect(0).json();
    assert_eq!(up["name"], "flowers");
    let status = user.run(&["deployment", "status", "flowers", "--json"]).await.expect(0).json();
    assert_eq!(status["mlem_status"], "running");
    user.run(&["deployment", "wait", "flowers", "-s", "running"]).await.expect(0);
    let down = user.run(&["deployment", "remove", "flowers", "--json"]).await.expect(0).json();
    assert_eq!(down["removed"], serde_json::json!(["flowers"]));
    told(&user.run(&["deployment", "status", "flowers"]).await.expect(3), "W0504", "wharf ps -a");
}
