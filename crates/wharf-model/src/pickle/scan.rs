//! What a pickle imports, without loading it: plain pickles of every protocol, and the files that joblib writes.

use std::io::{BufRead, BufReader, Read};

use flate2::bufread::{GzDecoder, ZlibDecoder};

use super::{imports::Imports, machine};
use crate::error::ReadError;

/// How much a compressed file may hold. What lies beyond is not listed, and the listing says so.
const MAX_INFLATED: u64 = 2 << 30;

/// Who will load the file: joblib's reader takes raw arrays between the opcodes, Python's own does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Pickle,
    Joblib,
}

/// Lists what a file imports. Nothing of the file is executed; memory does not grow with its size, apart from
/// names and the objects that are open at one moment, which are limited.
///
/// # Errors
/// When it is no pickle, or a damaged one.
pub fn scan(mut input: impl BufRead, dialect: Dialect) -> Result<Imports, ReadError> {
    let head = input.fill_buf().map_err(|error| machine::unreadable(&error))?;
    match Envelope::of(head) {
        Envelope::Empty => Err(ReadError::corrupt("the file is empty")),
        Envelope::Zip => Err(ReadError::Unsupported {
            what: "it is a zip file, as PyTorch writes them, and not a pickle".to_owned(),
            hint: Some(
                "export the model to ONNX, or write a `predict.py` that loads it".to_owned(),
            ),
        }),
        Envelope::Plain => machine::list(&mut input, dialect),
        Envelope::Zlib => inflated(ZlibDecoder::new(input), dialect),
        Envelope::Gzip => inflated(GzDecoder::new(input), dialect),
        Envelope::Other(name) => {
            let mut imports = Imports::default();
            imports.compressed = true;
            imports.stop_early(format!("it is compressed with {name}, which wharf does not read"));
            Ok(imports)
        }
    }
}

fn inflated(content: impl Read, dialect: Dialect) -> Result<Imports, ReadError> {
    let mut limited = BufReader::new(content.take(MAX_INFLATED));
    let listed = machine::list(&mut limited, dialect);
    let mut imports = match listed {
        Err(_) if limited.get_ref().limit() == 0 => {
            let mut imports = Imports::default();
            imports.stop_early(format!("it unpacks to more than {} GiB", MAX_INFLATED >> 30));
            imports
        }
        listed => listed?,
    };
    imports.compressed = true;
    Ok(imports)
}

/// What is around the pickle, by the first bytes of the file.
enum Envelope {
    Empty,
    Plain,
    Zip,
    Zlib,
    Gzip,
    /// A compression that joblib knows and wharf does not unpack.
    Other(&'static str),
}

impl Envelope {
    fn of(head: &[u8]) -> Self {
        match head {
            [] => Self::Empty,
            [b'P', b'K', 3, 4, ..] => Self::Zip,
            [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] => Self::Zlib,
            [0x1f, 0x8b, ..] => Self::Gzip,
            [b'B', b'Z', b'h', ..] => Self::Other("bzip2"),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Other("xz"),
            [0x5d, 0, 0, ..] => Self::Other("lzma"),
            [0x04, 0x22, 0x4d, 0x18, ..] => Self::Other("lz4"),
            _ => Self::Plain,
        }
    }
}
