# lib.sh: what the scripts of this directory share. They source it after set -eu.
# It makes a work directory, $work, that goes away at the end with all servers.

repo=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
pids=

# stop_all ends the servers and removes the work directory.
stop_all() {
	for pid in $pids; do kill "$pid" 2>/dev/null || true; done
	for pid in $pids; do wait "$pid" 2>/dev/null || true; done
	rm -rf "$work"
}
trap stop_all EXIT
trap 'exit 1' INT TERM

# need PROGRAM PACKAGE: fails if a program is missing.
need() {
	command -v "$1" >/dev/null || { echo "$1 is missing: apt-get install $2" >&2; exit 2; }
}

# build: builds our server as $work/redis.
build() {
	(cd "$repo" && CGO_ENABLED=0 go build -trimpath -o "$work/redis" ./cmd/redis)
}

# wait_for PORT: waits until a server answers.
wait_for() {
	for _ in $(seq 100); do
		if [ "$(redis-cli -p "$1" ping 2>/dev/null)" = PONG ]; then return; fi
		sleep 0.1
	done
	echo "no server on port $1" >&2
	exit 1
}

# start_ours PORT: starts our server; $pid is its process.
start_ours() {
	"$work/redis" --port "$1" 2>"$work/ours.log" &
	pid=$!
	pids="$pids $pid"
	wait_for "$1"
}

# start_real PORT: starts Debian's redis-server; $pid is its process.
start_real() {
	redis-server --port "$1" --save '' --appendonly no --dir "$work" >"$work/real.log" &
	pid=$!
	pids="$pids $pid"
	wait_for "$1"
}
