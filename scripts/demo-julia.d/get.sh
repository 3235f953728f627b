# Gets Julia and what its system image is made of; sourced, not run, after lib.sh.

julia_dir=${XDG_CACHE_HOME:-$HOME/.cache}/julienne-julia
julia_packages=$root/scripts/demo-julia.d/packages
julia_mirror=${JL_DEBIAN_MIRROR:-http://deb.debian.org/debian}
julia_suite=bullseye

# Runs Julia with its own libraries, and nothing that the user has set for another one.
julia() {
    local lib=$julia_dir/root/usr/lib/x86_64-linux-gnu
    env -u JULIA_LLVM_ARGS -u JULIA_LOAD_PATH -u JULIA_DEPOT_PATH -u JULIA_CPU_TARGET \
        LD_LIBRARY_PATH="$lib:$lib/julia:$lib/openblas-pthread:$julia_dir/root/lib/x86_64-linux-gnu" \
        "$julia_dir/root/usr/bin/julia" --startup-file=no "$@"
}

# apt-get with lists and a state of its own: this machine's stay as they are.
private_apt() {
    apt-get -q -o Dir::State="$julia_dir/apt" -o Dir::State::status=/dev/null -o Dir::Cache="$julia_dir/apt/cache" \
        -o Dir::Etc::sourcelist="$julia_dir/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null \
        -o APT::Architecture=amd64 -o APT::Architectures::=amd64 -o Acquire::Languages=none \
        -o Acquire::Check-Valid-Until=false -o APT::Sandbox::User="$(id -un)" "$@"
}

# The files that a list of packages names, for sha256sum. Colons of versions are escaped in names of files.
package_sums() {
    local name version sum
    grep -v '^#' "$julia_packages" | while read -r name version sum; do
        printf '%s  %s\n' "$sum" "$name.deb"
    done
}

# The package files as pinned, under their packages' names; those that are there and right are kept.
get_packages() {
    mkdir -p "$julia_dir/debs"
    (cd "$julia_dir/debs" && package_sums | sha256sum --strict --status -c - 2>/dev/null) && return
    local tool
    for tool in apt-get dpkg-deb; do
        command -v $tool >/dev/null || die "Julia comes as Debian packages, and $tool is missing: run this on Debian or Ubuntu"
    done
    local keys=/usr/share/keyrings/debian-archive-keyring.gpg
    [ -r $keys ] || die "$keys is missing, by which Debian's packages are verified: install debian-archive-keyring"
    mkdir -p "$julia_dir"/apt/{lists/partial,cache/archives/partial}
    echo "deb [signed-by=$keys] $julia_mirror $julia_suite main" >"$julia_dir/apt/sources.list"
    say "Fetching Julia 1.5.3 from Debian's suite $julia_suite"
    private_apt -o APT::Update::Error-Mode=any update >&2 || die "Debian's suite $julia_suite, which has Julia 1.5.3, is not at $julia_mirror.
Old suites move to http://archive.debian.org/debian: name that, or another mirror that has it, in JL_DEBIAN_MIRROR."
    local fresh=$julia_dir/debs.new name version
    rm -rf "$fresh" && mkdir "$fresh"
    (cd "$fresh" && private_apt download $(grep -v '^#' "$julia_packages" | awk '{ print $1 "=" $2 }') >&2) ||
        die "the suite $julia_suite at $julia_mirror no longer has all versions that $julia_packages names"
    for name in "$fresh"/*.deb; do
        version=${name##*/}
        mv "$name" "$fresh/${version%%_*}.deb"
    done
    (cd "$fresh" && package_sums | sha256sum --strict --quiet -c - >&2) ||
        die "the files above are not those that $julia_packages names: nothing of what was fetched is used"
    rm -rf "$julia_dir/debs" && mv "$fresh" "$julia_dir/debs"
}

# Unpacks them; nothing is installed.
unpack_julia() {
    [ ! -x "$julia_dir/root/usr/bin/julia" ] || return 0
    local fresh=$julia_dir/root.new deb
    rm -rf "$fresh" && mkdir "$fresh"
    for deb in "$julia_dir"/debs/*.deb; do
        dpkg-deb -x "$deb" "$fresh"
    done
    rm -rf "$julia_dir/root" && mv "$fresh" "$julia_dir/root"
}

# make_state FILE ARGS...: has Julia write its state to a file, from its folder of sources.
make_state() {
    local file=$julia_dir/$1
    shift
    [ ! -s "$file" ] || return 0
    say "Julia makes $(basename "$file") (once; one to two minutes)"
    (cd "$julia_dir/root/usr/share/julia/base" && julia -C generic --output-ji "$file.new" "$@") >"$file.log" 2>&1 ||
        die "Julia could not make $file: see $file.log"
    mv "$file.new" "$file"
}

# sys.ji, with the code that speed is measured by: another such code is another state.
make_system_state() {
    local source=$julia_dir/sysimg.jl state
    cat "$julia_dir/root/usr/share/julia/base/sysimg.jl" "$root/tests/julia/numeric.jl" >"$source"
    state=sys-$(sha256sum "$source" | cut -c 1-16).ji
    make_state "$state" -g1 -O0 --sysimage "$julia_dir/corecompiler.ji" "$source" ./
    ln -sf "$state" "$julia_dir/sys.ji"
}

# Julia alone.
get_julia_alone() {
    [ "$(uname -m)" = x86_64 ] || die "this is $(uname -m): the packages of Julia are for x86-64"
    mkdir -p "$julia_dir"
    exec {julia_lock}>"$julia_dir/lock"
    flock "$julia_lock"
    get_packages
    unpack_julia
    flock -u "$julia_lock"
}

# All that is needed to make system images: Julia, and the state that code is generated from.
get_julia() {
    [ "$(uname -m)" = x86_64 ] || die "this is $(uname -m): the packages of Julia are for x86-64"
    mkdir -p "$julia_dir"
    exec {julia_lock}>"$julia_dir/lock"
    flock "$julia_lock"
    get_packages
    unpack_julia
    make_state corecompiler.ji -g0 -O0 compiler/compiler.jl
    make_system_state
    flock -u "$julia_lock"
}
