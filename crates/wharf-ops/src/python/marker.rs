//! Environment markers (PEP 508): whether a package of a lock belongs to a target.

use std::{cmp::Ordering, fmt, str::FromStr};

use super::target::Target;

/// The longest marker that is read, in bytes: those of a lock for all platforms can be long.
const LONGEST: usize = 64 << 10;

/// How deep parentheses may go.
const DEEPEST: usize = 64;

/// A condition on the environment, such as `python_full_version < '3.12' and sys_platform == 'linux'`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    text: String,
    condition: Condition,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    All(Vec<Self>),
    Any(Vec<Self>),
    Compare { left: Value, operator: Operator, right: Value },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Text(String),
    Variable(Variable),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Compatible,
    In,
    NotIn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variable {
    PythonVersion,
    PythonFullVersion,
    ImplementationVersion,
    ImplementationName,
    PlatformPythonImplementation,
    OsName,
    SysPlatform,
    PlatformSystem,
    PlatformMachine,
    /// Of the kernel: not known before it runs.
    PlatformRelease,
    PlatformVersion,
    /// Extras and groups are chosen when the lock is made; none is left to choose.
    Extra,
}

impl Variable {
    fn of(name: &str) -> Option<Self> {
        Some(match name {
            "python_version" => Self::PythonVersion,
            "python_full_version" => Self::PythonFullVersion,
            "implementation_version" => Self::ImplementationVersion,
            "implementation_name" => Self::ImplementationName,
            "platform_python_implementation" => Self::PlatformPythonImplementation,
            "os_name" => Self::OsName,
            "sys_platform" => Self::SysPlatform,
            "platform_system" => Self::PlatformSystem,
            "platform_machine" => Self::PlatformMachine,
            "platform_release" => Self::PlatformRelease,
            "platform_version" => Self::PlatformVersion,
            "extra" | "extras" | "dependency_groups" => Self::Extra,
            _ => return None,
        })
    }

    const fn is_version(self) -> bool {
        matches!(self, Self::PythonVersion | Self::PythonFullVersion | Self::ImplementationVersion)
    }

    fn value(self, target: &Target) -> String {
        match self {
            Self::PythonVersion => target.python.minor_text(),
            Self::PythonFullVersion | Self::ImplementationVersion => target.python.to_string(),
            Self::ImplementationName => "cpython".to_owned(),
            Self::PlatformPythonImplementation => "CPython".to_owned(),
            Self::OsName => "posix".to_owned(),
            Self::SysPlatform => "linux".to_owned(),
            Self::PlatformSystem => "Linux".to_owned(),
            Self::PlatformMachine => target.machine().to_owned(),
            Self::PlatformRelease | Self::PlatformVersion | Self::Extra => String::new(),
        }
    }
}

impl Marker {
    /// Returns the text it was read from.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Says whether it holds for a target.
    pub fn holds(&self, target: &Target) -> bool {
        self.condition.holds(target)
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Condition {
    fn holds(&self, target: &Target) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(target)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(target)),
            Self::Compare { left, operator, right } => {
                let is_version =
                    |value: &Value| matches!(value, Value::Variable(one) if one.is_version());
                let text = |value: &Value| match value {
                    Value::Text(text) => text.clone(),
                    Value::Variable(variable) => variable.value(target),
                };
                let as_versions = is_version(left) || is_version(right);
                compare(&text(left), *operator, &text(right), as_versions)
            }
        }
    }
}

fn compare(left: &str, operator: Operator, right: &str, as_versions: bool) -> bool {
    match operator {
        Operator::In => return right.contains(left),
        Operator::NotIn => return !right.contains(left),
        _ => {}
    }
    if as_versions && let Some(holds) = compare_versions(left, operator, right) {
        return holds;
    }
    match operator {
        Operator::Equal => left == right,
        Operator::NotEqual => left != right,
        Operator::Less => left < right,
        Operator::LessOrEqual => left <= right,
        Operator::Greater => left > right,
        Operator::GreaterOrEqual => left >= right,
        Operator::Compatible | Operator::In | Operator::NotIn => false,
    }
}

