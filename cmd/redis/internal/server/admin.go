package server

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ocikit/ocikit/cmd/redis/internal/resp"
	"github.com/ocikit/ocikit/cmd/redis/internal/store"
)

// redisVersion is the release whose replies and error texts this server gives.
const redisVersion = "7.0.15"

const ok = resp.Status("OK")

func ping(c *conn, args [][]byte) any {
	switch len(args) {
	case 1:
		return resp.Status("PONG")
	case 2:
		return args[1]
	}
	return errArity(c.last)
}

func echo(_ *conn, args [][]byte) any { return args[1] }

func quit(c *conn, _ [][]byte) any {
	c.closing = true
	return ok
}

func selectDB(c *conn, args [][]byte) any {
	n := integer(args[1])
	if n < 0 || n >= databases {
		return errorf("ERR DB index is out of range")
	}
	c.dbIndex, c.db = n, &c.server.store.DBs[n]
	return ok
}

func hello(c *conn, args [][]byte) any {
	proto, rest := c.proto, args[1:]
	if len(rest) > 0 {
		n, ok := resp.ParseInt(rest[0])
		if !ok {
			return errorf("ERR Protocol version is not an integer or out of range")
		}
		if n != 2 && n != 3 {
			return errorf("NOPROTO unsupported protocol version")
		}
		proto, rest = n, rest[1:]
	}
	o, rest := parseOptions(rest, "AUTH::", "SETNAME:")
	switch {
	case o.has("AUTH") && string(o["AUTH"][0]) != "default": // the only user, who needs no password
		return errorf("WRONGPASS invalid username-password pair or user is disabled.")
	case len(rest) > 0:
		return errorf("ERR Syntax error in HELLO option '%s'", rest[0])
	case o.has("SETNAME"):
		c.name = clientText(o["SETNAME"][0])
	}
	c.proto = proto
	return resp.Map{"server", "redis", "version", redisVersion, "proto", proto, "id", c.id,
		"mode", "standalone", "role", "master", "modules", []string{}}
}

// clientText refuses text that would break the lines of CLIENT LIST.
func clientText(text []byte) string {
	for _, b := range text {
		if b < '!' || b > '~' {
			panic(errorf("ERR Client names cannot contain spaces, newlines or special characters."))
		}
	}
	return string(text)
}

func clientID(c *conn, _ [][]byte) any { return c.id }

func clientGetName(c *conn, _ [][]byte) any {
	if c.name == "" {
		return nil
	}
	return c.name
}

func clientSetName(c *conn, args [][]byte) any {
	c.name = clientText(args[2])
	return ok
}

func clientSetInfo(c *conn, args [][]byte) any {
	switch text := clientText(args[3]); {
	case is(args[2], "LIB-NAME"):
		c.libName = text
	case is(args[2], "LIB-VER"):
		c.libVersion = text
	default:
		return errorf("ERR Unrecognized option '%s'", args[2])
	}
	return ok
}

func clientInfo(c *conn, _ [][]byte) any { return resp.Text(c.describe()) }

func clientList(c *conn, _ [][]byte) any {
	var live []*conn
	c.server.conns.Range(func(_, other any) bool { live = append(live, other.(*conn)); return true })
	slices.SortFunc(live, func(a, b *conn) int { return cmp.Compare(a.id, b.id) })
	var list strings.Builder
	for _, other := range live {
		list.WriteString(other.describe())
	}
	return resp.Text(list.String())
}

// describe is a line of CLIENT LIST.
func (c *conn) describe() string {
	last := "NULL"
	if c.last != nil {
		last = c.last.name
	}
	return fmt.Sprintf("id=%d addr=%s laddr=%s name=%s age=%.0f idle=%.0f flags=N db=%d sub=0 psub=0 multi=-1 cmd=%s user=default redir=-1 resp=%d lib-name=%s lib-ver=%s\n",
		c.id, c.socket.RemoteAddr(), c.socket.LocalAddr(), c.name, time.Since(c.connected).Seconds(), time.Since(c.active).Seconds(),
		c.dbIndex, last, c.proto, c.libName, c.libVersion)
}

// names returns the commands, without subcommands.
func (s *Server) names() []string {
	isSub := func(name string) bool { return strings.Contains(name, "|") }
	return slices.DeleteFunc(slices.Sorted(maps.Keys(s.commands)), isSub)
}

// help lists the subcommands of a command.
func (s *Server) help(name string) any {
	lines := []any{resp.Status(strings.ToUpper(name) + " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")}
	for _, full := range slices.Sorted(maps.Keys(s.commands)) {
		if sub, ok := strings.CutPrefix(full, name+"|"); ok && sub != "" {
			lines = append(lines, resp.Status(strings.ToUpper(sub)))
		}
	}
	return append(lines, resp.Status("HELP"))
}

func commandCount(c *conn, _ [][]byte) any { return len(c.server.names()) }

