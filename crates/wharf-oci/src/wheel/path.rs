//! Paths that somebody else chose and that become files of an image.

use super::error::Fault;

/// Bytes.
const LONGEST: usize = 4096;

/// Bytes of one component: what Linux file systems take.
const LONGEST_COMPONENT: usize = 255;

const DEEPEST: usize = 256;

/// Says whether a path names one file below the folder that it is relative to, in the only way it can be written.
pub(super) fn check(path: &str) -> Result<(), Fault> {
    if path.starts_with('/') {
        return Err(Fault::Name("is absolute"));
    }
    if path.len() > LONGEST || path.split('/').count() > DEEPEST {
        return Err(Fault::Name("is too long or too deep"));
    }
    if path.contains('\\') {
        return Err(Fault::Name("has a backslash"));
    }
    if path.chars().any(char::is_control) {
        return Err(Fault::Name("has control characters"));
    }
    path.split('/').try_for_each(check_component)
}

fn check_component(component: &str) -> Result<(), Fault> {
    match component {
        "" | "." => Err(Fault::Name("has an empty component or one that is `.`")),
        ".." => Err(Fault::Name("leads out of the wheel by `..`")),
        // In a layer it would delete a file of the layers below (OCI image-spec, whiteouts).
        _ if component.starts_with(".wh.") => {
            Err(Fault::Name("begins with `.wh.`, which deletes files in an image"))
        }
        _ if component.len() > LONGEST_COMPONENT => Err(Fault::Name("is too long")),
        _ => Ok(()),
    }
}

/// Returns how a file is reached from a folder: `../../../bin/flask`. Both are relative to the same root.
pub(super) fn relative(file: &str, folder: &str) -> String {
    let file: Vec<_> = file.split('/').collect();
    let folder: Vec<_> = folder.split('/').collect();
    let shared = file.iter().zip(&folder).take_while(|(one, other)| one == other).count();
    let up = std::iter::repeat_n("..", folder.len() - shared);
    up.chain(file[shared..].iter().copied()).collect::<Vec<_>>().join("/")
}

/// Returns the folders that a path lies in, innermost first.
pub(super) fn folders(path: &str) -> impl Iterator<Item = &str> {
    path.rmatch_indices('/').map(|(at, _)| &path[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_relative_paths_pass() {
        for good in ["a", "a/b.py", ".hidden", "a/..b", "ünï/x"] {
            assert!(check(good).is_ok(), "{good}");
        }
        let deep = "a/".repeat(300) + "b";
        let long = "x".repeat(256);
        for bad in [
            "", "/a", "a//b", "a/", "./a", "a/../b", "..", "a\\b", "a\0", "a\nb", ".wh.etc", &deep,
            &long,
        ] {
            assert!(check(bad).is_err(), "{bad:?} passed");
        }
    }

    #[test]
    fn files_outside_of_a_folder_are_reached_through_its_parents() {
        let site = "usr/local/lib/python3.11/site-packages";
        assert_eq!(relative("usr/local/bin/flask", site), "../../../bin/flask");
        assert_eq!(relative(&format!("{site}/flask/app.py"), site), "flask/app.py");
        assert_eq!(relative("opt/x", site), "../../../../../opt/x");
    }
}
