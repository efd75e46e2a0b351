//! The user's own modules, which MLEM packs into the `.mlem` file: `base64(zlib(source))`.

use std::{collections::BTreeMap, io::Read};

use base64::{Engine, prelude::BASE64_STANDARD};
use flate2::read::ZlibDecoder;
use wharf_spec::mlem::Custom;

use crate::error::ReadError;

type Result<T> = std::result::Result<T, ReadError>;

/// How much one module, or all files of one package, may hold.
const MAX_BYTES: u64 = 32 << 20;

/// How many files a package may have.
const MAX_FILES: usize = 10_000;

/// Returns the files of a module or package, by their path below the folder of modules.
pub(super) fn files(custom: &Custom) -> Result<Vec<(String, Vec<u8>)>> {
    if custom.is_package {
        return package(&custom.source64zip);
    }
    let path = inside(&format!("{}.py", custom.name.replace('.', "/")))?;
    Ok(vec![(path, module(&custom.source64zip)?)])
}

/// Returns the content of one packed file.
pub(super) fn module(packed: &str) -> Result<Vec<u8>> {
    unpack(packed, MAX_BYTES)
}

fn package(packed: &str) -> Result<Vec<(String, Vec<u8>)>> {
    let table = unpack(packed, MAX_BYTES)?;
    let table: BTreeMap<String, String> = serde_json::from_slice(&table)
        .map_err(|error| ReadError::corrupt(format!("a packed package is no table: {error}")))?;
    if table.len() > MAX_FILES {
        return Err(ReadError::corrupt(format!("a packed package has {} files", table.len())));
    }
    let mut left = MAX_BYTES;
    let mut files = Vec::with_capacity(table.len());
    for (path, packed) in table {
        // MLEM writes the separators of the machine that saved the model.
        let path = inside(&path.replace('\\', "/"))?;
        let content = unpack(&packed, left)?;
        left -= content.len() as u64;
        files.push((path, content));
    }
    Ok(files)
}

/// Returns the path when it stays below the folder that it is relative to.
pub(super) fn inside(path: &str) -> Result<String> {
    let is_name = |part: &str| {
        !matches!(part, "" | "." | "..") && part.len() <= 255 && !part.contains(['\\', '\0', ':'])
    };
    let parts: Vec<&str> = path.split('/').collect();
    if path.len() <= 1000
        && parts.iter().all(|part| is_name(part))
        && !path.contains(char::is_control)
    {
        return Ok(path.to_owned());
    }
    Err(ReadError::corrupt(format!(
        "it packs a file as `{}`, which is outside the folder of its modules",
        path.escape_debug()
    )))
}

fn unpack(packed: &str, most: u64) -> Result<Vec<u8>> {
    let compact: String = packed.split_ascii_whitespace().collect();
    let zipped = BASE64_STANDARD
        .decode(compact)
        .map_err(|error| ReadError::corrupt(format!("a packed module is no base64: {error}")))?;
    let mut content = Vec::new();
    let read = ZlibDecoder::new(zipped.as_slice()).take(most + 1).read_to_end(&mut content);
    match read {
        Ok(size) if size as u64 > most => {
            Err(ReadError::corrupt(format!("a packed module unpacks to more than {most} bytes")))
        }
        Ok(_) => Ok(content),
        Err(error) => Err(ReadError::corrupt(format!("a packed module is damaged: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::ZlibEncoder};

    use super::*;

    fn pack(content: &[u8]) -> String {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content).unwrap();
        BASE64_STANDARD.encode(encoder.finish().unwrap())
    }

    fn custom(name: &str, is_package: bool, source64zip: String) -> Custom {
        Custom { name: name.to_owned(), module: None, is_package, source64zip }
    }

    #[test]
    fn a_module_becomes_a_file_at_its_dotted_name() {
        let found = files(&custom("pkg.util", false, pack(b"X = 1\n"))).unwrap();
        assert_eq!(found, [("pkg/util.py".to_owned(), b"X = 1\n".to_vec())]);
    }

    #[test]
    fn a_package_becomes_its_files() {
        let table =
            serde_json::json!({ "pkg\\__init__.py": pack(b""), "pkg/a.bin": pack(b"\x00") });
        let found = files(&custom("pkg", true, pack(table.to_string().as_bytes()))).unwrap();
        let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
        assert_eq!(paths, ["pkg/a.bin", "pkg/__init__.py"]);
    }

    #[test]
    fn paths_stay_inside() {
        for path in ["../x.py", "/etc/passwd", "a//b.py", "a/./b.py", "C:/x.py", ""] {
            let table = serde_json::json!({ path: pack(b"") });
            let packed = pack(table.to_string().as_bytes());
            assert!(files(&custom("pkg", true, packed)).is_err(), "{path} passed");
        }
        assert!(files(&custom("..x", false, pack(b""))).is_err());
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let bomb = pack(&vec![0; (MAX_BYTES + 1) as usize]);
        assert!(bomb.len() < 100_000);
        let error = module(&bomb).unwrap_err().to_string();
        assert!(error.contains("more than"), "{error}");
    }
}
