//! Two builds or pushes at the same moment, each in a process of its own: what is there in the end is the whole of one.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::{
    registry::{Lab, output},
    support::{User, copy, examples},
};

/// A user with the example, and small programs that nobody else writes meanwhile.
fn user() -> User {
    let (user, _) = User::of_fake();
    user.example("iris");
    user
}

/// Adds a model that differs from the example in its names.
fn other(user: &User, name: &str) {
    let folder = user.home.path().join(name);
    copy(&examples().join("iris"), &folder);
    let declaration = fs::read_to_string(folder.join("wharf.yaml")).unwrap();
    fs::write(folder.join("wharf.yaml"), declaration.replace("setosa", name)).unwrap();
}

fn start(user: &User, args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_wharf"))
        .args(args)
        .current_dir(user.home.path())
        .env("HOME", user.home.path())
        .env("WHARF_HELPERS", &user.helpers)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits for all of them, which must succeed.
fn all_succeed(processes: Vec<Child>) {
    for process in processes {
        let ended = process.wait_with_output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    }
}

/// Has skopeo read every byte of an image, and check it.
fn is_whole(user: &User, image: &str) {
    let to = format!("dir:{}", user.home.path().join("whole").display());
    let copy = ["copy", "-q", "--insecure-policy", image, &to];
    output(Command::new("skopeo").args(copy));
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
#[ignore = "needs registry"]
fn two_builds_into_the_same_files_leave_the_whole_of_one() {
    let user = user();
    other(&user, "flowers");
    let out = user.home.path().join("out");
    fs::create_dir(&out).unwrap();
    let layout = ["--to", "oci-dir:out/layout", "--to", "oci-archive:out/image.tar", "--force"];
    for _ in 0..3 {
        let models = ["iris", "flowers", "iris"];
        all_succeed(
            models.map(|model| start(&user, &[&["build", model], &layout[..]].concat())).into(),
        );
        is_whole(&user, &format!("oci:{}", out.join("layout").display()));
        is_whole(&user, &format!("oci-archive:{}", out.join("image.tar").display()));
        assert_eq!(names(&out), ["image.tar", "layout"], "nothing is left beside them");
    }
}

#[test]
#[ignore = "needs registry"]
fn two_pushes_of_the_same_image_do_not_disturb_each_other() {
    let (user, lab) = (user(), Lab::start("", ""));
    // Each time into a repository that has nothing yet, so that both have all to send.
    for round in 0..10 {
        let to = lab.name(&format!("round{round}/iris:1"));
        let push = ["push", "iris", "--to", &to];
        all_succeed(vec![start(&user, &push), start(&user, &push)]);
        output(
            Command::new("skopeo")
                .args(["inspect", "--tls-verify=false"])
                .arg(format!("docker://{to}")),
        );
    }
}
