//! The Dockerfile of models that run Python: templates in the form that MLEM's users know, each of which a file in a
//! folder of theirs may replace.

use std::{
    fs::File,
    io::{self, Read as _, Write},
    path::{Path, PathBuf},
};

use minijinja::{
    AutoEscape, Environment, Error as Fault, ErrorKind, State, UndefinedBehavior, Value, context,
};
use wharf_spec::codes;

use super::dockerfile::quoted;
use crate::error::{Error, Result};

/// The template that includes all others.
const MAIN: &str = "dockerfile.j2";

/// The templates that stand in for those that nobody wrote. MLEM's hooks `pre_install.j2`, `post_install.j2` and
/// `post_copy.j2` have none: they are left out.
const OWN: [(&str, &str); 3] = [
    (MAIN, include_str!("templates/dockerfile.j2")),
    ("install_req.j2", include_str!("templates/install_req.j2")),
    ("copy.j2", include_str!("templates/copy.j2")),
];

/// The most bytes of a template, and of what it comes to.
const MOST_BYTES: usize = 1 << 20;

/// The most steps of all templates together: a loop over a million ends with an error, not in an hour.
const MOST_STEPS: u64 = 1_000_000;

/// What templates may use: MLEM's names first, then ours.
#[derive(Debug, Clone)]
pub(super) struct Values<'a> {
    pub(super) base_image: &'a str,
    pub(super) python_version: &'a str,
    /// Templates see `false` for none.
    pub(super) run_cmd: Option<&'a str>,
    /// The lines that install the wheel of `mlem_whl`; empty without one.
    pub(super) mlem_install: &'a str,
    pub(super) package_install_cmd: &'a str,
    pub(super) package_clean_cmd: &'a str,
    pub(super) packages: &'a [String],
    pub(super) env: &'a [(String, String)],
    pub(super) arg: &'a [(String, String)],
    pub(super) platform: Option<&'a str>,
    pub(super) labels: &'a [(String, String)],
    pub(super) requirements: &'a [String],
    pub(super) pip_install: &'a str,
    pub(super) bundle_path: &'a str,
    pub(super) server_path: &'a str,
    pub(super) user: &'a str,
    pub(super) port: u16,
    pub(super) healthcheck: &'a str,
}

impl Values<'_> {
    fn context(&self) -> Value {
        let map = |pairs: &[(String, String)]| Value::from_pairs(pairs.iter().cloned());
        let list = |words: &[String]| words.iter().cloned().collect::<Value>();
        context! {
            base_image => self.base_image,
            python_version => self.python_version,
            run_cmd => self.run_cmd.map_or_else(|| false.into(), Value::from),
            mlem_install => self.mlem_install,
            package_install_cmd => self.package_install_cmd,
            package_clean_cmd => self.package_clean_cmd,
            packages => list(self.packages),
            env => map(self.env),
            arg => map(self.arg),
            platform => self.platform,
            labels => map(self.labels),
            requirements => list(self.requirements),
            pip_install => self.pip_install,
            bundle_path => self.bundle_path,
            server_path => self.server_path,
            user => self.user,
            port => self.port,
            healthcheck => self.healthcheck,
        }
    }
}

/// Returns the Dockerfile. Templates are looked for in each folder in turn, then among our own.
///
/// # Errors
/// `TEMPLATE` with file and line, for what Jinja does not know and names that have no value.
pub(super) fn render(folders: &[PathBuf], values: &Values<'_>) -> Result<String> {
    if let Some(folder) = folders.iter().find(|folder| !folder.is_dir()) {
        let action = format!("`templates_dir`: `{}` is not a folder", folder.display());
        return Err(Error::new(codes::TEMPLATE, action).hint("name a folder with templates in it"));
    }
    let environment = environment(folders.to_vec());
    let mut text = Bounded(Vec::new());
    let rendered = environment
        .get_template(MAIN)
        .and_then(|template| template.render_captured_to(values.context(), &mut text).map(drop));
    rendered.map_err(|fault| refused(folders, &fault))?;
    String::from_utf8(text.0).map_err(|error| {
        Error::new(codes::BUG, "templates of text gave something else").because(error)
    })
}

fn environment(folders: Vec<PathBuf>) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_fuel(Some(MOST_STEPS));
    environment.set_unknown_method_callback(method);
    environment.add_filter("quoted", |text: &str| quoted(text));
    environment.set_loader(move |name| load(&folders, name));
    environment
}

/// Returns the text of a template; `None` where there is none of that name.
fn load(folders: &[PathBuf], name: &str) -> Result<Option<String>, Fault> {
    if let Some(path) = find(folders, name) {
        return read(&path).map(Some);
    }
    let own = OWN.iter().find(|(own, _)| *own == name);
    Ok(own.map(|(_, text)| (*text).to_owned()))
}

