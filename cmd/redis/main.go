// Command redis is a small Redis-compatible server, the sample workload of
// this project: real enough that redis-cli, redis-benchmark and client
// libraries work with it, small enough to be read.
//
// It runs as process 1 of a container: SIGTERM and SIGINT end it cleanly with
// exit status 0, and it needs no files. Where memory is limited, GOMEMLIMIT in
// its environment makes it collect garbage rather than grow. All data is in
// memory and ends with the process. Persistence, replication, pub/sub, streams,
// scripts, transactions and passwords are out of scope.
//
// Like Redis it works on one processor. Commands wait for each other anyway,
// and to hand the sockets of clients and the cache lines of keys from one
// processor to another costs more than the second one brings: a SET in a
// pipeline of 16 takes 1.1 times the CPU of redis-server, on two processors up
// to 1.6 times.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/ocikit/ocikit/cmd/redis/internal/server"
)

// The exit status is 0 after a signal or SHUTDOWN, 2 for an unknown flag or an
// argument, and 1 if it cannot listen, or not any longer.
func main() {
	runtime.GOMAXPROCS(1)
	signal.Ignore(syscall.SIGHUP)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()

	port := flag.String("port", "6379", "TCP `port` to listen on; 0 for any free one")
	host := flag.String("bind", "127.0.0.1", "`address` to listen on; there are no passwords")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "redis: unexpected argument %q: there is no configuration file, "+
			"all settings are flags\n", flag.Arg(0))
		os.Exit(2)
	}
	l, err := net.Listen("tcp", net.JoinHostPort(*host, *port))
	if err == nil {
		fmt.Fprintf(os.Stderr, "redis: ready to accept connections on %s\n", l.Addr())
		err = server.New().Serve(ctx, l)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "redis:", err)
		os.Exit(1)
	}
	fmt.Fprintln(os.Stderr, "redis: bye")
}
