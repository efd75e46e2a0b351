//! `wharf image verify`: whether an image of a registry is signed by somebody whom one trusts.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use wharf_ops::{error::Result, supply::signature};
use wharf_spec::reference::Reference;

use crate::{
    commands::{Session, key, registry::RegistryArgs},
    output::style::Paint,
};

/// Check that an image of a registry is signed by one of these keys, and print its digest
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  wharf image verify registry.example/ml/iris:1 --key wharf.pub\n  \
                        docker pull $(wharf image verify registry.example/ml/iris:1 --key wharf.pub -q)"
)]
pub(crate) struct VerifyArgs {
    /// The image: `HOST/REPOSITORY:TAG`, or by its digest
    reference: String,
    /// A public key; one of several is enough
    #[arg(long, value_name = "FILE", required = true)]
    key: Vec<PathBuf>,
    #[command(flatten)]
    registry: RegistryArgs,
}

#[derive(Serialize)]
struct VerifyDocument<'a> {
    schema: &'static str,
    reference: &'a str,
    digest: String,
    /// By its digest: what to run.
    verified: String,
    form: &'static str,
    provenance_signed: bool,
}

pub(crate) async fn run(session: &mut Session<'_>, args: VerifyArgs) -> Result<u8> {
    let reference: Reference = args.reference.parse()?;
    let keys = key::public_keys(session, &args.key)?;
    let access = args.registry.access(session)?;
    let verified = signature::verify(&reference, &keys, &access, &session.cancel).await?;
    if session.config.json {
        session.console.json(&VerifyDocument {
            schema: "wharf.image.verify/v1",
            reference: &args.reference,
            digest: verified.digest.to_string(),
            verified: verified.reference.to_string(),
            form: verified.form.word(),
            provenance_signed: verified.provenance_signed,
        });
        return Ok(0);
    }
    if !session.config.quiet {
        let mark = session.console.style.on_err(Paint::Good, "✓");
        let form = verified.form.word();
        let more = if verified.provenance_signed { ", and so is its provenance" } else { "" };
        let line = format!("{mark} {reference} is signed by a key given ({form} form){more}");
        session.console.err(&line);
    }
    session.console.out(&verified.reference.to_string());
    Ok(0)
}
