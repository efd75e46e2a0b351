//! An image upon another one: its layers come first, and what its config says stays where nothing else is said.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Image, ImageLayer, Making, RunConfig};
use crate::{
    descriptor::{LAYER, LAYER_GZIP},
    error::{OciError, Result},
};

/// What its layers are called in Docker's manifests, and in OCI's.
const LAYER_TYPES: [(&str, &str); 2] = [
    ("application/vnd.docker.image.rootfs.diff.tar", LAYER),
    ("application/vnd.docker.image.rootfs.diff.tar.gzip", LAYER_GZIP),
];

/// The image that another one is made upon.
#[derive(Debug, Clone)]
pub struct Base {
    pub image: Image,
    /// What people call it; the new image's manifest says so (`org.opencontainers.image.base.name`, `….digest`).
    pub name: Option<String>,
}

impl Image {
    /// Returns an image of a base's layers and more, with the base's config changed: variables, ports and labels are
    /// added, the rest is replaced where it is given. A new entrypoint does away with the base's command. Architecture
    /// and all that wharf does not know stay as the base has them.
    ///
    /// # Errors
    /// When the base's config is none.
    pub fn on(base: &Base, making: Making<'_>) -> Result<Self> {
        let mut config: Map<String, Value> =
            serde_json::from_slice(&base.image.config).map_err(|error| OciError::Foreign {
                what: "config of the base".to_owned(),
                why: error.to_string(),
            })?;
        let Making { layers, run, created, mut annotations, .. } = making;
        config.insert("created".to_owned(), created.into());
        change(object(&mut config, "config"), run);
        let ids = list(object(&mut config, "rootfs"), "diff_ids");
        ids.extend(layers.iter().map(|layer| layer.diff_id.to_string().into()));
        let history = list(&mut config, "history");
        history.extend(
            layers.iter().map(|layer| json!({"created": created, "created_by": layer.title})),
        );
        let config = serde_json::to_vec(&config).expect("a config is plain data");
        let own = base.image.layers.iter().cloned().map(in_words_of_oci);
        annotations.extend(of_base(base));
        Ok(Self::with_config(config, own.chain(layers).collect(), annotations))
    }
}

/// Returns what a manifest says of the image's base.
fn of_base(base: &Base) -> BTreeMap<String, String> {
    let Some(name) = &base.name else { return BTreeMap::new() };
    let digest = base.image.manifest.descriptor().digest.to_string();
    BTreeMap::from([
        ("org.opencontainers.image.base.digest".to_owned(), digest),
        ("org.opencontainers.image.base.name".to_owned(), name.clone()),
    ])
}

/// A manifest of OCI names layers in OCI's words; their bytes are the same.
fn in_words_of_oci(mut layer: ImageLayer) -> ImageLayer {
    let media_type = &mut layer.descriptor.media_type;
    if let Some((_, oci)) = LAYER_TYPES.iter().find(|(docker, _)| docker == media_type) {
        (*oci).clone_into(media_type);
    }
    layer
}

fn change(config: &mut Map<String, Value>, run: &RunConfig) {
    let RunConfig { user, exposed_ports, env, entrypoint, cmd, working_dir, labels, healthcheck } =
        run;
    for (key, value) in [("User", user), ("WorkingDir", working_dir)] {
        if !value.is_empty() {
            config.insert(key.to_owned(), value.as_str().into());
        }
    }
    let ports = exposed_ports.keys().map(|port| (port.clone(), json!({})));
    add(config, "ExposedPorts", ports);
    add(config, "Labels", labels.iter().map(|(key, value)| (key.clone(), value.as_str().into())));
    if !env.is_empty() {
        set_variables(list(config, "Env"), env);
    }
    if !entrypoint.is_empty() {
        config.insert("Entrypoint".to_owned(), json!(entrypoint));
        config.remove("Cmd");
    }
    if !cmd.is_empty() {
        config.insert("Cmd".to_owned(), json!(cmd));
    }
    if let Some(healthcheck) = healthcheck {
        config.insert("Healthcheck".to_owned(), json!(healthcheck));
    }
}

fn add(
    config: &mut Map<String, Value>,
    key: &str,
    values: impl ExactSizeIterator<Item = (String, Value)>,
) {
    if values.len() > 0 {
        object(config, key).extend(values);
    }
}

/// Sets variables, in the place of those of the same name.
fn set_variables(env: &mut Vec<Value>, variables: &[String]) {
    for variable in variables {
        let name = variable.split('=').next();
        let same = |old: &Value| old.as_str().is_some_and(|old| old.split('=').next() == name);
        match env.iter_mut().find(|old| same(old)) {
            Some(old) => *old = variable.as_str().into(),
            None => env.push(variable.as_str().into()),
        }
    }
}

/// Returns the object under a key, an empty one where something else is: configs have `null` there.
fn object<'a>(parent: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    let value = parent.entry(key).or_insert(Value::Null);
    if !value.is_object() {
        *value = json!({});
    }
    value.as_object_mut().expect("it is one now")
}

