//! `.dockerignore`: which paths of a build's context stay behind, by Docker's rules (which are not Git's).
//!
//! Every pattern begins at the context's root; the last one that matches a path or one of its parents decides.
//! Where Docker's own versions differ, this is what BuildKit does.

use std::str::Chars;

/// The longest pattern, in bytes; no path is longer.
const MAX_PATTERN: usize = 4096;

/// The lines of a `.dockerignore`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ignore {
    rules: Vec<Rule>,
}

/// Why a line cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: `{text}` is no pattern: {why}")]
pub struct IgnoreError {
    pub line: usize,
    pub text: String,
    why: &'static str,
}

impl Ignore {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// For the first line that is no pattern.
    pub fn parse(text: &str) -> Result<Self, IgnoreError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut rules = Vec::new();
        for (index, line) in text.lines().enumerate() {
            // Only at the very beginning: ` #x` is a name.
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            let rule = Rule::parse(line.trim()).map_err(|why| IgnoreError {
                line: index + 1,
                text: line.trim().to_owned(),
                why,
            })?;
            rules.push(rule);
        }
        Ok(Self { rules })
    }

    /// Says whether a path stays behind; it is relative to the context, with `/` between its parts.
    pub fn excludes(&self, path: &str) -> bool {
        let mut excluded = false;
        for rule in &self.rules {
            // A rule that would change nothing need not match.
            if rule.is_exception == excluded && rule.matches_path_or_parent(path) {
                excluded = !rule.is_exception;
            }
        }
        excluded
    }

    /// Says whether an exception may bring back something beneath an excluded folder, which must be looked at then.
    pub fn may_bring_back_beneath(&self, folder: &str) -> bool {
        let mut exceptions = self.rules.iter().filter(|rule| rule.is_exception);
        exceptions.any(|rule| rule.may_match_beneath(folder))
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    is_exception: bool,
    tokens: Vec<Token>,
}

/// A piece of a pattern. Each is one state of the machine that reads a path.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Char(char),
    /// `?`
    One,
    /// `*`: any characters of one name.
    Name,
    /// `**` at the end or the beginning of a word: any characters.
    Rest,
    /// `**/`: either the next token, `Folders`, or the one after it.
    MaybeFolders,
    /// Any characters up to a `/`.
    Folders,
    /// `[a-z]`, `[^a-z]`
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Rule {
    fn parse(line: &str) -> Result<Self, &'static str> {
        let (is_exception, pattern) = match line.strip_prefix('!') {
            Some(pattern) => (true, pattern.trim()),
            None => (false, line),
        };
        if pattern.is_empty() {
            return Err("a pattern follows after `!`");
        }
        if pattern.len() > MAX_PATTERN {
            return Err("it is longer than 4096 bytes");
        }
        let pattern = cleaned(pattern);
        Ok(Self { is_exception, tokens: tokens(&pattern)? })
    }

    fn matches_path_or_parent(&self, path: &str) -> bool {
        let mut states = self.start();
        for c in path.chars() {
            if c == '/' && states.is_done() {
                return true;
            }
            states = states.step(&self.tokens, c);
        }
        states.is_done()
    }

    fn may_match_beneath(&self, folder: &str) -> bool {
        let beneath = folder.chars().chain(['/']);
        let states = beneath.fold(self.start(), |states, c| states.step(&self.tokens, c));
        !states.is_empty()
    }

    fn start(&self) -> States {
        let mut states = States::new(self.tokens.len());
        states.enter(&self.tokens, 0);
        states
    }
}

/// Where in the pattern a path may stand: one flag for each token, and one for its end.
struct States(Vec<bool>);

impl States {
    fn new(tokens: usize) -> Self {
        Self(vec![false; tokens + 1])
    }

    fn is_empty(&self) -> bool {
        !self.0.contains(&true)
    }

    fn is_done(&self) -> bool {
        self.0.last() == Some(&true)
    }

