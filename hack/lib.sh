# shellcheck shell=bash
# lib.sh: what the scripts in hack/ share. They source it first; it enters the
# top directory of the repository and sets bash's strict mode.

set -euo pipefail
shopt -s inherit_errexit

cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CGO_ENABLED=0
# Root's PATH on Debian may lack sbin, where runc lives.
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

# die MESSAGE...: print the message to stderr and end with status 1.
die() {
	printf '%s: %s\n' "$(basename "$0")" "$*" >&2
	exit 1
}

# note MESSAGE...: one line for the person who watches.
note() {
	printf '== %s\n' "$*" >&2
}

# need_go: end with a clear message when there is no Go.
need_go() {
	command -v go >/dev/null ||
		die "go is not installed; get Go 1.26 or newer from https://go.dev/dl/ (an older Go, from 1.21 on, fetches the right one by itself)"
}

# need_root WHAT: end when we are not root.
need_root() {
	[ "$(id -u)" = 0 ] || die "$1 needs root: sudo env PATH=\"\$PATH\" make $2"
}

apt_updated=

# apt_install PACKAGE...: install Debian packages; returns 1, with the reason
# on stderr, when that is impossible.
apt_install() {
	if ! command -v apt-get >/dev/null; then
		note "no apt-get here; install by hand: $*"
		return 1
	fi
	if [ "$(id -u)" != 0 ]; then
		note "missing Debian packages; run: sudo apt-get install $*"
		return 1
	fi
	note "installing Debian packages: $*"
	local log
	log=$(mktemp)
	if [ -z "$apt_updated" ]; then
		if ! apt-get update >"$log" 2>&1; then
			note "apt-get update did not work (no network?): $(tail -n 1 "$log")"
		fi
		apt_updated=1
	fi
	if ! DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >"$log" 2>&1; then
		tail -n 5 "$log" >&2
		rm -f "$log"
		note "apt-get could not install $* (no network for apt?)"
		return 1
	fi
	rm -f "$log"
}

# need THING PACKAGE...: make sure that each thing is there, a command or a
# file with a slash in its name, from its Debian package if not. All missing
# packages are installed in one go.
need() {
	local missing=()
	while [ $# -gt 0 ]; do
		case $1 in
		*/*) [ -e "$1" ] || missing+=("$2") ;;
		*) command -v "$1" >/dev/null || missing+=("$2") ;;
		esac
		shift 2
	done
	[ ${#missing[@]} = 0 ] || apt_install "${missing[@]}"
}

# version: the version to stamp. The commit is abbreviated to a fixed length,
# so that the number of objects in a clone does not change it.
version() {
	if [ -n "${VERSION:-}" ]; then
		printf '%s\n' "$VERSION"
	elif git rev-parse --git-dir >/dev/null 2>&1; then
		git describe --tags --always --dirty --abbrev=12 --match 'v*'
	else
		echo unknown
	fi
}

# place FROM TO: copy a program in one write, all at once. What is written in
# one piece is in the page cache in large pieces, and a start maps few of them:
# see docs/decisions/0017-build.md.
place() {
	dd if="$1" of="$2.new" bs=64M status=none
	chmod --reference="$1" "$2.new"
	mv "$2.new" "$2"
}
