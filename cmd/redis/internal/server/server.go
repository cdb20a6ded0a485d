// Package server answers Redis clients: it accepts connections, runs the
// commands of its table (commands.go) against a store, and keeps the clock
// going.
//
// A connection is one goroutine. It runs all requests that have arrived under
// one hold of the store's lock, and flushes the replies when the input buffer
// is empty, so a pipeline costs one read, one lock and one write. All fields
// that commands touch, those of the connection included, belong to that lock.
//
// Out of scope, and refused as unknown commands: persistence, replication,
// clustering, transactions, scripts, pub/sub, streams, blocking commands,
// access control and eviction. Data lives as long as the process.
package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ocikit/ocikit/cmd/redis/internal/store"
)

const (
	databases  = 16
	maxClients = 10000

	tick      = 100 * time.Millisecond // of the background work
	sweepTime = 25 * time.Millisecond  // the most a sweep takes of each tick
)

// Server is a Redis server without a socket; Serve gives it some.
type Server struct {
	store    *store.Store
	commands map[string]*command
	started  time.Time
	port     int // for INFO and CONFIG GET
	clients  int // the most at a time

	// conns holds the live connections by id. It is a sync.Map because it is
	// what that type is made for: each key is written once by one goroutine,
	// deleted by the same, and the readers want no lock.
	conns     sync.Map // int to *conn
	connected atomic.Int64
	accepted  atomic.Int64
	processed int // commands; belongs to the store's lock

	running context.Context
	stop    context.CancelCauseFunc
	group   sync.WaitGroup // of all goroutines
}

// New returns a server with empty databases. port is what it tells clients; 0
// for none.
func New(port int) *Server {
	return &Server{
		store:    store.New(databases, func() int { return int(time.Now().UnixMilli()) }),
		commands: commandTable(),
		started:  time.Now(),
		port:     port,
		clients:  maxClients,
	}
}

// Serve answers clients until ctx ends or one sends SHUTDOWN, and returns nil;
// or until a listener fails, and returns its error. It closes the listeners
// and all connections, and returns when the last command has ended. It can be
// called once.
func (s *Server) Serve(ctx context.Context, listeners ...net.Listener) error {
	s.running, s.stop = context.WithCancelCause(ctx)
	defer s.stop(nil)
	s.group.Go(s.background)
	for _, l := range listeners {
		s.group.Go(func() { s.accept(l) })
	}
	<-s.running.Done()
	for _, l := range listeners {
		l.Close()
	}
	s.conns.Range(func(_, c any) bool { c.(*conn).socket.Close(); return true })
	s.group.Wait()
	if err := context.Cause(s.running); ctx.Err() == nil && err != context.Canceled {
		return err
	}
	return nil
}

// accept admits connections until the server stops, or stops it.
func (s *Server) accept(l net.Listener) {
	for s.running.Err() == nil {
		nc, err := l.Accept()
		switch {
		case err == nil:
			s.admit(nc)
		case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err, syscall.ENOBUFS),
			errors.Is(err, syscall.ENOMEM), errors.Is(err, syscall.ECONNABORTED):
			select { // until connections have closed
			case <-s.running.Done():
			case <-time.After(tick):
			}
		default:
			s.stop(fmt.Errorf("accept on %v: %w", l.Addr(), err)) // without effect if it has stopped
		}
	}
}

// admit starts a connection, unless there are too many.
func (s *Server) admit(nc net.Conn) {
	if s.connected.Load() >= int64(s.clients) {
		// One packet into an empty socket buffer: this does not block, and
		// whoever was refused may also have gone.
		_, _ = nc.Write([]byte("-ERR max number of clients reached\r\n"))
		nc.Close()
		return
	}
	sock, err := newSocket(nc, maxUnread)
	if err != nil {
		nc.Close()
		return
	}
	c := newConn(s, sock)
	s.connected.Add(1)
	s.conns.Store(c.id, c)
	s.group.Go(func() {
		defer s.connected.Add(-1)
		defer s.conns.Delete(c.id)
		defer nc.Close()
		if s.running.Err() == nil { // otherwise Serve may not have seen this connection
			c.serve()
		}
	})
}

// background sweeps expired keys and returns freed memory to the system.
func (s *Server) background() {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for before := 0; ; {
		select {
		case <-s.running.Done():
			return
		case now := <-ticker.C:
			s.store.Sweep(func() bool { return time.Since(now) > sweepTime })
		}
		s.store.Lock()
		garbage := s.store.Garbage
		collect := worthCollecting(garbage, usedMemory(), garbage == before)
		if collect {
			garbage, s.store.Garbage = 0, 0
		}
		s.store.Unlock()
		if before = garbage; collect {
			debug.FreeOSMemory()
		}
	}
}

// worthCollecting reports whether to collect garbage now, of an estimated size
// among the bytes in use. The Go runtime alone would wait until the heap grows
// again, or two minutes, and longer until it tells the system. It is time when
// half is garbage, so that collecting it costs no more than filling it did; or
// when some is, and it is quiet: nothing more was removed.
func worthCollecting(garbage, used int, quiet bool) bool {
	return garbage >= max(4<<20, used/2) || quiet && garbage >= max(64<<10, used/16)
}

// usedMemory returns the bytes of the heap's objects, garbage included.
func usedMemory() int {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return int(sample[0].Value.Uint64())
}
