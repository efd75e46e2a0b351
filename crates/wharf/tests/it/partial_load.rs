//! Loading an image sends only the layers that the engine lacks.

use std::{fs, path::Path, sync::Arc};

use wharf_engine::Images as _;

use crate::support::{User, on_engine};

/// Changes what lies in the last layer alone: what a class is called.
fn change_code(folder: &Path, from: &str, to: &str) {
    let path = folder.join("wharf.yaml");
    let declaration = fs::read_to_string(&path).unwrap();
    fs::write(path, declaration.replace(from, to)).unwrap();
}

/// Brings the model up and returns how many bytes were sent for its image.
async fn up(user: &User) -> u64 {
    let up = user.run(&["up", "iris", "--json"]).await.expect(0).json();
    up["image_sent"].as_u64().unwrap()
}

#[tokio::test]
async fn layers_that_the_engine_has_are_not_sent() {
    let (user, fake) = User::of_fake();
    let folder = user.example("iris");
    let whole = up(&user).await;
    change_code(&folder, "virginica", "versicolour");
    let part = up(&user).await;
    assert!(part < whole, "{part} of {whole}");
    assert_eq!(fake.layers_sent(), [2, 1]);
}

#[tokio::test]
async fn an_engine_that_lost_a_layer_gets_all_of_them_once() {
    let (user, fake) = User::of_fake();
    let folder = user.example("iris");
    let whole = up(&user).await;
    change_code(&folder, "virginica", "versicolour");
    fake.lose_layers();
    let again = user.run(&["up", "iris", "--json"]).await.expect(0).json();
    // The model's own layer has grown by as much as the card.
    assert!(again["image_sent"].as_u64().unwrap() >= whole, "{again}");
    assert_eq!(fake.layers_sent(), [2, 1, 2]);
}

#[tokio::test]
async fn an_image_that_was_removed_does_not_count() {
    let (user, fake) = User::of_fake();
    let folder = user.example("iris");
    up(&user).await;
    for image in fake.images_made() {
        fake.remove(&image).await.unwrap();
    }
    change_code(&folder, "virginica", "versicolour");
    up(&user).await;
    assert_eq!(fake.layers_sent(), [2, 2]);
}

#[tokio::test]
async fn people_and_programs_are_told_what_was_sent() {
    let (user, _) = User::of_fake();
    let folder = user.example("iris");
    let build = async |user: &User| {
        let document = user.run(&["build", "iris", "--json"]).await.expect(0).json();
        document["results"][0].clone()
    };
    let first = build(&user).await;
    assert!(first["sent"].as_u64().unwrap() > 0, "{first}");
    assert_eq!(build(&user).await.get("sent"), None, "nothing was loaded");
    change_code(&folder, "virginica", "versicolour");
    let told = user.run(&["build", "iris"]).await.expect(0).err;
    assert!(told.contains("; the engine had the rest"), "{told}");
}

#[tokio::test]
#[ignore = "needs engine"]
async fn an_image_without_the_layers_that_the_engine_has_runs() {
    on_engine("partial-load", async |user: Arc<User>| {
        let folder = user.example("iris");
        // An image of an earlier run would be taken as it is.
        let fresh = format!("class-{}", std::process::id());
        change_code(&folder, "virginica", &fresh);
        up(&user).await;
        change_code(&folder, &fresh, &format!("{fresh}-b"));
        let changed = user.run(&["up", "iris", "--json"]).await.expect(0).json();
        let sent = changed["image_sent"].as_u64().unwrap();
        // The server alone has megabytes.
        assert!(sent < 1 << 20, "{sent}");
        assert_eq!((&changed["generation"], &changed["changed"]), (&2.into(), &true.into()));
        user.run(&["down", "iris", "--image"]).await.expect(0);
    })
    .await;
}
