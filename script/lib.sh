# SPDX-License-Identifier: MIT
# What the scripts of this folder share: sourced by them, with $root set to the repository's top.
# Variables of a shell are global: the names here are not used by the scripts.
# shellcheck shell=sh disable=SC2034,SC2154

# Debian's packages, by purpose. One list each, in one place.
packages_build='build-essential pkg-config meson ninja-build python3
    libuv1-dev libssl-dev libsqlite3-dev libconfuse-dev libjansson-dev libunistring-dev libidn2-dev
    libqrencode-dev libedit-dev zlib1g-dev libc-ares-dev libseccomp-dev libcmocka-dev libexpat1-dev'
packages_node='nodejs npm'
packages_fuzz='clang-14 libclang-rt-14-dev'
packages_analyze='clang-tidy-14 cppcheck'
packages_coverage='gcovr'
packages_mcdc='clang-19 llvm-19 libclang-rt-19-dev'
packages_test='systemd chromium fonts-dejavu-core python3-nbxmpp python3-gi libjs-strophe
    prosody prosody-modules ejabberd libglib2.0-dev mandoc zsh'

say() {
    printf '%s\n' "$*"
}

die() {
    printf '%s\n' "$*" >&2
    exit 1
}

# quietly LOG COMMAND...: its output goes into the file, and onto the screen only when it fails.
quietly() {
    quiet_log=$1
    shift
    mkdir -p "$(dirname "$quiet_log")"
    "$@" >"$quiet_log" 2>&1 </dev/null && return 0
    quiet_status=$?
    tail -n 60 "$quiet_log" >&2
    say "failed: $* (all of it: $quiet_log)" >&2
    return "$quiet_status"
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "this needs root, and there is no sudo: $*"
    fi
}

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

# need_packages NAME...: installs what is missing of these, and says so; silent when all is there.
need_packages() {
    if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
        need_commands cc pkg-config meson ninja python3 node npm -- "$@"
        return
    fi
    missing=
    for package in "$@"; do
        is_installed "$package" || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    say "Installing Debian packages:$missing"
    # Word splitting is meant: a list of names.
    # shellcheck disable=SC2086
    if ! apt_install $missing >/dev/null 2>&1; then
        quietly "$root/build/log/apt-update.log" as_root apt-get update || exit 1
        # shellcheck disable=SC2086
        quietly "$root/build/log/apt-install.log" apt_install $missing || exit 1
    fi
}

# Elsewhere than on Debian: need_commands COMMAND... -- PACKAGE...
need_commands() {
    lacking=
    while [ "$1" != -- ]; do
        command -v "$1" >/dev/null || lacking="$lacking $1"
        shift
    done
    shift
    [ -z "$lacking" ] || die "This is not a Debian system, and these commands are missing:$lacking
Please install the counterparts of these Debian packages: $*"
}

need_build_packages() {
    # Node.js may come from elsewhere than Debian.
    if command -v node >/dev/null && command -v npm >/dev/null; then
        # shellcheck disable=SC2086
        need_packages $packages_build "$@"
    else
        # shellcheck disable=SC2086
        need_packages $packages_build $packages_node "$@"
    fi
}

# npm_folder FOLDER: installs what its lock file names, unless that is there already.
npm_folder() {
    stamp=$root/$1/node_modules/.installed-lock
    cmp -s "$root/$1/package-lock.json" "$stamp" && return 0
    say "Installing npm packages of $1"
    quietly "$root/build/log/npm-$(printf %s "$1" | tr / -).log" \
        npm ci --prefix "$root/$1" --no-audit --no-fund --ignore-scripts --no-bin-links || return 1
    cp "$root/$1/package-lock.json" "$stamp"
}

# The pages, once for all builds, into build/web.
build_web() {
    locked web build_web_unlocked
}

build_web_unlocked() {
    npm_folder web && quietly "$root/build/log/web.log" node "$root/web/build.mjs" "$root/build/web"
}

# build_options NAME: what `meson setup` is told for build/NAME.
build_options() {
    case $1 in
    release) say -Doptimization=3 -Ddebug=true ;;
    debug) say -Doptimization=0 -Ddebug=true -Dtest_hooks=true ;;
    asan) say -Db_sanitize=address,undefined -Db_lundef=false -Doptimization=1 -Dtest_hooks=true ;;
    tsan) say -Db_sanitize=thread -Db_lundef=false -Doptimization=1 -Dtest_hooks=true ;;
    fuzz) say -Db_sanitize=address,undefined -Db_lundef=false -Doptimization=1 -Dfuzz=true ;;
    # Any warning is an error: once as a release, once with all that test builds have.
    strict-gcc) say -Doptimization=2 -Ddebug=false -Dwerror=true ;;
    strict-clang) say -Doptimization=2 -Ddebug=false -Dwerror=true -Dtest_hooks=true ;;
    coverage-gcc) say -Doptimization=0 -Ddebug=true -Dtest_hooks=true -Db_coverage=true ;;
    # Only units are built in these two: script/mutate and script/mcdc.
    mutate-gcc) say -Doptimization=1 -Ddebug=false ;;
    mcdc) say -Doptimization=0 -Ddebug=true -Dc_link_args=-fprofile-instr-generate \
        "-Dc_args=['-fprofile-instr-generate','-fcoverage-mapping','-fcoverage-mcdc']" ;;
    # gcc's own analyzer; each finding is an error.
    analyze-gcc) say -Doptimization=1 -Ddebug=false -Dtests=false -Dwerror=true -Dc_args=-fanalyzer ;;
    *) die "unknown build: $1 (release, debug, asan, tsan, fuzz, strict-gcc, strict-clang)" ;;
    esac
}

# locked NAME COMMAND...: suites that run side by side make the same things.
locked() {
    mkdir -p "$root/build/log"
    locked_name=$root/build/log/$1.lock
    shift
    (flock 9 && "$@") 9>"$locked_name"
}

# build NAME [TARGET...]: builds into build/NAME, all of it when no target is given; quiet unless
# something fails.
build() {
    locked "build-$1" build_unlocked "$@"
}

build_unlocked() {
    build_folder=$root/build/$1
    options=$(build_options "$1") || exit 1
    again=
    if [ -f "$build_folder/build.ninja" ]; then
        [ "$(cat "$build_folder/options" 2>/dev/null)" = "$options" ] || again=--reconfigure
    else
        again=--wipe
        [ -d "$build_folder/meson-private" ] || again=
    fi
    case $1 in
    fuzz | *-clang) export CC=clang-14 ;;
    mcdc) export CC=clang-19 ;;
    *-gcc) export CC=gcc ;;
    esac
    if [ ! -f "$build_folder/build.ninja" ] || [ -n "$again" ]; then
        # shellcheck disable=SC2086
        quietly "$root/build/log/$1-setup.log" \
            meson setup $again "$build_folder" "$root" "-Dweb_dir=$root/build/web" $options || return 1
        say "$options" >"$build_folder/options"
    fi
    build_log=$root/build/log/$1.log
    shift
    quietly "$build_log" ninja -C "$build_folder" "$@"
}
