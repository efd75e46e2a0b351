//! How an image is made: what flags and declarations choose, checked against the model before anything is made.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use wharf_oci::image::CREATED;
use wharf_spec::{
    build_args::{DockerBuildArgs, PACKAGE_CLEAN_CMD, PACKAGE_INSTALL_CMD, RUN_CMD, Variable},
    codes,
    model::RuntimeKind,
    platform::Platform,
};

use super::{
    output::Output,
    way::{Builder, Pull, Way},
};
use crate::{
    context::Helpers,
    error::{Error, Result},
    images::source::Source,
};

/// Build arguments whose variables all have their values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recipe {
    pub(super) args: DockerBuildArgs,
    pub(super) build_args: Vec<(String, String)>,
    pub(super) env: Vec<(String, String)>,
    pub(super) way: Way,
    /// When the image was made, where it is to say so.
    pub(super) created: Option<String>,
}

impl Recipe {
    /// Takes arguments, with the variables of the caller's environment for those without a value.
    ///
    /// # Errors
    /// `NO_VALUE` for a variable without any, `UNSUPPORTED_FIELD` for what wharf cannot do.
    pub fn new(
        args: DockerBuildArgs,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        if args.prebuild_hook.is_some() {
            let action = "`prebuild_hook` cannot be honoured: a declaration runs no command on the machine that builds";
            return Err(Error::new(codes::UNSUPPORTED_FIELD, action)
                .hint("run the command yourself before `wharf build`, and leave the field out"));
        }
        let commands = [
            ("run_cmd", args.run_cmd.as_deref()),
            ("package_install_cmd", Some(args.package_install_cmd.as_str())),
            ("package_clean_cmd", Some(args.package_clean_cmd.as_str())),
        ];
        for (name, command) in commands {
            let is_broken = command.is_some_and(|text| text.contains(['\n', '\r']));
            refuse(name, is_broken, "a line of a Dockerfile cannot hold a command of two lines")?;
        }
        let values = |variables: &[Variable]| {
            let value = |variable: &Variable| {
                let value = variable.value(&environment).map_err(|error| {
                    Error::new(codes::NO_VALUE, error.to_string())
                        .hint(format!("give it one: `{}=VALUE`", error.name))
                })?;
                refuse(variable.name(), value.contains(['\n', '\r']), "its value has two lines")?;
                Ok((variable.name().to_owned(), value))
            };
            variables.iter().map(value).collect::<Result<Vec<_>>>()
        };
        let build_args = values(&args.build_arg)?;
        let env = values(&args.set_env)?;
        Ok(Self { args, build_args, env, ..Self::default() })
    }

    /// Returns a recipe that chooses a base image alone.
    pub(super) fn with_base(base: Option<String>) -> Self {
        let args = DockerBuildArgs { base_image: base, ..DockerBuildArgs::default() };
        Self { args, ..Self::default() }
    }

    /// Returns the recipe for a build that goes about it this way.
    #[must_use]
    pub fn by(self, way: Way) -> Self {
        Self { way, ..self }
    }

    /// Returns the recipe for an image that says it was made then. Only images that wharf assembles itself say so.
    #[must_use]
    pub fn created_at(self, created: Option<String>) -> Self {
        Self { created, ..self }
    }

    /// Says whether the engine builds the folder that `--to context:PATH` would write: where it is asked for, and
    /// where only a Dockerfile can honour a field.
    pub(super) fn is_by_dockerfile(&self, runtime: RuntimeKind) -> bool {
        if runtime.is_native() {
            self.way.builder.is_engine()
        } else {
            self.of_dockerfiles().iter().any(|(_, is_given)| *is_given)
        }
    }

    /// Refuses by name what has no effect on the model, or cannot be done for an output.
    pub(super) fn check(&self, runtime: RuntimeKind, outputs: &[Output]) -> Result<()> {
        if runtime.is_native() {
            self.check_native()?;
        }
        let archive = outputs.iter().find(|output| output.is_assembled());
        if let Some(archive) = archive.filter(|_| self.way.builder.is_engine()) {
            let builder = self.way.builder;
            let action = format!("`--to {archive}` is not made by `--builder {builder}`");
            return Err(Error::new(codes::UNSUPPORTED_FIELD, action)
                .hint("leave `--builder` out: wharf makes it itself"));
        }
        let is_context = |output: &Output| matches!(output, Output::Context(_));
        match () {
            () if runtime.is_native() => Ok(()),
            () if !outputs.is_empty() && outputs.iter().all(is_context) => self.check_context(),
            () if self.is_assembled(runtime, outputs) => self.check_assembled(outputs),
            () if outputs.contains(&Output::Engine) => self.check_platform(),
            () => Ok(()),
        }
    }

    /// Says whether wharf assembles the image itself: where it is asked for, where an output is made by nobody else, and
    /// upon a base that no engine knows.
    pub(super) fn is_assembled(&self, runtime: RuntimeKind, outputs: &[Output]) -> bool {
        if runtime.is_native() {
            return !self.way.builder.is_engine();
        }
        self.way.builder == Builder::Native
            || self.base_is_path()
            || outputs.iter().any(Output::is_assembled)
    }

