package server

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"runtime"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ocikit/ocikit/cmd/redis/internal/resp"
	"github.com/ocikit/ocikit/cmd/redis/internal/store"
)

// redisVersion is the release whose replies and error texts this server gives.
const redisVersion = "7.0.15"

var serverCommands = []command{
	{"client", -2, "", 0, 0, 0, nil},
	{"client|getname", 2, "", 0, 0, 0, func(c *conn, _ [][]byte) any {
		if c.name == "" {
			return nil
		}
		return c.name
	}},
	{"client|id", 2, "", 0, 0, 0, func(c *conn, _ [][]byte) any { return c.id }},
	{"client|setname", 3, "", 0, 0, 0, func(c *conn, args [][]byte) any {
		c.name = clientName(args[2])
		return ok
	}},
	{"command", -1, "loading stale", 0, 0, 0, nil},
	{"command|", 1, "", 0, 0, 0, commandInfo},
	{"command|count", 2, "", 0, 0, 0, func(c *conn, _ [][]byte) any {
		return len(c.server.names())
	}},
	{"command|info", -2, "", 0, 0, 0, commandInfo},
	{"config", -2, "", 0, 0, 0, nil},
	{"config|get", -3, "", 0, 0, 0, configGet},
	{"echo", 2, "loading stale fast", 0, 0, 0, func(_ *conn, args [][]byte) any { return args[1] }},
	{"hello", -1, "noscript loading stale fast no_auth allow_busy", 0, 0, 0, hello},
	{"info", -1, "loading stale", 0, 0, 0, info},
	{"ping", -1, "fast", 0, 0, 0, func(c *conn, args [][]byte) any {
		refuse(len(args) > 2, errArity, "ping")
		if len(args) == 2 {
			return args[1]
		}
		return resp.Status("PONG")
	}},
	{"quit", -1, "noscript loading stale fast no_auth allow_busy", 0, 0, 0,
		func(c *conn, _ [][]byte) any {
			c.closing = true
			return ok
		}},
	{"select", 2, "loading stale fast", 0, 0, 0, func(c *conn, args [][]byte) any {
		n := integer(args[1])
		refuse(n < 0 || n >= databases, "ERR DB index is out of range")
		c.dbIndex, c.db = n, &c.server.store.DBs[n]
		return ok
	}},
	// There is nothing to save, so the options of SHUTDOWN make no difference.
	// The client gets no reply, only the end of the connection.
	{"shutdown", -1, "admin noscript loading stale no_multi allow_busy", 0, 0, 0,
		func(c *conn, args [][]byte) any {
			o := parseOptions(args[1:], errSyntax, "SAVE", "NOSAVE", "NOW", "FORCE", "ABORT")
			refuse(o.has("ABORT") && len(args) == 2, "ERR No shutdown in progress.")
			refuse(o.has("ABORT"), errSyntax)
			c.closing = true
			c.server.stop(nil)
			return nil
		}},
	{"time", 1, "loading stale fast", 0, 0, 0, func(_ *conn, _ [][]byte) any {
		// Redis's own tests ask for it
		now := time.Now().UnixMicro()
		return []any{strconv.FormatInt(now/1e6, 10), strconv.FormatInt(now%1e6, 10)}
	}},
}

func hello(c *conn, args [][]byte) any {
	proto, isInt := c.proto, true
	if len(args) > 1 {
		proto, isInt = resp.ParseInt(args[1])
	}
	refuse(!isInt, "ERR Protocol version is not an integer or out of range")
	refuse(proto != 2 && proto != 3, "NOPROTO unsupported protocol version")
	o := parseOptions(args[min(2, len(args)):], "ERR Syntax error in HELLO option '%s'", "AUTH::",
		"SETNAME:")
	refuse(o.has("AUTH") && string(o["AUTH"][0]) != "default",
		"WRONGPASS invalid username-password pair or user is disabled.")
	if o.has("SETNAME") {
		c.name = clientName(o["SETNAME"][0])
	}
	c.proto = proto
	return resp.Map{"server", "redis", "version", redisVersion, "proto", proto, "id", c.id,
		"mode", "standalone", "role", "master", "modules", []any{}}
}

// clientName refuses names that Redis refuses.
func clientName(text []byte) string {
	refuse(strings.ContainsFunc(string(text), func(r rune) bool { return r < '!' || r > '~' }),
		"ERR Client names cannot contain spaces, newlines or special characters.")
	return string(text)
}

