package server

import (
	"bytes"
	"math"
	"slices"
	"strconv"

	"github.com/ocikit/ocikit/cmd/redis/internal/resp"
	"github.com/ocikit/ocikit/cmd/redis/internal/store"
)

var stringCommands = []command{
	{"append", 3, "write denyoom fast", 1, 1, 1, func(c *conn, args [][]byte) any {
		if !c.db.Has(args[1]) {
			c.db.Set(args[1], nil, 0)
		}
		str := peek[store.String](c, args[1])
		refuse(str.Len()+len(args[2]) > resp.MaxBulk, "ERR string exceeds maximum allowed size "+
			"(proto-max-bulk-len)")
		*str = append(*str, args[2]...)
		return str.Len()
	}},
	{"decr", 2, "write denyoom fast", 1, 1, 1, increment(-1)},
	{"decrby", 3, "write denyoom fast", 1, 1, 1, increment(-1)},
	{"get", 2, "readonly fast", 1, 1, 1, func(c *conn, args [][]byte) any {
		return bulk(peek[store.String](c, args[1]))
	}},
	{"getdel", 2, "write fast", 1, 1, 1, func(c *conn, args [][]byte) any {
		item, str := find[store.String](c, args[1])
		c.db.Remove(item)
		return bulk(str)
	}},
	{"getex", -2, "write fast", 1, 1, 1, func(c *conn, args [][]byte) any {
		o := parseOptions(args[2:], errSyntax, "PERSIST", "EX:", "PX:", "EXAT:", "PXAT:")
		refuse(len(o) > 1, errSyntax)
		item, str := find[store.String](c, args[1])
		if item != nil && len(o) > 0 {
			c.db.SetDeadline(item, o.deadline(c)) // 0 after PERSIST: never
		}
		return bulk(str)
	}},
	{"incr", 2, "write denyoom fast", 1, 1, 1, increment(1)},
	{"incrby", 3, "write denyoom fast", 1, 1, 1, increment(1)},
	{"mget", -2, "readonly fast", 1, -1, 1, func(c *conn, args [][]byte) any {
		values := make([]any, len(args)-1)
		for i, key := range args[1:] {
			if item := c.db.Find(key); item != nil && item.Value.Type() == "string" {
				values[i] = bulk(item.Value.(*store.String))
			}
		}
		return values
	}},
	{"mset", -3, "write denyoom", 1, -1, 2, func(c *conn, args [][]byte) any {
		refuse(len(args)%2 == 0, errArity, c.last.name)
		for pair := range slices.Chunk(args[1:], 2) {
			c.db.Set(pair[0], pair[1], 0)
		}
		return ok
	}},
	{"psetex", 4, "write denyoom", 1, 1, 1, func(c *conn, args [][]byte) any {
		return set(c, [][]byte{args[0], args[1], args[3], []byte("PX"), args[2]})
	}},
	{"set", -3, "write denyoom", 1, 1, 1, set},
	{"setex", 4, "write denyoom", 1, 1, 1, func(c *conn, args [][]byte) any {
		return set(c, [][]byte{args[0], args[1], args[3], []byte("EX"), args[2]})
	}},
	{"strlen", 2, "readonly fast", 1, 1, 1, length[store.String]},
}

// bulk is a string as a reply, nil as null.
func bulk(str *store.String) any { return (*[]byte)(str) }

func set(c *conn, args [][]byte) any {
	o := parseOptions(args[3:], errSyntax, "NX", "XX", "GET", "KEEPTTL", "EX:", "PX:", "EXAT:",
		"PXAT:")
	refuse(o.several("NX", "XX") || o.several("KEEPTTL", "EX", "PX", "EXAT", "PXAT"), errSyntax)
	at := o.deadline(c)
	var done, refused any = ok, nil
	if o.has("GET") {
		old := bytes.Clone(*peek[store.String](c, args[1])) // as its memory is used again
		done, refused = old, old
	}
	if o != nil {
		item := c.db.Find(args[1])
		if item != nil && o.has("NX") || item == nil && o.has("XX") {
			return refused
		}
		if item != nil && o.has("KEEPTTL") {
			at = item.Deadline
		}
	}
	c.db.Set(args[1], args[2], at)
	return done
}

// increment adds the number after the key, or 1, with a sign.
func increment(sign int) handler {
	return func(c *conn, args [][]byte) any {
		n, old := 1, 0
		if len(args) == 3 {
			n = integer(args[2])
		}
		refuse(sign < 0 && n == math.MinInt, "ERR decrement would overflow")
		n *= sign
		item, str := find[store.String](c, args[1])
		if item != nil {
			old = integer(*str)
		}
		sum := old + n
		refuse((sum < old) != (n < 0), "ERR increment or decrement would overflow")
		if item == nil {
			c.db.Add(args[1], str)
		}
		*str = strconv.AppendInt((*str)[:0], int64(sum), 10)
		return sum
	}
}
