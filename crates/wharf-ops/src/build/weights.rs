//! Whether an image holds the model's files, or the container gets them from where they lie.

use std::{fs, os::unix::fs::MetadataExt as _, str::FromStr};

use wharf_model::recognise::{FileSource, Model};
use wharf_spec::codes;

use super::{BuildOptions, Packing, way::ParseWayError};
use crate::{
    context::Context,
    error::{Error, Result},
};

/// From this size on a file is mounted unless somebody says otherwise. An engine takes about a second to take in so
/// much, and keeps it twice; what is smaller makes no difference that is worth an image of its own.
const WORTH_MOUNTING: u64 = 128 << 20;

/// Where a container finds the files of its model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Weights {
    /// Mounted where a file is big and nothing stands against it, else in the image.
    #[default]
    Auto,
    Image,
    Mount,
}

impl FromStr for Weights {
    type Err = ParseWayError;

    fn from_str(text: &str) -> Result<Self, ParseWayError> {
        match text {
            "auto" => Ok(Self::Auto),
            "image" => Ok(Self::Image),
            "mount" => Ok(Self::Mount),
            _ => Err(ParseWayError::new(text, "`auto`, `image` and `mount`")),
        }
    }
}

impl Weights {
    /// Says whether a file of this size may be mounted, so that no layer need be made of it.
    pub fn may_mount(self, size: u64) -> bool {
        match self {
            Self::Auto => size >= WORTH_MOUNTING,
            Self::Image => false,
            Self::Mount => true,
        }
    }
}

/// Decides what the image of a model holds.
///
/// # Errors
/// `UNSUPPORTED_FIELD` where the files are to be mounted and cannot be.
pub(crate) fn packing(context: &Context, model: &Model, options: &BuildOptions) -> Result<Packing> {
    let weights = options.weights;
    if !model.card.files.iter().any(|file| weights.may_mount(file.size)) {
        return Ok(Packing::ServerAndModel);
    }
    match (obstacle(context, model, options), weights) {
        (None, _) => Ok(Packing::ServerAlone),
        (Some(_), Weights::Auto | Weights::Image) => Ok(Packing::ServerAndModel),
        (Some(why), Weights::Mount) => {
            let action = format!("`--weights mount` cannot be honoured: {why}");
            Err(Error::new(codes::UNSUPPORTED_FIELD, action)
                .hint("pack the model into the image: `--weights image`"))
        }
    }
}

/// Returns why a model's files cannot be mounted.
fn obstacle(context: &Context, model: &Model, options: &BuildOptions) -> Option<String> {
    let builder = options.way.builder;
    if !model.card.runtime.is_native() {
        return Some("the image of a model that runs Python is made around its files".to_owned());
    }
    if builder.is_engine() {
        return Some(format!("`--builder {builder}` copies the model into the image"));
    }
    if let Some(why) = context.engine.about().keeps_apart {
        return Some(why.to_owned());
    }
    model.sources.iter().find_map(unreadable)
}

/// Returns why a file cannot be read in a container, whose user owns nothing here.
fn unreadable(source: &FileSource) -> Option<String> {
    const BY_OTHERS: u32 = 0o004;
    let FileSource::File(path) = source else { return None };
    let shown = path.display();
    match fs::metadata(path) {
        Ok(facts) if facts.mode() & BY_OTHERS != 0 => None,
        Ok(_) => Some(format!(
            "`{shown}` may not be read by others, as the container's user is one (`chmod o+r {shown}`)"
        )),
        Err(error) => Some(format!("`{shown}`: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_big_is_mounted_unasked() {
        assert!(!Weights::Auto.may_mount(WORTH_MOUNTING - 1));
        assert!(Weights::Auto.may_mount(WORTH_MOUNTING));
        assert!(Weights::Mount.may_mount(0));
        assert!(!Weights::Image.may_mount(u64::MAX));
    }

    #[test]
    fn other_words_are_refused() {
        for (text, weights) in
            [("auto", Weights::Auto), ("image", Weights::Image), ("mount", Weights::Mount)]
        {
            assert_eq!(text.parse(), Ok(weights));
        }
        let error = "volume".parse::<Weights>().unwrap_err().to_string();
        assert_eq!(error, "`volume` is none of `auto`, `image` and `mount`");
    }
}
