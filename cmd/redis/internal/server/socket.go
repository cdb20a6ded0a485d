package server

import (
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
)

// socket reads and writes a connection without one direction ever waiting for
// the other: with both sides waiting to write, neither would ever read. What
// does not fit into the socket, because the client sends a long pipeline
// before it reads, a goroutine sends while requests are still being read.
//
// Its system calls return at once, and are made without telling the Go
// scheduler. (Told of a system call, it prepares to move the thread's work to
// another thread; for requests of a few microseconds that is a third of their
// cost: a GET was measured as 1.46 against 1.18 times the CPU of redis-server.)
//
// One goroutine at a time may use a socket; Close may be called by any.
type socket struct {
	net.Conn
	raw syscall.RawConn

	step  func(fd uintptr) bool // does call with data; made once, as it is an allocation
	call  uintptr
	data  []byte
	n     int
	errno syscall.Errno

	limit   int // of pending
	mu      sync.Mutex
	changed sync.Cond // pending or busy
	pending []byte    // what the goroutine has yet to send
	busy    bool      // the goroutine is running
	failed  error     // its error
}

// newSocket takes ownership of a TCP or Unix connection unless it fails. limit
// is how many bytes may wait for a client that does not read them, before send
// waits for it.
func newSocket(nc net.Conn, limit int) (*socket, error) {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return nil, fmt.Errorf("%T has no descriptor", nc)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &socket{Conn: nc, raw: raw, limit: limit}
	s.changed.L = &s.mu
	s.step = func(fd uintptr) bool {
		s.n, s.errno = transfer(s.call, fd, s.data)
		return s.call == syscall.SYS_WRITE || s.errno != syscall.EAGAIN // for which raw waits, and calls again
	}
	return s, nil
}

// Read waits for data and reads it, as an io.Reader. p must not be empty.
func (s *socket) Read(p []byte) (int, error) {
	s.call, s.data = syscall.SYS_READ, p
	n, err := s.result(s.raw.Read(s.step))
	if n == 0 && err == nil {
		err = io.EOF
	}
	return n, err
}

// result is what step left, after raw returned err.
func (s *socket) result(err error) (int, error) {
	s.data = nil
	if err == nil && s.errno != 0 {
		err = s.errno
	}
	if err != nil {
		return 0, err
	}
	return s.n, nil
}

// send sends data, or keeps a copy of what the socket does not take now.
func (s *socket) send(data []byte) error {
	if len(data) == 0 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wait(s.limit)
	if s.failed != nil {
		return s.failed
	}
	if !s.busy {
		s.call, s.data = syscall.SYS_WRITE, data
		n, err := s.result(s.raw.Write(s.step))
		if err != nil && err != syscall.EAGAIN || n == len(data) {
			return err
		}
		data, s.busy = data[n:], true
		go s.sendRest()
	}
	s.pending = append(s.pending, data...)
	return nil
}

// sendRest sends what is pending until nothing is.
func (s *socket) sendRest() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.pending) > 0 && s.failed == nil {
		data := s.pending
		s.pending = nil
		s.changed.Broadcast()
		s.mu.Unlock()
		_, err := s.Write(data)
		s.mu.Lock()
		s.failed = err
	}
	s.busy = false
	s.changed.Broadcast()
}

// drain returns when everything has been sent or the connection is closed.
func (s *socket) drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wait(0)
}

// wait returns when nothing, or less than limit bytes, is left to send.
func (s *socket) wait(limit int) {
	for s.busy && len(s.pending) >= limit {
		s.changed.Wait()
	}
}
