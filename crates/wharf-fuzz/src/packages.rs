//! What indexes of Python packages send, and locks that others wrote.

use std::io::Cursor;

use wharf_oci::wheel::check;
use wharf_ops::python::{lock::Lock, marker::Marker, simple, tags::WheelName};

use crate::text;

/// A wheel, read to its last byte.
pub fn wheel(input: &[u8]) {
    check(&mut Cursor::new(input), "iris-1.0-py3-none-any.whl").ok();
}

/// The name of a wheel's file.
pub fn wheel_name(input: &[u8]) {
    if let Some(text) = text(input) {
        text.parse::<WheelName>().ok();
    }
}

/// A marker is read back from what it is shown as.
pub fn marker(input: &[u8]) {
    let Some(Ok(marker)) = text(input).map(str::parse::<Marker>) else { return };
    assert!(marker.as_str().parse::<Marker>().is_ok(), "it is shown as none");
}

/// A lock is read back from what it is written as.
pub fn lock(input: &[u8]) {
    let Some(Ok(lock)) = text(input).map(Lock::parse) else { return };
    let again = Lock::parse(&lock.render()).map(|lock| lock.render());
    assert_eq!(again.ok(), Some(lock.render()), "it is written as another one");
}

/// A page of an index, in JSON or HTML.
pub fn index_page(input: &[u8]) {
    simple::find(input, &["iris-1.0-py3-none-any.whl"]);
}
