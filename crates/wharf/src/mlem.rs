//! What those type who come from MLEM: its verbs and flags, said in our own.
//!
//! `wharf build docker -m MODEL --image.name iris` is `wharf build MODEL` with a declaration. A folder called `docker`
//! can still be built: MLEM's form is the one with `-m` or `-l`.

use std::ffi::OsString;

use wharf_ops::error::{Error, Result};
use wharf_spec::codes;

/// Options of every command that take a value.
const WITH_VALUE: [&str; 4] = ["-P", "--project", "-C", "--color"];

/// Options of every command that take none.
const SWITCHES: [&str; 5] = ["--json", "-q", "--quiet", "-v", "--verbose"];

/// Returns the arguments in our words; all that are not MLEM's stay as they are.
pub(crate) fn translate(args: Vec<OsString>) -> Result<Vec<OsString>> {
    let Some(words) = args.iter().map(|arg| arg.to_str()).collect::<Option<Vec<_>>>() else {
        return Ok(args);
    };
    let at = verb(&words);
    let (front, rest) = words.split_at(at);
    let ours = match rest {
        ["build", kind @ ("docker" | "docker_dir"), rest @ ..] if is_of_mlem(rest) => {
            build(kind, &Words::read(rest))?
        }
        ["deployment", "run", "docker_container", rest @ ..] => run(&Words::read(rest))?,
        ["deployment", "remove", rest @ ..] => on_services("down", &Words::read(rest))?,
        ["deployment", "apply", rest @ ..] => apply(&Words::read(rest))?,
        ["deployment", "status", rest @ ..] => on_services("status", &Words::read(rest))?,
        ["deployment", "wait", rest @ ..] => wait(&Words::read(rest))?,
        _ => return Ok(args),
    };
    let front = front.iter().map(|word| (*word).to_owned());
    Ok(front.chain(ours).map(OsString::from).collect())
}

/// Returns the place of the first word that is no option of every command.
fn verb(words: &[&str]) -> usize {
    let mut at = 1;
    while let Some(word) = words.get(at) {
        match () {
            () if WITH_VALUE.contains(word) => at += 2,
            () if word.starts_with('-') => at += 1,
            () => return at,
        }
    }
    words.len()
}

fn is_of_mlem(rest: &[&str]) -> bool {
    let is = |word: &&str| {
        matches!(*word, "-m" | "--model" | "-l" | "--load")
            || word.starts_with("--model=")
            || word.starts_with("--load=")
    };
    rest.iter().any(is)
}

/// A command line, read as MLEM did: every option has a value, but for those that say yes or no.
struct Words<'a> {
    plain: Vec<&'a str>,
    /// Names without dashes.
    options: Vec<(&'a str, &'a str)>,
    switches: Vec<&'a str>,
}

