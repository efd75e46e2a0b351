//! Whether a file of this machine can be shared with a container as it is: a socket here may lead to an engine that
//! has files of its own.

use std::fs;

use bollard::models::SystemInfo;

/// Returns why not. Of an engine that may or may not see the same files the worse is taken.
pub(super) fn keeps_apart(
    has_socket: bool,
    daemon: Option<i32>,
    info: &SystemInfo,
) -> Option<&'static str> {
    let own = |name: &str| fs::read_to_string(format!("/proc/sys/kernel/{name}")).ok();
    let is_own =
        |name: &str, told: &Option<String>| own(name).as_deref().map(str::trim) == told.as_deref();
    let is_this_system =
        is_own("osrelease", &info.kernel_version) && is_own("hostname", &info.name);
    reason(has_socket, daemon, is_this_system, info)
}

fn reason(
    has_socket: bool,
    daemon: Option<i32>,
    is_this_system: bool,
    info: &SystemInfo,
) -> Option<&'static str> {
    let has = |word: &str| {
        info.security_options.iter().flatten().any(|option| option.split(',').any(|it| it == word))
    };
    match () {
        () if !has_socket => Some("the engine runs on another machine"),
        // The kernel names no process that this one cannot see.
        () if daemon.is_none_or(|id| id <= 0) => {
            Some("the engine runs outside of this container, with files of its own")
        }
        () if !is_this_system => Some("the engine runs in a machine with files of its own"),
        () if has("name=selinux") => {
            Some("the engine lets a container read only what SELinux labels for it")
        }
        () if has("name=userns") => Some("the engine gives containers users of their own"),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(has_socket: bool, daemon: i32, is_this_system: bool, options: &[&str]) -> String {
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        let info = SystemInfo { security_options: Some(options), ..SystemInfo::default() };
        let said = reason(has_socket, Some(daemon), is_this_system, &info);
        said.unwrap_or("nothing").to_owned()
    }

    #[test]
    fn only_an_engine_of_this_very_system_sees_the_same_files() {
        let usual = ["name=seccomp,profile=default", "name=rootless"];
        assert_eq!(said(true, 7, true, &usual), "nothing");
        assert!(said(false, 7, true, &usual).ends_with("on another machine"));
        assert!(said(true, 0, true, &usual).contains("outside of this container"));
        assert!(said(true, 7, false, &usual).ends_with("files of its own"));
    }

    #[test]
    fn labels_and_users_of_its_own_keep_files_apart() {
        assert!(said(true, 7, true, &["name=selinux"]).contains("SELinux"));
        assert!(said(true, 7, true, &["name=userns"]).contains("users of their own"));
    }
}
