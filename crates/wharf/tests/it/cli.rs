//! What commands print, and what they refuse.

use crate::support::User;

#[tokio::test]
async fn inspect_tells_what_a_model_is() {
    let (user, _) = User::of_fake();
    user.example("iris");
    let outcome = user.run(&["inspect", "iris"]).await.expect(0);
    insta::assert_snapshot!(outcome.out, @r"
name          iris
kind          xgboost
runtime       trees (wharf evaluates the trees of XGBoost itself)
server        wharf-serve
size          11.7 KB
hash          b3:b0fc5a19b7dddd7298df2eb401892576417fc32841a384da4c098f11500c2351
file          model.json  11.7 KB
method        /predict(data: array float64 [*, 4]) → class, array str [*]
method        /predict_proba(data: array float64 [*, 4]) → probabilities, array float32 [*, 3]
inputs        sepal_length, sepal_width, petal_length, petal_width
classes       setosa, versicolor, virginica
");
}

#[tokio::test]
async fn every_json_document_says_what_it_is() {
    let (user, _) = User::of_fake();
    user.example("iris");
    let cases: [(&[&str], &str); 9] = [
        (&["inspect", "iris", "--json"], "wharf.inspect/v1"),
        (&["build", "iris", "--json"], "wharf.build/v1"),
        (&["up", "iris", "--json"], "wharf.up/v1"),
        (&["ps", "--json"], "wharf.workloads/v1"),
        (&["status", "iris", "--json"], "wharf.workload/v1"),
        (&["wait", "iris", "--json"], "wharf.wait/v1"),
        (&["open", "iris", "--json"], "wharf.open/v1"),
        (&["down", "iris", "--json"], "wharf.down/v1"),
        (&["explain", "--json"], "wharf.errors/v1"),
    ];
    for (args, schema) in cases {
        let outcome = user.run(args).await.expect(0);
        assert_eq!(outcome.json()["schema"], schema, "{args:?}");
    }
    let outcome = user.run(&["up", "no-such-model", "--json"]).await.expect(3);
    let error: serde_json::Value = serde_json::from_str(&outcome.err).unwrap();
    assert_eq!(error["schema"], "wharf.error/v1");
    assert_eq!(error["code"], "W0401");
}

#[tokio::test]
async fn ps_has_its_columns() {
    let (user, _) = User::of_fake();
    user.example("iris");
    user.run(&["up", "iris", "-q"]).await.expect(0);
    let outcome = user.run(&["ps"]).await.expect(0);
    let header: Vec<_> = outcome.out.lines().next().unwrap().split_whitespace().collect();
    let all = ["NAME", "KIND", "STATUS", "IMAGE", "CPU", "MEMORY", "RESTARTS", "AGE", "URL"];
    assert_eq!(header, all);
    assert_eq!(user.run(&["ps", "-q"]).await.out, "iris\n");
}

#[tokio::test]
async fn a_misspelt_flag_is_explained() {
    let (user, _) = User::of_fake();
    let outcome = user.run(&["up", "iris", "--nmae", "x"]).await.expect(2);
    insta::assert_snapshot!(outcome.err, @r"
error[W0101]: unexpected argument '--nmae' found

hint: a similar argument exists: `--name`
hint: `wharf up --name <NAME> <TARGET>`
");
}

#[tokio::test]
async fn hidden_aliases_are_the_commands() {
    let (user, _) = User::of_fake();
    user.example("iris");
    for alias in ["deploy", "apply"] {
        user.run(&[alias, "iris"]).await.expect(0);
    }
}

#[tokio::test]
async fn help_of_each_command_has_examples() {
    let (user, _) = User::of_fake();
    let commands = [
        "inspect", "serve", "predict", "lock", "build", "push", "login", "logout", "up", "down",
        "ps", "status", "wait", "logs", "explain",
    ];
    for command in commands {
        let outcome = user.run(&[command, "--help"]).await.expect(0);
        assert!(outcome.out.contains("Examples:"), "{command}: {}", outcome.out);
    }
    let outcome = user.run(&["--help"]).await.expect(0);
    insta::assert_snapshot!(outcome.out, @r"
From a trained model to a running service, on Docker

Usage: wharf [OPTIONS] <COMMAND>

Start:
  inspect   What a model is: kind, inputs and outputs, requirements, size, hash, risks
  serve     Serve a model here, in the foreground, without a container
  predict   Make a prediction, or one for each row of a table
Images:
  lock      Lock a model's Python packages, with their hashes
  build     Make an image, an archive of one, or a folder for `docker build`
  push      Push a model's image, or one of a file or the engine, to a registry
  pull      Fetch an image from a registry: into the engine, or a file
  image     Images of a registry: ls, show, copy, tag, rm, explain, sign, verify
  login     Check a password with a registry, and keep it
  logout    Forget the password of a registry
Run:
  up        Build, run and wait until healthy; the same again changes nothing
  down      End a service and remove everything made for it
  wait      Wait until a service is healthy, or has ended
Look:
  ps        What runs
  status    One service in full: state and reason, image, ports, last lines
  logs      What a service wrote
  open      The page of a service in the browser
Set up:
  explain   The page of an error: `wharf explain W0203`
Options:
  -P, --project <NAME>  The project [env: WHARF_PROJECT] [default: default]
  -C <DIR>              Run as if started in this folder
      --json            Print one JSON document (streams: one a line)
  -q, --quiet           Print results only
  -v, --verbose         Show what tools print while they work
      --color <WHEN>    When to use colours [env: WHARF_COLOR] [default: auto] [possible values:
                        auto, always, never]
  -h, --help            Print help
  -V, --version         Print version

Examples:
  wharf up examples/iris
  wharf logs iris -f
  wharf down iris
");
}

#[tokio::test]
async fn no_command_writes_an_escape_into_a_pipe() {
    let (user, _) = User::of_fake();
    user.example("iris");
    for args in
        [&["up", "iris"][..], &["ps"], &["inspect", "iris"], &["up", "no-such"], &["down", "iris"]]
    {
        let outcome = user.run(args).await;
        assert!(!outcome.out.contains('\x1b') && !outcome.err.contains('\x1b'), "{args:?}");
    }
}

#[tokio::test]
async fn names_of_others_cannot_drive_the_terminal() {
    let (user, _) = User::of_fake();
    let outcome = user.run(&["up", "a\x1b]0;title\x07b"]).await.expect(3);
    assert!(!outcome.err.contains('\x1b'), "{:?}", outcome.err);
    assert!(outcome.err.contains(r"\u{1b}]0;title"), "{}", outcome.err);
}
