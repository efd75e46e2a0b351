//! Text that others wrote cannot drive the terminal: control characters are shown, not sent.

/// Shows text on one line: every control character is escaped.
pub(crate) fn line(text: &str) -> String {
    text.chars().map(|c| if is_control(c) { escape(c) } else { c.to_string() }).collect()
}

/// Shows a line of a log: colours (SGR) stay and are reset at its end, every other control character is escaped.
pub(crate) fn log_line(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut coloured = false;
    let mut rest = text;
    while let Some(at) = rest.find(is_control) {
        shown.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(length) = sgr(rest) {
            shown.push_str(&rest[..length]);
            coloured = true;
            rest = &rest[length..];
        } else {
            let c = rest.chars().next().expect("`find` found one");
            if c == '\t' {
                shown.push(c);
            } else {
                shown.push_str(&escape(c));
            }
            rest = &rest[c.len_utf8()..];
        }
    }
    shown.push_str(rest);
    if coloured {
        shown.push_str("\x1b[0m");
    }
    shown
}

/// Removes colours, for pipes.
pub(crate) fn without_colour(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\x1b') {
        shown.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = sgr(rest).unwrap_or(1);
        if length == 1 {
            shown.push_str(&escape('\x1b'));
        }
        rest = &rest[length..];
    }
    shown.push_str(rest);
    line(&shown.replace('\t', "    "))
}

/// Returns the length of the colour sequence at the beginning: `ESC [ digits and ; m`.
fn sgr(text: &str) -> Option<usize> {
    let rest = text.strip_prefix("\x1b[")?;
    let digits = rest.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b';').count();
    (rest.as_bytes().get(digits) == Some(&b'm')).then_some(2 + digits + 1)
}

/// Control characters, and marks that turn the direction of text.
fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn escape(c: char) -> String {
    c.escape_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown() {
        assert_eq!(line("a\x1b]0;title\x07b\n"), r"a\u{1b}]0;title\u{7}b\n");
    }

    #[test]
    fn colours_of_logs_stay_and_are_reset() {
        assert_eq!(log_line("\x1b[31mred"), "\x1b[31mred\x1b[0m");
        assert_eq!(log_line("\x1b[2Jgone"), r"\u{1b}[2Jgone");
        assert_eq!(without_colour("\x1b[31mred\x1b[0m\x1b[2J"), r"red\u{1b}[2J");
    }
}