    fn base_is_path(&self) -> bool {
        self.args.base_image.as_deref().is_some_and(Source::is_path)
    }

    fn check_context(&self) -> Result<()> {
        refuse("base", self.base_is_path(), "`docker build` begins with images, not with files")
    }

    fn check_assembled(&self, outputs: &[Output]) -> Result<()> {
        if outputs.iter().any(|output| matches!(output, Output::Context(_))) {
            self.check_context()?;
        }
        for (name, is_given) in self.of_dockerfiles() {
            refuse(name, is_given, "wharf assembles this image itself, and runs nothing for it")?;
        }
        if self.way.pull == Pull::Always {
            let action = "`--pull always` has no effect: the registry is asked for the base of this image each time";
            return Err(Error::new(codes::UNSUPPORTED_FIELD, action).hint("leave `--pull` out"));
        }
        if outputs.contains(&Output::Engine) { self.check_platform() } else { Ok(()) }
    }

    fn check_native(&self) -> Result<()> {
        if let Some(base) = self.args.base_image.as_deref().filter(|base| *base != "scratch") {
            let action = format!("the base image `{base}` has no effect: this model needs none");
            return Err(Error::new(codes::UNSUPPORTED_FIELD, action)
                .hint("leave out `--base`, or `base_image` of the declaration"));
        }
        if self.way.pull != Pull::Missing {
            let action = "`--pull` has no effect: this model needs no base image";
            return Err(Error::new(codes::UNSUPPORTED_FIELD, action).hint("leave `--pull` out"));
        }
        let python = ("python_version", self.args.python_version.is_some());
        let fields = self.of_dockerfiles().into_iter().chain([python]);
        for (name, is_given) in fields {
            refuse(name, is_given, "it has no effect: this model runs without Python and a shell")?;
        }
        Ok(())
    }

    fn check_platform(&self) -> Result<()> {
        match self.args.platform {
            Some(platform) if Some(platform) != Platform::of_this_machine() => {
                let action =
                    format!("the platform {platform} is not what this machine's engine runs");
                Err(Error::new(codes::UNSUPPORTED_FIELD, action).hint("use `--to context:PATH`"))
            }
            _ => Ok(()),
        }
    }

    /// Returns the fields that only a Dockerfile with a shell can honour, and whether they differ from their defaults.
    fn of_dockerfiles(&self) -> [(&'static str, bool); 6] {
        [
            ("templates_dir", !self.args.templates_dir.is_empty()),
            ("mlem_whl", self.wheel().is_some()),
            ("run_cmd", self.args.run_cmd.as_deref() != Some(RUN_CMD)),
            ("package_install_cmd", self.args.package_install_cmd != PACKAGE_INSTALL_CMD),
            ("package_clean_cmd", self.args.package_clean_cmd != PACKAGE_CLEAN_CMD),
            ("build_arg", !self.build_args.is_empty()),
        ]
    }

    /// Returns the folders of templates, in the order in which they are searched.
    pub(super) fn templates(&self) -> Vec<PathBuf> {
        self.args.templates_dir.iter().map(PathBuf::from).collect()
    }

    /// Returns what `mlem_whl` names when it is a wheel.
    pub(super) fn wheel(&self) -> Option<&Path> {
        let named = self.args.mlem_whl.as_deref().map(Path::new);
        named.filter(|path| path.extension().is_some_and(|end| end == "whl"))
    }

    /// Returns the server program to put in; it must run on the platform.
    pub(super) fn program(&self, helpers: &Helpers, runtime: RuntimeKind) -> Result<PathBuf> {
        let program = match &self.args.mlem_whl {
            Some(path) if self.wheel().is_none() => PathBuf::from(path),
            _ => helpers.program(runtime)?,
        };
        let runs_on = platform_of(&program)?.or(Platform::of_this_machine());
        match self.args.platform {
            Some(wanted) if runs_on != Some(wanted) => {
                let runs_on =
                    runs_on.map_or_else(|| "another platform".to_owned(), |it| it.to_string());
                let action = format!(
                    "the image is to be for {wanted}, and the server program `{}` is for {runs_on}",
                    program.display()
                );
                Err(Error::new(codes::UNSUPPORTED_FIELD, action).hint(format!(
                    "name one for it: `--set args.mlem_whl=PATH` (a `{}` for {wanted})",
                    runtime.program()
                )))
            }
            _ => Ok(program),
        }
    }

    /// Returns the architecture of the image.
    pub(super) fn architecture(&self) -> &'static str {
        self.args.platform.map_or_else(super::native::architecture, Platform::architecture)
    }

    /// Returns when the image says that it was made.
    pub(super) fn created(&self) -> &str {
        self.created.as_deref().unwrap_or(CREATED)
    }

    /// Returns what of the recipe makes an image another one, as one text.
    pub(super) fn key(&self) -> String {
        serde_json::to_string(&(&self.env, &self.args.platform)).expect("plain data")
    }
}

