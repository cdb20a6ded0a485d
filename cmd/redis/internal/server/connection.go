package server

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ocikit/ocikit/cmd/redis/internal/resp"
)

// redisVersion is the release whose replies and error texts this server gives.
const redisVersion = "7.0.15"

func cmdPing(c *conn, args [][]byte) error {
	switch len(args) {
	case 1:
		c.Status("PONG")
	case 2:
		c.Bulk(args[1])
	default:
		return errArity("ping")
	}
	return nil
}

func cmdEcho(c *conn, args [][]byte) error {
	c.Bulk(args[1])
	return nil
}

func cmdQuit(c *conn, _ [][]byte) error {
	c.closing = true
	c.Status("OK")
	return nil
}

func cmdSelect(c *conn, args [][]byte) error {
	n, err := parseInt(args[1])
	if err != nil {
		return err
	}
	if n < 0 || n >= int64(c.server.store.Databases()) {
		return replyError("ERR DB index is out of range")
	}
	c.dbIndex, c.db = int(n), c.server.store.DB(int(n))
	c.Status("OK")
	return nil
}

// cmdAuth answers as a Redis without a password: its only user needs none.
func cmdAuth(c *conn, args [][]byte) error {
	if len(args) > 3 {
		return errSyntax
	}
	if len(args) == 2 {
		return replyError("ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?")
	}
	if err := authenticate(args[1]); err != nil {
		return err
	}
	c.Status("OK")
	return nil
}

func authenticate(user []byte) error {
	if string(user) != "default" {
		return replyError("WRONGPASS invalid username-password pair or user is disabled.")
	}
	return nil
}

func cmdHello(c *conn, args [][]byte) error {
	proto := c.Proto
	rest := args[1:]
	if len(rest) > 0 {
		n, ok := resp.ParseInt(rest[0])
		if !ok {
			return replyError("ERR Protocol version is not an integer or out of range")
		}
		if n != 2 && n != 3 {
			return replyError("NOPROTO unsupported protocol version")
		}
		proto, rest = int(n), rest[1:]
	}
	name := c.name
	for len(rest) > 0 {
		switch {
		case is(rest[0], "AUTH") && len(rest) > 2:
			if err := authenticate(rest[1]); err != nil {
				return err
			}
			rest = rest[3:]
		case is(rest[0], "SETNAME") && len(rest) > 1:
			if err := checkName(rest[1]); err != nil {
				return err
			}
			name, rest = string(rest[1]), rest[2:]
		default:
			return replyError(fmt.Sprintf("ERR Syntax error in HELLO option '%s'", rest[0]))
		}
	}
	c.name, c.Proto = name, proto
	c.Map(7)
	c.pair("server", "redis")
	c.pair("version", redisVersion)
	c.BulkString("proto")
	c.Int(int64(proto))
	c.BulkString("id")
	c.Int(int64(c.id))
	c.pair("mode", "standalone")
	c.pair("role", "master")
	c.BulkString("modules")
	c.Array(0)
	return nil
}

func (c *conn) pair(key, value string) {
	c.BulkString(key)
	c.BulkString(value)
}

// checkName refuses names that would break the lines of CLIENT LIST.
func checkName(name []byte) error {
	for _, b := range name {
		if b < '!' || b > '~' {
			return replyError("ERR Client names cannot contain spaces, newlines or special characters.")
		}
	}
	return nil
}

// subcommand is one word after CLIENT, COMMAND or CONFIG. Its arity counts
// both words.
type subcommand struct {
	name  string
	arity int
	use   string
	run   func(c *conn, args [][]byte) error
}

// runSub runs the subcommand that args[1] names. HELP lists them.
func runSub(c *conn, table []subcommand, args [][]byte) error {
	parent := c.last.name
	if is(args[1], "HELP") && len(args) == 2 {
		c.Array(len(table) + 1)
		c.Status(strings.ToUpper(parent) + " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")
		for _, sub := range table {
			c.Status(sub.name + " " + sub.use)
		}
		return nil
	}
	for _, sub := range table {
		if !is(args[1], sub.name) {
			continue
		}
		if n := len(args); n != sub.arity && (sub.arity >= 0 || n < -sub.arity) {
			return errArity(parent + "|" + strings.ToLower(sub.name))
		}
		return sub.run(c, args)
	}
	return errSubcommand(strings.ToUpper(parent), args[1])
}

func cmdClient(c *conn, args [][]byte) error {
	return runSub(c, []subcommand{
		{"GETNAME", 2, "-- the name of this connection", clientGetName},
		{"ID", 2, "-- the number of this connection", clientID},
		{"INFO", 2, "-- this connection as in LIST", clientInfo},
		{"LIST", 2, "-- all connections", clientList},
		{"NO-EVICT", 3, "on|off -- accepted: no connection is ever evicted", clientSwitch},
		{"NO-TOUCH", 3, "on|off -- accepted: no access times are kept", clientSwitch},
		{"SETINFO", 4, "LIB-NAME|LIB-VER value -- tell the client library", clientSetInfo},
		{"SETNAME", 3, "name -- name this connection", clientSetName},
	}, args)
}

func clientGetName(c *conn, _ [][]byte) error {
	if c.name == "" {
		c.Null()
		return nil
	}
	c.BulkString(c.name)
	return nil
}

func clientID(c *conn, _ [][]byte) error {
	c.Int(int64(c.id))
	return nil
}

func clientSetName(c *conn, args [][]byte) error {
	if err := checkName(args[2]); err != nil {
		return err
	}
	c.name = string(args[2])
	c.Status("OK")
	return nil
}

func clientSetInfo(c *conn, args [][]byte) error {
	if err := checkName(args[3]); err != nil {
		return err
	}
	switch {
	case is(args[2], "LIB-NAME"):
		c.libName = string(args[3])
	case is(args[2], "LIB-VER"):
		c.libVersion = string(args[3])
	default:
		return replyError("ERR Unrecognized option '" + string(args[2]) + "'")
	}
	c.Status("OK")
	return nil
}

func clientSwitch(c *conn, args [][]byte) error {
	if !is(args[2], "ON") && !is(args[2], "OFF") {
		return errSyntax
	}
	c.Status("OK")
	return nil
}

func clientInfo(c *conn, _ [][]byte) error {
	c.Text(c.describe())
	return nil
}

func clientList(c *conn, _ [][]byte) error {
	live := map[uint64]*conn{}
	c.server.conns.Range(func(id, other any) bool {
		live[id.(uint64)] = other.(*conn)
		return true
	})
	var list strings.Builder
	for _, id := range slices.Sorted(maps.Keys(live)) {
		list.WriteString(live[id].describe())
	}
	c.Text(list.String())
	return nil
}

// describe is a line of CLIENT LIST.
func (c *conn) describe() string {
	now := c.server.clock.Load()
	last := "NULL"
	if c.last != nil {
		last = c.last.name
	}
	return fmt.Sprintf("id=%d addr=%s laddr=%s name=%s age=%d idle=%d flags=N db=%d sub=0 psub=0 multi=-1 cmd=%s user=default redir=-1 resp=%d lib-name=%s lib-ver=%s\n",
		c.id, c.socket.Conn().RemoteAddr(), c.socket.Conn().LocalAddr(), c.name, now-c.connectedAt, now-c.activeAt, c.dbIndex, last, c.Proto, c.libName, c.libVersion)
}
