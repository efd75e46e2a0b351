//! What `wharf build --json` says.

use serde::Serialize;
use wharf_ops::{
    build::{
        make::{Made, PlannedPart},
        output::Output,
    },
    push::Pushed,
};
use wharf_spec::reference::Reference;

use super::Work;

#[derive(Serialize)]
pub(super) struct BuildDocument<'a> {
    schema: &'static str,
    name: &'a str,
    /// Of a model.
    #[serde(skip_serializing_if = "Option::is_none")]
    model_hash: Option<&'a str>,
    dry_run: bool,
    /// Of a dry run.
    parts: Vec<PartDocument<'a>>,
    results: &'a [ResultDocument],
    /// Bytes of files that were read for their hashes.
    hashed: u64,
    duration_ms: u64,
}

#[derive(Serialize)]
struct PartDocument<'a> {
    title: &'a str,
    key: String,
    size: Option<u64>,
    unchanged: Option<bool>,
}

#[derive(Serialize)]
pub(super) struct ResultDocument {
    pub(super) to: &'static str,
    pub(super) path: Option<String>,
    pub(super) references: Vec<String>,
    /// What the image is called by where it went: the engine's id, or the digest of its config or manifest.
    pub(super) digest: Option<String>,
    pub(super) size: u64,
    /// It was there before.
    pub(super) reused: bool,
    /// Bytes of layers that were sent to the engine: it had the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sent: Option<u64>,
    /// Who built it: `native` for wharf itself, else the engine.
    pub(super) builder: &'static str,
}

impl<'a> BuildDocument<'a> {
    pub(super) fn of(work: &'a Work, dry_run: bool, hashed: u64, duration_ms: u64) -> Self {
        Self {
            schema: "wharf.build/v1",
            name: &work.name,
            model_hash: work.model_hash.as_deref(),
            dry_run,
            parts: work.parts.iter().map(PartDocument::of).collect(),
            results: &work.results,
            hashed,
            duration_ms,
        }
    }
}

impl<'a> PartDocument<'a> {
    fn of(planned: &'a PlannedPart) -> Self {
        Self {
            title: &planned.part.title,
            key: planned.part.key.to_string(),
            size: planned.part.size,
            unchanged: planned.is_unchanged,
        }
    }
}

impl ResultDocument {
    pub(super) fn of(made: &Made) -> Self {
        match made {
            Made::Image(built) => Self {
                to: Output::Engine.form(),
                path: None,
                references: vec![built.reference.to_string()],
                digest: Some(built.facts.id.clone()),
                size: built.facts.size,
                reused: built.reused,
                sent: built.sent,
                builder: built.by,
            },
            Made::Target { output, references, digest, size } => Self {
                to: output.form(),
                path: output.path().map(|path| path.display().to_string()),
                references: references.iter().map(ToString::to_string).collect(),
                digest: digest.clone(),
                size: *size,
                reused: false,
                sent: None,
                builder: "native",
            },
        }
    }

    pub(super) fn pushed(to: &Reference, pushed: &Pushed) -> Self {
        Self {
            to: "registry",
            path: None,
            references: vec![to.to_string()],
            digest: Some(pushed.digest.to_string()),
            size: pushed.size,
            reused: pushed.unchanged,
            sent: None,
            builder: "native",
        }
    }
}
