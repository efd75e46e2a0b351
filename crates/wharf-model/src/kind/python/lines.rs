//! Python source as logical lines: without comments, with brackets and long strings closed.

use crate::error::ReadError;

/// A logical line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// Columns before the first character; a tab goes to the next multiple of eight.
    pub(super) indent: usize,
    /// The text on one line.
    pub(super) text: String,
}

/// Splits source text into logical lines; empty ones are left out.
///
/// # Errors
/// When a string or bracket does not close.
pub(super) fn split(source: &str) -> Result<Vec<Line>, ReadError> {
    let mut reader = Reader { rest: source.trim_start_matches('\u{feff}'), line: 1 };
    let mut lines = Vec::new();
    while !reader.rest.is_empty() {
        let line = reader.logical_line()?;
        if !line.text.is_empty() {
            lines.push(line);
        }
    }
    Ok(lines)
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Reader<'a> {
    fn logical_line(&mut self) -> Result<Line, ReadError> {
        let indent = self.indent();
        let began = self.line;
        let mut text = String::new();
        let mut open = 0_usize;
        while let Some(c) = self.rest.chars().next() {
            match c {
                '\n' if open == 0 => {
                    self.take(1);
                    break;
                }
                '\n' => {
                    text.push(' ');
                    self.take(1);
                }
                '\\' if self.rest[1..].starts_with('\n') || self.rest[1..].starts_with("\r\n") => {
                    text.push(' ');
                    self.take(if self.rest[1..].starts_with('\n') { 2 } else { 3 });
                }
                '#' => {
                    let end = self.rest.find('\n').unwrap_or(self.rest.len());
                    self.take(end);
                }
                '"' | '\'' => text.push_str(self.string(c)?),
                _ => {
                    match c {
                        '(' | '[' | '{' => open += 1,
                        ')' | ']' | '}' => open = open.saturating_sub(1),
                        _ => {}
                    }
                    text.push(c);
                    self.take(c.len_utf8());
                }
            }
        }
        if open > 0 {
            return Err(ReadError::corrupt(format!("a bracket of line {began} does not close")));
        }
        Ok(Line { indent, text: text.trim().to_owned() })
    }

    fn indent(&mut self) -> usize {
        let mut indent = 0;
        while let Some(c) = self.rest.chars().next() {
            match c {
                ' ' => indent += 1,
                '\t' => indent = (indent / 8 + 1) * 8,
                _ => break,
            }
            self.take(1);
        }
        indent
    }

    /// Takes a string with its quotes.
    fn string(&mut self, quote: char) -> Result<&'a str, ReadError> {
        let began = self.line;
        let triple: String = [quote; 3].iter().collect();
        let is_long = self.rest.starts_with(&triple);
        let marks = if is_long { 3 } else { 1 };
        let mut end = marks;
        loop {
            let Some(c) = self.rest[end..].chars().next() else {
                return Err(ReadError::corrupt(format!("a string of line {began} does not close")));
            };
            match c {
                '\\' => {
                    let escaped = self.rest[end + 1..].chars().next();
                    end += 1 + escaped.map_or(0, char::len_utf8);
                }
                '\n' if !is_long => {
                    return Err(ReadError::corrupt(format!(
                        "a string of line {began} does not close"
                    )));
                }
                _ if is_long && self.rest[end..].starts_with(&triple) => {
                    return Ok(self.take(end + 3));
                }
                _ if !is_long && c == quote => return Ok(self.take(end + 1)),
                _ => end += c.len_utf8(),
            }
        }
    }

    /// Takes that many bytes, and counts the lines in them.
    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<String> {
        split(source).unwrap().into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn comments_go_and_brackets_join() {
        let source = "a = 1  # one\n\n# two\ndef f(x, # first\n      y='#'):\n    return x\n";
        assert_eq!(texts(source), ["a = 1", "def f(x,        y='#'):", "return x"]);
    }

    #[test]
    fn a_long_string_is_one_line() {
        assert_eq!(texts("\"\"\"\ndef no(): pass\n\"\"\"\nx = 1").len(), 2);
        assert_eq!(texts("s = 'it\\'s'\ny = 2").len(), 2);
        assert_eq!(texts("a = 1 + \\\n  2\nb = 3").len(), 2);
    }

    #[test]
    fn what_does_not_close_is_an_error() {
        for source in ["def f(", "x = '", "x = '''a\n'", "\"", "'\\", "(\\"] {
            assert!(split(source).is_err(), "{source:?} passed");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_split_or_refused(source in ".*") {
            let _outcome = split(&source);
        }
    }
}
