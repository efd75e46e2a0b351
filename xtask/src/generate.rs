//! Files that are made from the code: the reference of errors, and the JSON Schemas of files that people write.

use std::{fmt::Write as _, fs, path::Path};

use schemars::JsonSchema;
use wharf_spec::{builder::Builder, codes::PAGES, error::Kind, project_file::ProjectFile};

/// Path below the root, and content.
type Generated = (&'static str, String);

/// Writes every generated file.
pub(crate) fn write_all(root: &Path) -> Result<(), String> {
    for (path, content) in all() {
        let path = root.join(path);
        let parent = path.parent().expect("every generated file lies in a folder");
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&path, content))
            .map_err(|error| format!("could not write {}: {error}", path.display()))?;
    }
    Ok(())
}

fn all() -> Vec<Generated> {
    vec![
        ("docs/reference/errors.md", errors()),
        ("schemas/wharf.schema.json", schema::<ProjectFile>()),
        ("schemas/builder.schema.json", schema::<Builder>()),
    ]
}

fn errors() -> String {
    let mut text = "# Errors\n\nMade by `cargo xtask gen` from `crates/wharf-spec/src/codes.rs`; `wharf explain CODE` shows the \
                    same.\n\n## Exit codes\n\n| kind | exit code | HTTP status |\n| --- | --- | --- |\n"
        .to_owned();
    for kind in Kind::ALL {
        writeln!(text, "| {} | {} | {} |", kind.word(), kind.exit_code(), kind.http_status())
            .expect("a string takes everything");
    }
    for page in PAGES {
        let kind = page.kind;
        write!(
            text,
            "\n## {}: {}\n\nKind `{}`, exit code {}.\n\n{}\n\n{}\n",
            page.code,
            page.title,
            kind.word(),
            kind.exit_code(),
            page.causes,
            page.remedy
        )
        .expect("a string takes everything");
    }
    text
}

fn schema<T: JsonSchema>() -> String {
    let schema = schemars::schema_for!(T);
    format!("{}\n", serde_json::to_string_pretty(&schema).expect("a schema is plain data"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_files_are_up_to_date() {
        for (path, content) in all() {
            let found = fs::read_to_string(crate::root().join(path)).unwrap_or_default();
            assert!(found == content, "{path} is out of date: run `cargo xtask gen`");
        }
    }
}
