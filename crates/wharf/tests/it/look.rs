//! `ps`: what runs, and what it uses; `status`: one service in full; `wait`; `open`: its page in the browser.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, time::Duration};

use tokio_util::sync::CancellationToken;
use wharf_engine::Usage;

use crate::support::{User, on_engine};

#[tokio::test]
async fn ps_tells_what_is_used() {
    let (user, fake) = User::of_fake();
    user.example("iris");
    user.run(&["up", "iris", "-q"]).await.expect(0);
    fake.uses("iris", Usage { cpu_millis: Some(1257), memory: Some(12_400_000) });
    let shown = user.run(&["ps"]).await.expect(0).out;
    assert!(shown.contains("125.7%  12.4 MB"), "{shown}");
    let one = &user.run(&["ps", "--json"]).await.expect(0).json()["items"][0];
    assert_eq!((&one["cpu"], &one["memory"]), (&1.257.into(), &12_400_000.into()));
}

#[tokio::test]
async fn what_an_engine_cannot_tell_is_left_open() {
    let (user, fake) = User::of_fake();
    user.example("iris");
    user.run(&["up", "iris", "-q"]).await.expect(0);
    fake.uses("iris", Usage::default());
    let shown = user.run(&["ps"]).await.expect(0).out;
    let row: Vec<_> = shown.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[4..6], ["-", "-"], "{shown}");
    let one = &user.run(&["ps", "--json"]).await.expect(0).json()["items"][0];
    assert!(one["cpu"].is_null() && one["memory"].is_null(), "{one}");
}

#[tokio::test]
async fn nothing_is_asked_where_nothing_is_shown() {
    let (user, fake) = User::of_fake();
    user.example("iris");
    user.run(&["ps"]).await.expect(0);
    user.run(&["up", "iris", "-q"]).await.expect(0);
    user.run(&["ps", "-q"]).await.expect(0);
    assert_eq!(fake.looks_at_usage(), 0);
    user.run(&["ps"]).await.expect(0);
    assert_eq!(fake.looks_at_usage(), 1);
}

#[tokio::test]
async fn ps_lists_one_kind() {
    let (user, _) = User::of_fake();
    user.example("iris");
    user.run(&["up", "iris", "-q"]).await.expect(0);
    assert_eq!(user.run(&["ps", "-q", "--kind", "service"]).await.expect(0).out, "iris\n");
    assert_eq!(user.run(&["ps", "-q", "--kind", "job"]).await.expect(0).out, "");
}

#[tokio::test]
async fn ps_looks_again_until_it_is_ended() {
    let (user, _) = User::of_fake();
    user.example("iris");
    user.run(&["up", "iris", "-q"]).await.expect(0);
    let cancel = CancellationToken::new();
    let (outcome, ()) = tokio::join!(user.run_until(&["ps", "-w"], cancel.clone()), async {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        cancel.cancel();
    });
    let shown = outcome.expect(0).out;
    let blocks: Vec<_> = shown.split_terminator("\n\n").collect();
    assert_eq!(blocks.len(), 2, "{shown}");
    assert!(blocks.iter().all(|block| block.starts_with("NAME") && block.contains("iris")));
    assert!(!shown.contains('\x1b'), "{shown:?}");
}

#[tokio::test]
async fn status_tells_one_service_in_full() {
    let (user, fake) = User::of_fake();
    user.example("iris");
    user.run(&["up", "iris", "-q"]).await.expect(0);
    fake.uses("iris", Usage { cpu_millis: Some(5), memory: Some(12_400_000) });
    let shown = user.run(&["status", "iris"]).await.expect(0).out;
    let keys: Vec<_> = shown.lines().map(|line| line[..13].trim()).collect();
    let expect = [
        "name",
        "project",
        "status",
        "image",
        "source",
        "model hash",
        "deployed",
        "generation",
        "port",
        "url",
        "cpu",
        "memory",
        "restarts",
        "age",
        "engine",
        "container",
    ];
    assert_eq!(keys, expect, "{shown}");
    let told = user.run(&["status", "iris", "--json"]).await.expect(0).json();
    assert_eq!((&told["status"], &told["mlem_status"]), (&"healthy".into(), &"running".into()));
    assert_eq!(told["release"]["model"], "iris");
    assert_eq!(user.run(&["status", "iris", "-q"]).await.expect(0).out, "healthy\n");
    let missing = user.run(&["status", "irsi"]).await.expect(3);
    assert!(missing.err.contains("did you mean `iris`?"), "{}", missing.err);
}

#[tokio::test]
async fn status_says_why_a_service_is_not_well() {
    let (user, fake) = User::of_fake();
    user.example("iris");
    fake.fail_start("iris", 3, &["loading", "cannot read \x1b[2Jthe model"]);
    user.run(&["up", "iris", "-q", "--no-wait"]).await.expect(0);
    let shown = user.run(&["status", "iris"]).await.expect(0).out;
    assert!(shown.contains("reason        its process ended with code 3"), "{shown}");
    assert!(shown.contains("  | loading\n") && !shown.contains('\x1b'), "{shown}");
}