/// As [`object`], for a list.
fn list<'a>(parent: &'a mut Map<String, Value>, key: &str) -> &'a mut Vec<Value> {
    let value = parent.entry(key).or_insert(Value::Null);
    if !value.is_array() {
        *value = json!([]);
    }
    value.as_array_mut().expect("it is one now")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        blob::OnlyInEngine,
        descriptor::{Descriptor, digest_of},
        image::{CREATED, created},
    };

    fn layer(title: &str, media_type: &str) -> ImageLayer {
        let diff_id = digest_of(title.as_bytes());
        ImageLayer {
            descriptor: Descriptor { media_type: media_type.to_owned(), digest: diff_id, size: 1 },
            diff_id,
            content: Arc::new(OnlyInEngine { diff_id }),
            mount_from: None,
            title: title.to_owned(),
        }
    }

    fn base(config: &Value) -> Base {
        let layers = vec![layer("debian", "application/vnd.docker.image.rootfs.diff.tar.gzip")];
        let image = Image::with_config(config.to_string().into(), layers, BTreeMap::new());
        Base { image, name: Some("python:3.11-slim".to_owned()) }
    }

    fn on(base: &Base, run: &RunConfig) -> Value {
        let making = Making {
            layers: vec![layer("model", LAYER)],
            run,
            architecture: "amd64",
            created: CREATED,
            annotations: BTreeMap::new(),
        };
        serde_json::from_slice(&Image::on(base, making).unwrap().config).unwrap()
    }

    #[test]
    fn what_is_not_said_stays_as_the_base_has_it() {
        let base = base(&json!({
            "architecture": "arm64",
            "os": "linux",
            "x-unknown": {"deep": [1]},
            "config": {"Env": ["PATH=/bin", "A=1"], "Entrypoint": null, "Cmd": ["python3"],
                       "Labels": {"of": "base"}, "ArgsEscaped": true},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(b"debian").to_string()]},
            "history": [{"created_by": "debian"}, {"created_by": "ENV", "empty_layer": true}],
        }));
        let run = RunConfig {
            env: vec!["A=2".to_owned(), "B=3".to_owned()],
            labels: BTreeMap::from([("of".to_owned(), "ours".to_owned())]),
            ..RunConfig::default()
        };
        insta::assert_snapshot!(on(&base, &run), @r#"{"architecture":"arm64","os":"linux","x-unknown":{"deep":[1]},"config":{"Env":["PATH=/bin","A=2","B=3"],"Entrypoint":null,"Cmd":["python3"],"Labels":{"of":"ours"},"ArgsEscaped":true},"rootfs":{"type":"layers","diff_ids":["sha256:81d93757457f988523814ae0009837ae893f38d3fe123f2c37896f118b4c7804","sha256:9372c470eeadd5ecd9c3c74c2b3cb633f8e2f2fad799250a0f70d652b6b825e4"]},"history":[{"created_by":"debian"},{"created_by":"ENV","empty_layer":true},{"created":"1980-01-01T00:00:00Z","created_by":"model"}],"created":"1980-01-01T00:00:00Z"}"#);
    }

    #[test]
    fn a_new_entrypoint_does_away_with_the_command_of_the_base() {
        let base = base(&json!({"config": {"Entrypoint": ["a"], "Cmd": ["b"]}}));
        let run = RunConfig { entrypoint: vec!["serve".to_owned()], ..RunConfig::default() };
        assert_eq!(on(&base, &run)["config"], json!({"Entrypoint": ["serve"]}));
    }

    #[test]
    fn the_manifest_names_the_base_and_its_layers_in_words_of_oci() {
        let base = base(&json!({}));
        let making = Making {
            layers: vec![layer("model", LAYER)],
            run: &RunConfig::default(),
            architecture: "amd64",
            created: CREATED,
            annotations: BTreeMap::from([("io.wharf.version".to_owned(), "1".to_owned())]),
        };
        let image = Image::on(&base, making).unwrap();
        let manifest: Value = serde_json::from_slice(&image.manifest.bytes).unwrap();
        assert_eq!(manifest["layers"][0]["mediaType"], LAYER_GZIP);
        assert_eq!(manifest["layers"][1]["mediaType"], LAYER);
        let annotations = &manifest["annotations"];
        assert_eq!(annotations["org.opencontainers.image.base.name"], "python:3.11-slim");
        let digest = base.image.manifest.descriptor().digest.to_string();
        assert_eq!(annotations["org.opencontainers.image.base.digest"], digest.as_str());
        assert_eq!(annotations["io.wharf.version"], "1");
    }

    #[test]
    fn the_time_of_an_epoch_is_written_as_configs_have_it() {
        assert_eq!(created(315_532_800).as_deref(), Some(CREATED));
        assert_eq!(created(u64::MAX), None);
    }
}
