//! Dockerfiles that need nothing but a server and a model. Whatever a model or a person says is quoted, or was checked
//! before.

use wharf_spec::platform::Platform;

use super::{BUNDLE_PATH, SERVER_PATH, SERVER_PORT, USER};

/// What a Dockerfile says besides what all of ours do.
#[derive(Debug, Default)]
pub(super) struct Dockerfile<'a> {
    pub(super) from: &'a str,
    pub(super) platform: Option<Platform>,
    pub(super) env: &'a [(String, String)],
    pub(super) labels: &'a [(String, String)],
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
        let mut lines = vec![
            format!("FROM {}{}", platform.unwrap_or_default(), self.from),
            "WORKDIR /".to_owned(),
            format!("COPY model {BUNDLE_PATH}"),
            format!("COPY wharf-serve {SERVER_PATH}"),
        ];
        let assignment = |(name, value): &(String, String)| format!("{name}={}", quoted(value));
        lines.extend(self.env.iter().map(|pair| format!("ENV {}", assignment(pair))));
        lines.extend(self.labels.iter().map(|pair| format!("LABEL {}", assignment(pair))));
        lines.push(format!("USER {USER}"));
        lines.push(format!("EXPOSE {SERVER_PORT}"));
        lines.push(format!("HEALTHCHECK {}", health_check()));
        lines.push(format!("ENTRYPOINT [\"{SERVER_PATH}\"]"));
        lines.push("CMD [\"serve\"]".to_owned());
        lines
    }
}

/// Returns what follows `HEALTHCHECK`.
pub(super) fn health_check() -> String {
    format!("--interval=10s --timeout=5s --start-period=60s CMD [\"{SERVER_PATH}\", \"probe\"]")
}

/// Returns a value in quotes, so that the builder takes it as it is.
pub(super) fn quoted(value: &str) -> String {
    let mut text = "\"".to_owned();
    for character in value.chars() {
        if matches!(character, '"' | '\\' | '$') {
            text.push('\\');
        }
        text.push(character);
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_native_kind_has_nothing_to_install() {
        let env = [("A".to_owned(), r#"$HOME "x" \n"#.to_owned())];
        let dockerfile = Dockerfile { from: "scratch", env: &env, ..Dockerfile::default() };
        insta::assert_snapshot!(dockerfile.render(), @r#"
FROM scratch
WORKDIR /
COPY model /model
COPY wharf-serve /wharf-serve
ENV A="\$HOME \"x\" \\n"
USER 65532:65532
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s CMD ["/wharf-serve", "probe"]
ENTRYPOINT ["/wharf-serve"]
CMD ["serve"]
"#);
    }
}
