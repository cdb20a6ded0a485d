package server

import (
	"bytes"

	"github.com/ocikit/ocikit/cmd/redis/internal/resp"
	"github.com/ocikit/ocikit/cmd/redis/internal/store"
)

// command is one row of the command table.
type command struct {
	name  string
	arity int    // number of arguments with the name; -n for at least n
	flags string // as COMMAND tells them
	keys  keyRange
	group string
	doc   string // summary
	use   string // syntax of the arguments
	run   func(c *conn, args [][]byte) error
}

// keyRange says which arguments are keys, as COMMAND tells it.
type keyRange struct{ first, last, step int }

// run runs one request and writes its reply. The caller holds the lock.
func (c *conn) run(args [][]byte) {
	c.server.processed++
	cmd := c.server.find(args[0])
	if cmd == nil {
		c.Error(errUnknown(args).Error())
		return
	}
	if n := len(args); n != cmd.arity && (cmd.arity >= 0 || n < -cmd.arity) {
		c.Error(errArity(cmd.name).Error())
		return
	}
	c.last = cmd
	if err := cmd.run(c, args); err != nil {
		c.Error(err.Error())
	}
}

// find looks a command up by its name in any case.
func (s *Server) find(name []byte) *command {
	var lower [16]byte
	if len(name) > len(lower) {
		return nil
	}
	for i, b := range name {
		if b >= 'A' && b <= 'Z' {
			b += 'a' - 'A'
		}
		lower[i] = b
	}
	return s.commands[string(lower[:len(name)])] // does not allocate
}

// The rest of this file is what command implementations share.

// is reports whether an option or subcommand is the given word, which is in
// upper case.
func is(arg []byte, word string) bool {
	if len(arg) != len(word) {
		return false
	}
	for i, b := range arg {
		if b >= 'a' && b <= 'z' {
			b -= 'a' - 'A'
		}
		if b != word[i] {
			return false
		}
	}
	return true
}

func parseInt(arg []byte) (int64, error) {
	n, ok := resp.ParseInt(arg)
	if !ok {
		return 0, errNotInt
	}
	return n, nil
}

// parseCount parses a number of elements.
func parseCount(arg []byte) (int, error) {
	n, ok := resp.ParseInt(arg)
	if !ok || n < 0 {
		return 0, errNegative
	}
	return int(n), nil
}

// find returns the item of key and its value of type *T. If there is no such
// key the item is nil, and the value an empty one that belongs to no key.
func find[T any](c *conn, key []byte) (*store.Item, *T, error) {
	item := c.db.Find(key)
	if item == nil {
		return nil, new(T), nil
	}
	value, ok := item.Obj.(*T)
	if !ok {
		return nil, nil, errWrongType
	}
	return item, value, nil
}

// findOrAdd is find, and makes a key with an empty value if there is none.
func findOrAdd[T any](c *conn, key []byte) (*T, error) {
	item, value, err := find[T](c, key)
	if item == nil && err == nil {
		c.db.Add(key).Obj = value
	}
	return value, err
}

// length replies the number of elements of a value of type *T.
func length[T any, P interface {
	*T
	Len() int
}](c *conn, args [][]byte) error {
	_, value, err := find[T](c, args[1])
	if err == nil {
		c.Int(int64(P(value).Len()))
	}
	return err
}

// findString returns the item of key if it is a string, or nil.
func findString(c *conn, key []byte) (*store.Item, error) {
	item := c.db.Find(key)
	if item != nil && item.Obj != nil {
		return nil, errWrongType
	}
	return item, nil
}

// setString replaces the value of a string, and keeps its memory if the new
// value fits without wasting much of it.
func setString(item *store.Item, value []byte) {
	if cap(item.Str) < len(value) || cap(item.Str) > 64+2*len(value) {
		item.Str = bytes.Clone(value)
		return
	}
	item.Str = append(item.Str[:0], value...)
}

// count turns a truth into the integer that Redis replies.
func count(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}

// rangeOf turns the indexes of LRANGE and ZRANGE, negative ones counting from
// the end, into the half-open range of n elements that they mean.
func rangeOf(first, last int64, n int) (start, stop int) {
	size := int64(n)
	if first < 0 {
		first = max(0, first+size)
	}
	if last < 0 {
		last += size
	}
	last = min(last, size-1)
	if first > last {
		return 0, 0
	}
	return int(first), int(last + 1)
}
