//! What commands print, and what they refuse.

use crate::support::User;

#[tokio::test]
async fn inspect_tells_what_a_model_is() {
    let (user, _) = User::of_fake();
    user.example("iris");
    let outcome = user.run(&["inspect", "iris"]).await.expect(0);
    insta::assert_snapshot!(outcome.out, @"");
}

#[tokio::test]
async fn every_json_document_says_what_it_is() {
    let (user, _) = User::of_fake();
    user.example("iris");
    let cases: [(&[&str], &str); 5] = [
        (&["inspect", "iris", "--json"], "wharf.inspect/v1"),
        (&["up", "iris", "--json"], "wharf.up/v1"),
        (&["ps", "--json"], "wharf.workloads/v1"),
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
    assert_eq!(header, ["NAME", "KIND", "STATUS", "IMAGE", "RESTARTS", "AGE", "URL"]);
    assert_eq!(user.run(&["ps", "-q"]).await.out, "iris\n");
}

#[tokio::test]
async fn a_misspelt_flag_is_explained() {
    let (user, _) = User::of_fake();
    let outcome = user.run(&["up", "iris", "--nmae", "x"]).await.expect(2);
    insta::assert_snapshot!(outcome.err, @"");
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
    for command in ["inspect", "serve", "predict", "up", "down", "ps", "logs", "explain"] {
        let outcome = user.run(&[command, "--help"]).await.expect(0);
        assert!(outcome.out.contains("Examples:"), "{command}: {}", outcome.out);
    }
    let outcome = user.run(&["--help"]).await.expect(0);
    insta::assert_snapshot!(outcome.out, @"");
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
