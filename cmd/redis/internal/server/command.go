package server

import (
	"fmt"
	"strings"

	"github.com/ocikit/ocikit/cmd/redis/internal/resp"
	"github.com/ocikit/ocikit/cmd/redis/internal/store"
)

// command is one row of the command table.
type command struct {
	name              string // of a subcommand: with that of its parent, as in client|id
	arity             int    // number of arguments with the name; -n for at least n
	flags             string // as COMMAND tells them
	first, last, step int    // which arguments are keys, as COMMAND tells it

	// run returns the reply, see [resp.Append]; an error also by a panic with
	// a resp.Error, before anything has changed. A command without it has
	// subcommands; NAME| is what the command does without one.
	run func(c *conn, args [][]byte) any
}

// commandTable returns all commands by name.
func commandTable() map[string]*command {
	table := map[string]*command{}
	for _, row := range []command{
		{"client", -2, "", 0, 0, 0, nil},
		{"client|getname", 2, "", 0, 0, 0, clientGetName},
		{"client|id", 2, "", 0, 0, 0, clientID},
		{"client|info", 2, "", 0, 0, 0, clientInfo},
		{"client|list", 2, "", 0, 0, 0, clientList},
		{"client|setinfo", 4, "", 0, 0, 0, clientSetInfo},
		{"client|setname", 3, "", 0, 0, 0, clientSetName},
		{"command", -1, "loading stale", 0, 0, 0, nil},
		{"command|", 1, "", 0, 0, 0, commandInfo},
		{"command|count", 2, "", 0, 0, 0, commandCount},
		{"command|info", -2, "", 0, 0, 0, commandInfo},
		{"command|list", 2, "", 0, 0, 0, commandList},
		{"config", -2, "", 0, 0, 0, nil},
		{"config|get", -3, "", 0, 0, 0, configGet},
		{"echo", 2, "loading stale fast", 0, 0, 0, echo},
		{"hello", -1, "noscript loading stale fast no_auth allow_busy", 0, 0, 0, hello},
		{"info", -1, "loading stale", 0, 0, 0, info},
		{"ping", -1, "fast", 0, 0, 0, ping},
		{"quit", -1, "noscript loading stale fast no_auth allow_busy", 0, 0, 0, quit},
		{"select", 2, "loading stale fast", 0, 0, 0, selectDB},
		{"shutdown", -1, "admin noscript loading stale no_multi allow_busy", 0, 0, 0, shutdown},
		{"time", 1, "loading stale fast", 0, 0, 0, now}, // Redis's own tests ask for it

		{"dbsize", 1, "readonly fast", 0, 0, 0, dbSize},
		{"del", -2, "write", 1, -1, 1, del},
		{"exists", -2, "readonly fast", 1, -1, 1, exists},
		{"expire", -3, "write fast", 1, 1, 1, expire("EX")},
		{"expireat", -3, "write fast", 1, 1, 1, expire("EXAT")},
		{"expiretime", 2, "readonly fast", 1, 1, 1, ttl(1000, epoch)},
		{"flushall", -1, "write", 0, 0, 0, flushAll},
		{"flushdb", -1, "write", 0, 0, 0, flushDB},
		{"keys", 2, "readonly", 0, 0, 0, keys},
		{"persist", 2, "write fast", 1, 1, 1, persist},
		{"pexpire", -3, "write fast", 1, 1, 1, expire("PX")},
		{"pexpireat", -3, "write fast", 1, 1, 1, expire("PXAT")},
		{"pexpiretime", 2, "readonly fast", 1, 1, 1, ttl(1, epoch)},
		{"pttl", 2, "readonly fast", 1, 1, 1, ttl(1, (*store.DB).Now)},
		{"scan", -2, "readonly", 0, 0, 0, scan},
		{"ttl", 2, "readonly fast", 1, 1, 1, ttl(1000, (*store.DB).Now)},
		{"type", 2, "readonly fast", 1, 1, 1, typeName},

		{"append", 3, "write denyoom fast", 1, 1, 1, appendString},
		{"decr", 2, "write denyoom fast", 1, 1, 1, increment(-1)},
		{"decrby", 3, "write denyoom fast", 1, 1, 1, increment(-1)},
		{"get", 2, "readonly fast", 1, 1, 1, get},
		{"getdel", 2, "write fast", 1, 1, 1, getDel},
		{"getex", -2, "write fast", 1, 1, 1, getEx},
		{"incr", 2, "write denyoom fast", 1, 1, 1, increment(1)},
		{"incrby", 3, "write denyoom fast", 1, 1, 1, increment(1)},
		{"mget", -2, "readonly fast", 1, -1, 1, mget},
		{"mset", -3, "write denyoom", 1, -1, 2, mset},
		{"psetex", 4, "write denyoom", 1, 1, 1, setEx("PX")},
		{"set", -3, "write denyoom", 1, 1, 1, set},
		{"setex", 4, "write denyoom", 1, 1, 1, setEx("EX")},
		{"strlen", 2, "readonly fast", 1, 1, 1, strlen},

		{"llen", 2, "readonly fast", 1, 1, 1, length[store.List]},
		{"lpop", -2, "write fast", 1, 1, 1, pop((*store.List).PopFront)},
		{"lpush", -3, "write denyoom fast", 1, 1, 1, push((*store.List).PushFront)},
		{"lrange", 4, "readonly", 1, 1, 1, lrange},
		{"rpop", -2, "write fast", 1, 1, 1, pop((*store.List).PopBack)},
		{"rpush", -3, "write denyoom fast", 1, 1, 1, push((*store.List).PushBack)},

		{"sadd", -3, "write denyoom fast", 1, 1, 1, sadd},
		{"scard", 2, "readonly fast", 1, 1, 1, length[store.Set]},
		{"sismember", 3, "readonly fast", 1, 1, 1, sismember},
		{"smembers", 2, "readonly", 1, 1, 1, smembers},
		{"spop", -2, "write fast", 1, 1, 1, spop},
		{"srem", -3, "write fast", 1, 1, 1, remove[struct{}]},

		{"hdel", -3, "write fast", 1, 1, 1, remove[string]},
		{"hget", 3, "readonly fast", 1, 1, 1, hget},
		{"hgetall", 2, "readonly", 1, 1, 1, hgetall},
		{"hlen", 2, "readonly fast", 1, 1, 1, length[store.Hash]},
		{"hset", -4, "write denyoom fast", 1, 1, 1, hset},

		{"zadd", -4, "write denyoom fast", 1, 1, 1, zadd},
		{"zcard", 2, "readonly fast", 1, 1, 1, length[store.ZSet]},
		{"zpopmin", -2, "write fast", 1, 1, 1, zpopmin},
		{"zrange", -4, "readonly", 1, 1, 1, zrange},
		{"zscore", 3, "readonly fast", 1, 1, 1, zscore},
	} {
		table[row.name] = &row
	}
	return table
}

