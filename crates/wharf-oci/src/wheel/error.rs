//! Why wheels cannot be made a layer of.

use std::{io, path::PathBuf};

/// One variant for each thing that a caller can do something about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WheelError {
    #[error("the wheel `{}` is refused{}", .wheel.display(), place(.member.as_deref()))]
    Refused {
        wheel: PathBuf,
        /// Which member it is about; none: the archive as a whole.
        member: Option<String>,
        #[source]
        fault: Fault,
    },
    #[error("the wheel `{}` is not for Python {python} on {architecture}", .wheel.display())]
    Unfit { wheel: PathBuf, python: String, architecture: String },
    #[error("`{}` and `{}` are wheels of one package", .one.display(), .other.display())]
    Twice { one: PathBuf, other: PathBuf },
    #[error("`{}` and `{}` install `{path}` with different content", .one.display(), .other.display())]
    Collision { path: String, one: PathBuf, other: PathBuf },
    #[error("`{}` installs the file `{path}`, which is a folder for `{}`", .one.display(), .other.display())]
    FileAndFolder { path: String, one: PathBuf, other: PathBuf },
}

/// Names of members are somebody else's: control characters are shown, not obeyed.
fn place(member: Option<&str>) -> String {
    member.map(|name| format!(" for its member `{}`", name.escape_debug())).unwrap_or_default()
}

/// What is wrong with a wheel or a member of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    #[error("it cannot be read")]
    Read(#[source] io::Error),
    #[error("its file name is not that of a wheel: {0}")]
    FileName(&'static str),
    #[error("it is not a whole zip archive: {0}")]
    Archive(&'static str),
    #[error("there is more of it than {limit} {what}")]
    Limit { what: &'static str, limit: u64 },
    #[error("its name {0}")]
    Name(&'static str),
    #[error("there are two members of this name")]
    Twin,
    #[error("its name is that of a folder for another member")]
    AlsoFolder,
    #[error("it is encrypted")]
    Encrypted,
    #[error("it is a link or a device, and wheels have files only")]
    NoFile,
    #[error("it is packed by method {0}, and only 0 (stored) and 8 (deflated) are known")]
    Method(u16),
    #[error("its own header and the list at the end of the archive disagree on {0}")]
    Disagree(&'static str),
    #[error("its zip64 fields make no sense: {0}")]
    Zip64(&'static str),
    #[error("its bytes are damaged: {0}")]
    Damaged(&'static str),
    #[error("it has no `{0}`")]
    Missing(&'static str),
    #[error("it has more than one folder `*.dist-info`")]
    ManyDistInfos,
    #[error("it says `{found}` where the file name of the wheel says `{expected}`")]
    OtherName { found: String, expected: String },
    #[error("it is of format {0}, and only 1.x is known")]
    Version(String),
    #[error("it is not UTF-8 text")]
    Text,
    #[error("line {line}: {why}")]
    Line { line: usize, why: &'static str },
    #[error(
        "wheels have no data of the kind `{0}`: only purelib, platlib, scripts, headers and data"
    )]
    Scheme(String),
}

/// A fault, and the member that has it.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) member: Option<String>,
    pub(super) fault: Fault,
}

impl Refusal {
    pub(super) fn of(self, wheel: impl Into<PathBuf>) -> WheelError {
        WheelError::Refused { wheel: wheel.into(), member: self.member, fault: self.fault }
    }
}

impl Fault {
    pub(super) fn at(self, member: impl Into<String>) -> Refusal {
        Refusal { member: Some(member.into()), fault: self }
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self { member: None, fault }
    }
}
