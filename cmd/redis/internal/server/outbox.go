package server

import (
	"net"
	"sync"
	"syscall"
)

// maxUnread is how many bytes of replies wait for a client that does not read
// them, before the server stops reading its requests.
const maxUnread = 256 << 20

// outbox sends replies. As a rule send writes them to the socket at once. If
// the socket is full, because the client sends a long pipeline before it
// reads, a goroutine sends the rest while requests are still being read: with
// both sides waiting to write, neither would ever read.
type outbox struct {
	nc    net.Conn
	raw   syscall.RawConn
	limit int // of pending

	attempt func(fd uintptr) bool // writes once; made once, as a closure is an allocation
	data    []byte                // what attempt writes
	written int
	err     error

	mu      sync.Mutex
	changed sync.Cond // pending or busy
	pending []byte    // what the goroutine has yet to send
	busy    bool      // the goroutine is running
	failed  error     // its error
}

func newOutbox(nc net.Conn, limit int) (*outbox, error) {
	raw, err := nc.(syscall.Conn).SyscallConn()
	if err != nil {
		return nil, err
	}
	o := &outbox{nc: nc, raw: raw, limit: limit}
	o.changed.L = &o.mu
	o.attempt = func(fd uintptr) bool {
		o.written, o.err = syscall.Write(int(fd), o.data)
		return true // never wait
	}
	return o, nil
}

// send sends data, or keeps a copy of what the socket does not take.
func (o *outbox) send(data []byte) error {
	if len(data) == 0 {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.busy && len(o.pending) >= o.limit {
		o.changed.Wait()
	}
	if o.failed != nil {
		return o.failed
	}
	if !o.busy {
		n, err := o.try(data)
		if err != nil || n == len(data) {
			return err
		}
		data = data[n:]
		o.busy = true
		go o.sendRest()
	}
	o.pending = append(o.pending, data...)
	return nil
}

// try writes what the socket takes without waiting.
func (o *outbox) try(data []byte) (int, error) {
	o.data = data
	for {
		if err := o.raw.Write(o.attempt); err != nil {
			return 0, err
		}
		switch o.err {
		case nil:
			return o.written, nil
		case syscall.EAGAIN:
			return 0, nil
		case syscall.EINTR:
			continue
		}
		return 0, o.err
	}
}

// sendRest sends what is pending until nothing is.
func (o *outbox) sendRest() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for len(o.pending) > 0 && o.failed == nil {
		data := o.pending
		o.pending = nil
		o.changed.Broadcast()
		o.mu.Unlock()
		_, err := o.nc.Write(data)
		o.mu.Lock()
		o.failed = err
	}
	o.busy = false
	o.changed.Broadcast()
}

// drain returns when everything has been sent or the connection is closed.
func (o *outbox) drain() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.busy {
		o.changed.Wait()
	}
}
