// Package server answers Redis clients: it accepts connections, runs the
// commands of its table (table.go) against a store, and keeps the clock going.
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
	databases  = 16
	maxClients = 10000

	tick      = 100 * time.Millisecond // of the background work
	sweepTime = 25 * time.Millisecond  // the most a sweep takes of each tick
)

// Server is a Redis server without a socket; Serve gives it one or more.
type Server struct {
	store    *store.Store
	commands map[string]*command
	started  time.Time
	port     int // for INFO and CONFIG GET
	clients  int // the most at a time

	// conns holds the live connections by id. It is a sync.Map because it is
	// what that type is made for: each key is written once by one goroutine,
	// deleted by the same, and the readers want no lock.
	conns     sync.Map // uint64 to *conn
	connected atomic.Int64
	accepted  atomic.Uint64
	processed uint64 // commands; belongs to the store's lock
	clock     atomic.Int64

	listeners sync.Map // net.Listener to struct{}
	done      chan struct{}
	close     sync.Once
	running   sync.WaitGroup
}

// New returns a server with empty databases, and starts its background work.
// port is what it tells clients; 0 for none. The caller closes the server.
func New(port int) *Server {
	now := func() int64 { return time.Now().UnixMilli() }
	s := &Server{
		store:    store.New(databases, now),
		commands: commandTable(),
		started:  time.Now(),
		port:     port,
		clients:  maxClients,
		done:     make(chan struct{}),
	}
	s.clock.Store(s.started.Unix())
	s.running.Go(s.background)
	return s
}

// Serve accepts connections until the server is closed, then returns nil. It
// takes ownership of l.
func (s *Server) Serve(l net.Listener) error {
	s.running.Add(1)
	defer s.running.Done()
	defer l.Close()
	s.listeners.Store(l, struct{}{})
	defer s.listeners.Delete(l)
	for {
		if s.stopped() {
			return nil
		}
		nc, err := l.Accept()
		switch {
		case err == nil:
			s.admit(nc)
		case s.stopped():
			return nil
		case outOfResources(err):
			select { // until connections have closed
			case <-s.done:
			case <-time.After(tick):
			}
		case !errors.Is(err, syscall.ECONNABORTED):
			return fmt.Errorf("accept on %v: %w", l.Addr(), err)
		}
	}
}

func outOfResources(err error) bool {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// Done is closed when the server stops, by Close or by the SHUTDOWN command.
func (s *Server) Done() <-chan struct{} { return s.done }

// Close stops the server: it closes all sockets and returns when the last
// command has ended. It can be called more than once.
func (s *Server) Close() {
	s.stop()
	s.running.Wait()
}

func (s *Server) stop() {
	s.close.Do(func() { close(s.done) })
	s.listeners.Range(func(l, _ any) bool { l.(net.Listener).Close(); return true })
	s.conns.Range(func(_, c any) bool { c.(*conn).socket.Close(); return true })
}

func (s *Server) stopped() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
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
	c, err := newConn(s, nc, s.accepted.Add(1))
	if err != nil {
		nc.Close()
		return
	}
	s.connected.Add(1)
	s.conns.Store(c.id, c)
	s.running.Go(func() {
		defer s.connected.Add(-1)
		defer s.conns.Delete(c.id)
		defer nc.Close()
		if !s.stopped() { // if it is, stop may not have seen this connection
			c.serve()
		}
	})
}

// background sweeps expired keys, keeps the clock of CLIENT LIST, and returns
// freed memory to the system.
func (s *Server) background() {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	var memory reclaim
	for {
		select {
		case <-s.done:
			return
		case now := <-ticker.C:
			s.clock.Store(now.Unix())
			s.store.Sweep(func() bool { return time.Since(now) > sweepTime })
		}
		if memory.due(s.store.TakeFreed(), usedMemory()) {
			debug.FreeOSMemory()
		}
	}
}
