package server

import (
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
	write func(fd uintptr) bool // writes data; made once, as it is an allocation
	data  []byte
	n     int
	err   error

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
	s.write = func(fd uintptr) bool {
		s.n, s.err = syscall.Write(int(fd), s.data)
		return true // whether all was written or not
	}
	s.raw, s.failed = nc.(syscall.Conn).SyscallConn()
	return s
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
		s.data = data
		if err := s.raw.Write(s.write); err != nil {
			return err
		}
		if s.n == len(data) || s.err != nil && s.err != syscall.EAGAIN {
			return s.err
		}
		data = data[max(0, s.n):]
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
