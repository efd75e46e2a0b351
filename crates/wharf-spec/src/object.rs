//! MLEM's own files: `object_type` and `type` say which class reads the rest, wherever in the file they stand.

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeSeed as _, IgnoredAny},
};

use crate::{
    builder::{Builder, DockerBuilder, DockerDirBuilder},
    tagged::Tag,
    yaml::{self, YamlError},
};

/// A key that was looked at before: MLEM sorts its keys, so that `type` comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub(crate) struct AlreadyRead;

impl<'de> Deserialize<'de> for AlreadyRead {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

/// The two keys that decide; all others are for the second reading.
#[derive(Deserialize)]
struct BuilderHeader {
    #[serde(default, rename = "object_type")]
    _object_type: Option<ObjectType>,
    #[serde(rename = "type")]
    tag: BuilderType,
}

struct ObjectType;

impl<'de> Deserialize<'de> for ObjectType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const READER: Tag = Tag {
            noun: "the object of a builder's file",
            tags: &["builder"],
            foreign: &["model", "data", "link", "deployment", "env"],
        };
        READER.deserialize(deserializer).map(|_| Self)
    }
}

struct BuilderType(&'static str);

impl<'de> Deserialize<'de> for BuilderType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Builder::tag_reader().deserialize(deserializer).map(Self)
    }
}

/// Reads the declaration of a builder, as MLEM wrote it or by hand.
///
/// # Errors
/// The first mistake, with its place.
pub fn read_builder(file: &str, text: &str) -> Result<Builder, YamlError> {
    let header: BuilderHeader = yaml::read(file, text)?;
    match header.tag.0 {
        "docker" => yaml::read::<DockerBuilder>(file, text).map(Builder::Docker),
        "docker_dir" => yaml::read::<DockerDirBuilder>(file, text).map(Builder::DockerDir),
        _ => unreachable!("the reader gives one of the tags"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Report;

    fn docker(text: &str) -> DockerBuilder {
        match read_builder("b.yaml", text) {
            Ok(Builder::Docker(builder)) => builder,
            other => panic!("{other:?}"),
        }
    }

    fn refused(text: &str) -> String {
        Report(&read_builder("b.yaml", text).unwrap_err()).to_string()
    }

    #[test]
    fn a_file_of_mlem_is_read_with_its_type_at_the_end() {
        let builder = docker(
            "args:\n  python_version: 3.10\nimage:\n  name: iris\nobject_type: builder\npush: false\n\
             server:\n  type: fastapi\ntype: docker\n",
        );
        let version = builder.args.python_version.as_ref().unwrap();
        assert_eq!(version.as_str(), "3.10", "a version is text");
        assert_eq!(builder.reference().unwrap().to_string(), "iris:latest");
        assert!(!builder.push);
        assert!(!builder.force_overwrite);
    }

    #[test]
    fn every_spelling_of_an_image_gives_its_reference() {
        let reference = |image: &str| {
            let text = format!("type: docker\nimage: {image}\n");
            docker(&text).reference().unwrap().to_string()
        };
        assert_eq!(reference("iris"), "iris:latest");
        assert_eq!(reference("localhost:5000/ml/iris:1"), "localhost:5000/ml/iris:1");
        assert_eq!(reference("{name: iris, tag: 1.10, repository: ml}"), "ml/iris:1.10");
        assert_eq!(reference("{name: iris, registry: docker_io}"), "iris:latest");
        assert_eq!(
            reference("{name: iris, registry: {host: 'reg:5000', type: remote}}"),
            "reg:5000/iris:latest"
        );
    }

    #[test]
    fn the_registry_of_env_is_for_images_without_one() {
        let text = "type: docker\nimage: {name: iris}\n\
                    env: {type: docker, registry: {type: remote, host: 'reg:5000'}}\n";
        assert_eq!(docker(text).reference().unwrap().to_string(), "reg:5000/iris:latest");
    }

    #[test]
    fn run_cmd_may_be_null_and_what_it_was_before() {
        let run = |value: &str| {
            docker(&format!("type: docker\nimage: iris\nargs: {{run_cmd: {value}}}\n")).args.run_cmd
        };
        assert_eq!(run("null"), None);
        assert_eq!(run("false"), None);
        assert_eq!(run("true").as_deref(), Some("sh run.sh"));
        assert_eq!(run("python serve.py").as_deref(), Some("python serve.py"));
    }

    #[test]
    fn an_unknown_key_is_shown_with_the_nearest_name() {
        let text = "image:\n  name: iris\nargs:\n  platfrom: linux/amd64\ntype: docker\n";
        insta::assert_snapshot!(refused(text), @r"
error[W0104]: unknown key `platfrom`
  --> b.yaml:4:3
  |
4 |   platfrom: linux/amd64
  |   ^

hint: did you mean `platform`?
");
    }

    #[test]
    fn types_that_wharf_lacks_and_keys_that_are_missing_are_named() {
        let texts = [
            "type: whl\ntarget: x\n",
            "type: docker\nimage: {name: x, registry: {type: ecr}}\n",
            "object_type: deployment\ntype: docker\nimage: x\n",
            "type: dokcer\nimage: x\n",
            "type: docker_dir\n",
            "image: x\n",
        ];
        insta::assert_snapshot!(texts.map(sentence).join("\n"), @r"
MLEM's `whl` is not supported as the type of a builder; there is `docker` or `docker_dir`
MLEM's `ecr` is not supported as the type of a registry; there is `local`, `docker_io` or `remote`
MLEM's `deployment` is not supported as the type of the object of a builder's file; there is `builder`
`dokcer` is not a builder (did you mean `docker`?); there is `docker` or `docker_dir`
missing field `target`
missing field `type`
");
    }

    fn sentence(text: &str) -> String {
        read_builder("b.yaml", text).unwrap_err().to_string()
    }
}
