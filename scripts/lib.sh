# Shared by the scripts in this folder; sourced, not run.

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
target_dir=${CARGO_TARGET_DIR:-$root/target}
bin_dir=$target_dir/release
# The LLVM that everything is built with, and all for which there is a plugin.
llvm=22
llvms=(16 19 22)

say() { printf '%s\n' "$*" >&2; }

die() {
    say "$(basename "$0"): error: $*"
    exit 1
}

# Prints a script's usage text and ends it when its only argument asks for help.
usage() {
    local text=$1
    shift
    case ${1:-} in
        -h | --help)
            printf '%s\n' "$text"
            exit 0
            ;;
    esac
}

# No arguments are expected: names the first one that is there.
no_arguments() {
    [ $# -eq 0 ] || die "unexpected argument '$1' (see --help)"
}

# version_at_least FOUND WANTED
version_at_least() {
    [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]
}

# has_rust_target TRIPLE: whether the compiler has libraries for it.
has_rust_target() {
    [ -n "$(ls "$(rustc --print target-libdir --target "$1")" 2>/dev/null)" ]
}
