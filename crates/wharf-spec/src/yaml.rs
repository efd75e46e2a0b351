//! Text to object, for every YAML file that a person writes.

use serde::de::DeserializeOwned;
use serde_saphyr::{Error, SnippetMode};

use crate::{
    codes,
    error::{Code, Explain},
    tagged::nearest,
};

/// The largest file of this kind, in bytes.
pub const MAX_BYTES: usize = 1 << 20;

/// A mistake in a file, at its place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct YamlError {
    pub file: String,
    pub line: u64,
    pub column: u64,
    pub message: String,
    /// The lines around it with a caret; empty where there are none.
    pub snippet: String,
    pub hint: Option<String>,
    /// What kind of mistake: one of `FILE_SYNTAX`, `FILE_VALUE`, `FILE_KEY`.
    pub code: Code,
}

impl Explain for YamlError {
    fn code(&self) -> Code {
        self.code
    }

    fn hints(&self) -> Vec<String> {
        self.hint.iter().cloned().collect()
    }

    fn excerpt(&self) -> Option<String> {
        Some(format!("  --> {}:{}:{}\n{}", self.file, self.line, self.column, self.snippet))
    }
}

/// Reads an object from the text of `file`, strictly: YAML 1.2 booleans, no duplicate or unknown keys, small budgets.
///
/// # Errors
/// The first mistake, with its place.
pub fn read<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, YamlError> {
    if text.len() > MAX_BYTES {
        let size = text.len();
        return Err(YamlError {
            file: file.to_owned(),
            line: 1,
            column: 1,
            message: format!("the file has {size} bytes; a file of this kind may have {MAX_BYTES}"),
            snippet: String::new(),
            hint: None,
            code: codes::FILE_SYNTAX,
        });
    }
    let options = serde_saphyr::options! {
        strict_booleans: true,
        reject_unsupported_tags: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        budget: serde_saphyr::budget! {
            max_reader_input_bytes: Some(MAX_BYTES),
            max_total_scalar_bytes: MAX_BYTES,
            max_nodes: 50_000,
            max_events: 200_000,
            max_aliases: 1_000,
            max_documents: 1,
            max_depth: 64,
        },
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| explain(file, text, &error))
}

fn explain(file: &str, text: &str, error: &Error) -> YamlError {
    let bare = error.without_snippet();
    let at = bare.location();
    let (line, column) = at.as_ref().map_or((1, 1), |at| (at.line(), at.column()));
    let rendered = serde_saphyr::render_options! { snippets: SnippetMode::Off };
    let sentence = sentence(bare.render_with_options(rendered));
    let (code, message, hint) = match bare {
        Error::SerdeUnknownField { field, expected, .. } => {
            let hint = match nearest(field, expected) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there is {}", crate::tagged::OneOf(expected)),
            };
            (codes::FILE_KEY, format!("unknown key `{field}`"), Some(hint))
        }
        Error::InvalidBooleanStrict { .. } => {
            (codes::FILE_VALUE, sentence, Some("write `true` or `false`".to_owned()))
        }
        Error::Message { .. }
        | Error::Unexpected { .. }
        | Error::InvalidScalar { .. }
        | Error::NonFiniteFloat { .. }
        | Error::NullIntoString { .. }
        | Error::SerdeMissingField { .. }
        | Error::SerdeInvalidType { .. }
        | Error::SerdeInvalidValue { .. }
        | Error::SerdeUnknownVariant { .. } => (codes::FILE_VALUE, sentence, None),
        _ => (codes::FILE_SYNTAX, sentence, None),
    };
    YamlError {
        file: file.to_owned(),
        line,
        column,
        message,
        snippet: snippet(text, line, column),
        hint,
        code,
    }
}

/// Cuts the place off the end of a sentence: it stands below already.
fn sentence(text: String) -> String {
    match text.find(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// Shows the line and a caret under the column.
fn snippet(text: &str, line: u64, column: u64) -> String {
    let index = usize::try_from(line).unwrap_or(1).saturating_sub(1);
    let Some(found) = text.lines().nth(index) else { return String::new() };
    let shown: String = found.chars().take(120).collect();
    let margin = " ".repeat(line.to_string().len());
    let before = usize::try_from(column).unwrap_or(1).saturating_sub(1).min(120);
    let indent = " ".repeat(before);
    format!("{margin} |\n{line} | {shown}\n{margin} | {indent}^")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{error::Report, project_file::ProjectFile};

    fn check(text: &str) -> String {
        Report(&read::<ProjectFile>("wharf.yaml", text).unwrap_err()).to_string()
    }

    #[test]
    fn an_unknown_key_is_shown_at_its_place() {
        insta::assert_snapshot!(check("model:\n  path: iris.json\n  clases: [a, b]\n"), @r"
error[W0104]: unknown key `clases`
  --> wharf.yaml:3:3
  |
3 |   clases: [a, b]
  |   ^

hint: did you mean `classes`?
");
    }

    #[test]
    fn a_wrong_type_is_shown_at_its_place() {
        insta::assert_snapshot!(check("model:\n  best_iteration: yes\n"), @r"
error[W0103]: invalid boolean (strict mode expects true/false)
  --> wharf.yaml:2:19
  |
2 |   best_iteration: yes
  |                   ^

hint: write `true` or `false`
");
    }

    #[test]
    fn a_syntax_error_is_shown_at_its_place() {
        insta::assert_snapshot!(check("model:\n  path: \"iris.json\n"), @r#"
error[W0102]: unclosed quote
  --> wharf.yaml:2:9
  |
2 |   path: "iris.json
  |         ^
"#);
    }

    #[test]
    fn a_python_version_without_quotes_stays_text() {
        let file: ProjectFile = read("wharf.yaml", "model:\n  python_version: 3.10\n").unwrap();
        assert_eq!(file.model.unwrap().python_version.as_deref(), Some("3.10"));
    }

    #[test]
    fn hostile_files_are_refused() {
        let bomb: String = (1..9).fold("a0: &a0 [x]\n".to_owned(), |text, at| {
            let refs = vec![format!("*a{}", at - 1); 9].join(", ");
            format!("{text}a{at}: &a{at} [{refs}]\n")
        });
        let files = [
            bomb,
            "[".repeat(100_000),
            format!("model: {{meta: {{x: '{}'}}}}", "y".repeat(MAX_BYTES)),
            "model: {}\n---\nmodel: {}\n".to_owned(),
            "model: !!python/object:os.system {}\n".to_owned(),
            "model: {}\nmodel: {}\n".to_owned(),
        ];
        for text in files {
            assert!(
                read::<ProjectFile>("wharf.yaml", &text).is_err(),
                "{} passed",
                &text[..40.min(text.len())]
            );
        }
    }
}
