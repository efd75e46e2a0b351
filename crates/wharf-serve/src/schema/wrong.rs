//! What is told to whoever sent a wrong input: MLEM's class and text, the field, and what to do.

use serde_json::{Value, json};

/// Why a body is not an input of the method.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WrongInput {
    class: Class,
    message: String,
    hint: Option<String>,
    /// Innermost first: errors are made at the value and learn their place on the way out.
    path: Vec<Step>,
}

/// The class of an error, with MLEM's statuses in mind: it answered some with 400 and others with 422.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// An argument is not there.
    Key,
    /// The value has another form than the signature says.
    Deserialization,
    /// One value cannot be read as its type.
    Value,
    /// One value is of a type that cannot be read at all.
    Type,
    /// The body is empty or `null`.
    NoBody,
    /// The body is no JSON.
    Json,
}

/// One step into a body.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Index(usize),
}

impl WrongInput {
    pub(crate) fn new(class: Class, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), hint: None, path: Vec::new() }
    }

    /// Returns the error for a value of another form, as MLEM words it.
    pub(crate) fn form(message: impl Into<String>) -> Self {
        Self::new(Class::Deserialization, message)
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says under which key the error lies.
    #[must_use]
    pub(crate) fn under(mut self, key: &str) -> Self {
        self.path.push(Step::Key(key.to_owned()));
        self
    }

    /// Says at which place of a list the error lies.
    #[must_use]
    pub(crate) fn at(mut self, index: usize) -> Self {
        self.path.push(Step::Index(index));
        self
    }

    /// Returns the sentence with its class: `KeyError: 'data'`.
    pub(crate) fn error(&self) -> String {
        let class = match self.class {
            Class::Key => "KeyError",
            Class::Deserialization => "DeserializationError",
            Class::Value | Class::NoBody => "ValueError",
            Class::Type => "TypeError",
            Class::Json => "JSONDecodeError",
        };
        format!("{class}: {}", self.message)
    }

    /// Returns where it is: `data[3][2]`, `data.values[3].age`; `None` for the body as a whole.
    pub(crate) fn field(&self) -> Option<String> {
        let mut field = String::new();
        for step in self.path.iter().rev() {
            match step {
                Step::Index(index) => field.extend(["[", &index.to_string(), "]"]),
                Step::Key(key) if field.is_empty() => field.push_str(key),
                Step::Key(key) => field.extend([".", key]),
            }
        }
        (!field.is_empty()).then_some(field)
    }

    /// Returns what to do about it.
    pub(crate) fn advice(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Returns the status that MLEM's server answered.
    pub(crate) fn mlem_status(&self) -> u16 {
        match self.class {
            Class::Key | Class::Deserialization => 400,
            Class::Value | Class::Type | Class::NoBody | Class::Json => 422,
        }
    }

    /// Returns the list of `{loc, msg, type}` that FastAPI's clients know.
    pub(crate) fn detail(&self) -> Value {
        let mut place = vec![json!("body")];
        place.extend(self.path.iter().rev().map(|step| match step {
            Step::Key(key) => json!(key),
            Step::Index(index) => json!(index),
        }));
        let kind = match self.class {
            Class::Key | Class::NoBody => "value_error.missing",
            Class::Deserialization | Class::Value => "value_error",
            Class::Type => "type_error",
            Class::Json => "json_invalid",
        };
        json!([{ "loc": place, "msg": self.message, "type": kind }])
    }
}

/// Longest text of a foreign value in a message; a body may be 32 MB.
const REPR_CHARS: usize = 200;

/// Returns a value as Python shows it, cut where it is long.
pub(crate) fn repr(value: &Value) -> String {
    let mut text = String::new();
    write_repr(value, &mut text);
    if text.len() <= REPR_CHARS {
        return text;
    }
    let cut = text.floor_char_boundary(REPR_CHARS);
    text.truncate(cut);
    text.push('…');
    text
}

fn write_repr(value: &Value, text: &mut String) {
    if text.len() > REPR_CHARS {
        return;
    }
    match value {
        Value::Null => text.push_str("None"),
        Value::Bool(true) => text.push_str("True"),
        Value::Bool(false) => text.push_str("False"),
        Value::Number(number) => text.push_str(&number.to_string()),
        Value::String(string) => quote(string, text),
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if text.len() > REPR_CHARS {
                    return;
                }
                text.push_str(if index == 0 { "" } else { ", " });
                write_repr(item, text);
            }
            text.push(']');
        }
        Value::Object(map) => {
            text.push('{');
            for (index, (key, item)) in map.iter().enumerate() {
                if text.len() > REPR_CHARS {
                    return;
                }
                text.push_str(if index == 0 { "" } else { ", " });
                quote(key, text);
                text.push_str(": ");
                write_repr(item, text);
            }
            text.push('}');
        }
    }
}

fn quote(string: &str, text: &mut String) {
    text.push('\'');
    for char in string.chars().take(REPR_CHARS) {
        match char {
            '\'' | '\\' => text.extend(['\\', char]),
            char if char.is_control() => text.extend(char.escape_default()),
            char => text.push(char),
        }
    }
    text.push('\'');
}

/// Returns Python's name for the type of a value.
pub(crate) fn python_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "NoneType",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "str",
        Value::Array(_) => "list",
        Value::Object(_) => "dict",
    }
}

/// Returns the error for a value that is another kind of thing altogether.
pub(crate) fn other_type(value: &Value, expected: &str) -> WrongInput {
    let given = python_type(value);
    WrongInput::form(format!(
        "given data is of type: <class '{given}'>, expected: <class '{expected}'>"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_reads_like_code() {
        let wrong = WrongInput::form("x").under("age").at(3).under("values").under("data");
        assert_eq!(wrong.field().as_deref(), Some("data.values[3].age"));
        assert_eq!(wrong.detail()[0]["loc"], json!(["body", "data", "values", 3, "age"]));
        assert_eq!(WrongInput::form("x").field(), None);
    }

    #[test]
    fn foreign_values_are_shown_as_python_does_and_cut() {
        let value = json!([null, true, "a'b\n", 1.5, { "k": [] }]);
        assert_eq!(repr(&value), r"[None, True, 'a\'b\n', 1.5, {'k': []}]");
        assert!(repr(&json!("ä".repeat(10_000))).len() < 210);
        assert!(repr(&json!(vec![1; 1_000_000])).len() < 210);
    }
}