fn refuse(name: &str, is_given: bool, why: &str) -> Result<()> {
    if is_given {
        let action = format!("`{name}` cannot be honoured: {why}");
        return Err(Error::new(codes::UNSUPPORTED_FIELD, action)
            .hint(format!("leave `{name}` out of the declaration, or set it to its default")));
    }
    Ok(())
}

/// Returns the platform that a program runs on, as its ELF header says (`e_machine` of System V's ABI).
fn platform_of(program: &std::path::Path) -> Result<Option<Platform>> {
    let mut head = Vec::with_capacity(20);
    File::open(program)
        .and_then(|file| file.take(20).read_to_end(&mut head))
        .map_err(|source| Error::file("read", program, source))?;
    Ok(match head.as_slice() {
        [0x7f, b'E', b'L', b'F', .., 62, 0] => Some(Platform::LinuxAmd64),
        [0x7f, b'E', b'L', b'F', .., 183, 0] => Some(Platform::LinuxArm64),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said<T: std::fmt::Debug>(result: Result<T>) -> String {
        result.unwrap_err().to_string()
    }

    fn recipe(args: DockerBuildArgs) -> Recipe {
        Recipe::new(args, |_| None).unwrap()
    }

    #[test]
    fn what_has_no_effect_is_refused_by_name() {
        let other = DockerBuildArgs { run_cmd: None, ..DockerBuildArgs::default() };
        let native = said(recipe(other.clone()).check(RuntimeKind::Trees, &[Output::Engine]));
        assert!(native.starts_with("`run_cmd` cannot be honoured"), "{native}");
        recipe(other).check(RuntimeKind::Python, &[Output::Context("x".into())]).unwrap();
        let pulling = Way { pull: Pull::Always, ..Way::default() };
        let native = said(Recipe::default().by(pulling).check(RuntimeKind::Trees, &[]));
        assert!(native.starts_with("`--pull` has no effect"), "{native}");
        let archive = [Output::OciDir("x".into())];
        Recipe::default().check(RuntimeKind::Python, &archive).unwrap();
        let other = DockerBuildArgs { run_cmd: None, ..DockerBuildArgs::default() };
        let assembled = said(recipe(other).check(RuntimeKind::Python, &archive));
        assert!(assembled.ends_with("wharf assembles this image itself, and runs nothing for it"));
    }

    #[test]
    fn a_dockerfile_is_used_where_only_it_can_honour_a_field() {
        let by = |builder| Way { builder, ..Way::default() };
        let plain = Recipe::default();
        assert!(!plain.is_by_dockerfile(RuntimeKind::Trees));
        assert!(!plain.is_by_dockerfile(RuntimeKind::Python));
        assert!(plain.clone().by(by(Builder::Docker)).is_by_dockerfile(RuntimeKind::Trees));
        let other = DockerBuildArgs { run_cmd: None, ..DockerBuildArgs::default() };
        assert!(recipe(other).is_by_dockerfile(RuntimeKind::Python));
        let native = plain.clone().by(by(Builder::Native));
        native.check(RuntimeKind::Trees, &[Output::Engine]).unwrap();
        native.check(RuntimeKind::Python, &[Output::Context("x".into())]).unwrap();
        native.check(RuntimeKind::Python, &[Output::Engine]).unwrap();
        let archive = said(
            plain.by(by(Builder::Podman)).check(RuntimeKind::Trees, &[Output::OciDir("x".into())]),
        );
        assert_eq!(archive, "`--to oci-dir:x` is not made by `--builder podman`");
    }

    #[test]
    fn a_command_stays_in_its_line() {
        let args = DockerBuildArgs {
            run_cmd: Some("sh run.sh\nUSER root".to_owned()),
            ..DockerBuildArgs::default()
        };
        assert!(said(Recipe::new(args, |_| None)).starts_with("`run_cmd` cannot be honoured"));
        let args = DockerBuildArgs {
            set_env: vec!["TOKEN".parse().unwrap()],
            ..DockerBuildArgs::default()
        };
        let lines = Recipe::new(args, |_| Some("a\nUSER root".to_owned()));
        assert!(said(lines).starts_with("`TOKEN` cannot be honoured"));
    }

    #[test]
    fn a_program_of_another_platform_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server");
        let mut arm = vec![0; 20];
        arm[..4].copy_from_slice(b"\x7fELF");
        arm[18] = 183;
        std::fs::write(&path, arm).unwrap();
        let cache = std::sync::Arc::new(crate::cache::FileCache::off());
        let helpers = Helpers { folder: folder.path().to_owned(), cache };
        let of = |platform: &str| {
            recipe(DockerBuildArgs {
                mlem_whl: Some(path.display().to_string()),
                platform: Some(platform.parse().unwrap()),
                ..DockerBuildArgs::default()
            })
        };
        assert_eq!(of("linux/arm64").program(&helpers, RuntimeKind::Trees).unwrap(), path);
        let refused = said(of("linux/amd64").program(&helpers, RuntimeKind::Trees));
        assert!(refused.ends_with("is for linux/arm64"), "{refused}");
    }
}
