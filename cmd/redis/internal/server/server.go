// Package server answers Redis clients: it accepts connections, runs the
// commands of its table (command.go) against a store, and keeps the clock
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
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ocikit/ocikit/cmd/redis/internal/store"
)

const (
	databases = 16
	tick      = 100 * time.Millisecond // of the background work
	sweepTime = 25 * time.Millisecond  // the most a sweep takes of each tick
)

// Server is a Redis server without sockets. Serve accepts clients for it.
type Server struct {
	store    *store.Store
	commands map[string]*command
	started  time.Time
	port     int // for INFO and CONFIG GET; 0 before Serve

	// conns holds the live connections. It is a sync.Map because it is what
	// that type is made for: each key is written once and deleted once, by
	// goroutines of which none should wait for another.
	conns     sync.Map // *conn to nothing
	accepted  atomic.Int64
	processed int // commands; belongs to the store's lock

	running context.Context
	stop    context.CancelCauseFunc
	group   sync.WaitGroup // of all goroutines
}

// New returns a server with empty databases.
func New() *Server {
	now := func() int { return int(time.Now().UnixMilli()) }
	return &Server{store: store.New(databases, now), commands: commandTable(), started: time.Now()}
}

// Serve answers clients of a TCP listener until ctx ends or one sends SHUTDOWN,
// and returns nil; or until the listener fails, and returns its error. It
// closes the listener and all connections, and returns when the last command
// has ended. It can be called once.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	s.port = l.Addr().(*net.TCPAddr).Port
	s.running, s.stop = context.WithCancelCause(ctx)
	defer s.stop(nil)
	s.group.Go(s.background)
	s.group.Go(func() { s.accept(l) })
	<-s.running.Done()
	l.Close()
	s.conns.Range(func(c, _ any) bool { c.(*conn).Close(); return true })
	s.group.Wait()
	if err := context.Cause(s.running); ctx.Err() == nil && err != context.Canceled {
		return err
	}
	return nil
}

// accept starts connections until the server stops, or stops it.
func (s *Server) accept(l net.Listener) {
	for s.running.Err() == nil {
		nc, err := l.Accept()
		switch {
		case err == nil:
			s.group.Go(newConn(s, nc).serve)
		case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE), errors.Is(err,
			syscall.ENOBUFS),
			errors.Is(err, syscall.ENOMEM), errors.Is(err, syscall.ECONNABORTED):
			time.Sleep(tick) // until connections have closed
		default:
			// without effect if it has stopped
			s.stop(fmt.Errorf("accept on %v: %w", l.Addr(), err))
		}
	}
}

// background sweeps expired keys and returns freed memory to the system. The
// Go runtime alone would wait until the heap grows again, or two minutes, and
// longer until it tells the system. When something was removed it is done at
// once, but takes no more than a tenth of the time.
func (s *Server) background() {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for collected, next := 0, time.Now(); ; {
		select {
		case <-s.running.Done():
			return
		case now := <-ticker.C:
			s.store.Sweep(func() bool { return time.Since(now) > sweepTime })
		}
		s.store.Lock()
		removed := s.store.Removed
		s.store.Unlock()
		if begin := time.Now(); removed != collected && begin.After(next) {
			debug.FreeOSMemory()
			collected, next = removed, time.Now().Add(max(time.Second, 9*time.Since(begin)))
		}
	}
}
