# Debian packages for what scripts/vm/run boots: the cache, the mirror, and an apt beside the system's own.
# Sourced by scripts/vm/setup and scripts/vm/image.
# shellcheck shell=bash

cache=${SENTINEL_VM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sentinel-vm}
apt=$cache/apt
ring=/usr/share/keyrings/debian-archive-keyring.gpg

say() { echo "vm/${0##*/}: $*" >&2; }
die() { say "$*"; exit 1; }

twice() { "$@" || { say "once more: $1 ${*: -1}"; sleep 2; "$@"; }; }

# What the host needs: command:package.
need_tools() { # PAIR...
  local missing=() pair
  for pair; do PATH=$PATH:/sbin:/usr/sbin command -v "${pair%%:*}" > /dev/null || missing+=("${pair##*:}"); done
  [ -e $ring ] || missing+=(debian-archive-keyring)
  [ ${#missing[@]} = 0 ] && return
  [ "$(id -u)" = 0 ] || die "please install: ${missing[*]}"
  say "installing ${missing[*]}"
  local install=(apt-get install -qq -y --no-install-recommends "${missing[@]}")
  export DEBIAN_FRONTEND=noninteractive
  "${install[@]}" > /dev/null 2>&1 || { apt-get update -qq && "${install[@]}" > /dev/null; } >&2
}

# One at a time: another one may be making the same thing.
lock() { # NAME
  mkdir -p "$cache"
  exec 9> "$cache/$1"
  flock -n 9 || { say "another one is at work: waiting"; flock 9; }
}

# The address before /dists/SUITE in the machine's own apt configuration, also when its lists are empty.
mirror_of() { # SUITE-PATTERN
  apt-get -o Dir::State::lists="$apt/none" --print-uris update 2> /dev/null |
    sed -nE "s#^'(.*/debian[a-z-]*)/dists/($1)/main/binary-[^/]*/Packages.*#\1#p" | sed -n 1p
}

# Sources of these suites; of SUITE-security from where the machine gets its security updates.
sources() { # SUITE...
  local mirror security suite
  mkdir -p "$apt/none"
  mirror=${SENTINEL_DEBIAN_MIRROR:-$(mirror_of 'bullseye|bookworm|trixie|forky|(old)*stable|testing|sid')}
  [ -n "$mirror" ] || die "found no Debian mirror in apt's configuration: set SENTINEL_DEBIAN_MIRROR"
  security=${SENTINEL_DEBIAN_MIRROR:+$SENTINEL_DEBIAN_MIRROR-security}
  security=${security:-$(mirror_of '[a-z]*-security')}
  for suite; do
    case $suite in
    *-security) echo "deb [signed-by=$ring] ${security:-$mirror-security} $suite main" ;;
    *) echo "deb [signed-by=$ring] $mirror $suite main" ;;
    esac
  done
}

# apt-get or apt-cache with folders of their own. The system's proxies and credentials stay in force.
private_apt() { # PROGRAM ARGS...
  local program=$1; shift
  "$program" -qq -o APT::Sandbox::User=root -o Dir::State="$apt/state" -o Dir::State::lists="$apt/lists" \
    -o Dir::State::status=/dev/null -o Dir::Cache="$apt/cache" -o Dir::Cache::pkgcache=pkgcache.bin \
    -o Dir::Cache::srcpkgcache=srcpkgcache.bin -o Dir::Etc::sourcelist="$apt/sources.list" \
    -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferences=/dev/null \
    -o Dir::Etc::preferencesparts=/dev/null -o APT::Default-Release= -o APT::Architectures=amd64 \
    -o APT::Architecture=amd64 -o Acquire::Languages=none -o Acquire::Retries=2 \
    -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false "$@"
}
