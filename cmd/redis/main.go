// Command redis is a small Redis-compatible server, the sample workload of
// this project: real enough that redis-cli, redis-benchmark and client
// libraries work with it, small enough to be read.
//
// It runs as process 1 of a container: SIGTERM and SIGINT end it cleanly with
// exit status 0, it needs no files, and it heeds the container's memory limit.
// All data is in memory and ends with the process. Persistence, replication,
// pub/sub, streams, scripts, transactions and passwords are out of scope.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"

	"github.com/ocikit/ocikit/cmd/redis/internal/server"
)

// The exit status is 0 after a signal or SHUTDOWN, 1 for an error of the
// system, 2 for one on the command line.
func main() {
	port := flag.Int("port", 6379, "TCP `port` to listen on; 0 for none")
	path := flag.String("unixsocket", "", "`path` of a Unix socket to listen on")
	var bind []string
	flag.Func("bind", "IP `address` to listen on; may be repeated (default 127.0.0.1: there are no passwords)", func(ip string) error {
		if net.ParseIP(ip) == nil {
			return errors.New("not an IP address")
		}
		bind = append(bind, ip)
		return nil
	})
	flag.Parse()
	switch {
	case flag.NArg() > 0:
		exit(2, fmt.Errorf("unexpected argument %q: there is no configuration file, all settings are flags", flag.Arg(0)))
	case *port < 0 || *port > 65535:
		exit(2, fmt.Errorf("--port %d is not in 0 to 65535", *port))
	case *port == 0 && *path == "":
		exit(2, errors.New("nothing to listen on: give --port or --unixsocket"))
	case len(bind) == 0:
		bind = []string{"127.0.0.1"}
	}

	signal.Ignore(syscall.SIGHUP)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if limit, ok := containerMemoryLimit(os.DirFS("/")); ok && os.Getenv("GOMEMLIMIT") == "" {
		// Near the limit, collect garbage instead of growing. A tenth is for
		// what is not heap.
		debug.SetMemoryLimit(limit / 10 * 9)
	}
	listeners, err := listen(*port, bind, *path)
	if err != nil {
		exit(1, err)
	}
	for _, l := range listeners {
		fmt.Fprintf(os.Stderr, "redis: ready to accept connections on %s\n", l.Addr())
	}
	if err := server.New(*port).Serve(ctx, listeners...); err != nil {
		exit(1, err)
	}
	fmt.Fprintln(os.Stderr, "redis: bye")
}

func exit(status int, err error) {
	fmt.Fprintln(os.Stderr, "redis:", err)
	os.Exit(status)
}

// listen opens TCP sockets, unless the port is 0, and a Unix socket, if there
// is a path: all of them, or none.
func listen(port int, bind []string, path string) (listeners []net.Listener, err error) {
	var addresses [][2]string
	for _, ip := range bind {
		addresses = append(addresses, [2]string{"tcp", net.JoinHostPort(ip, strconv.Itoa(port))})
	}
	if port == 0 {
		addresses = nil
	}
	if path != "" {
		addresses = append(addresses, [2]string{"unix", path})
	}
	for _, address := range addresses {
		l, err := net.Listen(address[0], address[1])
		if err != nil {
			for _, l := range listeners {
				l.Close()
			}
			return nil, err
		}
		listeners = append(listeners, l)
	}
	return listeners, nil
}

// containerMemoryLimit returns the memory limit of the container in bytes, and
// whether there is one. root is the file system; the limit is where a container
// sees its own cgroup.
func containerMemoryLimit(root fs.FS) (int64, bool) {
	for _, file := range []string{"sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"} { // of cgroup v2 and v1
		text, _ := fs.ReadFile(root, file) // an error: not this version, or no cgroup is mounted
		// "max" in v2, and a number beyond any machine in v1, mean no limit.
		limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		if err == nil && limit > 0 && limit < math.MaxInt64/2 {
			return limit, true
		}
	}
	return 0, false
}