// find looks a command up by its name in any case.
func (s *Server) find(name []byte) *command {
	var lower [16]byte // longer than any name
	if len(name) > len(lower) || strings.Contains(string(name), "|") {
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

// Error replies: the texts are Redis's, as clients compare them.
const (
	errSyntax    resp.Error = "ERR syntax error"
	errWrongType resp.Error = "WRONGTYPE Operation against a key holding the wrong kind of value"
	errNotInt    resp.Error = "ERR value is not an integer or out of range"
	errNotFloat  resp.Error = "ERR value is not a valid float"
	errNegative  resp.Error = "ERR value is out of range, must be positive"
	errTooLong   resp.Error = "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
)

func errorf(format string, args ...any) resp.Error { return resp.Error(fmt.Sprintf(format, args...)) }

func errArity(cmd *command) resp.Error {
	return errorf("ERR wrong number of arguments for '%s' command", cmd.name)
}

// unknown quotes the name and the beginning of the arguments.
func unknown(args [][]byte) resp.Error {
	var rest []byte
	for _, arg := range args[1:] {
		if len(rest) < 128 {
			rest = fmt.Appendf(rest, "'%s' ", arg[:min(len(arg), 128-len(rest))])
		}
	}
	return errorf("ERR unknown command '%.128s', with args beginning with: %s", args[0], rest)
}

// options are the words after a command's fixed arguments that change what it
// does, each with the values after it.
type options map[string][][]byte

// parseOptions takes the words that a command knows off args, and returns the
// rest. A colon behind a word in known stands for a value that follows it.
func parseOptions(args [][]byte, known ...string) (o options, rest [][]byte) {
next:
	for len(args) > 0 {
		for _, word := range known {
			name := strings.TrimRight(word, ":")
			values := len(word) - len(name)
			if is(args[0], name) && len(args) > values {
				if o == nil {
					o = options{}
				}
				o[name], args = args[1:1+values], args[1+values:]
				continue next
			}
		}
		break
	}
	return o, args
}

// has reports whether the option is there.
func (o options) has(name string) bool { return o[name] != nil }

// several reports whether more than one of the options is there.
func (o options) several(names ...string) bool {
	n := 0
	for _, name := range names {
		if o.has(name) {
			n++
		}
	}
	return n > 1
}

// is reports whether an argument is the word, in any case.
func is(arg []byte, word string) bool {
	return len(arg) == len(word) && strings.EqualFold(string(arg), word)
}

func integer(arg []byte) int {
	n, ok := resp.ParseInt(arg)
	if !ok {
		panic(errNotInt)
	}
	return n
}

// find returns the item of key and its value of type *T. If there is no such
// key the item is nil, and the value an empty one that belongs to no key.
func find[T any](c *conn, key []byte) (*store.Item, *T) {
	item := c.db.Find(key)
	if item == nil {
		return nil, new(T)
	}
	value, ok := any(item.Obj).(*T)
	if !ok {
		panic(errWrongType)
	}
	return item, value
}

// collection is a pointer to a T with a length.
type collection[T any] interface {
	*T
	store.Collection
}

// findOrAdd is find, and makes a key with an empty value if there is none.
func findOrAdd[T any, P collection[T]](c *conn, key []byte) P {
	item, value := find[T](c, key)
	if item == nil {
		c.db.Add(key).Obj = P(value)
	}
	return value
}

// length is LLEN, SCARD, HLEN and ZCARD.
func length[T any, P collection[T]](c *conn, args [][]byte) any {
	_, value := find[T](c, args[1])
	return P(value).Len()
}