/// Compares as PEP 440 does, as far as versions of Python go; `None` where one side is none.
fn compare_versions(left: &str, operator: Operator, right: &str) -> Option<bool> {
    let (left, starred) = (Version::of(left)?, right.strip_suffix(".*"));
    let right = Version::of(starred.unwrap_or(right))?;
    let begins = |places: usize| {
        (0..places).all(|place| {
            left.release.get(place).unwrap_or(&0) == right.release.get(place).unwrap_or(&0)
        })
    };
    let order = left.order(&right);
    Some(match operator {
        Operator::Equal if starred.is_some() => begins(right.release.len()),
        Operator::NotEqual if starred.is_some() => !begins(right.release.len()),
        Operator::Equal => order == Ordering::Equal,
        Operator::NotEqual => order != Ordering::Equal,
        Operator::Less => order == Ordering::Less,
        Operator::LessOrEqual => order != Ordering::Greater,
        Operator::Greater => order == Ordering::Greater,
        Operator::GreaterOrEqual => order != Ordering::Less,
        Operator::Compatible => {
            order != Ordering::Less && begins(right.release.len().saturating_sub(1))
        }
        Operator::In | Operator::NotIn => return None,
    })
}

/// Numbers with dots, and whether it comes before them (`3.13.0rc1`).
struct Version {
    release: Vec<u64>,
    is_final: bool,
}

impl Version {
    fn of(text: &str) -> Option<Self> {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let numbers = text[..end].trim_end_matches('.');
        let release: Option<Vec<u64>> = numbers.split('.').map(|part| part.parse().ok()).collect();
        Some(Self { release: release?, is_final: end == text.len() })
    }

    fn order(&self, other: &Self) -> Ordering {
        let places = self.release.len().max(other.release.len());
        let at = |version: &Self, place: usize| version.release.get(place).copied().unwrap_or(0);
        (0..places)
            .map(|place| at(self, place).cmp(&at(other, place)))
            .find(|order| order.is_ne())
            .unwrap_or_else(|| self.is_final.cmp(&other.is_final))
    }
}

/// Why a text is no marker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an environment marker: {why}")]
pub struct ParseMarkerError {
    text: String,
    why: String,
}

impl FromStr for Marker {
    type Err = ParseMarkerError;

    fn from_str(text: &str) -> Result<Self, ParseMarkerError> {
        let failed = |why: String| ParseMarkerError { text: text.chars().take(200).collect(), why };
        if text.len() > LONGEST {
            return Err(failed(format!("it is longer than {LONGEST} bytes")));
        }
        let mut reader = Reader { rest: text, depth: 0 };
        let condition = reader.any().map_err(failed)?;
        if !reader.rest.trim_start().is_empty() {
            return Err(failed(format!(
                "what stands at `{}` is not understood",
                start(reader.rest)
            )));
        }
        Ok(Self { text: text.to_owned(), condition })
    }
}