impl<'a> Words<'a> {
    fn read(words: &[&'a str]) -> Self {
        let mut read = Self { plain: Vec::new(), options: Vec::new(), switches: Vec::new() };
        let mut words = words.iter().copied().peekable();
        while let Some(word) = words.next() {
            if SWITCHES.contains(&word) {
                read.switches.push(word);
                continue;
            }
            let Some(name) = word.strip_prefix('-') else {
                read.plain.push(word);
                continue;
            };
            let name = name.trim_start_matches('-');
            let option = match (name.split_once('='), name) {
                (Some((name, value)), _) => (name, value),
                (None, "push" | "force_overwrite" | "rm" | "force") => {
                    let value = words.next_if(|next| matches!(*next, "true" | "false"));
                    (name, value.unwrap_or("true"))
                }
                (None, "no-push" | "no-force_overwrite" | "no-rm") => {
                    (name.trim_start_matches("no-"), "false")
                }
                (None, _) => (name, words.next().unwrap_or_default()),
            };
            read.options.push(option);
        }
        read
    }

    /// Returns our command with these arguments, and what every command takes.
    fn command(&self, verb: &str, args: Vec<String>) -> Vec<String> {
        let switches = self.switches.iter().map(|word| (*word).to_owned());
        std::iter::once(verb.to_owned()).chain(args).chain(switches).collect()
    }
}

fn build(kind: &str, words: &Words<'_>) -> Result<Vec<String>> {
    if let Some(word) = words.plain.first() {
        return Err(unknown(word));
    }
    let is_loaded = words.options.iter().any(|(name, _)| matches!(*name, "l" | "load"));
    let mut args = Vec::new();
    let mut add = |flag: &str, value: &str| args.extend([flag.to_owned(), value.to_owned()]);
    let mut model = None;
    for (name, value) in &words.options {
        match *name {
            "m" | "model" => model = Some(*value),
            "l" | "load" => add("-f", value),
            "c" | "conf" => add("--set", value),
            "image" | "image.name" if !is_loaded && kind == "docker" => {
                add("--declared-image", value);
            }
            "target" if !is_loaded && kind == "docker_dir" => {
                add("--to", &format!("context:{value}"));
            }
            // Their values are objects of which the flag gives the type.
            "server" | "env" | "env.registry" | "image.registry" => {
                add("--set", &format!("{name}.type={value}"));
            }
            _ if is_field(name) => add("--set", &format!("{name}={value}")),
            "f" | "file_conf" => {
                return Err(refused(
                    name,
                    "write the fields into a declaration: `wharf build MODEL -f FILE`",
                ));
            }
            "p" | "project" | "rev" => {
                return Err(refused(
                    name,
                    "name the model by its path; `-C DIR` starts in another folder",
                ));
            }
            _ => return Err(unknown(name)),
        }
    }
    let Some(model) = model else {
        return Err(Error::new(codes::FLAGS, "the model is missing").hint("name it: `-m MODEL`"));
    };
    let needed = if kind == "docker" { "--declared-image" } else { "--to" };
    if !is_loaded && !args.iter().any(|arg| arg == needed) {
        let flag = if kind == "docker" { "--image.name NAME" } else { "--target FOLDER" };
        let action = format!("`build {kind}` needs `{flag}`");
        return Err(Error::new(codes::FLAGS, action).hint(format!("add `{flag}`")));
    }
    args.insert(0, model.to_owned());
    Ok(words.command("build", args))
}

/// Says whether an option is a field of a builder.
fn is_field(name: &str) -> bool {
    let root = name.split('.').next().unwrap_or_default();
    ["image", "server", "args", "env", "daemon", "force_overwrite", "push", "target"]
        .contains(&root)
}

fn run(words: &Words<'_>) -> Result<Vec<String>> {
    let mut args = Vec::new();
    let mut add = |flag: &str, value: &str| args.extend([flag.to_owned(), value.to_owned()]);
    let mut model = None;
    let mut name = words.plain.first().map(|path| service(path));
    for (option, value) in &words.options {
        match *option {
            "m" | "model" => model = Some(*value),
            "container_name" => name = Some((*value).to_owned()),
            "args.base_image" => add("--base", value),
            // A container is always removed by wharf itself, and replaced where it changed.
            "server" if *value == "fastapi" => {}
            "rm" if *value == "true" => {}
            "force" => {}
            _ if option.starts_with("ports.") && value.contains(':') => add("-p", value),
            _ if option.starts_with("ports.") => {
                return Err(refused(
                    option,
                    &format!(
                        "write both ports, `-p HOST:{value}`; without it a free one of this machine is taken"
                    ),
                ));
            }
            _ => match option.strip_prefix("port_mapping.") {
                Some(container) => add("-p", &format!("{value}:{container}")),
                None => {
                    return Err(refused(
                        option,
                        "leave it out; `wharf up --help` lists what there is",
                    ));
                }
            },
        }
    }
    let Some(model) = model else {
        return Err(Error::new(codes::FLAGS, "the model is missing").hint("name it: `-m MODEL`"));
    };
    if let Some(name) = name {
        args.extend(["--name".to_owned(), name]);
    }
    args.insert(0, model.to_owned());
    Ok(words.command("up", args))
}

fn on_services(verb: &str, words: &Words<'_>) -> Result<Vec<String>> {
    match words.options.first() {
        Some((option, _)) => Err(unknown(option)),
        None => Ok(words.command(verb, words.plain.iter().map(|path| service(path)).collect())),
    }
}

/// MLEM asked so many times with a pause between; ours waits so long altogether.
fn wait(words: &Words<'_>) -> Result<Vec<String>> {
    let mut args: Vec<String> = words.plain.iter().map(|path| service(path)).collect();
    let (mut pause, mut times) = (1.0, 0.0);
    for (option, value) in &words.options {
        let number = || value.parse().map_err(|_| refused(option, "give it a number"));
        match (*option, *value) {
            ("s" | "status", "running") => {}
            ("s" | "status", "stopped" | "crashed") => {
                args.extend(["--for".to_owned(), "ended".to_owned()]);
            }
            ("s" | "status", _) => {
                return Err(refused(option, "wait for `running`, `stopped` or `crashed`"));
            }
            // Whatever comes between is waited through.
            ("i" | "intermediate", _) => {}
            ("p" | "poll-timeout", _) => pause = number()?,
            ("t" | "times", _) => times = number()?,
            _ => return Err(unknown(option)),
        }
    }
    let patience: f64 = pause * times;
    // None at all meant for ever, which a command line hardly ever means.
    if patience > 0.0 {
        args.extend(["--timeout".to_owned(), format!("{}s", patience.ceil())]);
    }
    Ok(words.command("wait", args))
}

fn apply(words: &Words<'_>) -> Result<Vec<String>> {
    let mut args: Vec<String> = words.plain.iter().map(|word| (*word).to_owned()).collect();
    if let Some(first) = args.first_mut() {
        *first = service(first);
    }
    for (option, value) in &words.options {
        match *option {
            "m" | "method" => args.extend(["--method".to_owned(), (*value).to_owned()]),
            _ => return Err(refused(option, "leave it out; the answer goes to stdout")),
        }
    }
    Ok(words.command("predict", args))
}

/// Returns what the service of a deployment's file is called.
fn service(path: &str) -> String {
    let last = path.rsplit('/').next().unwrap_or(path);
    last.strip_suffix(".mlem").unwrap_or(last).to_owned()
}

fn unknown(name: &str) -> Error {
    Error::new(codes::FLAGS, format!("`{name}` is not understood here"))
        .hint("docs/reference/mlem.md has the table from MLEM's flags to wharf's")
}

fn refused(name: &str, instead: &str) -> Error {
    let action = format!("MLEM's `{name}` cannot be honoured");
    Error::new(codes::UNSUPPORTED_FIELD, action).hint(instead)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(line: &str) -> Result<String> {
        let args = line.split(' ').map(OsString::from).collect();
        let words = translate(args)?;
        Ok(words.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" "))
    }

