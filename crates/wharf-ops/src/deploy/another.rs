//! A name that begins to serve something else: all models of a folder may be called as the folder is.

use std::{ffi::OsStr, fs, path::Path};

use wharf_spec::{codes, event::Event};

use super::{Naming, UpRequest, source::Source};
use crate::{
    context::Context,
    error::{Error, Result},
    store::record::{Release, SourceKind},
};

/// Refuses a model's file whose name nobody chose, where the service of that name runs another file that is still
/// there: a second model in a folder is seldom meant to end the first one.
pub(super) fn refuse(source: &Source<'_>, request: &UpRequest, before: &Release) -> Result<()> {
    let Source::Model { model, .. } = source else { return Ok(()) };
    let (Some(was), Some(is)) = (&before.file, file(source, request)) else { return Ok(()) };
    let is_there = || model.folder.join(was).is_file();
    if request.naming == Naming::Chosen
        || before.model_hash == source.model_hash()
        || *was == is
        || !is_there()
    {
        return Ok(());
    }
    let (name, now) = (&request.name, source.place());
    let action = format!("`{name}` runs `{}`, which is another model than `{now}`", before.model);
    Err(Error::new(codes::NAME_TAKEN, action)
        .hint(format!("give it a service of its own: `wharf up {now} --name NAME`"))
        .hint(format!("or put it in the place of the other: `wharf up {now} --name {name}`")))
}

/// Says so where a name begins to serve something else.
pub(super) fn tell(context: &Context, source: &Source<'_>, request: &UpRequest, before: &Release) {
    let now = source.place();
    let file = |place: &str| Path::new(place).file_name().map(OsStr::to_owned);
    // Another tag of an image is another version of the same thing.
    let is_other = source.kind() != SourceKind::Image
        && before.model_hash != source.model_hash()
        && (before.source != source.kind() || file(&before.model) != file(&now));
    if is_other {
        let (name, before) = (&request.name, &before.model);
        let text = format!(
            "`{name}` served `{before}` until now; with `--name NAME` `{now}` gets a service of its own"
        );
        context.report(Event::Note { text });
    }
}

/// Returns the model's file that was pointed at, from the folder of its state.
pub(super) fn file(source: &Source<'_>, request: &UpRequest) -> Option<String> {
    let Source::Model { model, .. } = source else { return None };
    let file = request.file.as_deref()?;
    // A link stands for itself: it may lead to one version after the other.
    let place = fs::canonicalize(file.parent()?).ok()?.join(file.file_name()?);
    let folder = fs::canonicalize(&model.folder).ok()?;
    Some(place.strip_prefix(&folder).unwrap_or(&place).to_str()?.to_owned())
}