struct Reader<'a> {
    rest: &'a str,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn any(&mut self) -> Result<Condition, String> {
        let mut parts = vec![self.all()?];
        while self.word("or") {
            parts.push(self.all()?);
        }
        Ok(Condition::Any(parts))
    }

    fn all(&mut self) -> Result<Condition, String> {
        let mut parts = vec![self.one()?];
        while self.word("and") {
            parts.push(self.one()?);
        }
        Ok(Condition::All(parts))
    }

    fn one(&mut self) -> Result<Condition, String> {
        if !self.sign("(") {
            let (left, operator) = (self.value()?, self.operator()?);
            return Ok(Condition::Compare { left, operator, right: self.value()? });
        }
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!("its parentheses go deeper than {DEEPEST}"));
        }
        let condition = self.any()?;
        self.depth -= 1;
        if self.sign(")") { Ok(condition) } else { Err("a `)` is missing".to_owned()) }
    }

    fn value(&mut self) -> Result<Value, String> {
        self.rest = self.rest.trim_start();
        if let Some(quote) = self.rest.chars().next().filter(|c| matches!(c, '\'' | '"')) {
            let (text, rest) = self.rest[1..].split_once(quote).ok_or("a quote does not close")?;
            self.rest = rest;
            return Ok(Value::Text(text.to_owned()));
        }
        let name = self.name();
        let variable =
            Variable::of(name).ok_or_else(|| format!("`{}` is no variable", start(self.rest)))?;
        self.rest = &self.rest[name.len()..];
        Ok(Value::Variable(variable))
    }

    fn operator(&mut self) -> Result<Operator, String> {
        const SIGNS: [(&str, Operator); 8] = [
            ("===", Operator::Equal),
            ("==", Operator::Equal),
            ("!=", Operator::NotEqual),
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("~=", Operator::Compatible),
            ("<", Operator::Less),
            (">", Operator::Greater),
        ];
        if let Some((_, operator)) = SIGNS.into_iter().find(|(sign, _)| self.sign(sign)) {
            return Ok(operator);
        }
        if self.word("in") {
            return Ok(Operator::In);
        }
        if self.word("not") && self.word("in") {
            return Ok(Operator::NotIn);
        }
        Err(format!("`{}` is no comparison", start(self.rest)))
    }

    fn sign(&mut self, sign: &str) -> bool {
        let rest = self.rest.trim_start().strip_prefix(sign);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn word(&mut self, word: &str) -> bool {
        self.rest = self.rest.trim_start();
        let is_there = self.name() == word;
        if is_there {
            self.rest = &self.rest[word.len()..];
        }
        is_there
    }

    /// The letters that come next.
    fn name(&self) -> &'a str {
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        &self.rest[..end.unwrap_or(self.rest.len())]
    }
}

fn start(text: &str) -> String {
    text.trim_start().chars().take(20).collect()
}

#[cfg(test)]
mod tests {
    use wharf_spec::platform::Platform;

    use super::*;
    use crate::python::target::Libc;

    #[track_caller]
    fn check(text: &str, expect: bool) {
        let target = Target {
            python: "3.11.7".parse().unwrap(),
            platform: Platform::LinuxArm64,
            libc: Libc::Glibc { minor: 36 },
        };
        assert_eq!(text.parse::<Marker>().unwrap().holds(&target), expect, "{text}");
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        check("python_version >= '3.9'", true);
        check("python_version < '3.9'", false);
        check("python_full_version == '3.11.*'", true);
        check("python_full_version != '3.11.*'", false);
        check("python_full_version < '3.11.7rc1'", false);
        check("python_full_version >= '3.11.7'", true);
        check("python_version ~= '3.8'", true);
        check("python_version ~= '3.11.8'", false);
        check("'3.10' <= python_version", true);
        check("python_version in '3.10 3.11'", true);
    }

    #[test]
    fn the_target_is_asked_and_not_this_machine() {
        check("platform_machine == 'aarch64' and sys_platform == 'linux'", true);
        check("platform_machine == 'x86_64' or os_name == 'nt'", false);
        check(
            "implementation_name == 'cpython' and platform_python_implementation != \"PyPy\"",
            true,
        );
        check("sys_platform not in 'win32 darwin'", true);
        check("extra == 'gpu'", false);
    }

    #[test]
    fn and_binds_stronger_than_or_and_parentheses_strongest() {
        check("os_name == 'posix' or os_name == 'nt' and os_name == 'java'", true);
        check("(os_name == 'posix' or os_name == 'nt') and os_name == 'java'", false);
    }

    #[test]
    fn what_is_no_marker_is_told() {
        for (text, expect) in [
            ("", "`` is no variable"),
            ("os_nam == 'x'", "`os_nam == 'x'` is no variable"),
            ("os_name 'x'", "`'x'` is no comparison"),
            ("os_name == 'x", "a quote does not close"),
            ("(os_name == 'x'", "a `)` is missing"),
            ("os_name == 'x' x", "what stands at `x` is not understood"),
        ] {
            let error = text.parse::<Marker>().unwrap_err();
            assert!(error.to_string().contains(expect), "{error}");
        }
        let deep = format!("{}os_name == 'x'", "(".repeat(10_000));
        assert!(deep.parse::<Marker>().unwrap_err().to_string().contains("deeper"));
    }
}
