package server

import (
	"cmp"
	"math"
	"strconv"

	"github.com/ocikit/ocikit/cmd/redis/internal/resp"
	"github.com/ocikit/ocikit/cmd/redis/internal/store"
)

var keyCommands = []command{
	{"dbsize", 1, "readonly fast", 0, 0, 0, func(c *conn, _ [][]byte) any { return c.db.Len() }},
	{"del", -2, "write", 1, -1, 1, func(c *conn, args [][]byte) any {
		return count(args[1:], func(key []byte) bool { return c.db.Remove(c.db.Find(key)) })
	}},
	{"exists", -2, "readonly fast", 1, -1, 1, func(c *conn, args [][]byte) any {
		return count(args[1:], c.db.Has)
	}},
	{"expire", -3, "write fast", 1, 1, 1, expire("EX")},
	{"expireat", -3, "write fast", 1, 1, 1, expire("EXAT")},
	{"expiretime", 2, "readonly fast", 1, 1, 1, ttl(1000, epoch)},
	{"flushall", -1, "write", 0, 0, 0, func(c *conn, args [][]byte) any {
		return flush(args,
			c.server.store.DBs)
	}},
	{"flushdb", -1, "write", 0, 0, 0, func(c *conn, args [][]byte) any {
		return flush(args,
			c.server.store.DBs[c.dbIndex:c.dbIndex+1])
	}},
	{"keys", 2, "readonly", 0, 0, 0, func(c *conn, args [][]byte) any {
		return scan(c, 0,
			c.db.Len(), options{"MATCH": args[1:]})[1]
	}},
	{"persist", 2, "write fast", 1, 1, 1, func(c *conn, args [][]byte) any {
		item := c.db.Find(args[1])
		if item == nil || item.Deadline == 0 {
			return 0
		}
		c.db.SetDeadline(item, 0)
		return 1
	}},
	{"pexpire", -3, "write fast", 1, 1, 1, expire("PX")},
	{"pexpireat", -3, "write fast", 1, 1, 1, expire("PXAT")},
	{"pexpiretime", 2, "readonly fast", 1, 1, 1, ttl(1, epoch)},
	{"pttl", 2, "readonly fast", 1, 1, 1, ttl(1, (*store.DB).Now)},
	{"scan", -2, "readonly", 0, 0, 0, func(c *conn, args [][]byte) any {
		cursor, err := strconv.ParseUint(string(args[1]), 10, 64)
		refuse(err != nil, "ERR invalid cursor")
		count := 10
		o := parseOptions(args[2:], errSyntax, "COUNT:", "MATCH:", "TYPE:")
		if o.has("COUNT") {
			count = integer(o["COUNT"][0])
		}
		refuse(count < 1, errSyntax)
		return scan(c, cursor, count, o)
	}},
	{"ttl", 2, "readonly fast", 1, 1, 1, ttl(1000, (*store.DB).Now)},
	{"type", 2, "readonly fast", 1, 1, 1, func(c *conn, args [][]byte) any {
		if item := c.db.Find(args[1]); item != nil {
			return resp.Status(item.Value.Type())
		}
		return resp.Status("none")
	}},
}

// scan looks at up to count keys. It returns where to go on, and the keys that
// the options MATCH and TYPE let through.
func scan(c *conn, cursor uint64, count int, o options) []any {
	found := []any{}
	cursor = c.db.Scan(cursor, count, func(item *store.Item) {
		if (!o.has("MATCH") || store.Match(o["MATCH"][0], []byte(item.Key))) && (!o.has("TYPE") ||
			is(o["TYPE"][0], item.Value.Type())) {
			found = append(found, item.Key)
		}
	})
	return []any{strconv.FormatUint(cursor, 10), found}
}

// flush empties databases. ASYNC and SYNC are accepted and make no difference:
// both take no time.
func flush(args [][]byte, dbs []store.DB) any {
	parseOptions(args[1:], errSyntax, "ASYNC", "SYNC")
	refuse(len(args) > 2, errSyntax)
	for i := range dbs {
		dbs[i].Flush()
	}
	return ok
}

func expire(unit string) handler {
	return func(c *conn, args [][]byte) any {
		o := parseOptions(args[3:], "ERR Unsupported option %s", "NX", "XX", "GT", "LT")
		refuse(o.has("NX") && len(o) > 1, "ERR NX and XX, GT or LT options at the same time are "+
			"not compatible")
		refuse(o.several("GT", "LT"), "ERR GT and LT options at the same time are not compatible")
		at, item := deadline(c, unit, args[2], math.MinInt), c.db.Find(args[1])
		switch {
		case item == nil,
			// without a deadline it never expires
			item.Deadline == 0 && (o.has("XX") || o.has("GT")),
			item.Deadline != 0 && (o.has("NX") || o.has("GT") && at <= item.Deadline ||
				o.has("LT") && at >= item.Deadline):
			return 0
		}
		c.db.SetDeadline(item, cmp.Or(at, 1)) // 0 would mean never
		return 1
	}
}

// ttl replies with the time at which a key expires, in units of so many
// milliseconds after from; -1 means never and -2 that there is no such key.
func ttl(unit int, from func(*store.DB) int) handler {
	return func(c *conn, args [][]byte) any {
		item := c.db.Find(args[1])
		if item == nil {
			return -2
		}
		if item.Deadline == 0 {
			return -1
		}
		ms := max(0, item.Deadline-from(c.db))
		return ms/unit + 2*(ms%unit)/unit // rounded
	}
}

func epoch(*store.DB) int { return 0 }
