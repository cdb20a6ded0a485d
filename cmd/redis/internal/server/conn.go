package server

import (
	"net"
	"strings"
	"time"

	"github.com/ocikit/ocikit/cmd/redis/internal/resp"
	"github.com/ocikit/ocikit/cmd/redis/internal/store"
)

const (
	flushAt   = 64 << 10  // bytes of replies that are sent although more requests are waiting
	maxUnread = 256 << 20 // bytes of replies for a client that does not read them, before its requests wait
)

// conn is one client's connection. The fields from db on belong to the store's
// lock, as commands of other connections read them (CLIENT LIST).
type conn struct {
	server *Server
	socket *socket
	in     *resp.Reader
	out    []byte // replies of the requests being run
	id     int

	db                  *store.DB
	dbIndex             int
	proto               int
	name                string
	libName, libVersion string
	last                *command
	connected, active   time.Time
	closing             bool // after the reply
}

func newConn(s *Server, nc net.Conn) (*conn, error) {
	sock, err := newSocket(nc, maxUnread)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	return &conn{
		server: s, socket: sock, in: resp.NewReader(sock), id: int(s.accepted.Add(1)),
		db: &s.store.DBs[0], proto: 2, connected: now, active: now,
	}, nil
}

// serve answers the client until it leaves, breaks the protocol or is closed.
// There is nobody to tell about errors of the network: the client knows.
func (c *conn) serve() {
	defer c.socket.drain()
	for {
		more, err := c.runBuffered()
		sent := c.socket.send(c.out)
		if err != nil || sent != nil || c.closing {
			return
		}
		if c.out = c.out[:0]; cap(c.out) > flushAt {
			c.out = nil
		}
		if !more && c.in.Fill() != nil {
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
	c.active = time.Now()
	for !c.closing {
		args, err := c.in.Next()
		if err, ok := err.(resp.ProtocolError); ok {
			c.out = resp.Append(c.out, c.proto, resp.Error("ERR "+err.Error()))
		}
		if args == nil || err != nil {
			return false, err
		}
		if reply := c.run(args); !c.server.stopped() { // SHUTDOWN has no reply
			c.out = resp.Append(c.out, c.proto, reply)
		}
		if len(c.out) >= flushAt {
			return true, nil
		}
	}
	return false, nil
}

// run runs one request and returns its reply.
func (c *conn) run(args [][]byte) (reply any) {
	defer func() {
		if failure := recover(); failure != nil {
			err, ok := failure.(resp.Error)
			if !ok {
				panic(failure)
			}
			reply = err
		}
	}()
	c.server.processed++
	cmd := c.server.find(args[0])
	if cmd == nil {
		return unknown(args)
	}
	c.last = cmd
	if len(args) > 1 && cmd.run == nil {
		if cmd = c.server.commands[cmd.name+"|"+strings.ToLower(string(args[1]))]; cmd == nil {
			return errorf("ERR unknown subcommand '%.128s'. Try %s HELP.", args[1], strings.ToUpper(c.last.name))
		}
	}
	if n := len(args); n != cmd.arity && (cmd.arity >= 0 || n < -cmd.arity) {
		return errArity(cmd)
	}
	if cmd.run == nil {
		cmd = c.server.commands[cmd.name+"|"]
	}
	return cmd.run(c, args)
}
