//! Unchanged files are not read again, and changed ones always are.

use std::{fs, path::PathBuf, time::Duration};

use crate::support::User;

/// A user with a model that was saved a while ago.
fn user() -> User {
    let user = User::with_engine(None);
    user.example("iris");
    settle();
    user
}

/// What was written a moment ago is not believed.
fn settle() {
    std::thread::sleep(Duration::from_millis(100));
}

/// Assembles the image and returns its digest, and how many bytes of files were read for it.
async fn build(user: &User, flags: &[&str]) -> (String, u64) {
    let args = ["build", "iris", "--to", "oci-archive:iris.tar", "--json"];
    let document = user.run(&[&args, flags].concat()).await.expect(0).json();
    let digest = document["results"][0]["digest"].as_str().unwrap().to_owned();
    (digest, document["hashed"].as_u64().unwrap())
}

fn model(user: &User) -> PathBuf {
    user.home.path().join("iris/iris.json")
}

fn cache(user: &User) -> PathBuf {
    user.home.path().join(".cache/wharf/files.1")
}

/// Changes one digit of a leaf, and hides it from who looks at size and time alone.
fn change(path: &PathBuf) {
    let modified = fs::metadata(path).unwrap().modified().unwrap();
    let text = fs::read_to_string(path).unwrap();
    let at = text.find('.').unwrap() + 1;
    let digit = if &text[at..=at] == "1" { "2" } else { "1" };
    fs::write(path, format!("{}{digit}{}", &text[..at], &text[at + 1..])).unwrap();
    fs::File::options().write(true).open(path).unwrap().set_modified(modified).unwrap();
}

#[tokio::test]
async fn the_second_build_reads_nothing() {
    let user = user();
    let (digest, hashed) = build(&user, &[]).await;
    // The model and the server, for what they hold and for their layers.
    assert!(hashed > 2 * fs::metadata(model(&user)).unwrap().len(), "{hashed}");
    assert_eq!(build(&user, &[]).await, (digest.clone(), 0));
    assert_eq!(build(&user, &["--rehash"]).await, (digest.clone(), hashed));
    assert_eq!(build(&user, &[]).await, (digest, 0));
}

#[tokio::test]
async fn a_change_of_the_same_size_and_time_is_seen() {
    let user = user();
    let (before, _) = build(&user, &[]).await;
    change(&model(&user));
    let (after, hashed) = build(&user, &[]).await;
    assert_ne!(after, before);
    // The server is not read again.
    let size = fs::metadata(model(&user)).unwrap().len();
    assert_eq!(hashed, 2 * size);
}

#[tokio::test]
async fn what_was_changed_a_moment_ago_is_read_again() {
    let user = user();
    build(&user, &[]).await;
    change(&model(&user));
    let (_, first) = build(&user, &[]).await;
    settle();
    let (_, second) = build(&user, &[]).await;
    assert_eq!(first, second);
    assert_eq!(build(&user, &[]).await.1, 0);
}

#[tokio::test]
async fn a_damaged_cache_is_made_anew() {
    let user = user();
    let (digest, hashed) = build(&user, &[]).await;
    fs::write(cache(&user), vec![0xff; 5000]).unwrap();
    assert_eq!(build(&user, &[]).await, (digest.clone(), hashed));
    assert_eq!(build(&user, &[]).await, (digest, 0));
}

#[tokio::test]
async fn a_cache_that_cannot_be_written_only_costs_time() {
    let user = user();
    fs::write(user.home.path().join(".cache"), "").unwrap();
    let (digest, hashed) = build(&user, &[]).await;
    assert_eq!(build(&user, &[]).await, (digest, hashed));
    let told = user.run(&["build", "iris", "--to", "oci-archive:iris.tar", "-v"]).await.expect(0);
    assert!(told.err.contains("nothing is kept: "), "{}", told.err);
    assert!(told.err.contains("  hashed   "), "{}", told.err);
}