    /// Marks a state, and those that are reached from it without a character.
    fn enter(&mut self, tokens: &[Token], at: usize) {
        if self.0[at] {
            return;
        }
        self.0[at] = true;
        match tokens.get(at) {
            Some(Token::Name | Token::Rest) => self.enter(tokens, at + 1),
            Some(Token::MaybeFolders) => {
                self.enter(tokens, at + 1);
                self.enter(tokens, at + 2);
            }
            Some(Token::Char(_) | Token::One | Token::Folders | Token::Class { .. }) | None => {}
        }
    }

    fn step(&self, tokens: &[Token], c: char) -> Self {
        let mut next = Self::new(tokens.len());
        for (at, token) in tokens.iter().enumerate().filter(|(at, _)| self.0[*at]) {
            match token {
                Token::Char(wanted) if *wanted == c => next.enter(tokens, at + 1),
                Token::One if c != '/' => next.enter(tokens, at + 1),
                Token::Name if c != '/' => next.enter(tokens, at),
                Token::Rest => next.enter(tokens, at),
                Token::Folders => {
                    next.enter(tokens, at);
                    if c == '/' {
                        next.enter(tokens, at + 1);
                    }
                }
                Token::Class { negated, ranges } => {
                    let inside = ranges.iter().any(|(low, high)| (*low..=*high).contains(&c));
                    if inside != *negated {
                        next.enter(tokens, at + 1);
                    }
                }
                Token::Char(_) | Token::One | Token::Name | Token::MaybeFolders => {}
            }
        }
        next
    }
}

/// Takes `.`, `..`, doubled and outer slashes away, as Go's `filepath.Clean` does.
fn cleaned(pattern: &str) -> String {
    let is_rooted = pattern.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in pattern.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if is_rooted => {}
            _ => parts.push(part),
        }
    }
    match parts.is_empty() {
        // `/` and `.` mean the context itself, which no path is.
        true if is_rooted => "/".to_owned(),
        true => ".".to_owned(),
        false => parts.join("/"),
    }
}

fn tokens(pattern: &str) -> Result<Vec<Token>, &'static str> {
    let mut tokens = Vec::new();
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        match c {
            '*' if rest.as_str().starts_with('*') => {
                rest.next();
                let has_slash = rest.as_str().starts_with('/');
                if has_slash {
                    rest.next();
                }
                let is_suffix = tokens.is_empty() && !has_slash && is_plain(rest.as_str());
                if rest.as_str().is_empty() || is_suffix {
                    tokens.push(Token::Rest);
                } else {
                    tokens.extend([Token::MaybeFolders, Token::Folders]);
                }
            }
            '*' => tokens.push(Token::Name),
            '?' => tokens.push(Token::One),
            '[' => tokens.push(class(&mut rest)?),
            '\\' => tokens.push(Token::Char(rest.next().ok_or("it ends with `\\`")?)),
            c => tokens.push(Token::Char(c)),
        }
    }
    Ok(tokens)
}

/// Says whether text stands for itself: BuildKit takes `**text` as "ends with text" then.
fn is_plain(text: &str) -> bool {
    !text.contains(['*', '?', '[', ']', '\\'])
}

