// Package socket reads and writes a client's connection, cheaply and without
// one direction ever waiting for the other.
//
// Cheaply: the sockets are not blocking, so their system calls return at once,
// and the package makes them without telling the Go scheduler. (Told of a
// system call, it prepares to move the thread's work to another thread; for
// requests of a few microseconds that is a third of their cost, and was
// measured as 1.4 against 1.1 times the CPU of redis-server.) Waiting for data
// is left to the Go runtime.
//
// Without waiting: Send writes to the socket at once. If the socket is full,
// because the client sends a long pipeline before it reads, a goroutine sends
// the rest while requests are still being read. With both sides waiting to
// write, neither would ever read.
package socket

import (
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
)

// Socket is a connection. One goroutine at a time may use it; Close may be
// called by any.
type Socket struct {
	nc  net.Conn
	raw syscall.RawConn

	// Closures for raw, made once as each is an allocation, and what they work on.
	read, write func(fd uintptr) bool
	data        []byte
	n           int
	errno       syscall.Errno

	limit   int // of pending
	mu      sync.Mutex
	changed sync.Cond // pending or busy
	pending []byte    // what the goroutine has yet to send
	busy    bool      // the goroutine is running
	failed  error     // its error
}

// New returns the socket of a TCP or Unix connection, and takes ownership of
// it unless it fails. limit is how many bytes may wait for a client that does
// not read them, before Send waits for it.
func New(nc net.Conn, limit int) (*Socket, error) {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return nil, fmt.Errorf("%T has no descriptor", nc)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &Socket{nc: nc, raw: raw, limit: limit}
	s.changed.L = &s.mu
	s.read = func(fd uintptr) bool {
		s.n, s.errno = readNow(fd, s.data)
		return s.errno != syscall.EAGAIN // which makes raw wait and call again
	}
	s.write = func(fd uintptr) bool {
		s.n, s.errno = writeNow(fd, s.data)
		return true // never wait
	}
	return s, nil
}

// Conn returns the connection, for its addresses.
func (s *Socket) Conn() net.Conn { return s.nc }

// Close closes the connection. Whatever waits on it returns an error.
func (s *Socket) Close() error { return s.nc.Close() }

// Read waits for data and reads it, as an io.Reader. p must not be empty.
func (s *Socket) Read(p []byte) (int, error) {
	s.data = p
	err := s.raw.Read(s.read)
	s.data = nil
	switch {
	case err != nil:
		return 0, err
	case s.errno != 0:
		return 0, s.errno
	case s.n == 0:
		return 0, io.EOF
	}
	return s.n, nil
}

// Send sends data, or keeps a copy of what the socket does not take now.
func (s *Socket) Send(data []byte) error {
	if len(data) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.busy && len(s.pending) >= s.limit {
		s.changed.Wait()
	}
	if s.failed != nil {
		return s.failed
	}
	if !s.busy {
		n, err := s.try(data)
		if err != nil || n == len(data) {
			return err
		}
		data = data[n:]
		s.busy = true
		go s.sendRest()
	}
	s.pending = append(s.pending, data...)
	return nil
}

// try writes what the socket takes without waiting.
func (s *Socket) try(data []byte) (int, error) {
	s.data = data
	err := s.raw.Write(s.write)
	s.data = nil
	switch {
	case err != nil:
		return 0, err
	case s.errno == syscall.EAGAIN:
		return 0, nil
	case s.errno != 0:
		return 0, s.errno
	}
	return s.n, nil
}

// sendRest sends what is pending until nothing is.
func (s *Socket) sendRest() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.pending) > 0 && s.failed == nil {
		data := s.pending
		s.pending = nil
		s.changed.Broadcast()
		s.mu.Unlock()
		_, err := s.nc.Write(data)
		s.mu.Lock()
		s.failed = err
	}
	s.busy = false
	s.changed.Broadcast()
}

// Drain returns when everything has been sent or the connection is closed.
func (s *Socket) Drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.busy {
		s.changed.Wait()
	}
}
