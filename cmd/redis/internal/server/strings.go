package server

import (
	"math"
	"strconv"

	"github.com/ocikit/ocikit/cmd/redis/internal/resp"
	"github.com/ocikit/ocikit/cmd/redis/internal/store"
)

// setOptions are the words after the value of SET, or the key of GETEX.
type setOptions struct {
	nx, xx, get, keepTTL, persist bool

	unit    string // EX, PX, EXAT or PXAT; empty for none
	expires []byte // the number after it
}

// set takes the option at args[0] if it is one that set and getex allow, and
// returns the rest; nil for a syntax error.
func (o *setOptions) set(args [][]byte, getex bool) [][]byte {
	arg := args[0]
	timed := o.unit != "" || o.keepTTL || o.persist
	switch {
	case !getex && is(arg, "NX") && !o.xx:
		o.nx = true
	case !getex && is(arg, "XX") && !o.nx:
		o.xx = true
	case !getex && is(arg, "GET"):
		o.get = true
	case !getex && is(arg, "KEEPTTL") && o.unit == "":
		o.keepTTL = true
	case getex && is(arg, "PERSIST") && o.unit == "":
		o.persist = true
	case len(args) > 1 && !timed:
		for _, unit := range []string{"EX", "PX", "EXAT", "PXAT"} {
			if is(arg, unit) {
				o.unit, o.expires = unit, args[1]
				return args[2:]
			}
		}
		return nil
	default:
		return nil
	}
	return args[1:]
}

func parseSetOptions(args [][]byte, getex bool) (setOptions, error) {
	var o setOptions
	for len(args) > 0 {
		if args = o.set(args, getex); args == nil {
			return o, errSyntax
		}
	}
	return o, nil
}

// deadline is the time that EX, PX, EXAT or PXAT with a number mean, in
// milliseconds since 1970; 0 if there is no unit.
func (c *conn) deadline(command, unit string, number []byte) (int64, error) {
	if unit == "" {
		return 0, nil
	}
	n, err := parseInt(number)
	if err != nil {
		return 0, err
	}
	at, ok := c.toDeadline(unit, n)
	if n <= 0 || !ok {
		return 0, errExpireTime(command)
	}
	return at, nil
}

// toDeadline reports false if the time is beyond 64 bits.
func (c *conn) toDeadline(unit string, n int64) (int64, bool) {
	if unit == "EX" || unit == "EXAT" {
		if n > math.MaxInt64/1000 || n < math.MinInt64/1000 {
			return 0, false
		}
		n *= 1000
	}
	if unit == "EX" || unit == "PX" {
		now := c.db.Now()
		if n > math.MaxInt64-now {
			return 0, false
		}
		n += now
	}
	return n, true
}

func cmdSet(c *conn, args [][]byte) error {
	o, err := parseSetOptions(args[3:], false)
	if err != nil {
		return err
	}
	at, err := c.deadline("set", o.unit, o.expires)
	if err != nil {
		return err
	}
	item := c.db.Find(args[1])
	if o.get {
		if item != nil && item.Obj != nil {
			return errWrongType
		}
		c.writeString(item)
	}
	if o.nx && item != nil || o.xx && item == nil {
		if !o.get {
			c.Null()
		}
		return nil
	}
	if item != nil && o.keepTTL {
		at = item.Deadline()
	}
	c.put(item, args[1], args[2], at)
	if !o.get {
		c.Status("OK")
	}
	return nil
}

// put makes key a string with a deadline. item is what key has now, or nil.
func (c *conn) put(item *store.Item, key, value []byte, at int64) {
	if item == nil {
		item = c.db.Add(key)
	}
	item.Obj = nil
	setString(item, value)
	c.db.SetDeadline(item, at)
}

func setWithExpiry(command, unit string) func(*conn, [][]byte) error {
	return func(c *conn, args [][]byte) error {
		at, err := c.deadline(command, unit, args[2])
		if err != nil {
			return err
		}
		c.put(c.db.Find(args[1]), args[1], args[3], at)
		c.Status("OK")
		return nil
	}
}

