//! Dockerfiles as text. Whatever a model or a person says is quoted, or was checked before.

use std::fmt::Write as _;

use wharf_spec::{
    build_args::{DockerBuildArgs, RUN_CMD},
    platform::Platform,
};

use super::{BUNDLE_PATH, SERVER_PATH, SERVER_PORT, USER};

/// What a Dockerfile says besides what all of ours do.
#[derive(Debug, Default)]
pub(super) struct Dockerfile<'a> {
    pub(super) from: &'a str,
    pub(super) platform: Option<Platform>,
    /// `None`: what is to be installed is in the base already.
    pub(super) install: Option<Install<'a>>,
    pub(super) env: &'a [(String, String)],
    pub(super) labels: &'a [(String, String)],
    pub(super) start: Start<'a>,
}

/// What the container runs.
#[derive(Debug, Default)]
pub(super) enum Start<'a> {
    /// The server itself, with arguments of the caller's.
    #[default]
    Server,
    /// A command through a shell; `None`: what the base image runs.
    Command(Option<&'a str>),
}

/// The steps that install what a model needs.
#[derive(Debug)]
pub(super) struct Install<'a> {
    pub(super) args: &'a DockerBuildArgs,
    pub(super) build_args: &'a [(String, String)],
    pub(super) packages: &'a [String],
    pub(super) has_requirements: bool,
}

impl Dockerfile<'_> {
    /// Returns the text.
    pub(super) fn render(&self) -> String {
        let mut text = self.lines().join("\n");
        text.push('\n');
        text
    }

    fn lines(&self) -> Vec<String> {
        let platform = self.platform.map(|platform| format!("--platform={platform} "));
        let mut lines = vec![format!("FROM {}{}", platform.unwrap_or_default(), self.from)];
        match &self.install {
            Some(install) => {
                lines.push("WORKDIR /app".to_owned());
                lines.extend(install.lines());
            }
            None => lines.push("WORKDIR /".to_owned()),
        }
        lines.push(format!("COPY model {BUNDLE_PATH}"));
        lines.push(format!("COPY wharf-serve {SERVER_PATH}"));
        if let Start::Command(_) = self.start {
            lines.push("COPY run.sh ./".to_owned());
        }
        lines.extend(self.env.iter().map(|pair| format!("ENV {}", assignment(pair))));
        lines.extend(self.labels.iter().map(|pair| format!("LABEL {}", assignment(pair))));
        lines.push(format!("USER {USER}"));
        lines.push(format!("EXPOSE {SERVER_PORT}"));
        lines.push(format!(
            "HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD [\"{SERVER_PATH}\", \"probe\"]"
        ));
        match self.start {
            Start::Server => {
                lines.push(format!("ENTRYPOINT [\"{SERVER_PATH}\"]"));
                lines.push("CMD [\"serve\"]".to_owned());
            }
            // The same without a shell around it, so that the server is process 1.
            Start::Command(Some(RUN_CMD)) => lines.push("CMD [\"sh\", \"run.sh\"]".to_owned()),
            Start::Command(Some(command)) => lines.push(format!("CMD {command}")),
            Start::Command(None) => {}
        }
        lines
    }
}

impl Install<'_> {
    fn lines(&self) -> Vec<String> {
        let mut lines: Vec<_> =
            self.build_args.iter().map(|pair| format!("ARG {}", assignment(pair))).collect();
        if !self.packages.is_empty() {
            let DockerBuildArgs { package_install_cmd, package_clean_cmd, .. } = self.args;
            let packages = self.packages.join(" ");
            lines.push(
                format!("RUN {package_install_cmd} {packages} {package_clean_cmd}")
                    .trim_end()
                    .to_owned(),
            );
        }
        if self.has_requirements {
            lines.push("COPY requirements.txt ./".to_owned());
            lines.push(
                "RUN python3 -m pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore -r requirements.txt"
                    .to_owned(),
            );
        }
        lines
    }
}

/// Returns `name="value"`, quoted so that the builder takes the value as it is.
fn assignment((name, value): &(String, String)) -> String {
    let mut text = format!("{name}=\"");
    for character in value.chars() {
        if matches!(character, '"' | '\\' | '$') {
            text.push('\\');
        }
        text.push(character);
    }
    write!(text, "\"").expect("a string takes everything");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn render(args: &DockerBuildArgs, packages: &[&str]) -> String {
        let packages: Vec<_> = packages.iter().map(|name| (*name).to_owned()).collect();
        let install = Install {
            args,
            build_args: &pairs(&[("INDEX", "https://i.example")]),
            packages: &packages,
            has_requirements: true,
        };
        Dockerfile {
            from: "python:3.11-slim",
            platform: args.platform,
            install: Some(install),
            env: &pairs(&[("A", r#"$HOME "x" \n"#)]),
            labels: &pairs(&[("io.example", "1")]),
            start: Start::Command(args.run_cmd.as_deref()),
        }
        .render()
    }

    #[test]
    fn a_python_kind_has_the_steps_of_mlem() {
        insta::assert_snapshot!(render(&DockerBuildArgs::default(), &["libgomp1"]), @r#"
FROM python:3.11-slim
WORKDIR /app
ARG INDEX="https://i.example"
RUN apt-get update && apt-get -y upgrade && apt-get install --no-install-recommends -y libgomp1 && apt-get clean && rm -rf /var/lib/apt/lists/*
COPY requirements.txt ./
RUN python3 -m pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore -r requirements.txt
COPY model /model
COPY wharf-serve /wharf-serve
COPY run.sh ./
ENV A="\$HOME \"x\" \\n"
LABEL io.example="1"
USER 65532:65532
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["/wharf-serve", "probe"]
CMD ["sh", "run.sh"]
"#);
    }

    #[test]
    fn package_commands_are_taken_verbatim() {
        let args = DockerBuildArgs {
            package_install_cmd: "kek".to_owned(),
            package_clean_cmd: "lol".to_owned(),
            ..DockerBuildArgs::default()
        };
        assert!(render(&args, &["aaa", "bbb"]).contains("\nRUN kek aaa bbb lol\n"));
    }

    #[test]
    fn run_cmd_goes_through_a_shell_and_none_is_none() {
        let with = |run_cmd: Option<&str>| {
            let run_cmd = run_cmd.map(str::to_owned);
            render(&DockerBuildArgs { run_cmd, ..DockerBuildArgs::default() }, &[])
        };
        assert!(with(Some("echo hello")).ends_with("\nCMD echo hello\n"));
        assert!(!with(None).contains("\nCMD"));
    }

    #[test]
    fn a_native_kind_has_nothing_to_install() {
        insta::assert_snapshot!(Dockerfile { from: "scratch", ..Dockerfile::default() }.render(), @r#"
FROM scratch
WORKDIR /
COPY model /model
COPY wharf-serve /wharf-serve
USER 65532:65532
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["/wharf-serve", "probe"]
ENTRYPOINT ["/wharf-serve"]
CMD ["serve"]
"#);
    }
}