#[tokio::test]
async fn waiting_ends_with_what_became_of_the_service() {
    let (user, fake) = User::of_fake();
    user.example("iris");
    assert!(user.run(&["wait", "iris"]).await.expect(3).err.contains("W0504"));
    user.run(&["up", "iris", "-q"]).await.expect(0);
    let waited = user.run(&["wait", "iris"]).await.expect(0).out;
    assert!(waited.starts_with("iris is healthy after "), "{waited}");
    fake.exec_answers(1, "starting: loading");
    let late = user.run(&["wait", "iris", "--timeout", "1s"]).await.expect(7);
    assert!(late.err.contains("W0502"), "{}", late.err);
    let late = user.run(&["wait", "iris", "--for", "ended", "--timeout", "100ms"]).await.expect(7);
    assert!(late.err.contains("W0511"), "{}", late.err);
}

#[tokio::test]
async fn what_has_ended_does_not_become_healthy() {
    let (user, _) = User::of_fake();
    user.example("iris");
    user.run(&["up", "iris", "-q"]).await.expect(0);
    let engine = user.engine.as_ref().unwrap();
    let id = engine.list(None).await.unwrap().remove(0).id;
    engine.stop(&id, Duration::ZERO).await.unwrap();
    let ended = user.run(&["wait", "iris", "--for", "ended", "--json"]).await.expect(0).json();
    assert_eq!(ended["reached"], "ended");
    let never = user.run(&["wait", "iris"]).await.expect(1);
    assert!(never.err.contains("W0501") && never.err.contains("`wharf up`"), "{}", never.err);
    let told = user.run(&["status", "iris", "--json"]).await.expect(0).json();
    assert_eq!((&told["status"], &told["mlem_status"]), (&"stopped".into(), &"stopped".into()));
}

/// Gives the user a browser that notes its arguments and ends with a code.
fn browser(user: &mut User, code: u8) -> PathBuf {
    let (program, noted) = (user.home.path().join("browser"), user.home.path().join("noted"));
    let script =
        format!("#!/bin/sh\nprintf '%s\\n' \"$@\" >> '{}'\nexit {code}\n", noted.display());
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let command = format!("{} --tab %s;x", program.display());
    user.variables.push(("BROWSER".into(), command.into()));
    noted
}

#[tokio::test]
async fn open_gives_the_address_to_the_browser() {
    let (mut user, _) = User::of_fake();
    let noted = browser(&mut user, 0);
    user.example("iris");
    user.run(&["up", "iris", "-q"]).await.expect(0);
    let outcome = user.run(&["open", "iris"]).await.expect(0);
    assert_eq!((outcome.out.as_str(), outcome.err.as_str()), ("http://127.0.0.1:8080/\n", ""));
    assert_eq!(fs::read_to_string(&noted).unwrap(), "--tab\nhttp://127.0.0.1:8080/;x\n");
    assert_eq!(user.run(&["open", "iris", "--json"]).await.expect(0).json()["opened"], true);
}

#[tokio::test]
async fn open_says_that_there_is_no_browser() {
    let (user, _) = User::of_fake();
    user.example("iris");
    user.run(&["up", "iris", "-q"]).await.expect(0);
    let outcome = user.run(&["open", "iris"]).await.expect(0);
    assert_eq!(outcome.out, "http://127.0.0.1:8080/\n");
    assert!(outcome.err.starts_with("note: no browser was found here"), "{}", outcome.err);
}

#[tokio::test]
async fn a_browser_that_fails_did_not_open_it() {
    let (mut user, _) = User::of_fake();
    browser(&mut user, 3);
    user.example("iris");
    user.run(&["up", "iris", "-q"]).await.expect(0);
    assert_eq!(user.run(&["open", "iris", "--json"]).await.expect(0).json()["opened"], false);
}

#[tokio::test]
async fn what_does_not_run_has_no_page() {
    let (user, _) = User::of_fake();
    let outcome = user.run(&["open", "iris"]).await.expect(3);
    assert!(outcome.err.contains("error[W0504]"), "{}", outcome.err);
}

#[tokio::test]
#[ignore = "needs engine"]
async fn a_real_engine_tells_what_is_used() {
    on_engine("usage", |user| async move {
        user.example("iris");
        user.run(&["up", "iris", "-q"]).await.expect(0);
        let one = &user.run(&["ps", "--json"]).await.expect(0).json()["items"][0];
        let memory = one["memory"].as_u64().unwrap_or_else(|| panic!("{one}"));
        assert!((100_000..100_000_000).contains(&memory), "{one}");
        assert!(one["cpu"].as_f64().is_some_and(|cores| cores < 2.0), "{one}");
    })
    .await;
}