// writeString writes the value of a string, or null.
func (c *conn) writeString(item *store.Item) {
	if item == nil {
		c.Null()
		return
	}
	c.Bulk(item.Str)
}

func cmdGet(c *conn, args [][]byte) error {
	item, err := findString(c, args[1])
	if err != nil {
		return err
	}
	c.writeString(item)
	return nil
}

func cmdGetDel(c *conn, args [][]byte) error {
	item, err := findString(c, args[1])
	if err != nil {
		return err
	}
	c.writeString(item)
	if item != nil {
		c.db.Remove(args[1])
	}
	return nil
}

func cmdGetEx(c *conn, args [][]byte) error {
	o, err := parseSetOptions(args[2:], true)
	if err != nil {
		return err
	}
	item, err := findString(c, args[1])
	if err != nil || item == nil {
		if err == nil {
			c.Null()
		}
		return err
	}
	at, err := c.deadline("getex", o.unit, o.expires)
	if err != nil {
		return err
	}
	c.Bulk(item.Str)
	switch {
	case o.unit != "" && at <= c.db.Now():
		c.db.Remove(args[1])
	case o.unit != "" || o.persist:
		c.db.SetDeadline(item, at)
	}
	return nil
}

func cmdMGet(c *conn, args [][]byte) error {
	c.Array(len(args) - 1)
	for _, key := range args[1:] {
		item := c.db.Find(key)
		if item != nil && item.Obj != nil {
			item = nil
		}
		c.writeString(item)
	}
	return nil
}

func cmdMSet(c *conn, args [][]byte) error {
	if len(args)%2 == 0 {
		return errArity("mset")
	}
	for i := 1; i < len(args); i += 2 {
		c.put(c.db.Find(args[i]), args[i], args[i+1], 0)
	}
	c.Status("OK")
	return nil
}

func cmdIncr(c *conn, args [][]byte) error { return c.add(args[1], 1) }
func cmdDecr(c *conn, args [][]byte) error { return c.add(args[1], -1) }

func cmdIncrBy(c *conn, args [][]byte) error {
	n, err := parseInt(args[2])
	if err != nil {
		return err
	}
	return c.add(args[1], n)
}

func cmdDecrBy(c *conn, args [][]byte) error {
	n, err := parseInt(args[2])
	if err != nil {
		return err
	}
	if n == math.MinInt64 {
		return replyError("ERR decrement would overflow")
	}
	return c.add(args[1], -n)
}

// add adds n to the number that is the value of key.
func (c *conn) add(key []byte, n int64) error {
	item, err := findString(c, key)
	if err != nil {
		return err
	}
	var old int64
	if item != nil {
		if old, err = parseInt(item.Str); err != nil {
			return err
		}
	}
	if n > 0 && old > math.MaxInt64-n || n < 0 && old < math.MinInt64-n {
		return replyError("ERR increment or decrement would overflow")
	}
	if item == nil {
		item = c.db.Add(key)
	}
	item.Str = strconv.AppendInt(item.Str[:0], old+n, 10)
	c.Int(old + n)
	return nil
}

func cmdAppend(c *conn, args [][]byte) error {
	item, err := findString(c, args[1])
	if err != nil {
		return err
	}
	if item == nil {
		item = c.db.Add(args[1])
	}
	if len(item.Str)+len(args[2]) > resp.MaxBulk {
		return errTooLong
	}
	item.Str = append(item.Str, args[2]...)
	c.Int(int64(len(item.Str)))
	return nil
}

func cmdStrlen(c *conn, args [][]byte) error {
	item, err := findString(c, args[1])
	if err != nil {
		return err
	}
	n := 0
	if item != nil {
		n = len(item.Str)
	}
	c.Int(int64(n))
	return nil
}
