//! Which programs open a page.

use std::path::{Path, PathBuf};

use super::{Env, find_program};
use crate::env_vars;

/// A program that opens a page. No shell is involved: its arguments are passed on as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Browser {
    pub(crate) program: PathBuf,
    /// `%s` stands for the address; without it the address comes last.
    words: Vec<String>,
}

impl Browser {
    /// Returns the arguments that open an address.
    pub(crate) fn arguments(&self, url: &str) -> Vec<String> {
        let mut words: Vec<_> = self.words.iter().map(|word| word.replace("%s", url)).collect();
        if !self.words.iter().any(|word| word.contains("%s")) {
            words.push(url.to_owned());
        }
        words
    }
}

/// Returns what is there, in the order to try: what BROWSER names, then the desktop's own.
pub(super) fn browsers(env: &Env) -> Vec<Browser> {
    let named = env.text(env_vars::BROWSER).unwrap_or_default();
    let named = named.split(':').filter_map(|command| {
        let mut words = command.split_whitespace();
        let program = find_program(env, Path::new(words.next()?))?;
        Some(Browser { program, words: words.map(str::to_owned).collect() })
    });
    named.chain(desktop(env)).collect()
}

/// Returns the program that asks the desktop, where there is one.
fn desktop(env: &Env) -> Option<Browser> {
    let has_screen = [env_vars::DISPLAY, env_vars::WAYLAND_DISPLAY]
        .into_iter()
        .any(|variable| env.get(variable).is_some());
    let program = match cfg!(target_os = "macos") {
        true => "open",
        // Without a screen it would start a browser of text, in the middle of ours.
        false if has_screen => "xdg-open",
        false => return None,
    };
    let program = find_program(env, Path::new(program))?;
    Some(Browser { program, words: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_argument() {
        let browser = |words: &[&str]| Browser {
            program: "b".into(),
            words: words.iter().map(|word| (*word).to_owned()).collect(),
        };
        let url = "http://127.0.0.1:8080/?a=$(id);b";
        assert_eq!(browser(&[]).arguments(url), [url]);
        assert_eq!(browser(&["--new-tab"]).arguments(url), ["--new-tab", url]);
        assert_eq!(browser(&["--app=%s", "-x"]).arguments("u"), ["--app=u", "-x"]);
    }
}
