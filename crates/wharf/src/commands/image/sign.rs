//! `wharf image sign`: a signature that goes with an image of a registry.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use wharf_ops::{error::Result, supply::signature};
use wharf_spec::reference::Reference;

use crate::commands::{Session, key, registry::RegistryArgs};

/// Sign an image of a registry, and each of its platforms; what this key has signed stays as it is
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  wharf image sign localhost:5000/iris:1 --key wharf.key\n  \
                        openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out wharf.key\n  \
                        openssl pkey -in wharf.key -pubout -out wharf.pub")]
pub(crate) struct SignArgs {
    /// The image: `HOST/REPOSITORY:TAG`, or by its digest
    reference: String,
    /// The key: ECDSA on P-256, as openssl or cosign keep it [env: WHARF_KEY_PASSWORD]
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Read the key's password from stdin
    #[arg(long)]
    password_stdin: bool,
    #[command(flatten)]
    registry: RegistryArgs,
}

#[derive(Serialize)]
struct SignDocument<'a> {
    schema: &'static str,
    reference: &'a str,
    digest: String,
    changed: bool,
    signed: Vec<String>,
    key: String,
}

pub(crate) async fn run(session: &mut Session<'_>, args: SignArgs) -> Result<u8> {
    let reference: Reference = args.reference.parse()?;
    let key = key::signing_key(session, &args.key, args.password_stdin).await?;
    let access = args.registry.access(session)?;
    let signed = signature::sign(&reference, &key, &access, &session.cancel).await?;
    if session.config.json {
        session.console.json(&SignDocument {
            schema: "wharf.image.sign/v1",
            reference: &args.reference,
            digest: signed.digest.to_string(),
            changed: !signed.signed.is_empty(),
            signed: signed.signed.iter().map(ToString::to_string).collect(),
            key: key.public().fingerprint(),
        });
        return Ok(0);
    }
    if !session.config.quiet {
        session.console.err(&match signed.signed.len() {
            0 => "  signed   nothing to do: this key has signed it".to_owned(),
            1 => "  signed   1 manifest".to_owned(),
            more => format!("  signed   {more} manifests, an index and its platforms"),
        });
    }
    session.console.out(&signed.digest.to_string());
    Ok(0)
}
