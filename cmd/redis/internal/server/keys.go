package server

import (
	"math"
	"strconv"

	"github.com/ocikit/ocikit/cmd/redis/internal/resp"
	"github.com/ocikit/ocikit/cmd/redis/internal/store"
)

func del(c *conn, args [][]byte) any {
	n := 0
	for _, key := range args[1:] {
		if item := c.db.Find(key); item != nil {
			c.db.Remove(item)
			n++
		}
	}
	return n
}

func exists(c *conn, args [][]byte) any {
	n := 0
	for _, key := range args[1:] {
		if c.db.Find(key) != nil {
			n++
		}
	}
	return n
}

func typeName(c *conn, args [][]byte) any { return resp.Status(typeOf(c.db.Find(args[1]))) }

func typeOf(item *store.Item) string {
	if item == nil {
		return "none"
	}
	switch item.Obj.(type) {
	case *store.List:
		return "list"
	case *store.Set:
		return "set"
	case *store.Hash:
		return "hash"
	case *store.ZSet:
		return "zset"
	}
	return "string"
}

func keys(c *conn, args [][]byte) any {
	found := []string{}
	c.db.Scan(0, c.db.Len(), func(key string, _ *store.Item) {
		if store.Match(args[1], []byte(key)) {
			found = append(found, key)
		}
	})
	return found
}

func scan(c *conn, args [][]byte) any {
	cursor, err := strconv.ParseUint(string(args[1]), 10, 64)
	if err != nil {
		return errorf("ERR invalid cursor")
	}
	o, rest := parseOptions(args[2:], "COUNT:", "MATCH:", "TYPE:")
	count := 10
	if o.has("COUNT") {
		count = integer(o["COUNT"][0])
	}
	if len(rest) > 0 || count < 1 {
		return errSyntax
	}
	found := []string{}
	cursor = c.db.Scan(cursor, count, func(key string, item *store.Item) {
		if (!o.has("MATCH") || store.Match(o["MATCH"][0], []byte(key))) && (!o.has("TYPE") || is(o["TYPE"][0], typeOf(item))) {
			found = append(found, key)
		}
	})
	return []any{strconv.FormatUint(cursor, 10), found}
}

func dbSize(c *conn, _ [][]byte) any { return c.db.Len() }

func flushDB(c *conn, args [][]byte) any { return flush(args, c.db) }

func flushAll(c *conn, args [][]byte) any {
	var all []*store.DB
	for i := range c.server.store.DBs {
		all = append(all, &c.server.store.DBs[i])
	}
	return flush(args, all...)
}

// flush empties databases. How is all the same: it takes no time either way.
func flush(args [][]byte, dbs ...*store.DB) any {
	if _, rest := parseOptions(args[1:], "ASYNC", "SYNC"); len(rest) > 0 || len(args) > 2 {
		return errSyntax
	}
	for _, db := range dbs {
		db.Flush()
	}
	return ok
}

func expire(unit string) func(*conn, [][]byte) any {
	return func(c *conn, args [][]byte) any {
		o, rest := parseOptions(args[3:], "NX", "XX", "GT", "LT")
		switch {
		case len(rest) > 0:
			return errorf("ERR Unsupported option %s", rest[0])
		case o.has("NX") && len(o) > 1:
			return errorf("ERR NX and XX, GT or LT options at the same time are not compatible")
		case o.several("GT", "LT"):
			return errorf("ERR GT and LT options at the same time are not compatible")
		}
		at := deadline(c, unit, args[2], math.MinInt)
		item := c.db.Find(args[1])
		switch {
		case item == nil || !mayExpire(o, item.Deadline, at):
			return 0
		case at <= c.db.Now():
			c.db.Remove(item)
		default:
			c.db.SetDeadline(item, at)
		}
		return 1
	}
}

// mayExpire reports whether options let the deadline change from old, 0 for
// none, to at. A key without a deadline counts as one that lives for ever.
func mayExpire(o options, old, at int) bool {
	switch {
	case old == 0:
		return !o.has("XX") && !o.has("GT")
	case o.has("NX"):
		return false
	case o.has("GT"):
		return at > old
	case o.has("LT"):
		return at < old
	}
	return true
}

// ttl replies when a key dies, in units of so many milliseconds after from; -1
// for never and -2 for no such key.
func ttl(unit int, from func(*store.DB) int) func(*conn, [][]byte) any {
	return func(c *conn, args [][]byte) any {
		item := c.db.Find(args[1])
		switch {
		case item == nil:
			return -2
		case item.Deadline == 0:
			return -1
		}
		ms := max(0, item.Deadline-from(c.db))
		return ms/unit + 2*(ms%unit)/unit // rounded
	}
}

func epoch(*store.DB) int { return 0 }

func persist(c *conn, args [][]byte) any {
	item := c.db.Find(args[1])
	if item == nil || item.Deadline == 0 {
		return false
	}
	c.db.SetDeadline(item, 0)
	return true
}