    #[track_caller]
    fn check(line: &str, expect: &str) {
        assert_eq!(said(line).unwrap(), expect);
    }

    #[test]
    fn a_builder_of_mlem_is_a_declaration() {
        check(
            "wharf build docker -m lr --image.name iris --image.tag v1 --args.platform linux/arm64 --server fastapi --no-push --json",
            "wharf build lr --declared-image iris --set image.tag=v1 --set args.platform=linux/arm64 --set server.type=fastapi --set push=false --json",
        );
        check(
            "wharf -C x build docker_dir --model=lr --target out --args.set_env.0 A=b",
            "wharf -C x build lr --to context:out --set args.set_env.0=A=b",
        );
        check(
            "wharf build docker -l b.mlem -m lr --image.name other --force_overwrite",
            "wharf build lr -f b.mlem --set image.name=other --set force_overwrite=true",
        );
    }

    #[test]
    fn a_folder_of_that_name_is_a_folder() {
        for line in ["wharf build docker", "wharf build docker -t x:1", "wharf up docker", "wharf"]
        {
            check(line, line);
        }
    }

    #[test]
    fn deployments_are_services() {
        check(
            "wharf deployment run docker_container deploy/iris.mlem -m lr --ports.0 8080:8080 --server fastapi",
            "wharf up lr -p 8080:8080 --name iris",
        );
        check(
            "wharf deployment run docker_container iris --model lr --container_name other --port_mapping.8080 80",
            "wharf up lr -p 80:8080 --name other",
        );
        check("wharf deployment remove deploy/iris --json", "wharf down iris --json");
        check(
            "wharf deployment apply iris data.json -m predict_proba",
            "wharf predict iris data.json --method predict_proba",
        );
        check("wharf deployment status deploy/iris.mlem --json", "wharf status iris --json");
    }

    #[test]
    fn waiting_for_a_deployment_is_waiting_for_its_service() {
        check("wharf deployment wait deploy/iris.mlem -i starting -s running", "wharf wait iris");
        check(
            "wharf deployment wait iris --status stopped --poll-timeout 0.5 --times 5",
            "wharf wait iris --for ended --timeout 3s",
        );
    }

    #[test]
    fn what_has_no_counterpart_is_refused_by_name() {
        let lines = [
            "wharf build docker -m lr",
            "wharf build docker_dir -m lr",
            "wharf build docker -l b.mlem",
            "wharf build docker -m lr --image.name x --nosuch 1",
            "wharf build docker -m lr --image.name x -f server=s.yaml",
            "wharf deployment run docker_container iris -m lr --ports.0 80",
            "wharf deployment run docker_container iris -m lr --rm false",
            "wharf deployment status iris --rev main",
            "wharf deployment wait iris -s unknown",
        ];
        insta::assert_snapshot!(lines.map(|line| said(line).unwrap_err().to_string()).join("\n"), @"
`build docker` needs `--image.name NAME`
`build docker_dir` needs `--target FOLDER`
the model is missing
`nosuch` is not understood here
MLEM's `f` cannot be honoured
MLEM's `ports.0` cannot be honoured
MLEM's `rm` cannot be honoured
`rev` is not understood here
MLEM's `s` cannot be honoured
");
    }
}
