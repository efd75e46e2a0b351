# shellcheck shell=sh
# common.sh - what `quickstart`, `test` and `.ci/run` share. POSIX sh, sourced from the root of the checkout:
#
#   . lab/common.sh
#
# It says what it does before it does it, asks nothing, and leaves alone what is there.

say() { printf '%s: %s\n' "${0##*/}" "$*"; }
step() { printf '\n== %s\n' "$*"; }
die() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# --- root, the person, packages -----------------------------------------------------------------------------------

can_be_root() { [ "$(id -u)" = 0 ] || command -v sudo >/dev/null; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# person   prints who files should belong to: under `sudo ./quickstart` still the one who typed it
person() {
  if [ "$(id -u)" = 0 ]; then echo "${SUDO_USER:-root}"; else id -un; fi
}

as_person() {
  if [ "$(id -un)" = "$(person)" ]; then "$@"; else sudo -E -H -u "$(person)" env PATH="$PATH" "$@"; fi
}

# install_packages WHAT_FOR PACKAGE...   from the distribution; the caller has found out that they are missing
install_packages() {
  what_for=$1
  shift
  by_hand="apt-get update && apt-get install -y --no-install-recommends $*"
  command -v apt-get >/dev/null || die "$what_for is missing. This machine has no apt-get; on Debian: $by_hand"
  can_be_root || die "$what_for is missing, and there is neither root nor sudo. As root, type: $by_hand"
  say "installing $what_for: $*"
  if [ -z "${apt_updated:-}" ]; then
    as_root apt-get -qq update || die "apt-get update failed"
    apt_updated=1
  fi
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
    install -y --no-install-recommends "$@" >/dev/null || die "apt-get install failed"
}

# --- Rust ----------------------------------------------------------------------------------------------------

# need_cargo   puts cargo on PATH, and stops where it is missing or too old
need_cargo() {
  if ! command -v cargo >/dev/null; then
    # `sudo`, and a shell that was open during rustup's install, have no ~/.cargo/bin on PATH.
    home=$(getent passwd "$(person)" | cut -d: -f6)
    PATH=$home/.cargo/bin:$PATH
  fi
  wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
  advice="install Rust $wanted or newer (https://rustup.rs, or \`rustup update\`), then run this again"
  command -v cargo >/dev/null || die "there is no cargo: $advice"
  found=$(as_person cargo --version | sed 's/^cargo \([0-9.]*\).*/\1/')
  at_least "$found" "$wanted" || die "cargo is $found, too old: $advice"
  say "cargo $found"
}

# at_least 1.96.0 1.95   compares major and minor
at_least() {
  printf '%s %s\n' "$1" "$2" | awk '{ split($1, a, "."); split($2, b, "."); exit !(a[1] > b[1] || (a[1] == b[1] && a[2] >= b[2])) }'
}

# need_c_toolchain   wharf's programs are static: what counts is whether such a program can be linked
need_c_toolchain() {
  if links_static; then return; fi
  install_packages "a C toolchain" gcc libc6-dev
  links_static || die "cc still cannot link a static program: try \`echo 'int main(void){return 0;}' | cc -static -x c -\`"
}

links_static() {
  command -v cc >/dev/null && echo 'int main(void) { return 0; }' | cc -static -x c -o /dev/null - 2>/dev/null
}

# --- the engine ----------------------------------------------------------------------------------------------

engine_answers() { command -v docker >/dev/null && timeout 10 docker info >/dev/null 2>&1; }

# start_engine   installs and starts what is missing; sets `engine_started` where there is something to stop
start_engine() {
  if engine_answers; then
    say "a Docker Engine answers: $(docker version -f '{{.Server.Version}}, API {{.Server.APIVersion}}' 2>/dev/null)"
    return
  fi
  before=$(cat /run/wharf-lab/engine/dockerd.pid 2>/dev/null || true)
  lab/engine-up || return 1
  # Where an engine was there and only its socket refused us, or where systemd started it, nothing is ours to stop.
  [ "$(cat /run/wharf-lab/engine/dockerd.pid 2>/dev/null || true)" = "$before" ] || engine_started=1
}

stop_engine() {
  [ -z "${engine_started:-}" ] || lab/engine-up --down
  engine_started=
}

# with_engine COMMAND...   runs it as the person, with the group of the engine's socket where their login does not have it yet
with_engine() {
  if [ "$(person)" = root ] || { [ "$(id -un)" = "$(person)" ] && engine_answers; } || ! getent group docker >/dev/null; then
    "$@"
  else
    sudo -E -H -u "$(person)" -g docker env PATH="$PATH" "$@"
  fi
}
