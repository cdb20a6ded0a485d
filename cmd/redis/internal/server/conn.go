package server

import (
	"net"

	"github.com/ocikit/ocikit/cmd/redis/internal/resp"
	"github.com/ocikit/ocikit/cmd/redis/internal/socket"
	"github.com/ocikit/ocikit/cmd/redis/internal/store"
)

// flushAt is how many bytes of replies make a connection flush although more
// requests are waiting.
const flushAt = 64 * 1024

// maxUnread is how many bytes of replies wait for a client that does not read
// them, before the server stops reading its requests.
const maxUnread = 256 << 20

// conn is one client's connection. The fields below the line belong to the
// store's lock, as commands of other connections read them (CLIENT LIST).
type conn struct {
	server *Server
	socket *socket.Socket
	in     *resp.Reader
	id     uint64

	resp.Writer // replies of the requests being run
	db          *store.DB
	dbIndex     int
	name        string
	libName     string
	libVersion  string
	last        *command
	connectedAt int64 // seconds since 1970
	activeAt    int64
	closing     bool // after the reply
}

func newConn(s *Server, nc net.Conn, id uint64) (*conn, error) {
	sock, err := socket.New(nc, maxUnread)
	if err != nil {
		return nil, err
	}
	now := s.clock.Load()
	return &conn{
		server: s, socket: sock, in: resp.NewReader(sock), id: id,
		Writer: resp.Writer{Proto: 2}, db: s.store.DB(0), connectedAt: now, activeAt: now,
	}, nil
}

// serve answers the client until it leaves, breaks the protocol or is closed.
// There is nobody to tell about errors of the network: the client knows.
func (c *conn) serve() {
	defer c.socket.Drain()
	for {
		more, err := c.runBuffered()
		sent := c.socket.Send(c.Bytes())
		c.Reset()
		if err != nil || sent != nil || c.closing {
			return
		}
		if more {
			continue
		}
		if c.in.Fill() != nil {
			return
		}
	}
}

// runBuffered runs the requests that have arrived under one hold of the lock.
// It stops early, and reports that more may be waiting, when the replies are
// to be sent first. Protocol errors are answered, and returned.
func (c *conn) runBuffered() (more bool, err error) {
	if c.in.Buffered() == 0 {
		return false, nil
	}
	c.server.store.Lock()
	defer c.server.store.Unlock()
	c.activeAt = c.server.clock.Load()
	for !c.closing {
		args, err := c.in.Next()
		if err != nil {
			if err, ok := err.(resp.ProtocolError); ok {
				c.Error("ERR " + err.Error())
			}
			return false, err
		}
		if args == nil {
			return false, nil
		}
		c.run(args)
		if c.Len() >= flushAt {
			return true, nil
		}
	}
	return false, nil
}