fn class(rest: &mut Chars<'_>) -> Result<Token, &'static str> {
    const OPEN: &str = "`[` has no `]`";
    let negated = rest.as_str().starts_with('^');
    if negated {
        rest.next();
    }
    let mut ranges = Vec::new();
    while ranges.is_empty() || !rest.as_str().starts_with(']') {
        let low = member(rest).ok_or(OPEN)?;
        let high = if rest.as_str().starts_with('-') {
            rest.next();
            member(rest).ok_or(OPEN)?
        } else {
            low
        };
        ranges.push((low, high));
    }
    rest.next();
    Ok(Token::Class { negated, ranges })
}

/// Reads one character of a class; `-` and `]` only after `\`.
fn member(rest: &mut Chars<'_>) -> Option<char> {
    match rest.next()? {
        '-' | ']' => None,
        '\\' => rest.next(),
        c => Some(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks which of some paths, separated by spaces, stay behind.
    #[track_caller]
    fn check(lines: &str, excluded: &str, kept: &str) {
        let ignore = Ignore::parse(lines).unwrap();
        for path in excluded.split_whitespace() {
            assert!(ignore.excludes(path), "{path} was kept by {lines:?}");
        }
        for path in kept.split_whitespace() {
            assert!(!ignore.excludes(path), "{path} was excluded by {lines:?}");
        }
    }

    #[test]
    fn patterns_begin_at_the_root() {
        check("foo", "foo foo/a foo/b/c", "a/foo foobar");
        check("*.log", "a.log .log", "a/b.log a.logs");
        check("*/*.log", "a/b.log", "b.log a/b/c.log");
        check("docs/*.md", "docs/a.md", "docs/a/b.md a.md");
    }

    #[test]
    fn outer_slashes_and_dots_mean_nothing() {
        for line in ["/foo", "./foo", "foo/", "foo//", "a/../foo", "/../foo", "  foo  ", "foo/."] {
            check(line, "foo foo/a", "a/foo");
        }
        check("/", "", "foo");
        check(".", "", "foo .x");
        check("..", "", "foo");
    }

    #[test]
    fn two_stars_cross_folders() {
        check("**/foo", "foo a/foo a/b/foo a/foo/b", "afoo a/bfoo");
        check("**/*.pyc", "a.pyc a/b/c.pyc", "a.py");
        check("foo/**", "foo/a foo/a/b", "foo");
        check("a/**/b", "a/b a/x/b a/x/y/b", "ab a/xb");
        check("**", "a a/b", "");
        check("a**", "a ab ab/c a/b", "b");
        check("**foo", "foo afoo a/bfoo", "foob");
        check("**/a*/c", "x/ab/c a/c", "x/ba/c");
    }

    #[test]
    fn one_character_and_classes() {
        check("a?c", "abc", "ac a/c abbc");
        check("[a-c]x", "ax cx", "dx x");
        check("[^a-c]x", "dx", "ax");
        check(r"\*x", "*x", "ax");
        check(r"[\]a]x", "]x ax", "bx");
        check("a.c", "a.c", "abc");
        check("a(b)+{c}$|d", "a(b)+{c}$|d", "abc");
    }

    #[test]
    fn the_last_match_decides() {
        check("*\n!a", "b b/c", "a a/b");
        check("*\n!**/*.py", "x/y a.txt", "a.py x/y.py");
        check("a\n!a/b\na/b/c", "a a/x a/b/c a/b/c/d", "a/b a/b/x");
        check("!a\na", "a", "");
        check("*.md\n!  README*.md", "x.md", "README.md README-a.md");
    }

    #[test]
    fn comments_begin_in_the_first_column() {
        check("\u{feff}# a\n#b\n #c\n\n", "#c", "a #b b # c");
        check("\u{feff}a\r\nb\r\n", "a b", "c");
    }

    #[test]
    fn folders_are_looked_into_only_where_an_exception_may_match() {
        let beneath = |lines: &str, folder: &str| {
            Ignore::parse(lines).unwrap().may_bring_back_beneath(folder)
        };
        assert!(!beneath("data", "data"));
        assert!(beneath("data\n!data/keep/x", "data"));
        assert!(beneath("data\n!data/keep/x", "data/keep"));
        assert!(!beneath("data\n!data/keep/x", "data/other"));
        assert!(beneath("*\n!**/*.py", "any/where"));
        assert!(!beneath("*\n!*.py", "any"));
    }

    #[test]
    fn a_line_that_is_no_pattern_is_named() {
        let why = |lines: &str| Ignore::parse(lines).unwrap_err().to_string();
        assert_eq!(why("a\n! "), "line 2: `!` is no pattern: a pattern follows after `!`");
        assert_eq!(why("[a"), "line 1: `[a` is no pattern: `[` has no `]`");
        assert_eq!(why("a\\"), "line 1: `a\\` is no pattern: it ends with `\\`");
        for line in ["[]", "[]a]", "[-a]", "[a-]", "[^]", "[\\"] {
            assert!(Ignore::parse(line).is_err(), "{line} passed");
        }
    }

    #[test]
    fn no_pattern_takes_long() {
        // A machine that goes back and tries again would not end.
        for pattern in ["*a**/".repeat(800), "*".repeat(4096)] {
            Ignore::parse(&format!("{pattern}b")[1..]).unwrap().excludes(&"a/".repeat(1000));
        }
        assert!(Ignore::parse(&"*".repeat(4097)).is_err());
    }
}
