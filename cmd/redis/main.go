// Command redis is a small Redis-compatible server, the sample workload of
// this project: real enough that redis-cli, redis-benchmark and client
// libraries work with it, small enough to be read.
//
// It runs as process 1 of a container: SIGTERM and SIGINT end it cleanly with
// exit status 0, and it needs no files. Where memory is limited, GOMEMLIMIT in its
// environment makes it collect garbage rather than grow.
// All data is in memory and ends with the process. Persistence, replication,
// pub/sub, streams, scripts, transactions and passwords are out of scope.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/ocikit/ocikit/cmd/redis/internal/server"
)

// The exit status is 0 after a signal or SHUTDOWN, 1 for an error of the
// system, 2 for one on the command line.
func main() {
	signal.Ignore(syscall.SIGHUP)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()

	port := flag.Int("port", 6379, "TCP `port` to listen on; 0 for none")
	ip := flag.String("bind", "127.0.0.1", "IP `address` to listen on; there are no passwords")
	path := flag.String("unixsocket", "", "`path` of a Unix socket to listen on")
	flag.Parse()
	switch {
	case flag.NArg() > 0:
		exit(2, fmt.Errorf("unexpected argument %q: there is no configuration file, all settings are flags", flag.Arg(0)))
	case *port < 0 || *port > 65535:
		exit(2, fmt.Errorf("--port %d is not in 0 to 65535", *port))
	case net.ParseIP(*ip) == nil:
		exit(2, fmt.Errorf("--bind %s: not an IP address", *ip))
	case *port == 0 && *path == "":
		exit(2, errors.New("nothing to listen on: give --port or --unixsocket"))
	}

	var listeners []net.Listener
	listen := func(network, address string) {
		l, err := net.Listen(network, address)
		if err != nil {
			exit(1, err)
		}
		listeners = append(listeners, l)
	}
	if *port != 0 {
		listen("tcp", net.JoinHostPort(*ip, strconv.Itoa(*port)))
	}
	if *path != "" {
		listen("unix", *path) // last, as its file stays if another fails
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
