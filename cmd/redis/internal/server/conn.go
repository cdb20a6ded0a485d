package server

import (
	"net"

	"github.com/ocikit/ocikit/cmd/redis/internal/resp"
	"github.com/ocikit/ocikit/cmd/redis/internal/store"
)

const (
	flushAt   = 64 << 10  // bytes of replies that are sent although more requests are waiting
	maxUnread = 256 << 20 // bytes of replies for a client that does not read them, before its requests wait
)

// conn is one client's connection.
type conn struct {
	*socket
	server *Server
	in     *resp.Reader
	out    []byte // replies of the requests being run
	locked bool   // this connection holds the store's lock
	id     int

	db      *store.DB
	dbIndex int
	proto   int
	name    string
	last    *command // which is being run
	closing bool     // after the reply
}

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{server: s, socket: newSocket(nc, maxUnread), id: int(s.accepted.Add(1)), db: &s.store.DBs[0], proto: 2}
	c.in = resp.NewReader(c)
	s.conns.Store(c, nil)
	return c
}

// serve answers the client until it leaves, breaks the protocol or is closed.
// There is nobody to tell about errors of the network: the client knows.
func (c *conn) serve() {
	defer c.server.conns.Delete(c)
	defer c.Close()
	for !c.closing && c.server.running.Err() == nil { // when it ended Serve may not have seen this connection
		args, err := c.in.Next()
		if !c.locked {
			c.server.store.Lock()
			c.locked = true
		}
		if refusal, ok := err.(resp.Error); ok {
			c.out = resp.Append(c.out, c.proto, refusal)
		}
		if err != nil {
			break
		}
		if reply := c.run(args); c.server.running.Err() == nil { // SHUTDOWN has no reply
			c.out = resp.Append(c.out, c.proto, reply)
		}
		if len(c.out) >= flushAt && c.flush() != nil {
			break
		}
	}
	_ = c.flush()
	_ = c.wait(1) // until all is sent
}

// Read is what c.in reads from when it has no more complete requests: the
// client may wait for the replies of those before.
func (c *conn) Read(p []byte) (int, error) {
	if err := c.flush(); err != nil {
		return 0, err
	}
	return c.socket.Read(p)
}

// flush lets go of the lock and sends the replies.
func (c *conn) flush() error {
	if c.locked {
		c.locked = false
		c.server.store.Unlock()
	}
	err := c.send(c.out)
	if c.out = c.out[:0]; cap(c.out) > flushAt {
		c.out = nil
	}
	return err
}
