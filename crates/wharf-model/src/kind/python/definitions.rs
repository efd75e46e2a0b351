//! The functions and classes at the top of a Python file, with their parameters.

use super::lines::{Line, split};
use crate::error::ReadError;

/// Something at the top of a file that can be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Definition {
    Function(Function),
    Class(Class),
}

impl Definition {
    /// Returns the name.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Function(function) => &function.name,
            Self::Class(class) => &class.name,
        }
    }
}

/// A `def`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) is_async: bool,
    /// Without `self` or `cls`, and without `*args` and `**kwargs`.
    pub(super) parameters: Vec<Parameter>,
    pub(super) returns: Option<String>,
}

/// A parameter of a function, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) annotation: Option<String>,
    pub(super) default: Option<String>,
    pub(super) positional_only: bool,
}

/// A `class` with the functions right inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Class {
    pub(super) name: String,
    pub(super) methods: Vec<Function>,
}

impl Class {
    /// Returns a parameter without which it cannot be made.
    pub(super) fn needed_by_init(&self) -> Option<&str> {
        let init = self.methods.iter().find(|method| method.name == "__init__")?;
        let needed = init.parameters.iter().find(|parameter| parameter.default.is_none());
        needed.map(|parameter| parameter.name.as_str())
    }
}

/// Reads the definitions of a file; a name that is defined again means the last one, as in Python.
pub(super) fn of(source: &str) -> Result<Vec<Definition>, ReadError> {
    let lines = split(source)?;
    let mut found: Vec<Definition> = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        if line.indent > 0 {
            continue;
        }
        let definition = if let Some(function) = function(&line.text, Receiver::None) {
            Definition::Function(function)
        } else if let Some(name) = class_name(&line.text) {
            Definition::Class(Class { name, methods: methods(&lines[index + 1..]) })
        } else {
            continue;
        };
        found.retain(|earlier| earlier.name() != definition.name());
        found.push(definition);
    }
    Ok(found)
}

/// Whether the first parameter is the object itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Receiver {
    None,
    First,
}

/// Reads the methods of the class whose body begins here.
fn methods(lines: &[Line]) -> Vec<Function> {
    let Some(body) = lines.first().map(|line| line.indent).filter(|indent| *indent > 0) else {
        return Vec::new();
    };
    let mut methods: Vec<Function> = Vec::new();
    let mut decorators: Vec<&str> = Vec::new();
    for line in lines.iter().take_while(|line| line.indent > 0) {
        if line.indent != body {
            continue;
        }
        if let Some(decorator) = line.text.strip_prefix('@') {
            decorators.push(decorator.trim());
            continue;
        }
        let is_static = decorators.contains(&"staticmethod");
        let receiver = if is_static { Receiver::None } else { Receiver::First };
        let is_value = decorators
            .iter()
            .any(|decorator| decorator.ends_with("property") || decorator.ends_with(".setter"));
        decorators.clear();
        if let Some(function) = function(&line.text, receiver)
            && !is_value
        {
            methods.retain(|earlier| earlier.name != function.name);
            methods.push(function);
        }
    }
    methods
}

fn class_name(text: &str) -> Option<String> {
    let rest = text.strip_prefix("class ")?.trim_start();
    let name = name_of(rest);
    (!name.is_empty()).then(|| name.to_owned())
}

fn function(text: &str, receiver: Receiver) -> Option<Function> {
    let without_async = text.strip_prefix("async ").map(str::trim_start);
    let rest = without_async.unwrap_or(text).strip_prefix("def ")?.trim_start();
    let name = name_of(rest);
    let after = rest[name.len()..].trim_start();
    // A list of type parameters may stand before the parameters.
    let open = after.find('(')?;
    let (inside, after) = bracketed(&after[open..])?;
    let returns = after.trim_start().strip_prefix("->").map(|rest| {
        let end = top_level(rest, ':').first().copied().unwrap_or(rest.len());
        rest[..end].trim().to_owned()
    });
    let mut parameters = parameters(inside);
    if receiver == Receiver::First && !parameters.is_empty() {
        parameters.remove(0);
    }
    let is_async = without_async.is_some();
    (!name.is_empty()).then(|| Function { name: name.to_owned(), is_async, parameters, returns })
}

/// Returns the text between a bracket and its partner, and what follows.
fn bracketed(text: &str) -> Option<(&str, &str)> {
    let mut scan = Scan::default();
    for (at, c) in text.char_indices() {
        scan.step(c);
        if scan.depth == 0 && c == ')' && scan.quote.is_none() {
            return Some((&text[1..at], &text[at + 1..]));
        }
    }
    None
}

