//! Dockerfiles that the classic builder cannot build, on the real engine.

use std::{fs, path::Path, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::support::{User, on_engine};

/// An image's name that goes with the test.
struct Name(String);

impl Name {
    fn of(user: &User) -> Self {
        Self(format!("wharf-test/{}:1", user.project))
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        // It may not have come to it.
        std::process::Command::new("docker").args(["rmi", "--force", &self.0]).output().ok();
    }
}

fn app(user: &User, lines: &str) {
    let folder = user.home.path().join("app");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("Dockerfile"), format!("{lines}\n")).unwrap();
    fs::write(folder.join("a"), "").unwrap();
}

#[tokio::test]
#[ignore = "needs engine"]
async fn mounts_and_modes_are_honoured_and_lines_are_told() {
    on_engine("kit", async |user| {
        let name = Name::of(&user);
        app(
            &user,
            "FROM python:3.11-slim\n\
             RUN --mount=type=cache,target=/kept echo \"said $((6 * 7)) times\"\n\
             COPY --chmod=0750 a /a\n\
             RUN test \"$(stat -c %a /a)\" = 750",
        );
        let build = ["build", "app", "-t", &name.0, "--no-cache", "-v"];
        let built = user.run(&build).await.expect(0);
        for words in ["Step 2/4 : RUN --mount=type=cache", "said 42 times", "by docker"] {
            assert!(built.err.contains(words), "{words}:\n{}", built.err);
        }
    })
    .await;
}

#[tokio::test]
#[ignore = "needs engine"]
async fn of_stages_that_run_at_once_the_one_that_failed_is_told() {
    on_engine("kit-stages", async |user| {
        app(
            &user,
            "FROM python:3.11-slim AS one\n\
             RUN echo \"it is $((6 * 7))\"; sleep 2; exit 9\n\
             FROM python:3.11-slim AS two\n\
             RUN for i in 1 2 3 4 5 6; do echo \"busy $i\"; sleep 0.5; done\n\
             FROM python:3.11-slim\n\
             COPY --from=one /etc/hostname /one\n\
             COPY --from=two /etc/hostname /two",
        );
        let failed = user.run(&["build", "app", "--no-cache"]).await.expect(1);
        for words in ["W0412", "RUN echo \"it is $((6 * 7))\"", "  | it is 42", "code: 9"] {
            assert!(failed.err.contains(words), "{words}:\n{}", failed.err);
        }
        assert!(!failed.err.contains("busy"), "{}", failed.err);
    })
    .await;
}

#[tokio::test]
#[ignore = "needs engine"]
async fn a_frontend_that_cannot_be_fetched_says_which_line_asks_for_it() {
    on_engine("kit-syntax", async |user| {
        app(&user, "# syntax=localhost:1/no/such:1\nFROM scratch\nCOPY a /");
        let failed = user.run(&["build", "app"]).await.expect(1);
        assert!(failed.err.contains("`# syntax=`"), "{}", failed.err);
    })
    .await;
}

/// Says whether a process of this machine was started with a word.
fn runs(word: &str) -> bool {
    let is_it = |path: &Path| {
        fs::read(path.join("cmdline"))
            .is_ok_and(|line| line.split(|byte| *byte == 0).any(|part| part == word.as_bytes()))
    };
    fs::read_dir("/proc").unwrap().any(|entry| is_it(&entry.unwrap().path()))
}

#[tokio::test]
#[ignore = "needs engine"]
async fn a_build_that_is_cancelled_ends() {
    on_engine("kit-cancel", async |user| {
        app(&user, "FROM python:3.11-slim\nRUN sleep 98765");
        let cancel = CancellationToken::new();
        let until = async |is_there: bool| {
            for _ in 0..200 {
                if runs("98765") == is_there {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            panic!("the step should run: {is_there}");
        };
        let (outcome, ()) =
            tokio::join!(user.run_until(&["build", "app", "--no-cache"], cancel.clone()), async {
                until(true).await;
                cancel.cancel();
            });
        outcome.expect(130);
        until(false).await;
    })
    .await;
}
