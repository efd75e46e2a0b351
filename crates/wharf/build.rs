//! Packs the relocations of the programs (`DT_RELR`), a twentieth of their size, where the C library can unpack them.
//!
//! A static program relocates itself, with the code of the C library that it was linked with: glibc does so since 2.36.

#![expect(clippy::disallowed_methods, reason = "cargo tells a build script by variables")]

use std::{env, process::Command};

const SINCE: (u32, u32) = (2, 36);

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if links_glibc_statically() && glibc().is_some_and(|version| version >= SINCE) {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

fn links_glibc_statically() -> bool {
    let is = |name: &str, value: &str| {
        env::var(name).is_ok_and(|set| set.split(',').any(|one| one == value))
    };
    is("CARGO_CFG_TARGET_OS", "linux")
        && is("CARGO_CFG_TARGET_ENV", "gnu")
        && is("CARGO_CFG_TARGET_FEATURE", "crt-static")
        // Of another machine's C library nothing is known.
        && env::var("HOST") == env::var("TARGET")
}

/// Returns the version of this machine's C library, from the first line of `ldd --version`.
fn glibc() -> Option<(u32, u32)> {
    let output = Command::new("ldd").arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (major, minor) = text.lines().next()?.rsplit(' ').next()?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
