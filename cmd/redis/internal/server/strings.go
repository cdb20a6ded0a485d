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
// mean with a number.
func deadline(c *conn, unit string, n int) int {
	factor, start := 1, 0
	if unit == "EX" || unit == "EXAT" {
		factor = 1000
	}
	if unit == "EX" || unit == "PX" {
		start = c.db.Now()
	}
	if n > math.MaxInt/factor || n < math.MinInt/factor || n*factor > math.MaxInt-start {
		panic(errExpireTime(c))
	}
	return n*factor + start
}

func errExpireTime(c *conn) resp.Error {
	return errorf("ERR invalid expire time in '%s' command", c.last.name)
}

// expiry is the deadline that a positive number means.
func expiry(c *conn, unit string, arg []byte) int {
	n := integer(arg)
	if n <= 0 {
		panic(errExpireTime(c))
	}
	return deadline(c, unit, n)
}

// expiryOption is that of the option EX, PX, EXAT or PXAT; 0 if there is none.
func expiryOption(c *conn, o options) int {
	for _, unit := range []string{"EX", "PX", "EXAT", "PXAT"} {
		if o.has(unit) {
			return expiry(c, unit, o[unit][0])
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
	at := expiryOption(c, o)
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
		put(c, c.db.Find(args[1]), args[1], args[3], expiry(c, unit, args[2]))
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
	if at := expiryOption(c, o); at != 0 && at <= c.db.Now() {
		c.db.Remove(item)
	} else {
		c.db.SetDeadline(item, at)
	}
	return value
}

func mget(c *conn, args [][]byte) any {
	var values []any
	for _, key := range args[1:] {
		if item := c.db.Find(key); item != nil && item.Obj == nil {
			values = append(values, item.Str)
		} else {
			values = append(values, nil)
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

func incr(c *conn, args [][]byte) any {
	if len(args) == 2 {
		return add(c, args[1], 1)
	}
	return add(c, args[1], integer(args[2]))
}

func decr(c *conn, args [][]byte) any {
	n := 1
	if len(args) == 3 {
		n = integer(args[2])
	}
	if n == math.MinInt {
		return errorf("ERR decrement would overflow")
	}
	return add(c, args[1], -n)
}

func add(c *conn, key []byte, n int) any {
	item, value := findString(c, key)
	old := 0
	if item != nil {
		old = integer(value)
	}
	if n > 0 && old > math.MaxInt-n || n < 0 && old < math.MinInt-n {
		return errorf("ERR increment or decrement would overflow")
	}
	if item == nil {
		item = c.db.Add(key)
	}
	item.Str = strconv.AppendInt(item.Str[:0], int64(old+n), 10)
	return old + n
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
