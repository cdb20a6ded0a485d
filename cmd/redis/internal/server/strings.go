package server

import (
	"bytes"
	"math"
	"strconv"

	"github.com/ocikit/ocikit/cmd/redis/internal/resp"
	"github.com/ocikit/ocikit/cmd/redis/internal/store"
)

// findString returns the item of key and its value; nil if there is no key.
func findString(c *conn, key []byte) (*store.Item, []byte) {
	item := c.db.Find(key)
	switch {
	case item == nil:
		return nil, nil
	case item.Obj != nil:
		panic(errWrongType)
	}
	return item, item.Str
}

// put makes key a string with a deadline. item is what key has now, or nil. It
// keeps the memory if the new value fits without wasting much of it.
func put(c *conn, item *store.Item, key, value []byte, at int) {
	if item == nil {
		item = c.db.Add(key)
	}
	item.Obj = nil
	if cap(item.Str) < len(value) || cap(item.Str) > 64+2*len(value) {
		item.Str = bytes.Clone(value)
	} else {
		item.Str = append(item.Str[:0], value...)
	}
	c.db.SetDeadline(item, at)
}

// deadline is the time, in milliseconds since 1970, that EX, PX, EXAT or PXAT
// mean with a number, which is at least least.
func deadline(c *conn, unit string, arg []byte, least int) int {
	n, factor, start := integer(arg), 1, 0
	if unit == "EX" || unit == "EXAT" {
		factor = 1000
	}
	if unit == "EX" || unit == "PX" {
		start = c.db.Now()
	}
	if n < least || n > math.MaxInt/factor || n < math.MinInt/factor || n*factor > math.MaxInt-start {
		panic(errorf("ERR invalid expire time in '%s' command", c.last.name))
	}
	return n*factor + start
}

// deadlineOption is that of the option that is given; 0 if there is none.
func deadlineOption(c *conn, o options) int {
	for _, unit := range []string{"EX", "PX", "EXAT", "PXAT"} {
		if o.has(unit) {
			return deadline(c, unit, o[unit][0], 1)
		}
	}
	return 0
}

func get(c *conn, args [][]byte) any {
	_, value := findString(c, args[1])
	return value
}

func set(c *conn, args [][]byte) any {
	o, rest := parseOptions(args[3:], "NX", "XX", "GET", "KEEPTTL", "EX:", "PX:", "EXAT:", "PXAT:")
	if len(rest) > 0 || o.several("NX", "XX") || o.several("KEEPTTL", "EX", "PX", "EXAT", "PXAT") {
		return errSyntax
	}
	at := deadlineOption(c, o)
	var done, refused any = ok, nil
	if o.has("GET") {
		_, old := findString(c, args[1])
		old = bytes.Clone(old)
		done, refused = old, old
	}
	item := c.db.Find(args[1])
	if o.has("NX") && item != nil || o.has("XX") && item == nil {
		return refused
	}
	if item != nil && o.has("KEEPTTL") {
		at = item.Deadline
	}
	put(c, item, args[1], args[2], at)
	return done
}

func setEx(unit string) func(*conn, [][]byte) any {
	return func(c *conn, args [][]byte) any {
		put(c, c.db.Find(args[1]), args[1], args[3], deadline(c, unit, args[2], 1))
		return ok
	}
}

func getDel(c *conn, args [][]byte) any {
	item, value := findString(c, args[1])
	if item != nil {
		c.db.Remove(item)
	}
	return value
}

func getEx(c *conn, args [][]byte) any {
	o, rest := parseOptions(args[2:], "PERSIST", "EX:", "PX:", "EXAT:", "PXAT:")
	if len(rest) > 0 || o.several("PERSIST", "EX", "PX", "EXAT", "PXAT") {
		return errSyntax
	}
	item, value := findString(c, args[1])
	if item == nil || o == nil {
		return value
	}
	if at := deadlineOption(c, o); at != 0 && at <= c.db.Now() {
		c.db.Remove(item)
	} else {
		c.db.SetDeadline(item, at)
	}
	return value
}

func mget(c *conn, args [][]byte) any {
	values := make([]any, len(args)-1)
	for i, key := range args[1:] {
		if item := c.db.Find(key); item != nil && item.Obj == nil {
			values[i] = item.Str
		}
	}
	return values
}

func mset(c *conn, args [][]byte) any {
	if len(args)%2 == 0 {
		return errArity(c.last)
	}
	for i := 1; i < len(args); i += 2 {
		put(c, c.db.Find(args[i]), args[i], args[i+1], 0)
	}
	return ok
}

// increment adds the number after the key, or 1, with a sign.
func increment(sign int) func(*conn, [][]byte) any {
	return func(c *conn, args [][]byte) any {
		n, old := 1, 0
		if len(args) == 3 {
			n = integer(args[2])
		}
		if sign < 0 && n == math.MinInt {
			return errorf("ERR decrement would overflow")
		}
		n *= sign
		item, value := findString(c, args[1])
		if item != nil {
			old = integer(value)
		}
		if n > 0 && old > math.MaxInt-n || n < 0 && old < math.MinInt-n {
			return errorf("ERR increment or decrement would overflow")
		}
		if item == nil {
			item = c.db.Add(args[1])
		}
		item.Str = strconv.AppendInt(item.Str[:0], int64(old+n), 10)
		return old + n
	}
}

func appendString(c *conn, args [][]byte) any {
	item, value := findString(c, args[1])
	if len(value)+len(args[2]) > resp.MaxBulk {
		return errTooLong
	}
	if item == nil {
		item = c.db.Add(args[1])
	}
	item.Str = append(item.Str, args[2]...)
	return len(item.Str)
}

func strlen(c *conn, args [][]byte) any {
	_, value := findString(c, args[1])
	return len(value)
}