func commandList(c *conn, _ [][]byte) any { return c.server.names() }

// commandInfo describes the named commands, or all. The last of the ten fields
// of each are empty: there are no ACL categories, tips, key specifications and
// subcommands to tell.
func commandInfo(c *conn, args [][]byte) any {
	var found []*command
	for _, name := range args[min(2, len(args)):] {
		found = append(found, c.server.find(name))
	}
	if len(args) <= 2 {
		for _, name := range c.server.names() {
			found = append(found, c.server.commands[name])
		}
	}
	reply := []any{}
	for _, cmd := range found {
		if cmd == nil {
			reply = append(reply, resp.NullArray{})
			continue
		}
		flags := resp.Set{}
		for flag := range strings.FieldsSeq(cmd.flags) {
			flags = append(flags, resp.Status(flag))
		}
		reply = append(reply, []any{cmd.name, cmd.arity, flags, cmd.first, cmd.last, cmd.step, resp.Set{}, []any{}, []any{}, []any{}})
	}
	return reply
}

// configGet tells the settings that clients ask for. None can be changed.
func configGet(c *conn, args [][]byte) any {
	reply := resp.Map{}
	for _, setting := range [][2]string{
		{"appendonly", "no"}, {"databases", strconv.Itoa(databases)}, {"maxclients", strconv.Itoa(maxClients)},
		{"maxmemory", "0"}, {"maxmemory-policy", "noeviction"}, {"port", strconv.Itoa(c.server.port)},
		{"proto-max-bulk-len", strconv.Itoa(resp.MaxBulk)}, {"save", ""}, {"timeout", "0"},
	} {
		if slices.ContainsFunc(args[2:], func(pattern []byte) bool {
			return store.Match([]byte(strings.ToLower(string(pattern))), []byte(setting[0]))
		}) {
			reply = append(reply, setting[0], setting[1])
		}
	}
	return reply
}

// info tells the sections and fields that tools read.
func info(c *conn, args [][]byte) any {
	s := c.server
	uptime, used, keyspace := int(time.Since(s.started).Seconds()), usedMemory(), ""
	for i := range s.store.DBs {
		if db := &s.store.DBs[i]; db.Len() > 0 {
			keyspace += fmt.Sprintf("db%d:keys=%d,expires=%d,avg_ttl=0\n", i, db.Len(), db.Volatile())
		}
	}
	var text []string
	for _, section := range [][2]string{
		{"Server", fmt.Sprintf("redis_version:%s\nredis_mode:standalone\nos:%s %s\nprocess_id:%d\ntcp_port:%d\nuptime_in_seconds:%d\nuptime_in_days:%d\n",
			redisVersion, runtime.GOOS, runtime.GOARCH, os.Getpid(), s.port, uptime, uptime/86400)},
		{"Clients", fmt.Sprintf("connected_clients:%d\nmaxclients:%d\nblocked_clients:0\n", s.connected.Load(), maxClients)},
		{"Memory", fmt.Sprintf("used_memory:%d\nused_memory_human:%.2fM\nmaxmemory:0\nmaxmemory_policy:noeviction\n", used, float64(used)/(1<<20))},
		{"Persistence", "loading:0\nrdb_bgsave_in_progress:0\naof_enabled:0\naof_rewrite_in_progress:0\n"},
		{"Stats", fmt.Sprintf("total_connections_received:%d\ntotal_commands_processed:%d\nexpired_keys:%d\n", s.accepted.Load(), s.processed, s.store.Expired)},
		{"Replication", "role:master\nconnected_slaves:0\n"},
		{"Cluster", "cluster_enabled:0\n"},
		{"Keyspace", keyspace},
	} {
		if len(args) == 1 || slices.ContainsFunc(args[1:], func(arg []byte) bool {
			return is(arg, section[0]) || is(arg, "ALL") || is(arg, "DEFAULT") || is(arg, "EVERYTHING")
		}) {
			text = append(text, "# "+section[0]+"\n"+section[1])
		}
	}
	return resp.Text(strings.ReplaceAll(strings.Join(text, "\n"), "\n", "\r\n"))
}

// now tells the time in seconds and microseconds.
func now(_ *conn, _ [][]byte) any {
	now := time.Now()
	return []string{strconv.FormatInt(now.Unix(), 10), strconv.Itoa(now.Nanosecond() / 1000)}
}

// shutdown stops the server. As there is nothing to save, how to save it is
// all the same. The client gets no reply, only the end of the connection.
func shutdown(c *conn, args [][]byte) any {
	o, rest := parseOptions(args[1:], "SAVE", "NOSAVE", "NOW", "FORCE", "ABORT")
	switch {
	case len(rest) > 0 || o.has("ABORT") && len(args) > 2:
		return errSyntax
	case o.has("ABORT"):
		return errorf("ERR No shutdown in progress.")
	}
	c.closing = true
	c.server.stop(nil)
	return nil
}
