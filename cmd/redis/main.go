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
	"io"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"syscall"

	"github.com/ocikit/ocikit/cmd/redis/internal/server"
)

func main() {
	signal.Ignore(syscall.SIGHUP)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if limit, ok := containerMemoryLimit(os.DirFS("/")); ok && os.Getenv("GOMEMLIMIT") == "" {
		// Near the limit, collect garbage instead of growing. A tenth is for
		// what is not heap.
		debug.SetMemoryLimit(limit / 10 * 9)
	}
	os.Exit(run(ctx, os.Args[1:], os.Stderr))
}

// options are the command line.
type options struct {
	port int
	bind []string
	unix string
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("redis", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&o.port, "port", 6379, "TCP `port` to listen on; 0 for none")
	flags.Func("bind", "IP `address` to listen on; may be repeated (default 127.0.0.1: there are no passwords)", func(s string) error {
		if net.ParseIP(s) == nil {
			return errors.New("not an IP address")
		}
		o.bind = append(o.bind, s)
		return nil
	})
	flags.StringVar(&o.unix, "unixsocket", "", "`path` of a Unix socket to listen on")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if len(o.bind) == 0 {
		o.bind = []string{"127.0.0.1"}
	}
	var err error
	switch {
	case flags.NArg() > 0:
		err = fmt.Errorf("unexpected argument %q: there is no configuration file, all settings are flags", flags.Arg(0))
	case o.port < 0 || o.port > 65535:
		err = fmt.Errorf("--port %d is not in 0 to 65535", o.port)
	case o.port == 0 && o.unix == "":
		err = errors.New("nothing to listen on: give --port or --unixsocket")
	}
	if err != nil {
		fmt.Fprintln(stderr, "redis:", err)
	}
	return o, err
}

// run is the server from its arguments to its exit status: 0 after ctx ends
// or a SHUTDOWN, 1 for an error of the system, 2 for one on the command line.
func run(ctx context.Context, args []string, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return 2
	}
	listeners, err := listen(o)
	if err == nil {
		for _, l := range listeners {
			fmt.Fprintf(stderr, "redis: ready to accept connections on %s\n", l.Addr())
		}
		err = server.New(o.port).Serve(ctx, listeners...)
	}
	if err != nil {
		fmt.Fprintln(stderr, "redis:", err)
		return 1
	}
	fmt.Fprintln(stderr, "redis: bye")
	return 0
}

// listen opens all sockets, or none.
func listen(o options) (listeners []net.Listener, err error) {
	var addresses [][2]string
	if o.port != 0 {
		for _, ip := range o.bind {
			addresses = append(addresses, [2]string{"tcp", net.JoinHostPort(ip, strconv.Itoa(o.port))})
		}
	}
	if o.unix != "" {
		addresses = append(addresses, [2]string{"unix", o.unix})
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
