//! Wheels made by hand, good ones and hostile ones.

mod archive;

mod hostile;

mod layers;

use std::io::Cursor;

use super::{check, error::WheelError};
use archive::{Part, archive};

const NAME: &str = "demo_pkg-1.0-py3-none-any.whl";

/// Returns a whole wheel: these members, and a `*.dist-info`.
fn parts(more: Vec<Part>) -> Vec<Part> {
    let info = |file: &str, text: &str| Part::new(&format!("demo_pkg-1.0.dist-info/{file}"), text);
    let mut parts = more;
    parts.extend([
        info("WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"),
        info("METADATA", "Metadata-Version: 2.1\nName: demo-pkg\nVersion: 1.0\n\nText\n"),
        info("entry_points.txt", "[console_scripts]\ndemo = demo_pkg.cli:main\n"),
        info(
            "RECORD",
            "demo_pkg/__init__.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\n",
        ),
    ]);
    parts
}

/// Reads an archive as a wheel, and returns its error with all causes.
fn verdict(bytes: &[u8]) -> Result<(), String> {
    check(&mut Cursor::new(bytes), NAME).map_err(told)
}

fn told(error: WheelError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(deeper) = cause {
        text = format!("{text}: {deeper}");
        cause = deeper.source();
    }
    text
}

#[track_caller]
fn refused(bytes: &[u8], expected: &str) {
    let error = verdict(bytes).expect_err("it passed");
    assert!(error.contains(expected), "`{expected}` is not in: {error}");
    assert!(error.contains(NAME), "the wheel is not named: {error}");
}

#[test]
fn a_plain_wheel_passes() {
    verdict(&archive(&parts(vec![Part::new("demo_pkg/__init__.py", "")]))).unwrap();
}
