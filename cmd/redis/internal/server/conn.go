package server

import (
	"errors"
	"net"
	"os"
	"time"

	"github.com/ocikit/ocikit/cmd/redis/internal/resp"
	"github.com/ocikit/ocikit/cmd/redis/internal/store"
)

const (
	flushAt = 64 << 10 // bytes of replies that are sent although more requests are waiting
	// bytes of replies for a client that does not read them, before its
	// requests wait
	maxUnsent = 256 << 20

	// How long the server waits for a client that does not read.
	sendTurn    = time.Millisecond
	receiveTurn = 10 * time.Millisecond
)

// conn is one client's connection.
type conn struct {
	net.Conn
	server *Server
	in     *resp.Reader
	out    []byte // replies
	sent   int    // bytes of out that are sent already
	sendAt int    // unsent bytes at which to send more
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
	c := &conn{server: s, Conn: nc, id: int(s.accepted.Add(1)), db: &s.store.DBs[0], proto: 2,
		sendAt: flushAt}
	c.in = resp.NewReader(c)
	s.conns.Store(c, nil)
	return c
}

// serve answers the client until it leaves, breaks the protocol or is closed.
// Network errors are not reported: the client sees them itself.
func (c *conn) serve() {
	defer c.server.conns.Delete(c)
	defer c.Close()
	for !c.closing && c.server.running.Err() == nil {
		// when it ended Serve may not have seen this connection
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
		if c.unsent() >= c.sendAt && c.flush(maxUnsent) != nil {
			break
		}
	}
	_ = c.flush(0)
}

// Read is what c.in reads from when it has no more complete requests: the
// client may wait for the replies of those before. A client may also send a
// long pipeline before it reads, so while replies are left this sends and looks
// for requests in turn: with both sides waiting to send, neither would ever
// read.
func (c *conn) Read(p []byte) (int, error) {
	for {
		err := c.flush(maxUnsent)
		if err != nil {
			return 0, err
		}
		if c.unsent() == 0 {
			return c.Conn.Read(p)
		}
		_ = c.SetReadDeadline(time.Now().Add(receiveTurn)) // an error shows when reading
		n, err := c.Conn.Read(p)
		_ = c.SetReadDeadline(time.Time{})
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
	}
}

// unsent is how many bytes of replies are left to send.
func (c *conn) unsent() int { return len(c.out) - c.sent }

// flush lets go of the lock and sends replies: what the client takes without
// making the server wait for long, and as much as is needed to leave at most so
// many bytes.
func (c *conn) flush(leave int) error {
	if c.locked {
		c.locked = false
		c.server.store.Unlock()
	}
	for slow := false; c.unsent() > 0 && (!slow || c.unsent() > leave); {
		_ = c.SetWriteDeadline(time.Now().Add(sendTurn)) // an error shows when writing
		n, err := c.Write(c.out[c.sent:])
		slow = errors.Is(err, os.ErrDeadlineExceeded)
		if err != nil && !slow {
			return err
		}
		c.sent += n
	}
	c.sendAt = c.unsent() + flushAt
	if c.sent >= c.unsent() {
		c.out, c.sent = append(c.out[:0], c.out[c.sent:]...), 0
	}
	if len(c.out) == 0 && cap(c.out) > flushAt {
		c.out = nil
	}
	return nil
}
