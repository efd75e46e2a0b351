//! Colours: by `--color`, then the variables people set, then whether it is a terminal. Never colour alone.

use crate::{cli::ColorChoice, config::Env, env_vars, output::Console};

/// Which of the two streams take colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    pub(crate) out: bool,
    pub(crate) err: bool,
}

/// What a piece of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    Good,
    Bad,
    Warning,
    Faint,
    Strong,
}

impl Paint {
    const fn code(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Bad => "1;31",
            Self::Warning => "33",
            Self::Faint => "2",
            Self::Strong => "1",
        }
    }
}

impl Style {
    pub(crate) const fn plain() -> Self {
        Self { out: false, err: false }
    }

    pub(crate) fn choose(flag: ColorChoice, env: &Env, console: &Console) -> Self {
        let word = env.text(env_vars::WHARF_COLOR);
        let choice = match (flag, word.as_deref()) {
            (ColorChoice::Auto, Some("always")) => ColorChoice::Always,
            (ColorChoice::Auto, Some("never")) => ColorChoice::Never,
            (flag, _) => flag,
        };
        match choice {
            ColorChoice::Always => Self { out: true, err: true },
            ColorChoice::Never => Self::plain(),
            ColorChoice::Auto if env.get(env_vars::NO_COLOR).is_some() => Self::plain(),
            ColorChoice::Auto
                if env.text(env_vars::CLICOLOR_FORCE).is_some_and(|value| value != "0") =>
            {
                Self { out: true, err: true }
            }
            ColorChoice::Auto if env.text(env_vars::TERM).as_deref() == Some("dumb") => {
                Self::plain()
            }
            ColorChoice::Auto => {
                Self { out: console.out_is_terminal, err: console.err_is_terminal }
            }
        }
    }

    /// Paints text for stdout.
    pub(crate) fn on_out(self, paint: Paint, text: &str) -> String {
        painted(self.out, paint, text)
    }

    /// Paints text for stderr.
    pub(crate) fn on_err(self, paint: Paint, text: &str) -> String {
        painted(self.err, paint, text)
    }
}

fn painted(on: bool, paint: Paint, text: &str) -> String {
    if on { format!("\x1b[{}m{text}\x1b[0m", paint.code()) } else { text.to_owned() }
}
