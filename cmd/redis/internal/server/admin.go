package server

import (
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

func cmdCommand(c *conn, args [][]byte) error {
	if len(args) == 1 {
		return commandInfo(c, [][]byte{args[0], nil})
	}
	return runSub(c, []subcommand{
		{"COUNT", 2, "-- the number of commands", commandCount},
		{"DOCS", -2, "[name ...] -- what commands do", commandDocs},
		{"INFO", -2, "[name ...] -- arity, flags and keys of commands", commandInfo},
		{"LIST", 2, "-- the names of all commands", commandList},
	}, args)
}

func commandCount(c *conn, _ [][]byte) error {
	c.Int(int64(len(c.server.commands)))
	return nil
}

func (s *Server) names() []string { return slices.Sorted(maps.Keys(s.commands)) }

func commandList(c *conn, _ [][]byte) error {
	c.bulks(c.server.names())
	return nil
}

// commandInfo describes the named commands, or all of them. A nil argument
// stands where a subcommand is missing.
func commandInfo(c *conn, args [][]byte) error {
	if len(args) == 2 {
		c.Array(len(c.server.commands))
		for _, name := range c.server.names() {
			c.describeCommand(c.server.commands[name])
		}
		return nil
	}
	c.Array(len(args) - 2)
	for _, name := range args[2:] {
		c.describeCommand(c.server.find(name))
	}
	return nil
}

// describeCommand writes the ten fields of COMMAND INFO. There are no ACL
// categories, tips, key specifications and subcommands to tell.
func (c *conn) describeCommand(cmd *command) {
	if cmd == nil {
		c.NullArray()
		return
	}
	c.Array(10)
	c.BulkString(cmd.name)
	c.Int(int64(cmd.arity))
	flags := strings.Fields(cmd.flags)
	c.Set(len(flags))
	for _, flag := range flags {
		c.Status(flag)
	}
	c.Int(int64(cmd.keys.first))
	c.Int(int64(cmd.keys.last))
	c.Int(int64(cmd.keys.step))
	c.Set(0)
	c.Array(0)
	c.Array(0)
	c.Array(0)
}

// commandDocs replies with summary and syntax. redis-cli makes its help and
// its hints from it: the whole syntax goes as the name of one argument, which
// it prints as it is.
func commandDocs(c *conn, args [][]byte) error {
	found := []*command{}
	for _, name := range args[2:] {
		if cmd := c.server.find(name); cmd != nil {
			found = append(found, cmd)
		}
	}
	if len(args) == 2 {
		for _, name := range c.server.names() {
			found = append(found, c.server.commands[name])
		}
	}
	c.Map(len(found))
	for _, cmd := range found {
		c.BulkString(cmd.name)
		fields := 2
		if cmd.use != "" {
			fields = 3
		}
		c.Map(fields)
		c.pair("summary", cmd.doc)
		c.pair("group", cmd.group)
		if cmd.use != "" {
			c.BulkString("arguments")
			c.Array(1)
			c.Map(2)
			c.pair("name", cmd.use)
			c.pair("type", "string")
		}
	}
	return nil
}

func cmdConfig(c *conn, args [][]byte) error {
	return runSub(c, []subcommand{
		{"GET", -3, "pattern [pattern ...] -- values of the settings that match", configGet},
	}, args)
}

// configGet tells the settings that clients ask for. None can be changed.
func configGet(c *conn, args [][]byte) error {
	settings := map[string]string{
		"appendonly":         "no",
		"databases":          strconv.Itoa(databases),
		"maxclients":         strconv.Itoa(maxClients),
		"maxmemory":          "0",
		"maxmemory-policy":   "noeviction",
		"port":               strconv.Itoa(c.server.port),
		"proto-max-bulk-len": strconv.Itoa(resp.MaxBulk),
		"save":               "",
		"timeout":            "0",
	}
	matched := slices.Sorted(maps.Keys(settings))
	matched = slices.DeleteFunc(matched, func(name string) bool {
		return !slices.ContainsFunc(args[2:], func(pattern []byte) bool {
			return store.Match([]byte(strings.ToLower(string(pattern))), []byte(name))
		})
	})
	c.Map(len(matched))
	for _, name := range matched {
		c.pair(name, settings[name])
	}
	return nil
}

func cmdInfo(c *conn, args [][]byte) error {
	var text strings.Builder
	for _, section := range c.server.info() {
		if !wantsSection(args[1:], section.name) {
			continue
		}
		if text.Len() > 0 {
			text.WriteString("\r\n")
		}
		text.WriteString("# " + section.name + "\r\n" + section.lines)
	}
	c.Text(text.String())
	return nil
}

func wantsSection(asked [][]byte, name string) bool {
	for _, arg := range asked {
		if is(arg, strings.ToUpper(name)) || is(arg, "ALL") || is(arg, "DEFAULT") || is(arg, "EVERYTHING") {
			return true
		}
	}
	return len(asked) == 0
}

type infoSection struct{ name, lines string }

// info returns the sections of INFO with the fields that tools read.
func (s *Server) info() []infoSection {
	var keyspace strings.Builder
	for i := range s.store.Databases() {
		if db := s.store.DB(i); db.Len() > 0 {
			fmt.Fprintf(&keyspace, "db%d:keys=%d,expires=%d,avg_ttl=0\r\n", i, db.Len(), db.Volatile())
		}
	}
	uptime := int64(time.Since(s.started).Seconds())
	used := usedMemory()
	return []infoSection{
		{"Server", fmt.Sprintf("redis_version:%s\r\nredis_mode:standalone\r\nos:%s %s\r\nprocess_id:%d\r\ntcp_port:%d\r\nuptime_in_seconds:%d\r\nuptime_in_days:%d\r\n",
			redisVersion, runtime.GOOS, runtime.GOARCH, os.Getpid(), s.port, uptime, uptime/86400)},
		{"Clients", fmt.Sprintf("connected_clients:%d\r\nmaxclients:%d\r\nblocked_clients:0\r\n", s.connected.Load(), maxClients)},
		{"Memory", fmt.Sprintf("used_memory:%d\r\nused_memory_human:%.2fM\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\n", used, float64(used)/(1<<20))},
		{"Persistence", "loading:0\r\nrdb_bgsave_in_progress:0\r\naof_enabled:0\r\naof_rewrite_in_progress:0\r\n"},
		{"Stats", fmt.Sprintf("total_connections_received:%d\r\ntotal_commands_processed:%d\r\nexpired_keys:%d\r\n", s.accepted.Load(), s.processed, s.store.Expired())},
		{"Replication", "role:master\r\nconnected_slaves:0\r\n"},
		{"Cluster", "cluster_enabled:0\r\n"},
		{"Keyspace", keyspace.String()},
	}
}

// cmdTime replies the time in seconds and microseconds.
func cmdTime(c *conn, _ [][]byte) error {
	now := time.Now()
	c.Array(2)
	c.BulkString(strconv.FormatInt(now.Unix(), 10))
	c.BulkString(strconv.Itoa(now.Nanosecond() / 1000))
	return nil
}

// cmdShutdown stops the server. As there is nothing to save, how to save it
// is all the same. The client gets no reply, only the end of the connection.
func cmdShutdown(c *conn, args [][]byte) error {
	for _, arg := range args[1:] {
		switch {
		case is(arg, "SAVE"), is(arg, "NOSAVE"), is(arg, "NOW"), is(arg, "FORCE"):
		case is(arg, "ABORT") && len(args) == 2:
			return replyError("ERR No shutdown in progress.")
		default:
			return errSyntax
		}
	}
	c.closing = true
	c.server.stop()
	return nil
}
