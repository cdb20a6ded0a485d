package server

import (
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
	locked bool   // this connection holds the store's lock
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

func newConn(s *Server, sock *socket) *conn {
	now := time.Now()
	c := &conn{
		server: s, socket: sock, id: int(s.accepted.Add(1)),
		db: &s.store.DBs[0], proto: 2, connected: now, active: now,
	}
	c.in = resp.NewReader(c)
	return c
}

// serve answers the client until it leaves, breaks the protocol or is closed.
// There is nobody to tell about errors of the network: the client knows.
func (c *conn) serve() {
	defer c.socket.drain()
	for !c.closing {
		args, err := c.in.Next()
		if !c.locked {
			c.server.store.Lock()
			c.locked, c.active = true, time.Now()
		}
		if err, ok := err.(resp.ProtocolError); ok {
			c.out = resp.Append(c.out, c.proto, resp.Error("ERR "+err.Error()))
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
	err := c.socket.send(c.out)
	if c.out = c.out[:0]; cap(c.out) > flushAt {
		c.out = nil
	}
	return err
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
		if is(args[1], "HELP") {
			return c.server.help(cmd.name)
		}
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