/// Returns the file of a template. A name cannot lead out of its folder.
fn find(folders: &[PathBuf], name: &str) -> Option<PathBuf> {
    let is_part = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(['\\', '\0']);
    if !name.split('/').all(is_part) {
        return None;
    }
    folders.iter().map(|folder| folder.join(name)).find(|path| path.exists())
}

fn read(path: &Path) -> Result<String, Fault> {
    let failed = |why: String| {
        let action = format!("`{}` cannot be read: {why}", path.display());
        Fault::new(ErrorKind::InvalidOperation, action)
    };
    let mut text = String::new();
    let file = File::open(path).map_err(|error| failed(error.to_string()))?;
    file.take(MOST_BYTES as u64 + 1)
        .read_to_string(&mut text)
        .map_err(|error| failed(error.to_string()))?;
    if text.len() > MOST_BYTES {
        return Err(failed("it is larger than 1 MiB".to_owned()));
    }
    Ok(text)
}

/// The methods of Python's mappings, which Jinja has and this engine knows as filters only.
fn method(
    _: &mut State<'_, '_>,
    value: &Value,
    name: &str,
    arguments: &[Value],
) -> Result<Value, Fault> {
    let keys = || value.try_iter();
    match (name, arguments) {
        ("items", []) => {
            let pair = |key: Value| value.get_item(&key).map(|found| Value::from(vec![key, found]));
            keys()?.map(pair).collect::<Result<Vec<_>, _>>().map(Value::from)
        }
        ("keys", []) => Ok(keys()?.collect()),
        ("values", []) => {
            let found = keys()?.map(|key| value.get_item(&key));
            found.collect::<Result<Vec<_>, _>>().map(Value::from)
        }
        _ => Err(Fault::new(ErrorKind::UnknownMethod, format!("there is no method `{name}`"))),
    }
}

/// Tells of the deepest fault: the one in the template that was included, not in the line that includes it.
fn refused(folders: &[PathBuf], fault: &Fault) -> Error {
    let mut deepest = fault;
    let mut next = std::error::Error::source(fault);
    while let Some(source) = next {
        if let Some(inner) = source.downcast_ref::<Fault>() {
            deepest = inner;
        }
        next = source.source();
    }
    let name = deepest.name().or(fault.name()).unwrap_or(MAIN);
    let path = find(folders, name);
    let file = path.as_ref().map_or_else(|| name.to_owned(), |path| path.display().to_string());
    let line = deepest.line().map(|line| format!(":{line}")).unwrap_or_default();
    let why = deepest.detail().map(str::to_owned).unwrap_or_else(|| deepest.kind().to_string());
    let action = format!("the template `{file}{line}` cannot be used: {why}");
    let hint = match deepest.kind() {
        ErrorKind::UndefinedError => {
            "the names that templates may use stand in docs/reference/mlem.md"
        }
        ErrorKind::OutOfFuel => "make its loops shorter",
        _ => "mend the line; templates are written in Jinja",
    };
    let error = Error::new(codes::TEMPLATE, action).hint(hint);
    let text = path.and_then(|path| read(&path).ok()).unwrap_or_default();
    match deepest.line().and_then(|line| text.lines().nth(line.saturating_sub(1))) {
        Some(line) => error.with_excerpt(format!("  | {line}")),
        None => error,
    }
}

