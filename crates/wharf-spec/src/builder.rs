//! What makes an image, as MLEM's declarations say it: the kind `builder`.

use std::fmt;

use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, value::MapAccessDeserializer},
};

use crate::{
    build_args::DockerBuildArgs,
    env::{DockerDaemon, Env},
    object::AlreadyRead,
    reference::{ParseReferenceError, Reference},
    registry::{DockerIoRegistry, Registry, RemoteRegistry},
    server::Server,
    tagged,
};

tagged! {
    /// MLEM's kind `builder`.
    pub enum Builder, "a builder", tag "type", mlem_has ["pip", "whl", "venv", "conda", "requirements"] {
        "docker" => Docker(DockerBuilder),
        "docker_dir" => DockerDir(DockerDirBuilder),
    }
}

/// MLEM's `DockerImageBuilder`: an image in an engine or a registry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DockerBuilder {
    /// The image's name: an object, or text such as `localhost:5000/ml/iris:1`.
    #[serde(deserialize_with = "image")]
    #[schemars(with = "ImageOrText")]
    pub image: DockerImage,
    /// The server to put in.
    #[serde(default)]
    pub server: Option<Server>,
    /// How the image is made.
    #[serde(default)]
    pub args: DockerBuildArgs,
    /// Engine and registry (up to MLEM 0.4.4).
    #[serde(default)]
    pub env: Option<Env>,
    /// The engine (from MLEM 0.4.5 on).
    #[serde(default)]
    pub daemon: Option<DockerDaemon>,
    /// Replace another image of that name. Default: such an image is an error.
    #[serde(default)]
    pub force_overwrite: bool,
    /// Send it to its registry. Nothing to do for the registry `local`.
    #[serde(default = "yes")]
    pub push: bool,
    #[serde(default, skip_serializing)]
    #[schemars(with = "Option<String>")]
    object_type: AlreadyRead,
    #[serde(default, skip_serializing, rename = "type")]
    #[schemars(skip)]
    kind: AlreadyRead,
}

/// MLEM's `DockerDirBuilder`: a folder that any `docker build` takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DockerDirBuilder {
    /// The folder; made where it is missing.
    pub target: String,
    /// The server to put in.
    #[serde(default)]
    pub server: Option<Server>,
    /// How the image is made.
    #[serde(default)]
    pub args: DockerBuildArgs,
    #[serde(default, skip_serializing)]
    #[schemars(with = "Option<String>")]
    object_type: AlreadyRead,
    #[serde(default, skip_serializing, rename = "type")]
    #[schemars(skip)]
    kind: AlreadyRead,
}

/// MLEM's `DockerImage` and `DockerImageOptions`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DockerImage {
    pub name: String,
    #[serde(default = "latest")]
    pub tag: String,
    /// Comes before the name: `ml` and `iris` are `ml/iris`.
    #[serde(default)]
    pub repository: Option<String>,
    /// Default: the registry of `env`, else the engine's own store.
    #[serde(default)]
    pub registry: Option<Registry>,
    /// The engine's id after a build; not used.
    #[serde(default)]
    pub image_id: Option<String>,
}

/// The two forms of an image, for the schema.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "only its schema is used")]
enum ImageOrText {
    Text(String),
    Image(DockerImage),
}

const fn yes() -> bool {
    true
}

fn latest() -> String {
    "latest".to_owned()
}

/// Why an image has no reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageNameError {
    #[error("a registry of type `remote` needs its `host`")]
    NoHost,
    #[error("the image's name cannot be used")]
    Name(#[source] ParseReferenceError),
}

impl DockerBuilder {
    /// Returns the builder of an image, with the defaults of a declaration.
    pub fn new(image: DockerImage) -> Self {
        Self {
            image,
            server: None,
            args: DockerBuildArgs::default(),
            env: None,
            daemon: None,
            force_overwrite: false,
            push: yes(),
            object_type: AlreadyRead,
            kind: AlreadyRead,
        }
    }

    /// Returns the registry that the image goes to.
    pub fn registry(&self) -> Registry {
        let Self { image, env, .. } = self;
        let of_env = env.as_ref().map(|Env::Docker(env)| env.registry.clone());
        image.registry.clone().or(of_env).unwrap_or_default()
    }

    /// Returns the image's reference: MLEM's `uri`.
    ///
    /// # Errors
    /// When a part of the name has a form that registries refuse.
    pub fn reference(&self) -> Result<Reference, ImageNameError> {
        let DockerImage { name, tag, repository, .. } = &self.image;
        let path = match repository {
            Some(repository) => format!("{repository}/{name}"),
            None => name.clone(),
        };
        let text = match self.registry() {
            Registry::Local(_) | Registry::DockerIo(_) => format!("{path}:{tag}"),
            Registry::Remote(RemoteRegistry { host: Some(host) }) => format!("{host}/{path}:{tag}"),
            Registry::Remote(RemoteRegistry { host: None }) => return Err(ImageNameError::NoHost),
        };
        text.parse().map_err(ImageNameError::Name)
    }
}

impl From<&Reference> for DockerImage {
    fn from(reference: &Reference) -> Self {
        let registry = match reference.host() {
            None => None,
            Some("docker.io") => Some(Registry::DockerIo(DockerIoRegistry {})),
            Some(host) => Some(Registry::Remote(RemoteRegistry { host: Some(host.to_owned()) })),
        };
        Self {
            name: reference.path().to_owned(),
            tag: reference.tag().map_or_else(latest, str::to_owned),
            repository: None,
            registry,
            image_id: None,
        }
    }
}

/// Reads an image in either form.
fn image<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DockerImage, D::Error> {
    struct Image;
    impl<'de> de::Visitor<'de> for Image {
        type Value = DockerImage;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an image: a mapping with `name`, or text such as `ml/iris:1`")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<DockerImage, E> {
            let reference: Reference = text.parse().map_err(E::custom)?;
            if text.contains('@') {
                return Err(E::custom("an image that is to be built cannot have a digest yet"));
            }
            Ok(DockerImage::from(&reference))
        }

        fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<DockerImage, A::Error> {
            DockerImage::deserialize(MapAccessDeserializer::new(map))
        }
    }
    deserializer.deserialize_any(Image)
}