// names returns the commands, without subcommands.
func (s *Server) names() []string {
	other := func(key string) bool {
		return key != s.commands[key].name || strings.Contains(key,
			"|")
	}
	return slices.DeleteFunc(slices.Sorted(maps.Keys(s.commands)), other)
}

// commandInfo describes the named commands, or all. The last of the ten fields
// of each are empty: there are no ACL categories, tips, key specifications and
// subcommands to tell.
func commandInfo(c *conn, args [][]byte) any {
	names := c.server.names()
	if len(args) > 2 {
		names = nil
	}
	for _, name := range args[min(2, len(args)):] {
		names = append(names, string(name))
	}
	reply := make([]any, len(names))
	for i, name := range names {
		cmd := c.server.find(name)
		if cmd == nil {
			reply[i] = []any(nil)
			continue
		}
		flags := resp.Set{}
		for flag := range strings.FieldsSeq(cmd.flags) {
			flags = append(flags, resp.Status(flag))
		}
		reply[i] = []any{cmd.name, cmd.arity, flags, cmd.first, cmd.last, cmd.step, resp.Set{},
			[]any{}, []any{}, []any{}}
	}
	return reply
}

// configGet returns the settings that clients ask for. None can be changed.
func configGet(c *conn, args [][]byte) any {
	reply := resp.Map{}
	for _, setting := range [][2]string{
		{"appendonly", "no"}, {"databases", strconv.Itoa(databases)}, {"maxmemory", "0"},
		{"maxmemory-policy", "noeviction"},
		{"port", strconv.Itoa(c.server.port)}, {"proto-max-bulk-len", strconv.Itoa(resp.MaxBulk)},
		{"save", ""}, {"timeout", "0"},
	} {
		if count(args[2:], func(pattern []byte) bool {
			return store.Match(bytes.ToLower(pattern),
				[]byte(setting[0]))
		}) > 0 {
			reply = append(reply, setting[0], setting[1])
		}
	}
	return reply
}

// info returns the sections and fields that tools read.
func info(c *conn, args [][]byte) any {
	s, keyspace, clients := c.server, "", 0
	s.conns.Range(func(_, _ any) bool { clients++; return true })
	for i := range s.store.DBs {
		if db := &s.store.DBs[i]; db.Len() > 0 {
			keyspace += fmt.Sprintf("db%d:keys=%d,expires=%d,avg_ttl=0\n", i, db.Len(),
				db.Volatile())
		}
	}
	memory := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}} // garbage included
	metrics.Read(memory)
	text := ""
	for _, section := range [][2]string{
		{"Server", fmt.Sprintf("redis_version:%s\nredis_mode:standalone\nos:%s "+
			"%s\nprocess_id:%d\ntcp_port:%d\nuptime_in_seconds:%.0f\n",
			redisVersion, runtime.GOOS, runtime.GOARCH, os.Getpid(), s.port,
			time.Since(s.started).Seconds())},
		{"Clients", fmt.Sprintf("connected_clients:%d\nblocked_clients:0\n", clients)},
		{"Memory", fmt.Sprintf("used_memory:%d\nmaxmemory:0\nmaxmemory_policy:noeviction\n",
			memory[0].Value.Uint64())},
		{"Persistence",
			"loading:0\nrdb_bgsave_in_progress:0\naof_enabled:0\naof_rewrite_in_progress:0\n"},
		{"Stats",
			fmt.Sprintf(
				"total_connections_received:%d\ntotal_commands_processed:%d\nexpired_keys:%d\n",
				s.accepted.Load(), s.processed, s.store.Expired)},
		{"Replication", "role:master\nconnected_slaves:0\n"},
		{"Cluster", "cluster_enabled:0\n"},
		{"Keyspace", keyspace},
	} {
		asked := func(arg []byte) bool {
			return is(arg, section[0]) || is(arg, "ALL") || is(arg, "DEFAULT") ||
				is(arg, "EVERYTHING")
		}
		if len(args) == 1 || count(args[1:], asked) > 0 {
			text += "\n# " + section[0] + "\n" + section[1]
		}
	}
	return resp.Text(strings.ReplaceAll(strings.TrimPrefix(text, "\n"), "\n", "\r\n"))
}
