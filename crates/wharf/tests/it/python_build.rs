//! How images of models that run Python are built, on an engine in memory.

use std::fs;

use wharf_spec::workload::{Command, WorkloadKind};

use crate::hermetic::image;
use crate::support::User;

fn user_with_base() -> (User, std::sync::Arc<wharf_engine::fake::Fake>) {
    let (user, fake) = User::of_fake();
    fake.add_image("python:3.11-slim", image("sha256:base"));
    user.example("pipeline-sklearn");
    (user, fake)
}

#[tokio::test]
async fn requirements_are_installed_once_in_a_job_that_goes() {
    let (user, fake) = user_with_base();
    user.run(&["up", "pipeline-sklearn"]).await.expect(0);
    let jobs: Vec<_> =
        fake.applied().into_iter().filter(|one| one.kind == WorkloadKind::Job).collect();
    let Command::Args(command) = &jobs[0].command else { panic!("pip is a command") };
    assert_eq!(command[..4], ["python3", "-m", "pip", "install"]);
    assert!(command.contains(&"scikit-learn==1.9.1".to_owned()), "{command:?}");
    assert_eq!(user.run(&["ps", "-a", "-q"]).await.out, "pipeline-sklearn\n", "the job is gone");
    let code = user.home.path().join("pipeline-sklearn/predict.py");
    let changed = format!("{}\n# changed\n", fs::read_to_string(&code).unwrap());
    fs::write(code, changed).unwrap();
    user.run(&["up", "pipeline-sklearn"]).await.expect(0);
    let jobs = fake.applied().into_iter().filter(|one| one.kind == WorkloadKind::Job).count();
    assert_eq!(jobs, 1, "a change of code installs nothing again");
}

#[tokio::test]
async fn passwords_of_an_index_are_mounted_and_nowhere_else() {
    let (mut user, fake) = user_with_base();
    let secret = ("PIP_INDEX_URL".into(), "https://me:hunter2@index.example/simple".into());
    user.variables = vec![secret];
    user.run(&["up", "pipeline-sklearn"]).await.expect(0);
    for workload in fake.applied() {
        assert!(!format!("{workload:?}").contains("hunter2"), "{workload:?}");
    }
    let job = &fake.applied()[0];
    let conf =
        job.mounts.iter().find(|mount| mount.target == "/etc/pip.conf").expect("it is mounted");
    assert!(conf.read_only);
    assert!(fs::read_to_string(&conf.source).unwrap().contains("hunter2"));
}

#[tokio::test]
async fn a_base_that_is_not_there_is_told() {
    let (user, _) = User::of_fake();
    user.example("callable");
    let outcome = user.run(&["up", "callable", "--base", "no-such-image:1"]).await.expect(3);
    assert!(outcome.err.contains("error[W0409]"), "{}", outcome.err);
}

#[tokio::test]
async fn a_base_has_no_effect_on_native_kinds_and_says_so() {
    let (user, _) = User::of_fake();
    user.example("iris");
    let outcome = user.run(&["up", "iris", "--base", "python:3.11"]).await.expect(2);
    assert!(outcome.err.contains("the base image `python:3.11` has no effect"), "{}", outcome.err);
}