fn parameters(text: &str) -> Vec<Parameter> {
    let mut parameters: Vec<Parameter> = Vec::new();
    for part in split_at(text, ',') {
        let part = part.trim();
        if part == "/" {
            for parameter in &mut parameters {
                parameter.positional_only = true;
            }
        } else if !part.is_empty() && !part.starts_with('*') {
            parameters.push(parameter(part));
        }
    }
    parameters
}

fn parameter(text: &str) -> Parameter {
    let (before, default) = match top_level(text, '=').first() {
        Some(at) => (&text[..*at], Some(text[at + 1..].trim().to_owned())),
        None => (text, None),
    };
    let (name, annotation) = match before.split_once(':') {
        Some((name, annotation)) => (name, Some(annotation.trim().to_owned())),
        None => (before, None),
    };
    Parameter { name: name.trim().to_owned(), annotation, default, positional_only: false }
}

fn name_of(text: &str) -> &str {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let end = text.find(|c: char| !is_word(c)).unwrap_or(text.len());
    &text[..end]
}

fn split_at(text: &str, mark: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut from = 0;
    for at in top_level(text, mark) {
        parts.push(&text[from..at]);
        from = at + 1;
    }
    parts.push(&text[from..]);
    parts
}

/// Returns where a mark stands outside of brackets and strings.
fn top_level(text: &str, mark: char) -> Vec<usize> {
    let mut scan = Scan::default();
    let mut found = Vec::new();
    for (at, c) in text.char_indices() {
        if c == mark && scan.depth == 0 && scan.quote.is_none() {
            found.push(at);
        }
        scan.step(c);
    }
    found
}

/// Where a reader is: how deep in brackets, and in which string.
#[derive(Debug, Default)]
struct Scan {
    depth: usize,
    quote: Option<char>,
    is_escaped: bool,
}

impl Scan {
    fn step(&mut self, c: char) {
        match (self.quote, c) {
            (Some(_), _) if self.is_escaped => self.is_escaped = false,
            (Some(_), '\\') => self.is_escaped = true,
            (Some(quote), _) if c == quote => self.quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => self.quote = Some(c),
            (None, '(' | '[' | '{') => self.depth += 1,
            (None, ')' | ']' | '}') => self.depth = self.depth.saturating_sub(1),
            (None, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only_function(source: &str) -> Function {
        match of(source).unwrap().as_slice() {
            [Definition::Function(function)] => function.clone(),
            other => panic!("not one function: {other:?}"),
        }
    }

    #[test]
    fn parameters_have_annotations_and_defaults() {
        let function = only_function(
            "def predict(rows: list[list[float]], /, scale: float = 1.5, *args, sep=\",\", **more) -> dict[str, int]:\n    pass\n",
        );
        let shown: Vec<String> = function
            .parameters
            .iter()
            .map(|p| format!("{} {:?} {:?} {}", p.name, p.annotation, p.default, p.positional_only))
            .collect();
        insta::assert_snapshot!(shown.join("\n"), @r#"
        rows Some("list[list[float]]") None true
        scale Some("float") Some("1.5") false
        sep None Some("\",\"") false
        "#);
        assert_eq!(function.returns.as_deref(), Some("dict[str, int]"));
    }

    #[test]
    fn methods_lose_self_and_values_are_no_methods() {
        let source = "
class Model(Base):
    '''A model.'''
    def __init__(self, path='x'):
        def inner(a): pass
    @staticmethod
    def predict(data):
        return data
    @property
    def name(self): return 1
    async def stream(self, text: str): ...
";
        let found = of(source).unwrap();
        let [Definition::Class(class)] = found.as_slice() else { panic!("{found:?}") };
        let names: Vec<(&str, usize)> =
            class.methods.iter().map(|m| (m.name.as_str(), m.parameters.len())).collect();
        assert_eq!(names, [("__init__", 1), ("predict", 1), ("stream", 1)]);
        assert_eq!(class.needed_by_init(), None);
        assert!(class.methods[2].is_async);
    }

    #[test]
    fn text_in_strings_defines_nothing() {
        assert_eq!(of("x = '''\ndef predict(a): pass\n'''\n# def predict(b): pass\n").unwrap(), []);
    }

    proptest::proptest! {
        #[test]
        fn any_line_is_read_or_left(rest in ".*") {
            let _function = function(&format!("def f{rest}"), Receiver::First);
        }
    }
}
