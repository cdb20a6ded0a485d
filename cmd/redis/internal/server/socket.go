package server

import (
	"io"
	"net"
	"sync"
	"syscall"
)

// socket is a connection whose sending does not hold up its reading: with both
// sides waiting to write, neither would ever read. What does not fit into the
// socket, because the client sends a long pipeline before it reads, a goroutine
// sends while requests are still being read.
//
// One goroutine at a time may use a socket; Close may be called by any.
type socket struct {
	net.Conn
	raw   syscall.RawConn
	step  func(fd uintptr) bool // does call with data; made once, as it is an allocation
	call  uintptr
	data  []byte
	n     int
	errno syscall.Errno

	limit   int // of pending
	mu      sync.Mutex
	changed sync.Cond
	pending []byte // what a goroutine sends, if there is any
	failed  error  // why nothing can be sent any more
}

// newSocket returns a socket for a TCP or Unix connection. limit is how many
// bytes may wait for a client that does not read them, before send waits for
// it.
func newSocket(nc net.Conn, limit int) *socket {
	s := &socket{Conn: nc, limit: limit}
	s.changed.L = &s.mu
	s.step = func(fd uintptr) bool {
		s.n, s.errno = transfer(s.call, fd, s.data)
		return s.call == syscall.SYS_WRITE || s.errno != syscall.EAGAIN // for which raw waits, and calls again
	}
	s.raw, s.failed = nc.(syscall.Conn).SyscallConn()
	return s
}

// Read waits for data and reads it, as an io.Reader. p must not be empty.
func (s *socket) Read(p []byte) (int, error) {
	s.call, s.data = syscall.SYS_READ, p
	err := s.raw.Read(s.step)
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

// send sends data, or keeps a copy of what the socket does not take now.
func (s *socket) send(data []byte) error {
	if len(data) == 0 {
		return nil
	}
	if err := s.wait(s.limit); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.pending) == 0 {
		s.call, s.data = syscall.SYS_WRITE, data
		if err := s.raw.Write(s.step); err != nil {
			return err
		}
		if s.errno != 0 && s.errno != syscall.EAGAIN {
			return s.errno
		}
		if data = data[max(0, s.n):]; len(data) == 0 {
			return nil
		}
		go s.sendRest()
	}
	s.pending = append(s.pending, data...)
	return nil
}

// sendRest sends what is pending until nothing is.
func (s *socket) sendRest() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.pending) > 0 {
		data := s.pending
		s.mu.Unlock()
		_, err := s.Write(data)
		s.mu.Lock()
		if s.pending = s.pending[len(data):]; err != nil {
			s.pending, s.failed = nil, err
		}
		s.changed.Broadcast()
	}
}

// wait returns when less than limit bytes are left to send.
func (s *socket) wait(limit int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.pending) >= limit {
		s.changed.Wait()
	}
	return s.failed
}
