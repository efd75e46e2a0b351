//! `wharf build` on an engine in memory, and without any engine: outputs, declarations, refusals, plans.

use std::{fs, path::Path};

use wharf_spec::object::read_builder;

use crate::hermetic::{files, image};
use crate::support::{Outcome, User};

const ALL_OUTPUTS: [&str; 10] = [
    "--to",
    "engine",
    "--to",
    "context:out/context",
    "--to",
    "docker-archive:out/docker.tar",
    "--to",
    "oci-dir:out/oci",
    "--to",
    "oci-archive:out/oci.tar",
];

/// A user who has the example `iris`, and perhaps a declaration in `b.mlem`.
fn user_with(declaration: &str) -> (User, std::sync::Arc<wharf_engine::fake::Fake>) {
    let (user, fake) = User::of_fake();
    user.example("iris");
    fs::write(user.home.path().join("b.mlem"), declaration).unwrap();
    (user, fake)
}

#[track_caller]
fn told(outcome: &Outcome, code: &str, words: &str) {
    assert!(outcome.err.contains(&format!("error[{code}]")), "{}", outcome.err);
    assert!(outcome.err.contains(words), "{}", outcome.err);
}

#[tokio::test]
async fn one_build_goes_to_every_output() {
    let (user, fake) = user_with("");
    let args =
        [&["build", "iris", "-t", "ml/iris:1", "-t", "ml/iris:2", "--json"], &ALL_OUTPUTS[..]];
    let built = user.run(&args.concat()).await.expect(0).json();
    let forms: Vec<_> = built["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| result["to"].as_str().unwrap())
        .collect();
    assert_eq!(forms, ["engine", "engine", "context", "docker-archive", "oci-dir", "oci-archive"]);
    assert_eq!(fake.images_made(), ["ml/iris:1", "ml/iris:2"]);
    assert_eq!(built["results"][4]["digest"], built["results"][5]["digest"]);
    assert_eq!(built["results"][3]["references"], serde_json::json!(["ml/iris:1", "ml/iris:2"]));
}

#[tokio::test]
async fn the_same_again_builds_nothing() {
    let (user, fake) = user_with("");
    let first = user.run(&["build", "iris", "--json"]).await.expect(0).json();
    let again = user.run(&["build", "iris", "--json"]).await.expect(0).json();
    assert_eq!(first["results"][0]["reused"], false);
    assert_eq!(again["results"][0]["reused"], true);
    assert_eq!(fake.images_made().len(), 1);
    assert!(!user.home.path().join("iris/.wharf").exists(), "a build leaves no state");
}

#[tokio::test]
async fn the_same_model_gives_the_same_bytes_in_any_folder() {
    let read = async |folder: &str| {
        let (mut user, _) = User::of_fake();
        user.engine = None;
        let target = user.home.path().join(folder);
        fs::create_dir_all(&target).unwrap();
        for name in ["iris", "pipeline-sklearn"] {
            fs::rename(user.example(name), target.join(name)).unwrap();
        }
        let at = target.to_str().unwrap();
        user.run(&[&["-C", at, "build", "iris"], &ALL_OUTPUTS[2..]].concat()).await.expect(0);
        user.run(&["-C", at, "build", "pipeline-sklearn", "--to", "context:out/python"])
            .await
            .expect(0);
        let out = target.join("out");
        let found: Vec<_> = files(&out)
            .into_iter()
            .filter(|path| path.is_file())
            .map(|path| (path.strip_prefix(&out).unwrap().to_owned(), fs::read(&path).unwrap()))
            .collect();
        assert!(found.len() > 15, "{found:?}");
        found
    };
    assert_eq!(read("one").await, read("another/place").await);
}

#[tokio::test]
async fn a_context_of_a_python_kind_holds_what_a_build_needs() {
    let (user, _) = User::of_fake();
    user.example("pipeline-sklearn");
    let args = ["build", "pipeline-sklearn", "--to", "context:out", "--base", "python:3.11-slim"];
    user.run(&args).await.expect(0);
    let out = user.home.path().join("out");
    let names: Vec<_> = files(&out)
        .iter()
        .map(|path| path.strip_prefix(&out).unwrap().display().to_string())
        .collect();
    assert_eq!(
        names,
        [
            ".wharf-made.json",
            "Dockerfile",
            "model",
            "model/card.json",
            "model/code",
            "model/code/README.md",
            "model/code/answers.json",
            "model/code/make.py",
            "model/code/parcels.joblib",
            "model/code/predict.py",
            "requirements.txt",
            "run.sh",
            "wharf-serve"
        ]
    );
    assert_eq!(fs::read_to_string(out.join("run.sh")).unwrap(), "exec /wharf-serve serve\n");
    let requirements = fs::read_to_string(out.join("requirements.txt")).unwrap();
    assert!(requirements.contains("scikit-learn==1.9.1\n"), "{requirements}");
    let dockerfile = fs::read_to_string(out.join("Dockerfile")).unwrap();
    assert!(dockerfile.starts_with("FROM python:3.11-slim\nWORKDIR /app\n"), "{dockerfile}");
    assert!(dockerfile.ends_with("CMD [\"sh\", \"run.sh\"]\n"), "{dockerfile}");
}

#[tokio::test]
async fn a_declaration_of_mlem_says_it_all() {
    let (user, fake) = user_with(
        "args:\n  set_env: [GREETING=hello]\nimage: {name: iris, repository: ml, tag: v1}\n\
         object_type: builder\npush: false\nserver: {type: fastapi}\ntype: docker\n",
    );
    user.run(&["build", "iris", "-f", "b.mlem"]).await.expect(0);
    assert_eq!(fake.images_made(), ["ml/iris:v1"]);
    user.run(&["build", "iris", "-f", "b.mlem", "--set", "image.tag=v2"]).await.expect(0);
    assert_eq!(fake.images_made()[1], "ml/iris:v2");
    fs::write(user.home.path().join("d.mlem"), "type: docker_dir\ntarget: out\n").unwrap();
    user.run(&["build", "iris", "-f", "d.mlem", "--set", "args.set_env.0=A=$HOME"]).await.expect(0);
    let dockerfile = fs::read_to_string(user.home.path().join("out/Dockerfile")).unwrap();
    assert!(dockerfile.contains("\nENV A=\"\\$HOME\"\n"), "{dockerfile}");
}

#[tokio::test]
async fn another_image_of_that_name_is_kept_unless_forced() {
    let (user, fake) = user_with("type: docker\nimage: ml/iris:1\n");
    fake.add_image("ml/iris:1", image("sha256:other"));
    let args = ["build", "iris", "-f", "b.mlem"];
    told(&user.run(&args).await.expect(5), "W0414", "another image `ml/iris:1`");
    assert!(fake.images_made().is_empty());
    user.run(&[&args[..], &["--force"]].concat()).await.expect(0);
    user.run(&args).await.expect(0);
    assert_eq!(fake.images_made().len(), 1, "the same image is no conflict");
}

#[tokio::test]
async fn what_wharf_did_not_write_is_kept_unless_forced() {
    let (user, _) = user_with("");
    let notes = user.home.path().join("out/notes.txt");
    fs::create_dir(user.home.path().join("out")).unwrap();
    fs::write(&notes, "mine").unwrap();
    let args = ["build", "iris", "--to", "context:out"];
    told(&user.run(&args).await.expect(5), "W0413", "it holds `notes.txt`");
    assert_eq!(files(&user.home.path().join("out")).as_slice(), std::slice::from_ref(&notes));
    user.run(&[&args[..], &["--force"]].concat()).await.expect(0);
    assert!(!notes.exists());
    user.run(&args).await.expect(0);
    let home = ["build", "iris", "--to", "context:.", "--force"];
    told(&user.run(&home).await.expect(5), "W0413", "lies in it");
    let archive = ["build", "iris", "--to", "oci-archive:b.mlem"];
    fs::write(user.home.path().join("b.mlem"), "type: docker").unwrap();
    told(&user.run(&archive).await.expect(5), "W0413", "it is not an image's archive");
}

#[tokio::test]
async fn what_cannot_be_honoured_is_refused_before_anything_is_made() {
    let refused: [(&str, &[&str], &str); 7] = [
        ("type: docker\nimage: x\nserver: {port: 9000}\n", &[], "`server.port` cannot be honoured"),
        ("type: docker\nimage: x\nargs: {templates_dir: [t]}\n", &[], "`templates_dir` cannot be"),
        ("type: docker\nimage: x\nargs: {run_cmd: null}\n", &[], "`run_cmd` cannot be honoured"),
        ("type: docker\nimage: x\nargs: {python_version: 3.11}\n", &[], "`python_version` cannot"),
        ("type: docker\nimage: x\nargs: {build_arg: [A=1]}\n", &[], "`build_arg` cannot be"),
        (
            "type: docker\nimage: x\n",
            &["--base", "python:3"],
            "the base image `python:3` has no effect",
        ),
        ("type: docker\nimage: x\n", &["--set", "args.platform=linux/arm64"], "is for linux/amd64"),
    ];
    for (declaration, more, words) in refused {
        let (user, fake) = user_with(declaration);
        let args =
            [&["build", "iris", "-f", "b.mlem", "--to", "engine", "--to", "context:out"], more];
        told(&user.run(&args.concat()).await.expect(2), "W0208", words);
        assert!(fake.images_made().is_empty(), "{declaration}");
        assert!(!user.home.path().join("out").exists(), "{declaration}");
    }
}

#[tokio::test]
async fn what_only_a_dockerfile_can_do_is_not_pushed() {
    let (user, fake) = user_with("type: docker\nimage: 'reg:5000/x:1'\nargs:\n  run_cmd: null\n");
    user.example("callable");
    let outcome = user.run(&["build", "callable", "-f", "b.mlem"]).await.expect(2);
    told(&outcome, "W0208", "`run_cmd` cannot be honoured");
    assert!(fake.images_made().is_empty(), "nothing is made before");
}

#[tokio::test]
async fn a_declaration_of_a_local_image_pushes_nothing() {
    for declaration in [
        "type: docker\nimage: ml/iris:1\npush: true\n",
        "type: docker\nimage: 'r:1/iris'\npush: false\n",
    ] {
        let (user, fake) = user_with(declaration);
        let built = user.run(&["build", "iris", "-f", "b.mlem", "--json"]).await.expect(0).json();
        assert_eq!(built["results"].as_array().unwrap().len(), 1, "{built}");
        assert_eq!(fake.images_made().len(), 1);
    }
}

#[tokio::test]
async fn a_variable_without_a_value_leaves_nothing_behind() {
    let (user, _) =
        user_with("type: docker_dir\ntarget: out\nargs: {set_env: [NO_SUCH_VARIABLE]}\n");
    let outcome = user.run(&["build", "iris", "-f", "b.mlem"]).await.expect(2);
    told(&outcome, "W0415", "`NO_SUCH_VARIABLE` has no value");
    assert!(!user.home.path().join("out").exists());
}

#[tokio::test]
async fn flags_and_declarations_that_contradict_each_other() {
    let (user, _) = user_with("type: docker\nimage: x\n");
    let cases: [(&[&str], &str); 11] = [
        (&["--push"], "the image has no name to push to"),
        (&["--push", "-t", "r:1/iris", "-t", "iris"], "`iris:latest` names no registry"),
        (&["--push", "-f", "b.mlem", "--set", "push=false"], "and --push say the same"),
        (&["-t", "r:1/iris", "--plain-http"], "--plain-http is for a push"),
        (&["--base", "x", "--set", "args={}"], "and --base say the same"),
        (
            &["--platform", "linux/amd64", "--set", "args.platform=linux/arm64"],
            "and --platform say",
        ),
        (&["-f", "b.mlem", "-t", "y", "--set", "image.tag=2"], "and -t say the same"),
        (&["--set", "push=false"], "unknown key `push`"),
        (&["--set", "args.platfrom=x"], "did you mean `platform`?"),
        (&["--to", "contxt:x"], "is not an output"),
        (&["--to", "oci-dir:x", "--to", "context:x"], "have the same place"),
    ];
    for (more, words) in cases {
        let outcome = user.run(&[&["build", "iris"], more].concat()).await.expect(2);
        told(&outcome, "W0101", words);
    }
    let both =
        "type: docker\nimage: x\nenv: {daemon: {host: 'tcp://a:1'}}\ndaemon: {host: 'tcp://b:1'}\n";
    fs::write(user.home.path().join("b.mlem"), both).unwrap();
    let outcome = user.run(&["build", "iris", "-f", "b.mlem"]).await.expect(2);
    told(&outcome, "W0103", "name different engines");
}

#[tokio::test]
async fn a_dry_run_says_what_is_unchanged_and_makes_nothing() {
    let (user, fake) = user_with("");
    let plan = ["build", "iris", "-t", "ml/iris:1", "--dry-run"];
    assert!(user.run(&plan).await.expect(0).out.contains("server wharf-serve"));
    assert!(fake.images_made().is_empty());
    user.run(&["build", "iris", "-t", "ml/iris:1"]).await.expect(0);
    let changed = [&plan[..], &["--set", "args.set_env.0=A=1", "--json"]].concat();
    let planned = user.run(&changed).await.expect(0).json();
    let states: Vec<_> = planned["parts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| (part["title"].as_str().unwrap(), part["unchanged"].as_bool().unwrap()))
        .collect();
    assert_eq!(
        states,
        [("server wharf-serve", true), ("model iris", true), ("configuration", false)]
    );
    assert!(!user.home.path().join("iris/.wharf").exists());
}

#[test]
fn every_declaration_in_the_documentation_is_read() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/mlem.md");
    let text = fs::read_to_string(docs).unwrap();
    let blocks: Vec<_> =
        text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() >= 4, "the page has examples");
    for block in blocks {
        read_builder("mlem.md", block).unwrap_or_else(|error| panic!("{error} in\n{block}"));
    }
}
