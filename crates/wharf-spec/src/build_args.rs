//! What a declaration says about how an image is made: MLEM's `DockerBuildArgs`, field by field.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de};

use crate::{platform::Platform, version::PythonVersion};

/// What MLEM runs in a container, unless told otherwise.
pub const RUN_CMD: &str = "sh run.sh";

/// What MLEM puts before the names of system packages.
pub const PACKAGE_INSTALL_CMD: &str =
    "apt-get update && apt-get -y upgrade && apt-get install --no-install-recommends -y";

/// What MLEM puts after the names of system packages.
pub const PACKAGE_CLEAN_CMD: &str = "&& apt-get clean && rm -rf /var/lib/apt/lists/*";

/// How an image is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DockerBuildArgs {
    /// The Python of models that run Python. Default: the one the model names, else that of this machine.
    #[serde(default)]
    pub python_version: Option<PythonVersion>,
    /// What the container runs, through a shell; `null`: nothing, so what the base image runs.
    #[serde(default = "run_cmd", deserialize_with = "command")]
    pub run_cmd: Option<String>,
    /// Comes before the names of system packages.
    #[serde(default = "package_install_cmd")]
    pub package_install_cmd: String,
    /// Comes after the names of system packages.
    #[serde(default = "package_clean_cmd")]
    pub package_clean_cmd: String,
    /// The path of a wheel to install before the requirements, or of a server program to put into the image in
    /// place of wharf's own.
    #[serde(default)]
    pub mlem_whl: Option<String>,
    /// What the image runs on. Default: what this machine is.
    #[serde(default)]
    pub platform: Option<Platform>,
    /// The base image of models that run Python. Default: `python:<python_version>-slim`.
    #[serde(default)]
    pub base_image: Option<String>,
    /// Folders with templates for parts of the Dockerfile; the first that has one counts.
    #[serde(default)]
    pub templates_dir: Vec<String>,
    /// A command to run before the build; refused.
    #[serde(default)]
    pub prebuild_hook: Option<String>,
    /// Arguments of the build: `NAME=value`, or `NAME` for the value of the caller's environment.
    #[serde(default)]
    pub build_arg: Vec<Variable>,
    /// Variables of the container: `NAME=value`, or `NAME` for the value of the caller's environment.
    #[serde(default)]
    pub set_env: Vec<Variable>,
}

impl Default for DockerBuildArgs {
    fn default() -> Self {
        Self {
            python_version: None,
            run_cmd: run_cmd(),
            package_install_cmd: package_install_cmd(),
            package_clean_cmd: package_clean_cmd(),
            mlem_whl: None,
            platform: None,
            base_image: None,
            templates_dir: Vec::new(),
            prebuild_hook: None,
            build_arg: Vec::new(),
            set_env: Vec::new(),
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the field may be null")]
fn run_cmd() -> Option<String> {
    Some(RUN_CMD.to_owned())
}

fn package_install_cmd() -> String {
    PACKAGE_INSTALL_CMD.to_owned()
}

fn package_clean_cmd() -> String {
    PACKAGE_CLEAN_CMD.to_owned()
}

/// Reads a command, or what MLEM took before 0.3: `true` for the default and `false` for none.
fn command<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    struct Command;
    impl<'de> de::Visitor<'de> for Command {
        type Value = Option<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a command, or null")
        }

        fn visit_bool<E: de::Error>(self, is_default: bool) -> Result<Self::Value, E> {
            Ok(is_default.then(|| RUN_CMD.to_owned()))
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(Some(text.to_owned()))
        }

        fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
    }
    deserializer.deserialize_any(Command)
}

/// A variable, with its value or without.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Variable {
    name: String,
    value: Option<String>,
}

/// Why a text is no variable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a variable: {why}")]
pub struct ParseVariableError {
    text: String,
    why: &'static str,
}

/// A variable without a value, that the caller's environment does not have either.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the variable `{name}` has no value, and the environment has none for it")]
pub struct UnsetVariableError {
    pub name: String,
}

impl Variable {
    /// Returns its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns its value: the given one, else that of the environment.
    ///
    /// # Errors
    /// When there is neither.
    pub fn value(
        &self,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<String, UnsetVariableError> {
        let value = self.value.clone().or_else(|| environment(&self.name));
        value.ok_or_else(|| UnsetVariableError { name: self.name.clone() })
    }
}

impl FromStr for Variable {
    type Err = ParseVariableError;

    fn from_str(text: &str) -> Result<Self, ParseVariableError> {
        let fail = |why| Err(ParseVariableError { text: text.to_owned(), why });
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        let byte = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if name.is_empty()
            || !name.bytes().all(byte)
            || name.starts_with(|c: char| c.is_ascii_digit())
        {
            return fail("write `NAME=value` or `NAME`, with letters, digits and `_` in the name");
        }
        // A line of a Dockerfile cannot hold them.
        if value.is_some_and(|value| value.contains(['\n', '\r', '\0'])) {
            return fail("a value is one line");
        }
        Ok(Self { name: name.to_owned(), value: value.map(str::to_owned) })
    }
}

impl TryFrom<String> for Variable {
    type Error = ParseVariableError;

    fn try_from(text: String) -> Result<Self, ParseVariableError> {
        text.parse()
    }
}

impl From<Variable> for String {
    fn from(variable: Variable) -> Self {
        match variable.value {
            Some(value) => format!("{}={value}", variable.name),
            None => variable.name,
        }
    }
}

impl JsonSchema for Variable {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Variable".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*(=.*)?$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_given_value_wins_over_the_environment() {
        let environment = |name: &str| (name == "A").then(|| "of the environment".to_owned());
        let value = |text: &str| text.parse::<Variable>().unwrap().value(environment);
        assert_eq!(value("A=given").unwrap(), "given");
        assert_eq!(value("A").unwrap(), "of the environment");
        assert_eq!(value("A=").unwrap(), "");
        assert_eq!(value("B").unwrap_err().name, "B");
    }

    #[test]
    fn a_variable_cannot_break_out_of_its_line() {
        for text in ["", "=x", "1A=x", "A B=x", "A=x\nRUN id", "A\n"] {
            assert!(text.parse::<Variable>().is_err(), "{text:?} passed");
        }
    }
}
