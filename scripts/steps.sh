# Sourced by scripts/demo and scripts/test: says what is being done, and how long each step took.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

step() { # step "what is done" command…
	local what=$1 began=$SECONDS
	shift
	printf '==> %s\n' "$what"
	"$@"
	printf '    (%d s)\n' $((SECONDS - began))
}

build() { # build TARGET…: the release build; its output is shown when it fails
	local log
	log=$(mktemp)
	if ! { (cd "$root" && cmake --preset release) && cmake --build "$root/build/release" -- "$@"; } >"$log" 2>&1; then
		tail -n 60 "$log" >&2
		rm -f "$log"
		return 1
	fi
	rm -f "$log"
}

need_root() {
	[[ $EUID -eq 0 ]] || { echo "$(basename "$0"): must be run as root: it makes network namespaces" >&2; exit 4; }
}