/// Text that ends with an error when it grows too long.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MOST_BYTES {
            return Err(io::Error::other("the Dockerfile is larger than 1 MiB"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use wharf_spec::build_args::{PACKAGE_CLEAN_CMD, PACKAGE_INSTALL_CMD, RUN_CMD};

    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn values<'a>(packages: &'a [String], requirements: &'a [String]) -> Values<'a> {
        Values {
            base_image: "python:3.11-slim",
            python_version: "3.11",
            run_cmd: Some(RUN_CMD),
            mlem_install: "",
            package_install_cmd: PACKAGE_INSTALL_CMD,
            package_clean_cmd: PACKAGE_CLEAN_CMD,
            packages,
            env: &[],
            arg: &[],
            platform: None,
            labels: &[],
            requirements,
            pip_install: "pip install",
            bundle_path: "/model",
            server_path: "/wharf-serve",
            user: "65532:65532",
            port: 8080,
            healthcheck: "NONE",
        }
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    /// Renders with these files in a folder of templates.
    fn with(files: &[(&str, &str)]) -> Result<String> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let (packages, requirements) = (words(&["libgomp1"]), words(&["numpy==2"]));
        let values = Values {
            env: &pairs(&[("B", r#"$HOME "x" \n"#), ("A", "1")]),
            arg: &pairs(&[("INDEX", "https://i.example")]),
            labels: &pairs(&[("io.example", "1")]),
            ..values(&packages, &requirements)
        };
        render(&[folder.path().to_owned()], &values).map_err(|error| {
            let place = folder.path().display().to_string();
            Error::new(codes::TEMPLATE, error.to_string().replace(&place, "DIR"))
        })
    }

    #[test]
    fn a_dockerfile_has_the_steps_of_mlem() {
        insta::assert_snapshot!(with(&[]).unwrap(), @r#"
FROM python:3.11-slim
WORKDIR /app
ARG INDEX="https://i.example"
RUN apt-get update && apt-get -y upgrade && apt-get install --no-install-recommends -y libgomp1 && apt-get clean && rm -rf /var/lib/apt/lists/*
COPY requirements.txt ./
RUN pip install -r requirements.txt
COPY model /model
COPY wharf-serve /wharf-serve
COPY run.sh ./
ENV B="\$HOME \"x\" \\n"
ENV A="1"
LABEL io.example="1"
USER 65532:65532
EXPOSE 8080
HEALTHCHECK NONE
CMD ["sh", "run.sh"]
"#);
    }

    #[test]
    fn what_is_not_needed_leaves_no_line() {
        let bare = Values { run_cmd: None, ..values(&[], &[]) };
        insta::assert_snapshot!(render(&[], &bare).unwrap(), @r"
FROM python:3.11-slim
WORKDIR /app
COPY model /model
COPY wharf-serve /wharf-serve
COPY run.sh ./
USER 65532:65532
EXPOSE 8080
HEALTHCHECK NONE
");
    }

    #[test]
    fn commands_are_taken_verbatim() {
        let packages = words(&["aaa", "bbb"]);
        let mut odd = values(&packages, &[]);
        (odd.package_install_cmd, odd.package_clean_cmd) = ("kek", "lol");
        odd.run_cmd = Some("echo hello");
        let text = render(&[], &odd).unwrap();
        assert!(text.contains("\nRUN kek aaa bbb lol\n"), "{text}");
        assert!(text.ends_with("\nCMD echo hello\n"), "{text}");
    }

    #[test]
    fn hooks_come_at_their_places() {
        let text = with(&[
            ("pre_install.j2", "RUN echo {{ python_version }}\n"),
            ("post_install.j2", "RUN two"),
            ("post_copy.j2", "RUN three\n"),
        ])
        .unwrap();
        let at = |line: &str| {
            let found = text.lines().position(|one| one == line);
            found.unwrap_or_else(|| panic!("no `{line}` in\n{text}"))
        };
        assert!(at("RUN echo 3.11") < at("COPY requirements.txt ./"));
        assert!(at("RUN pip install -r requirements.txt") < at("RUN two"));
        assert!(at("RUN two") < at("COPY model /model"));
        assert!(at("ENV A=\"1\"") < at("RUN three") && at("RUN three") < at("USER 65532:65532"));
    }

    #[test]
    fn a_template_in_the_manner_of_mlem_replaces_ours() {
        let text = with(&[(
            MAIN,
            "FROM {{ base_image }}\n{% for k, v in env.items() %}ENV {{ k }}={{ v }}\n{% endfor %}\
             {% include \"nothing.j2\" ignore missing %}{% include \"install_req.j2\" %}\n\
             {% if run_cmd is not false %}CMD {{ run_cmd }}{% endif %}\n",
        )])
        .unwrap();
        assert!(text.starts_with("FROM python:3.11-slim\nENV B=$HOME"), "{text}");
        assert!(text.contains("RUN pip install -r requirements.txt\nCMD sh run.sh"), "{text}");
    }

    #[test]
    fn faults_are_told_with_file_and_line() {
        let faults = [
            ("post_copy.j2", "RUN a\nRUN {{ nosuch }}"),
            ("post_copy.j2", "{{ packages|nosuch }}"),
            ("post_copy.j2", "{{ env.nosuch() }}"),
            ("post_copy.j2", "{% include \"../x.j2\" %}"),
            ("copy.j2", "{% if %}"),
            ("pre_install.j2", "{% include \"pre_install.j2\" %}"),
            (
                "pre_install.j2",
                "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
            ),
        ];
        let told = faults.map(|fault| with(&[fault]).unwrap_err().to_string());
        insta::assert_snapshot!(told.join("\n"), @r"
the template `DIR/post_copy.j2:2` cannot be used: undefined value
the template `DIR/post_copy.j2:1` cannot be used: filter nosuch is unknown
the template `DIR/post_copy.j2:1` cannot be used: there is no method `nosuch`
the template `DIR/post_copy.j2:1` cannot be used: tried to include non-existing template '../x.j2'
the template `DIR/copy.j2:1` cannot be used: unexpected end of block
the template `DIR/pre_install.j2:1` cannot be used: recursion limit exceeded
the template `DIR/pre_install.j2:1` cannot be used: engine ran out of fuel
");
    }
}
