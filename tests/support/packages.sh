# packages.sh - sourced by ./demo and ./check: installs what is missing, and only that.

# need PACKAGE...: makes sure that Debian's PACKAGEs are installed; asks the network for none if so.
need() {
    local missing=() package sudo=()

    for package in "$@"; do
        dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
            missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    [ "$(id -u)" -eq 0 ] || sudo=(sudo)
    echo "Installing: ${missing[*]}" >&2
    {
        "${sudo[@]}" apt-get update -q &&
            "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive \
                apt-get install -q -y --no-install-recommends "${missing[@]}"
    } >&2
}

# build DIRECTORY [OPTION...]: sets a build directory up, once, and builds in it.
build() {
    local directory=$1 log
    shift

    log=$(mktemp)
    if ! {
        if [ -f "$directory/build.ninja" ]; then
            meson configure "$directory" "$@"
        else
            meson setup "$directory" "$@"
        fi && ninja -C "$directory"
    } >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        echo "The build in $directory failed." >&2
        return 1
    fi
    rm -f "$log"
}
