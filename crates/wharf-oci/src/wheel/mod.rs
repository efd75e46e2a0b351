//! Python wheels as layers of an image, without Python and without a container.
//!
//! A wheel is somebody else's zip archive, and a small installer. From a file name to a layer:
//! - [`name`], [`target`]: what a wheel is for, and where an image's Python wants it;
//! - [`zip`], [`unpack`], [`path`]: members that can be read in one way only, their bytes checked; [`text`], [`contents`]: what
//!   `*.dist-info` says;
//! - [`install`]: the files that it becomes, with commands and a right `RECORD`;
//! - [`layer`]: which wheels share a layer; [`stream`], [`gzip`]: its bytes. Deflate in a zip archive is the same stream as in gzip,
//!   and a gzip file may have many members: what a wheel has compressed is not compressed again.
//!
//! Everything in a wheel is hostile until checked, also when its digest is right: [`error`] says what was found where.

use std::{
    fs::File,
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
};

use wharf_spec::stamp::Stamp;

pub mod name;

pub mod target;

mod fields;

mod path;

mod zip;

mod unpack;

mod text;

mod contents;

pub mod install;

pub mod layer;

mod stream;

mod gzip;

pub mod error;

use self::{
    contents::Contents,
    error::{Fault, Refusal, WheelError},
    install::Wanted,
    name::WheelName,
    target::Target,
    unpack::Unpacker,
};
use crate::error::OciError;

/// A wheel whose list of members and small files have been read and checked; the bytes of its files stay on the disk.
#[derive(Debug)]
pub struct Wheel {
    path: PathBuf,
    stamp: Stamp,
    contents: Contents,
}

impl Wheel {
    /// Reads a wheel. Blocks: call it on a thread of its own.
    ///
    /// # Errors
    /// When the file cannot be read, or is no wheel that everybody would read in the same way.
    pub fn open(path: &Path) -> Result<Self, WheelError> {
        let refused = |refusal: Refusal| refusal.of(path);
        let read = |error| refused(Fault::Read(error).into());
        let file_name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let mut file = File::open(path).map_err(read)?;
        let facts = file.metadata().map_err(read)?;
        let contents = Contents::read(&mut file, file_name).map_err(refused)?;
        Ok(Self { path: path.to_owned(), stamp: Stamp::of(&facts), contents })
    }

    /// Returns what its file name says.
    pub fn name(&self) -> &WheelName {
        &self.contents.name
    }

    /// Copies the first file whose name ends so, and says whether there is one. Blocks: call it on a thread of its own.
    ///
    /// # Errors
    /// When the wheel is no longer what was read, the file is not what the list says, or the writer fails.
    pub fn extract(&self, ending: &str, writer: &mut dyn Write) -> Result<bool, OciError> {
        let found = self.contents.members.iter().find(|member| member.name.ends_with(ending));
        let Some(member) = found else { return Ok(false) };
        let mut take = |piece: &[u8]| writer.write_all(piece);
        Unpacker::new()
            .unpack(&mut self.reopen()?, member, &mut |_| Ok(()), &mut take)
            .map_err(|stop| stream::error_of(stop, &self.path, member))?;
        Ok(true)
    }

    /// Opens the file again; it must be the one that was read.
    fn reopen(&self) -> Result<File, OciError> {
        let read = |source| OciError::Read { path: self.path.clone(), source };
        let file = File::open(&self.path).map_err(read)?;
        let facts = file.metadata().map_err(read)?;
        if Stamp::of(&facts) == self.stamp {
            Ok(file)
        } else {
            Err(OciError::Changed { path: self.path.clone() })
        }
    }
}

/// Reads a wheel to its last byte, and lays out what it would become, without writing anything.
///
/// # Errors
/// When it could not be made a layer of.
pub fn check(reader: &mut (impl Read + Seek), file_name: &str) -> Result<(), WheelError> {
    let target = Target::official(3, 11, "x86_64");
    let contents = Contents::read(reader, file_name).map_err(|refusal| refusal.of(file_name))?;
    contents::check_bytes(reader, &contents.members)
        .and_then(|()| install::place(&contents, &target, Wanted::ByName))
        .map(drop)
        .map_err(|refusal| refusal.of(file_name))
}

#[cfg(test)]
mod tests;
