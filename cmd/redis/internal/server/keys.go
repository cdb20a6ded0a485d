package server

import (
	"strconv"

	"github.com/ocikit/ocikit/cmd/redis/internal/store"
)

func cmdDel(c *conn, args [][]byte) error {
	var n int64
	for _, key := range args[1:] {
		n += count(c.db.Remove(key))
	}
	c.Int(n)
	return nil
}

func cmdExists(c *conn, args [][]byte) error {
	var n int64
	for _, key := range args[1:] {
		n += count(c.db.Find(key) != nil)
	}
	c.Int(n)
	return nil
}

func cmdType(c *conn, args [][]byte) error {
	c.Status(typeOf(c.db.Find(args[1])))
	return nil
}

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

func cmdKeys(c *conn, args [][]byte) error {
	var keys []string
	c.db.Scan(0, c.db.Len(), func(key string, _ *store.Item) {
		if store.Match(args[1], []byte(key)) {
			keys = append(keys, key)
		}
	})
	c.bulks(keys)
	return nil
}

func (c *conn) bulks(list []string) {
	c.Array(len(list))
	for _, s := range list {
		c.BulkString(s)
	}
}

func cmdScan(c *conn, args [][]byte) error {
	cursor, err := strconv.ParseUint(string(args[1]), 10, 64)
	if err != nil {
		return replyError("ERR invalid cursor")
	}
	var pattern, kind []byte
	size := 10
	for rest := args[2:]; len(rest) > 0; rest = rest[2:] {
		switch {
		case len(rest) == 1:
			return errSyntax
		case is(rest[0], "COUNT"):
			n, err := parseInt(rest[1])
			if err != nil {
				return err
			}
			if n < 1 {
				return errSyntax
			}
			size = int(n)
		case is(rest[0], "MATCH"):
			pattern = rest[1]
		case is(rest[0], "TYPE"):
			kind = rest[1]
		default:
			return errSyntax
		}
	}
	var keys []string
	cursor = c.db.Scan(cursor, size, func(key string, item *store.Item) {
		if (pattern == nil || store.Match(pattern, []byte(key))) && (kind == nil || typeNamed(kind, item)) {
			keys = append(keys, key)
		}
	})
	c.Array(2)
	c.BulkString(strconv.FormatUint(cursor, 10))
	c.bulks(keys)
	return nil
}

func typeNamed(name []byte, item *store.Item) bool {
	for _, known := range []string{"STRING", "LIST", "SET", "HASH", "ZSET"} {
		if is(name, known) {
			return is([]byte(typeOf(item)), known)
		}
	}
	return false
}

func cmdDBSize(c *conn, _ [][]byte) error {
	c.Int(int64(c.db.Len()))
	return nil
}

// flushMode accepts the words ASYNC and SYNC: forgetting a map takes no time
// either way.
func flushMode(args [][]byte) error {
	if len(args) > 2 || len(args) == 2 && !is(args[1], "ASYNC") && !is(args[1], "SYNC") {
		return errSyntax
	}
	return nil
}

func cmdFlushDB(c *conn, args [][]byte) error {
	if err := flushMode(args); err != nil {
		return err
	}
	c.db.Flush()
	c.Status("OK")
	return nil
}

func cmdFlushAll(c *conn, args [][]byte) error {
	if err := flushMode(args); err != nil {
		return err
	}
	for i := range c.server.store.Databases() {
		c.server.store.DB(i).Flush()
	}
	c.Status("OK")
	return nil
}
